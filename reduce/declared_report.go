package reduce

import (
	"cmp"
	"slices"

	"ratadns/report"
)

func (d *declared) Report(r *report.Report) {
	r.Window.Keyless += d.keyless
	if d.measure.sketched() {
		d.reportSketched(r)
		return
	}
	over := false
	if d.table != nil {
		over = d.table.over
		r.Window.Error = max(r.Window.Error, d.table.error)
		r.Window.Skipped += d.table.left
	}
	if names, ok := d.byName(); ok {
		d.reportNames(r, names)
		return
	}
	rows := d.ranked()
	r.Shape = d.shape()
	w := tableWriter{d: d, seconds: r.Window.Seconds()}
	w.dst = d.written[:0]
	switch {
	case d.asTop:
		kept := rows[:shownRows(rows, d.params.Top, d.params.Ties)]
		w.pairs(kept)
		over = over || len(kept) < len(rows)
	default:
		kept := rows[:shownRows(rows, 0, false)]
		w.top, w.zeros = d.params.Top, true
		w.table(kept, rows[len(kept):])
		over = over || w.cut
	}
	data := len(w.dst)
	// A rate over no time says nothing, but its counts still add up.
	if over || d.measure == Rate && w.seconds == 0 {
		kept := rows[:stateRows(rows, len(d.by))]
		w.top, w.zeros, w.counts = 0, false, true
		w.table(kept, rows[len(kept):])
		r.State = w.dst[data:]
	}
	r.Data, d.written = w.dst[:data:data], w.dst
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

// shownRows is how many of the ranked rows are shown: top of them, more where
// ties are kept, all where top is 0, and never more than fit a report.
func shownRows(rows []reportRow, top int, ties bool) int {
	n := len(rows)
	if top > 0 && top < n {
		n = top
		for ties && n < len(rows) && rows[n].n == rows[top-1].n {
			n++
		}
	}
	size := 0
	for i := range rows[:n] {
		// An octet of a key takes at most six in JSON; most take one.
		if size += len(rows[i].keys[0]) + len(rows[i].keys[1]) + len(rows[i].keys[2]) + 32; size > maxData/2 {
			return i
		}
	}
	return n
}

// stateRows is how many of the ranked rows a state may have, with what it has to
// tell of those left out.
func stateRows(rows []reportRow, dims int) int {
	if dims <= 1 && len(rows) <= report.MaxState {
		return len(rows)
	}
	parents := make(map[[2]string]bool)
	for i := range rows {
		if dims > 1 {
			parents[[2]string{rows[i].keys[0], rows[i].keys[dims-2]}] = true
		}
		// Each parent has two keys of what it leaves out and may be a key itself.
		if i+1+(dims+1)*len(parents)+2 > report.MaxState {
			return i
		}
	}
	return len(rows)
}

// A tableWriter writes rows as nested objects, keys ascending.
type tableWriter struct {
	d       *declared
	dst     []byte
	seconds float64
	top     int  // rows of one parent, or 0
	zeros   bool // closed sets list theirs
	counts  bool // of a rate
	cut     bool // something was left out
	state   bool // sketches rather than what they say
}

func (w *tableWriter) number(n uint64) {
	if w.d.measure == Rate && !w.counts {
		// Over no time there is no rate: 0/0 and n/0 are written as null.
		w.dst = report.AppendNumber(w.dst, float64(n)/w.seconds)
		return
	}
	w.dst = report.AppendCount(w.dst, n)
}

// value appends the number or the sketch of m.
func (w *tableWriter) value(m *member) {
	switch {
	case m.sketch == nil:
		w.number(m.n)
	case w.state:
		w.dst = report.AppendSketch(w.dst, m.sketch)
	default:
		w.dst = m.sketch.AppendData(w.dst)
	}
}

// pairs appends rows as [["key",5],…].
func (w *tableWriter) pairs(rows []reportRow) {
	w.dst = append(w.dst, '[')
	for i := range rows {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = report.AppendString(append(w.dst, '['), rows[i].keys[0])
		w.dst = append(w.dst, ',')
		w.number(rows[i].n)
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, ']')
}

// table appends ranked rows, of which left are to be told only.
func (w *tableWriter) table(rows, left []reportRow) {
	switch {
	case len(w.d.by) > 0:
		w.level(rows, left, 0)
	case w.d.measure == Rate:
		w.dst = append(w.dst, `{"rate":`...)
		w.number(total(rows))
		w.dst = append(w.dst, '}')
	case len(rows) == 0 && w.d.measure >= Min:
		w.dst = append(w.dst, "null"...)
	default:
		w.number(total(rows))
	}
}

func total(rows []reportRow) (sum uint64) {
	for i := range rows {
		sum += rows[i].n
	}
	return sum
}

// A member is a key of an object with its number or with the object below it.
type member struct {
	key        string
	n          uint64
	rows, left []reportRow // below it
	sketch     report.Sketch
}

// level appends ranked rows, which have the keys above that level in common, as
// an object, and tells of those left out of them.
func (w *tableWriter) level(rows, left []reportRow, depth int) {
	var members []member
	keys, sum := uint64(0), uint64(0) // left out of this object
	if depth == len(w.d.by)-1 {
		n := len(rows)
		if w.top > 0 && len(rows) > w.top {
			n = shownRows(rows, w.top, w.d.params.Ties)
		}
		for i := range rows[:n] {
			members = append(members, member{key: rows[i].keys[depth], n: rows[i].n, sketch: rows[i].sketch})
		}
		if w.zeros && w.d.measure.added() {
			members = w.d.by[depth].addZeros(members, w.d.largest, &w.d.style)
		}
		keys, sum = uint64(len(rows)-n+len(left)), total(rows[n:])+total(left)
	} else {
		members, keys, sum = w.group(rows, left, depth)
	}
	if keys > 0 {
		w.cut = true
		if w.d.measure.added() || w.d.measure.sketched() {
			members = append(members, member{key: report.SkippedKey, n: keys})
		}
		if w.d.measure.added() {
			members = append(members, member{key: report.SkippedSumKey, n: sum})
		}
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.key, b.key) })
	w.dst = append(w.dst, '{')
	for i := range members {
		m := &members[i]
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = append(report.AppendString(w.dst, m.key), ':')
		if m.rows != nil {
			w.level(m.rows, m.left, depth+1)
		} else {
			w.value(m)
		}
	}
	w.dst = append(w.dst, '}')
}

// group divides rows by their keys of that level. Those left out whose key has no
// row are told together: how many such keys there are, whatever is below them.
func (w *tableWriter) group(rows, left []reportRow, depth int) (members []member, keys, sum uint64) {
	places, absent := make(map[string]int), make(map[string]bool)
	for _, r := range rows {
		key := r.keys[depth]
		i, ok := places[key]
		if !ok {
			i = len(members)
			places[key] = i
			members = append(members, member{key: key})
		}
		members[i].rows = append(members[i].rows, r)
	}
	for _, r := range left {
		if i, ok := places[r.keys[depth]]; ok {
			members[i].left = append(members[i].left, r)
		} else {
			absent[r.keys[depth]] = true
			sum += r.n
		}
	}
	return members, uint64(len(absent)), sum
}

// addZeros adds the keys of a closed set that have no row: all words, or the bins
// up to the largest seen.
func (f *Field) addZeros(members []member, largest uint32, s *Style) []member {
	if !f.zeros {
		return members
	}
	seen := make(map[string]bool, len(members))
	for i := range members {
		seen[members[i].key] = true
	}
	add := func(key string) {
		if key != "" && !seen[key] {
			members = append(members, member{key: key})
		}
	}
	switch {
	case f.Kind == Flag:
		add("clr")
		add("set")
	case f.Kind == Choice:
		for _, word := range f.words {
			add(word)
		}
	case f.bin > 0:
		for n := range largest {
			add(string(f.appendNumber(nil, n, s)))
		}
	}
	return members
}
