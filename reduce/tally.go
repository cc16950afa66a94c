package reduce

import (
	"math/bits"

	"ratadns/report"
)

// A tally is what declared reducers of a window that count the same have in
// common: the keys, what is measured at each, and their order for reports.
type tally struct {
	names   *interner
	by      []dim
	measure Measure
	max     int // keys counted exactly
	keyless uint64
	keys    []key // of the batch that is added
	// By one number, or a name and a word, where that does; else, or where keys are
	// too many for it, a table.
	counts *counts
	table  *table
	unused *table // of a window before
	// sketches are those of the table's rows, and empty ones.
	sketches []report.Sketch
	// Names that the only sketch has, a bit each, since so many sweeps.
	once   []uint64
	sweeps int
	*desk
	// Where several reducers share the tally, the desk is their own.
	shared  bool
	inOrder bool   // its rows are those of the window
	text    []byte // all of them as a table, when they have been written
}

// A desk is where reports are made. Those of a window have one, so that what one
// of them needs is still near the processor for the next.
type desk struct {
	rankings    [maxDims]keyOrder
	rows, spare []rankedRow
	there       numbering
	starts      []int32
	places      []int32
	scores      []uint64
	moreScores  []uint64
	written     []byte // data and state
}

// newTally returns an empty one of a window that counts up to max keys exactly.
func (w *Window) newTally(by []dim, measure Measure, max int) *tally {
	names := w.names
	t := &tally{names: names, by: by, measure: measure, max: max, desk: &w.desk}
	if len(by) == 1 && measure.added() {
		switch f := by[0].Field; {
		case f.small:
			t.max = smallNumbers + 1 // and absentValue
			t.counts = &counts{max: t.max}
			return t
		case f.Kind.octets():
			t.counts = &counts{names: names, max: max}
			return t
		}
	}
	t.table = t.newTable()
	return t
}

// newWordTally returns one that adds up what several words say of a name.
func (w *Window) newWordTally(name dim, words []string, wordFirst bool, max int) *tally {
	by := []dim{name, {Field: &Field{Kind: Choice, words: words}, slot: none, derived: none}}
	if wordFirst {
		by[0], by[1] = by[1], by[0]
	}
	return &tally{
		names: w.names, by: by, measure: Sum, max: max, desk: &w.desk,
		counts: &counts{names: w.names, max: max, wordBits: uint8(bits.Len(uint(len(words) - 1))), wordFirst: wordFirst},
	}
}

func (t *tally) newTable() *table {
	if t.unused != nil {
		return t.unused
	}
	fields := make([]*Field, len(t.by))
	for i := range t.by {
		fields[i] = t.by[i].Field
	}
	return newTable(t.names, fields, t.max)
}

// toTable makes a table of the counts, if it is none.
func (t *tally) toTable() *table {
	if t.table == nil {
		t.table = t.newTable()
		t.counts.moveTo(t.table)
	}
	return t.table
}

// add adds n at k.
func (t *tally) add(k *key, n uint64) {
	if t.table == nil {
		if t.counts.add(k[0], n) {
			return
		}
		t.toTable()
	}
	t.table.add(k, n)
}

// addWord adds n at a name and a word.
func (t *tally) addWord(name, word uint32, n uint64) {
	if t.table == nil && t.counts.add(t.counts.place(name, word), n) {
		return
	}
	k := t.counts.key(t.counts.place(name, word))
	t.toTable().add(&k, n)
}

// put measures n at k.
func (t *tally) put(k *key, n uint64) {
	if t.measure.added() {
		t.add(k, n)
		return
	}
	_, known := t.table.index.get(k, t.table.rows)
	r := t.table.row(k)
	switch {
	case r == nil:
		t.table.left++
	case !known, t.measure == Min && n < r.n, t.measure == Max && n > r.n:
		r.n = n
	}
}

// share makes t that of another reducer too.
func (t *tally) share() {
	if !t.shared {
		t.shared, t.desk = true, new(desk)
	}
}

// tallied is a reducer with a tally.
type tallied interface{ tallies() *tally }

func (t *tally) tallies() *tally { return t }

func (t *tally) merge(o *tally) {
	t.inOrder = false
	t.keyless += o.keyless
	switch {
	case t.measure.sketched():
		t.mergeSketched(o)
	case t.measure.added():
		if t.table == nil && o.table == nil {
			if t.counts.merge(o.counts); len(t.counts.seen) <= t.counts.max {
				return
			}
			t.toTable().settle()
			return
		}
		t.toTable().merge(o.toTable())
	default:
		t.table.left += o.table.left
		for _, r := range o.table.rows {
			k := t.table.translate(r.key, o.table)
			t.put(&k, r.n)
		}
	}
}

func (t *tally) reset() {
	t.inOrder = false
	t.keyless = 0
	switch {
	case t.measure.sketched():
		t.resetSketched()
	case t.counts != nil:
		t.counts.clear()
		if t.table != nil {
			t.table.reset()
			t.table, t.unused = nil, t.table
		}
	default:
		t.table.reset()
	}
}

// each calls f for each key with what is measured there and its place in the
// table.
func (t *tally) each(f func(k key, n uint64, place int)) {
	if t.table == nil {
		t.counts.each(func(k key, n uint64) { f(k, n, 0) })
		return
	}
	for i := range t.table.rows {
		f(t.table.rows[i].key, t.table.rows[i].n, i)
	}
}

// appendRows appends each key with what is measured there.
func (t *tally) appendRows(rows []rankedRow) []rankedRow {
	if t.table == nil {
		for _, place := range t.counts.seen {
			rows = append(rows, rankedRow{keys: t.counts.key(place), n: *t.counts.at(place) - 1})
		}
		return rows
	}
	for i := range t.table.rows {
		r := &t.table.rows[i]
		rows = append(rows, rankedRow{keys: r.key, place: int32(i), n: r.n})
	}
	return rows
}
