package reduce

import (
	"cmp"
	"container/heap"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"ratadns/report"
)

// A Row is a key, for people: codes by their mnemonics, addresses as text, with
// what is measured there.
type Row struct {
	Keys []string // one for each dimension
	N    uint64   // for [Rate] the count that is to be divided, for [Quantiles] that of numbers
	// Quantiles are those of [report.Levels], where that is the measure.
	Quantiles []uint64
}

// Rows are the rows of a reducer that counts or measures by key: by what is
// measured descending, of minima ascending, then by key ascending.
type Rows struct {
	By      []string // dimensions
	Measure Measure
	OfField string // what is measured, or empty
	Rows    []Row
	Sum     uint64 // of all, those not among Rows too, where it means something
	// What is not among Rows: keys, the sum of their measures, values for whose
	// keys there was no room, messages that have no key, and queries that could
	// not be matched for want of room.
	Keys, Left, Unplaced, Keyless, Untracked uint64
	// Sketch says that the keys were too many to be counted exactly: no count is
	// too low, and none too high by more than Error.
	Sketch bool
	Error  uint64
}

// HasRows reports whether the reducer at that place of the list has rows; others
// have a report only.
func (w *Window) HasRows(i int) bool {
	_, ok := w.reducers[i].(*declared) // others may have one, of which they make something else
	return ok
}

// Rows returns the top rows of the reducer at that place, all where top is 0. It
// has rows.
func (w *Window) Rows(i, top int) Rows {
	d := w.reducers[i].(*declared)
	own := d.style
	d.style = Style{Mnemonics: true, Plain: true}
	defer func() { d.style = own }()
	r := Rows{Measure: d.measure, Keyless: d.keyless}
	if w.group.uses[i].Entry.Of&Overdue != 0 {
		r.Untracked = w.untracked
	}
	for _, dim := range d.by {
		r.By = append(r.By, dim.Name)
	}
	if d.measure.OfField() {
		r.OfField = d.of.Name
	}
	if d.table != nil {
		r.Sketch, r.Error, r.Unplaced = d.table.over, d.table.error, d.table.left
	}
	var all uint64
	best := bestRows{least: d.measure == Min, top: top}
	d.each(func(k key, n uint64, place int) {
		row := textRow{n: n}
		if d.measure.sketched() {
			row.sketch = d.sketches[place]
			row.n = row.sketch.Rank()
		}
		all, r.Sum = all+1, r.Sum+row.n
		if best.mayTake(row.n) { // of very many, few are worth their text
			row.keys = d.texts(&k)
			best.take(row)
		}
	})
	if len(d.by) == 0 && all == 0 && (d.measure.added() || d.measure == Distinct) {
		all = 1 // nothing is a number too
		best.take(textRow{})
	}
	rows := best.inOrder()
	r.Rows, r.Left, r.Keys = make([]Row, len(rows)), r.Sum, all-uint64(len(rows))
	keys := make([]string, len(rows)*len(r.By))
	for i := range rows {
		k := keys[i*len(r.By) : (i+1)*len(r.By) : (i+1)*len(r.By)]
		copy(k, rows[i].keys[:])
		r.Rows[i] = Row{Keys: k, N: rows[i].n, Quantiles: quantiles(rows[i].sketch)}
		r.Left -= rows[i].n
	}
	return r
}

// A textRow is a row with the texts of its keys.
type textRow struct {
	keys   [maxDims]string
	n      uint64
	sketch report.Sketch // in place of n, which ranks it
}

// texts are the keys of a row.
func (d *declared) texts(k *key) (texts [maxDims]string) {
	for i, dim := range d.by {
		switch {
		case k[i] == absentValue:
			texts[i] = dim.absent
		case dim.Kind.octets():
			// The window's octets are used again.
			if texts[i] = strings.Clone(d.names.texts[k[i]]); dim.Kind >= Address && d.style.Plain {
				texts[i] = plainAddr(texts[i])
			}
		default:
			texts[i] = string(dim.appendNumber(nil, k[i], &d.style))
		}
	}
	return texts
}

// plainAddr is an address or subnet that has been written as a key, for people.
func plainAddr(text string) string {
	digits, bits, subnet := strings.Cut(text, "/")
	b, _ := hex.DecodeString(digits) // it was written here
	a, _ := netip.AddrFromSlice(b)
	if subnet {
		return a.String() + "/" + bits
	}
	return a.String()
}

// quantiles are those of a sketch that has any.
func quantiles(s report.Sketch) (list []uint64) {
	if d, ok := s.(*report.Distribution); ok {
		for _, l := range report.Levels {
			list = append(list, d.Quantile(l.Mille))
		}
	}
	return list
}

// bestRows keeps the top rows of those that it is given, all where top is 0: the
// greatest, or the least.
type bestRows struct {
	least bool
	top   int
	rows  []textRow // a heap with the last one first, when there are top
}

// mayTake reports whether a row that measures n may be among the top. That needs
// no text but where it ties with the last one.
func (b *bestRows) mayTake(n uint64) bool {
	return !b.full() || n == b.rows[0].n || (n < b.rows[0].n) == b.least
}

func (b *bestRows) full() bool { return b.top > 0 && len(b.rows) == b.top }

func (b *bestRows) take(row textRow) {
	if !b.full() {
		if b.rows = append(b.rows, row); b.full() {
			heap.Init(b)
		}
	} else if b.compare(&row, &b.rows[0]) < 0 {
		b.rows[0] = row
		heap.Fix(b, 0)
	}
}

// inOrder returns them, the first one first, and is of no use any more.
func (b *bestRows) inOrder() []textRow {
	slices.SortFunc(b.rows, func(x, y textRow) int { return b.compare(&x, &y) })
	return b.rows
}

func (b *bestRows) compare(x, y *textRow) int {
	c := cmp.Compare(y.n, x.n)
	if b.least {
		c = -c
	}
	return cmp.Or(c, slices.Compare(x.keys[:], y.keys[:]))
}

func (b *bestRows) Len() int           { return len(b.rows) }
func (b *bestRows) Less(i, j int) bool { return b.compare(&b.rows[i], &b.rows[j]) > 0 }
func (b *bestRows) Swap(i, j int)      { b.rows[i], b.rows[j] = b.rows[j], b.rows[i] }

// Push and Pop are not used: the heap keeps its size.
func (b *bestRows) Push(any) {}

// Pop implements [heap.Interface].
func (b *bestRows) Pop() any { return nil }
