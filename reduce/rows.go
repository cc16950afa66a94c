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
	style := Style{Mnemonics: true, Plain: true}
	r, all := w.reducers[i].(*declared).tabulate(style)
	if w.group.uses[i].Entry.Of&Overdue != 0 {
		r.Untracked = w.untracked
	}
	for i := range all {
		r.Sum += all[i].n
	}
	left := len(all)
	all = best(all, top, r.Measure)
	r.Rows, r.Left = make([]Row, len(all)), r.Sum
	keys := make([]string, len(all)*len(r.By))
	for i := range all {
		k := keys[i*len(r.By) : (i+1)*len(r.By) : (i+1)*len(r.By)]
		copy(k, all[i].keys[:])
		r.Rows[i] = Row{Keys: k, N: all[i].n, Quantiles: quantiles(all[i].sketch)}
		r.Left -= all[i].n
	}
	r.Keys = uint64(left - len(all))
	return r
}

// A textRow is a row with the texts of its keys.
type textRow struct {
	keys   [maxDims]string
	n      uint64
	sketch report.Sketch // in place of n, which ranks it
}

// tabulate returns what Rows has but for Rows, Sum, Keys and Left, and all rows in
// no order.
func (d *declared) tabulate(style Style) (r Rows, all []textRow) {
	own := d.style
	d.style = style
	defer func() { d.style = own }()
	r.Measure, r.Keyless = d.measure, d.keyless
	for _, dim := range d.by {
		r.By = append(r.By, dim.Name)
	}
	if d.measure.OfField() {
		r.OfField = d.of.Name
	}
	if d.table != nil {
		r.Sketch, r.Error, r.Unplaced = d.table.over, d.table.error, d.table.left
	}
	d.each(func(k key, n uint64, place int) {
		row := textRow{keys: d.texts(&k), n: n}
		if d.measure.sketched() {
			row.sketch = d.sketches[place]
			row.n = row.sketch.Rank()
		}
		all = append(all, row)
	})
	if len(d.by) == 0 && len(all) == 0 && (d.measure.added() || d.measure == Distinct) {
		all = append(all, textRow{}) // nothing is a number too
	}
	return r, all
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

// rowOrder is the order of the rows of a measure.
type rowOrder bool // the least first

func (least rowOrder) compare(a, b *textRow) int {
	c := cmp.Compare(b.n, a.n)
	if least {
		c = -c
	}
	return cmp.Or(c, slices.Compare(a.keys[:], b.keys[:]))
}

// best returns the top rows of all in order, all of them where top is 0. It
// moves them about in rows.
func best(rows []textRow, top int, m Measure) []textRow {
	order := rowOrder(m == Min)
	if top > 0 && top < len(rows) {
		// A few of very many are found by a heap of those, the last one first.
		h := &bestRows{order, rows[:top]}
		heap.Init(h)
		for i := top; i < len(rows); i++ {
			if order.compare(&rows[i], &rows[0]) < 0 {
				rows[0], rows[i] = rows[i], rows[0]
				heap.Fix(h, 0)
			}
		}
		rows = rows[:top]
	}
	slices.SortFunc(rows, func(a, b textRow) int { return order.compare(&a, &b) })
	return rows
}

type bestRows struct {
	rowOrder
	rows []textRow
}

func (h *bestRows) Len() int           { return len(h.rows) }
func (h *bestRows) Less(i, j int) bool { return h.compare(&h.rows[i], &h.rows[j]) > 0 }
func (h *bestRows) Swap(i, j int)      { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }

// Push and Pop are not used: the heap keeps its size.
func (h *bestRows) Push(any) {}

// Pop implements [heap.Interface].
func (h *bestRows) Pop() any { return nil }
