package reduce

import (
	"cmp"
	"slices"
	"strings"

	"ratadns/report"
)

// Tables by one name are the commonest, and many names are new in each window,
// so that sorting them for the reports of several tables took more than counting
// them. Here they are sorted once for a window, and each table goes through them
// in that order.

// sorted are the numbers of the names that are held, by their octets.
func (in *interner) sorted() []uint32 {
	if in.ordered == in.added && len(in.order) > 0 {
		return in.order
	}
	in.order, in.ordered = in.order[:0], in.added
	for id, refs := range in.refs {
		if refs > 0 {
			in.order = append(in.order, uint32(id))
		}
	}
	slices.SortFunc(in.order, func(a, b uint32) int { return strings.Compare(in.texts[a], in.texts[b]) })
	return in.order
}

// A nameCount is a row of a table by one name.
type nameCount struct {
	id uint32
	n  uint64
}

// byName are the rows in the order of their names. It reports false where the
// table is not by one name alone, or too large to be shown whole.
func (d *declared) byName() ([]nameCount, bool) {
	if len(d.by) != 1 || d.table == nil || !d.by[0].Kind.octets() || d.by[0].Kind >= Address || !d.measure.added() || d.measure == Rate {
		return nil, false
	}
	t := d.table
	d.counts = d.counts[:0]
	size := 0
	for _, id := range t.names.sorted() {
		if i, ok := t.index.get(&key{id}); ok {
			d.counts = append(d.counts, nameCount{id, t.rows[i].n})
			// As in shownRows: an octet of a key takes at most six in JSON.
			size += len(t.names.texts[id]) + 32
		}
	}
	return d.counts, len(d.counts) == len(t.rows) && size <= maxData/2
}

// reportNames is Report of those rows.
func (d *declared) reportNames(r *report.Report, rows []nameCount) {
	r.Shape = d.shape()
	dst := d.written[:0]
	cut := d.table.over
	switch top := d.params.Top; {
	case d.asTop:
		kept := d.bestNames(rows, top, d.params.Ties)
		slices.SortStableFunc(kept, func(a, b nameCount) int { return cmp.Compare(b.n, a.n) })
		dst = append(dst, '[')
		for i, c := range kept {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = report.AppendString(append(dst, '['), d.table.names.texts[c.id])
			dst = append(report.AppendCount(append(dst, ','), c.n), ']')
		}
		dst = append(dst, ']')
		cut = cut || len(kept) < len(rows)
	case top > 0 && top < len(rows):
		kept := d.bestNames(rows, top, d.params.Ties)
		dst = d.appendNames(dst, kept, rows)
		cut = cut || len(kept) < len(rows)
	default:
		dst = d.appendNames(dst, rows, rows)
	}
	data := len(dst)
	if cut {
		most := len(rows)
		if most > report.MaxState {
			most = report.MaxState - 2 // two tell what is left out
		}
		dst = d.appendNames(dst, d.bestNames(rows, most, false), rows)
		r.State = dst[data:]
	}
	r.Data, d.written = dst[:data:data], dst
}

// bestNames are the top rows, with those that tie with the last one where that is
// wanted; they stay in the order of their names.
func (d *declared) bestNames(rows []nameCount, top int, ties bool) []nameCount {
	if top <= 0 || top >= len(rows) {
		return rows
	}
	d.ns = d.ns[:0]
	for _, c := range rows {
		d.ns = append(d.ns, c.n)
	}
	slices.Sort(d.ns)
	least := d.ns[len(d.ns)-top]
	// Of those with the least count the first by name are taken.
	room := top
	for _, n := range d.ns {
		if n > least {
			room--
		}
	}
	kept := d.kept[:0]
	for _, c := range rows {
		switch {
		case c.n > least:
			kept = append(kept, c)
		case c.n == least && (room > 0 || ties):
			kept = append(kept, c)
			room--
		}
	}
	d.kept = kept
	return kept
}

// appendNames appends the rows that are kept as an object, keys ascending, and
// tells what was left out of all.
func (d *declared) appendNames(dst []byte, kept, all []nameCount) []byte {
	var left []member
	if len(kept) < len(all) {
		sum := uint64(0)
		for _, c := range all {
			sum += c.n
		}
		for _, c := range kept {
			sum -= c.n
		}
		left = []member{{key: report.SkippedKey, n: uint64(len(all) - len(kept))}, {key: report.SkippedSumKey, n: sum}}
		slices.SortFunc(left, func(a, b member) int { return cmp.Compare(a.key, b.key) })
	}
	start := len(dst)
	dst = append(dst, '{')
	add := func(key string, n uint64) {
		if len(dst) > start+1 {
			dst = append(dst, ',')
		}
		dst = report.AppendCount(append(report.AppendString(dst, key), ':'), n)
	}
	for _, c := range kept {
		text := d.table.names.texts[c.id]
		for len(left) > 0 && left[0].key < text {
			add(left[0].key, left[0].n)
			left = left[1:]
		}
		add(text, c.n)
	}
	for _, m := range left {
		add(m.key, m.n)
	}
	return append(dst, '}')
}
