package reduce

import (
	"slices"

	"ratadns/report"
)

func (d *declared) Report(r *report.Report) {
	r.Window.Keyless += d.keyless
	if d.measure.sketched() {
		d.reportSketched(r)
		return
	}
	over := d.addError(r)
	rows := d.ranked()
	r.Shape = d.shape()
	w := tableWriter{d: d, dst: d.written[:0], seconds: r.Window.Seconds()}
	if d.asTop {
		over = w.pairs(rows) || over
	} else {
		d.leaveLarge(rows)
		w.top = d.params.Top
		w.table(rows)
		over = over || w.cut
	}
	data := len(w.dst)
	// A rate over no time says nothing, but its counts still add up.
	if over || d.measure == Rate && w.seconds == 0 {
		d.leave(rows, d.stateRows(rows))
		w.writeState(rows)
		r.State = w.dst[data:]
	}
	r.Data, d.written = w.dst[:data:data], w.dst
}

// addError adds what a table cannot tell exactly, and reports whether it is a
// sketch.
func (d *declared) addError(r *report.Report) (over bool) {
	if d.table == nil {
		return false
	}
	r.Window.Error = max(r.Window.Error, d.table.error)
	r.Window.Skipped += d.table.left
	return d.table.over
}

// shape is that of the report.
func (d *declared) shape() report.Shape {
	switch {
	case d.measure == Distinct:
		return report.Distinct
	case d.measure == Quantiles:
		return report.Quantiles
	case d.asTop:
		return report.Top
	case d.measure == Rate:
		return report.Rate
	case d.measure == Min:
		return report.Min
	case d.measure == Max:
		return report.Max
	case len(d.by) == 0:
		return report.Count
	}
	return report.TableOf
}

// leave leaves out all but the first n in the order of what is measured.
func (d *declared) leave(rows []rankedRow, n int) {
	for i := range rows {
		rows[i].left = false
	}
	if n == len(rows) {
		return
	}
	if n == 0 {
		d.show(rows, nil)
		return
	}
	c := d.cutoff(rows, n, false)
	for i := range rows {
		rows[i].left = !c.takes(d.score(rows[i].n))
	}
}

// leaveLarge leaves out what does not fit into a report.
func (d *declared) leaveLarge(rows []rankedRow) {
	most := 0 // of one row
	for i := range d.by {
		most += d.rankings[i].longest
	}
	if len(rows)*(most+rowSize) > maxData/2 && d.sizes(rows) > maxData/2 {
		d.leave(rows, d.fitting(rows, d.best(rows)))
	}
}

// rowSize is what a row takes but for its keys.
const rowSize = 32

// sizeOf is what a row takes: an octet of a key takes at most six in JSON, most
// take one.
func (d *declared) sizeOf(r *rankedRow) int {
	n := rowSize
	for i := range d.by {
		n += len(d.rankings[i].text(r.keys[i]))
	}
	return n
}

func (d *declared) sizes(rows []rankedRow) (n int) {
	for i := range rows {
		n += d.sizeOf(&rows[i])
	}
	return n
}

// fitting is how many of the rows at those places fit into a report.
func (d *declared) fitting(rows []rankedRow, places []int32) int {
	size := 0
	for n, i := range places {
		if size += d.sizeOf(&rows[i]); size > maxData/2 {
			return n
		}
	}
	return len(places)
}

// stateRows is how many rows, in the order of what is measured, a state may
// have, with what it has to tell of those left out.
func (d *declared) stateRows(rows []rankedRow) int {
	switch {
	case d.fitsState(rows):
		return len(rows)
	case len(d.by) <= 1:
		return report.MaxState - 2
	}
	return d.stateOf(rows, d.best(rows))
}

// fitsState reports whether a state may have all rows.
func (d *declared) fitsState(rows []rankedRow) bool {
	dims := len(d.by)
	if dims <= 1 {
		return len(rows) <= report.MaxState
	}
	// Each parent has two keys of what it leaves out and may be a key itself.
	keys := 2
	for i := range rows {
		keys++
		if i == 0 || rows[i].parent(dims) != rows[i-1].parent(dims) {
			keys += dims + 1
		}
	}
	return keys <= report.MaxState
}

// stateOf is how many of the rows at those places a state may have.
func (d *declared) stateOf(rows []rankedRow, places []int32) int {
	if len(d.by) <= 1 {
		return min(len(places), report.MaxState-2)
	}
	// Rows of one parent stand together: each has the place of the first.
	first := slices.Grow(d.starts[:0], len(rows))[:len(rows)]
	for i := range rows {
		first[i] = int32(i)
		if i > 0 && rows[i].parent(len(d.by)) == rows[i-1].parent(len(d.by)) {
			first[i] = first[i-1]
		}
	}
	d.starts = first
	parents, seen := 0, make([]bool, len(rows))
	for n, i := range places {
		if !seen[first[i]] {
			seen[first[i]] = true
			parents++
		}
		if n+1+(len(d.by)+1)*parents+2 > report.MaxState {
			return n
		}
	}
	return len(places)
}

// parent has all keys but the last.
func (r *rankedRow) parent(dims int) [2]uint32 { return [2]uint32{r.keys[0], r.keys[dims-2]} }

// A tableWriter writes rows as nested objects, keys ascending.
type tableWriter struct {
	d       *declared
	dst     []byte
	seconds float64
	top     int  // rows of one parent, or 0
	state   bool // what merging needs: no zeros, counts of a rate, sketches
	cut     bool // something was left out
}

func (w *tableWriter) writeState(rows []rankedRow) {
	w.top, w.state = 0, true
	w.table(rows)
}

func (w *tableWriter) number(n uint64) {
	if w.d.measure == Rate && !w.state {
		// Over no time there is no rate: 0/0 and n/0 are written as null.
		w.dst = report.AppendNumber(w.dst, float64(n)/w.seconds)
		return
	}
	w.dst = report.AppendCount(w.dst, n)
}

// value appends the number or the sketch of a row.
func (w *tableWriter) value(r *rankedRow) {
	if !w.d.measure.sketched() {
		w.number(r.n)
		return
	}
	if s := w.d.sketches[r.place]; w.state {
		w.dst = report.AppendSketch(w.dst, s)
	} else {
		w.dst = s.AppendData(w.dst)
	}
}

// pairs appends the top rows as [["key",5],…], and reports whether it leaves any
// out.
func (w *tableWriter) pairs(rows []rankedRow) (cut bool) {
	d := w.d
	c := d.cutoff(rows, d.params.Top, d.params.Ties)
	d.spare = d.spare[:0]
	for i := range rows {
		if c.takes(d.score(rows[i].n)) {
			d.spare = append(d.spare, rows[i])
		}
	}
	places := d.best(d.spare)
	places = places[:d.fitting(d.spare, places)]
	w.dst = append(w.dst, '[')
	for n, i := range places {
		if n > 0 {
			w.dst = append(w.dst, ',')
		}
		r := &d.spare[i]
		w.dst = append(append(w.dst, '['), d.rankings[0].member(r.keys[0])...)
		w.dst[len(w.dst)-1] = ',' // in place of the colon
		w.number(r.n)
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, ']')
	return len(places) < len(rows)
}

// table appends rows in the order of their keys.
func (w *tableWriter) table(rows []rankedRow) {
	if len(w.d.by) > 0 {
		switch {
		case !w.whole(rows):
			w.level(rows, 0)
		case len(w.d.text) > 0:
			w.dst = append(w.dst, w.d.text...)
		default:
			at := len(w.dst)
			w.all(rows)
			if w.d.shared {
				w.d.text = append(w.d.text, w.dst[at:]...)
			}
		}
		return
	}
	sum := uint64(0)
	for i := range rows {
		sum += rows[i].n
	}
	switch {
	case w.d.measure == Rate:
		w.dst = append(w.dst, `{"rate":`...)
		w.number(sum)
		w.dst = append(w.dst, '}')
	case len(rows) == 0 && w.d.measure >= Min:
		w.dst = append(w.dst, "null"...)
	default:
		w.number(sum)
	}
}

// whole reports whether the table is the same for all reducers of the tally, and
// as data and state.
func (w *tableWriter) whole(rows []rankedRow) bool {
	d := w.d
	return d.measure.added() && d.measure != Rate && !d.by[len(d.by)-1].zeros && w.top == 0 &&
		!slices.ContainsFunc(rows, func(r rankedRow) bool { return r.left })
}

// all appends rows, of which none is left out, as nested objects.
func (w *tableWriter) all(rows []rankedRow) {
	d := w.d
	last := len(d.by) - 1
	dst := append(w.dst, '{')
	for i := range rows {
		depth := 0 // of what is not as in the row before
		if i > 0 {
			for depth < last && rows[i].keys[depth] == rows[i-1].keys[depth] {
				depth++
			}
			for range last - depth {
				dst = append(dst, '}')
			}
			dst = append(dst, ',')
		}
		for ; depth < last; depth++ {
			dst = append(append(dst, d.rankings[depth].member(rows[i].keys[depth])...), '{')
		}
		dst = append(dst, d.rankings[last].member(rows[i].keys[last])...)
		dst = report.AppendCount(dst, rows[i].n)
	}
	if len(rows) > 0 {
		for range last {
			dst = append(dst, '}')
		}
	}
	w.dst = append(dst, '}')
}

// level appends rows, which have the keys above that level in common, as an
// object, and tells of those left out of it.
func (w *tableWriter) level(rows []rankedRow, depth int) {
	if depth == len(w.d.by)-1 {
		w.leaves(rows, &w.d.rankings[depth])
		return
	}
	o := object{w: w}
	for first, end := 0, 0; first < len(rows); first = end {
		if end = groupEnd(rows, first, depth); !shows(rows[first:end]) {
			o.leaveOut(rows[first:end])
		}
	}
	o.begin()
	for first, end := 0, 0; first < len(rows); first = end {
		if end = groupEnd(rows, first, depth); shows(rows[first:end]) {
			o.key(&w.d.rankings[depth], rows[first].keys[depth])
			w.level(rows[first:end], depth+1)
		}
	}
	o.end()
}

// groupEnd is where the rows end that have the key of the first one at that level.
func groupEnd(rows []rankedRow, first, depth int) int {
	end := first + 1
	for end < len(rows) && rows[end].keys[depth] == rows[first].keys[depth] {
		end++
	}
	return end
}

// shows reports whether not all rows are left out.
func shows(rows []rankedRow) bool {
	for i := range rows {
		if !rows[i].left {
			return true
		}
	}
	return false
}

// leaves appends the rows of one parent, the top of them.
func (w *tableWriter) leaves(rows []rankedRow, r *keyOrder) {
	d := w.d
	last := len(d.by) - 1
	o := object{w: w}
	cut := d.cutoff(rows, w.top, d.params.Ties)
	first := cut
	for i := range rows {
		if rows[i].left || !first.takes(d.score(rows[i].n)) {
			o.leaveOut(rows[i : i+1])
		}
	}
	o.begin()
	zero := uint32(1) // the rank of the next key that has to be there
	zeros := func(end uint32) {
		for ; zero < end; zero += 2 {
			o.key(r, zero)
			w.number(0)
		}
	}
	closed := d.zeros() && !w.state
	for i := range rows {
		k := rows[i].keys[last]
		if closed {
			zeros(k)
			if k == zero {
				zero += 2
			}
		}
		if !rows[i].left && cut.takes(d.score(rows[i].n)) {
			o.key(r, k)
			w.value(&rows[i])
		}
	}
	if closed {
		zeros(uint32(2*len(r.numbers) + 1))
	}
	o.end()
}

// An object is one that a tableWriter writes, with what is left out of it.
type object struct {
	w         *tableWriter
	keys, sum uint64 // left out
	told      int    // members that tell it
	first     int    // where the first member begins
}

// leaveOut leaves a key out, with all rows below it.
func (o *object) leaveOut(rows []rankedRow) {
	o.keys++
	for i := range rows {
		o.sum += rows[i].n
	}
}

func (o *object) begin() {
	o.w.dst = append(o.w.dst, '{')
	o.first = len(o.w.dst)
	if o.keys > 0 {
		o.w.cut = true
	} else {
		o.told = len(leftKeys) // there is nothing to tell
	}
}

// leftKeys are the members that tell what was left out, in order: of what does
// not add up the first one only, and of the least and the greatest none.
var leftKeys = [...]string{report.SkippedKey, report.SkippedSumKey}

// key appends the key of the next member, after those that tell what is left out
// if they stand before it.
func (o *object) key(r *keyOrder, rank uint32) {
	for o.told < len(leftKeys) && leftKeys[o.told] < r.text(rank) {
		o.tell()
	}
	o.next()
	o.w.dst = append(o.w.dst, r.member(rank)...)
}

// next appends what stands before a member.
func (o *object) next() {
	if len(o.w.dst) > o.first {
		o.w.dst = append(o.w.dst, ',')
	}
}

func (o *object) member(text string) {
	o.next()
	o.w.dst = append(report.AppendString(o.w.dst, text), ':')
}

// tell appends the next of leftKeys.
func (o *object) tell() {
	m := o.w.d.measure
	switch key := leftKeys[o.told]; {
	case key == report.SkippedKey && (m.added() || m.sketched()):
		o.member(key)
		o.w.dst = report.AppendCount(o.w.dst, o.keys)
	case key == report.SkippedSumKey && m.added():
		o.member(key)
		o.w.number(o.sum)
	}
	o.told++
}

func (o *object) end() {
	for o.told < len(leftKeys) {
		o.tell()
	}
	o.w.dst = append(o.w.dst, '}')
}
