package reduce

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// Keys of a report are in the order of their texts, and many texts are new in
// each window: to sort the rows of several tables by them took more than to count
// them. So each text is given its place among all of its dimension, names once
// for a window, and rows are sorted by those numbers.

// A keyOrder is the order of the keys of one dimension of a table. A rank is one
// more than twice the place of its text; that of the key of events without a
// value stands between those of its neighbours.
type keyOrder struct {
	names      *interner // of octets; numbers have their own texts
	numbers    []uint32  // ascending
	ranks      []uint32  // of numbers
	texts      []string  // of numbers, in their order
	absent     string
	absentRank uint32
	scratch    []byte
	order      []uint32 // places of numbers, by their texts
}

// firstOctets are eight of them, whose order is that of the texts they begin;
// where a text has fewer, zeros follow.
func firstOctets(text string) (octets uint64) {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64([]byte(text[:8]))
	}
	for i := range len(text) {
		octets |= uint64(text[i]) << (56 - 8*i)
	}
	return octets
}

// sorted are the numbers of the names that are held, in the order of their texts;
// ranks has the rank of each.
func (in *interner) sorted() []uint32 {
	if in.ordered == in.added && len(in.order) > 0 {
		return in.order
	}
	in.order, in.ordered, in.begun = in.order[:0], in.added, in.begun[:0]
	// By what they begin with, of which there is as much as the number leaves
	// room for, and the few that begin alike by all. Numbers are sorted quickly.
	room := uint64(1)<<bits.Len(uint(len(in.texts))) - 1
	for id, refs := range in.refs {
		if refs > 0 {
			in.begun = append(in.begun, firstOctets(in.texts[id])&^room|uint64(id))
		}
	}
	slices.Sort(in.begun)
	for start, i := 0, 0; i < len(in.begun); i++ {
		in.order = append(in.order, uint32(in.begun[i]&room))
		if i+1 == len(in.begun) || (in.begun[i]^in.begun[i+1])&^room != 0 {
			if alike := in.order[start:]; len(alike) > 1 {
				slices.SortFunc(alike, func(a, b uint32) int { return strings.Compare(in.texts[a], in.texts[b]) })
			}
			start = i + 1
		}
	}
	in.ranks = slices.Grow(in.ranks[:0], len(in.texts))[:len(in.texts)]
	for place, id := range in.order {
		in.ranks[id] = uint32(2*place + 1)
	}
	return in.order
}

// rankNames ranks the keys of octets.
func (r *keyOrder) rankNames(names *interner, absent string) {
	r.names = names
	order := names.sorted()
	r.setAbsent(absent, len(order), func(i int) string { return names.texts[order[i]] })
}

// rankNumbers ranks numbers, which it sorts.
func (r *keyOrder) rankNumbers(numbers []uint32, f *Field, style *Style) {
	slices.Sort(numbers)
	r.numbers = slices.Compact(numbers)
	n := len(r.numbers)
	r.scratch = r.scratch[:0]
	ends := make([]int, n)
	for i, v := range r.numbers {
		r.scratch = f.appendNumber(r.scratch, v, style)
		ends[i] = len(r.scratch)
	}
	all, start := string(r.scratch), 0
	texts := make([]string, n)
	r.order = slices.Grow(r.order[:0], n)[:n]
	for i, end := range ends {
		texts[i], r.order[i], start = all[start:end], uint32(i), end
	}
	slices.SortFunc(r.order, func(a, b uint32) int { return strings.Compare(texts[a], texts[b]) })
	r.texts = slices.Grow(r.texts[:0], n)[:n]
	r.ranks = slices.Grow(r.ranks[:0], n)[:n]
	for place, i := range r.order {
		r.texts[place], r.ranks[i] = texts[i], uint32(2*place+1)
	}
	r.setAbsent(f.absent, n, func(i int) string { return r.texts[i] })
}

// setAbsent ranks the key of events without a value among n texts.
func (r *keyOrder) setAbsent(text string, n int, at func(int) string) {
	r.absent = text
	r.absentRank = uint32(2 * sort.Search(n, func(i int) bool { return at(i) >= text }))
}

// rank is that of a key.
func (r *keyOrder) rank(k uint32) uint32 {
	switch {
	case k == absentValue:
		return r.absentRank
	case r.names != nil:
		return r.names.ranks[k]
	}
	i, _ := slices.BinarySearch(r.numbers, k)
	return r.ranks[i]
}

// text is the key of that rank.
func (r *keyOrder) text(rank uint32) string {
	switch {
	case rank&1 == 0:
		return r.absent
	case r.names != nil:
		return r.names.texts[r.names.order[rank/2]]
	}
	return r.texts[rank/2]
}

// limit is more than any rank.
func (r *keyOrder) limit() int {
	if r.names != nil {
		return 2*len(r.names.order) + 2
	}
	return 2*len(r.numbers) + 2
}

// A rankedRow is a row of a table for a report.
type rankedRow struct {
	keys  [maxDims]uint32 // their ranks
	place int32           // in the table
	n     uint64
	left  bool // it is not shown, but counted among what is left out
}

// ranked are the rows in the order of their keys.
func (d *declared) ranked() []rankedRow {
	if d.inOrder { // for another reducer
		for i := range d.rows {
			d.rows[i].left = false
		}
		return d.rows
	}
	d.inOrder, d.text = true, nil
	d.rows, d.spare = d.rows[:0], d.spare[:0]
	if d.table == nil && d.counts.names != nil && fewNames*len(d.counts.seen) > d.names.len() {
		d.rankCounts()
		return d.rows
	}
	d.each(func(k key, n uint64, place int) {
		d.rows = append(d.rows, rankedRow{keys: k, place: int32(place), n: n})
	})
	for i := range d.by {
		d.rankDim(i)
	}
	d.sortRows()
	return d.rows
}

// fewNames is how many names there may be for a row so that to go through all in
// their order takes less than to sort the rows.
const fewNames = 3

// rankCounts makes rows of counts by name, in the order of the names.
func (d *declared) rankCounts() {
	r := &d.rankings[0]
	r.rankNames(d.names, d.by[0].absent)
	pages := d.counts.pages
	for place, v := range r.names.order {
		if p := int(v >> 8); p < len(pages) && pages[p] != nil && pages[p][v&255] > 0 {
			d.rows = append(d.rows, rankedRow{keys: [maxDims]uint32{uint32(2*place + 1)}, n: pages[p][v&255] - 1})
		}
	}
	if n := d.counts.other; n > 0 {
		at, _ := slices.BinarySearchFunc(d.rows, r.absentRank, func(row rankedRow, rank uint32) int { return cmp.Compare(row.keys[0], rank) })
		d.rows = slices.Insert(d.rows, at, rankedRow{keys: [maxDims]uint32{r.absentRank}, n: n - 1})
	}
}

// rankDim puts ranks in place of the keys of a dimension. The last one's closed
// set has ranks also for the keys that no row has.
func (d *declared) rankDim(i int) {
	f, r := d.by[i].Field, &d.rankings[i]
	if f.Kind.octets() {
		r.rankNames(d.names, f.absent)
	} else {
		numbers := r.numbers[:0]
		for j := range d.rows {
			if k := d.rows[j].keys[i]; k != absentValue {
				numbers = append(numbers, k)
			}
		}
		if f.zeros && d.measure.added() && i == len(d.by)-1 { // for all reducers of the tally
			numbers = f.appendClosed(numbers)
		}
		r.rankNumbers(numbers, f, &d.style)
	}
	for j := range d.rows {
		k := &d.rows[j].keys[i]
		*k = r.rank(*k)
	}
}

// zeros reports whether keys of the last dimension that no row has are told.
func (d *declared) zeros() bool {
	return len(d.by) > 0 && d.by[len(d.by)-1].zeros && d.measure.added() && !d.asTop
}

// appendClosed appends the numbers of a closed set: all words, or the bins up to
// the largest of those that are there.
func (f *Field) appendClosed(numbers []uint32) []uint32 {
	switch {
	case f.Kind == Flag:
		return append(numbers, 0, 1)
	case f.Kind == Choice:
		for i, word := range f.words {
			if word != "" {
				numbers = append(numbers, uint32(i))
			}
		}
	case f.bin > 0 && len(numbers) > 0:
		for n := range slices.Max(numbers) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// manyRanks is how many ranks there may be for a row so that to go through all
// of them takes less than to compare rows.
const manyRanks = 32

// sortRows sorts by the first key, then by the others: by counting how many rows
// have each rank, the last key first.
func (d *declared) sortRows() {
	for i := len(d.by) - 1; i >= 0; i-- {
		limit := d.rankings[i].limit()
		if limit > manyRanks*len(d.rows) {
			slices.SortFunc(d.rows, func(a, b rankedRow) int { return compareKeys(&a.keys, &b.keys) })
			return
		}
		starts := slices.Grow(d.starts[:0], limit+1)[:limit+1]
		clear(starts)
		for j := range d.rows {
			starts[d.rows[j].keys[i]+1]++
		}
		for j := range limit {
			starts[j+1] += starts[j]
		}
		d.spare = slices.Grow(d.spare[:0], len(d.rows))[:len(d.rows)]
		for j := range d.rows {
			at := &starts[d.rows[j].keys[i]]
			d.spare[*at] = d.rows[j]
			*at++
		}
		d.rows, d.spare, d.starts = d.spare, d.rows, starts
	}
}

func compareKeys(a, b *[maxDims]uint32) int {
	for i := range a {
		if c := cmp.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// score is greater the better a row stands in the order of what is measured.
func (t *tally) score(n uint64) uint64 {
	if t.measure == Min {
		return ^n
	}
	return n
}

// best are the places of all rows in the order of what is measured, those of
// equals in the order of their keys.
func (t *tally) best(rows []rankedRow) []int32 {
	t.places = slices.Grow(t.places[:0], len(rows))[:len(rows)]
	for i := range t.places {
		t.places[i] = int32(i)
	}
	if len(rows) < 1<<8 {
		slices.SortFunc(t.places, func(a, b int32) int {
			return cmp.Or(cmp.Compare(t.score(rows[b].n), t.score(rows[a].n)), cmp.Compare(a, b))
		})
		return t.places
	}
	// Octet by octet, the last one first: few counts have more than two that differ.
	top, least := uint64(0), ^uint64(0)
	for i := range rows {
		score := t.score(rows[i].n)
		top, least = max(top, score), min(least, score)
	}
	t.morePlaces = slices.Grow(t.morePlaces[:0], len(rows))[:len(rows)]
	for shift := 0; shift < 64 && (top-least)>>shift > 0; shift += 8 {
		var starts [1 << 8]int32
		for i := range rows {
			starts[(top-t.score(rows[i].n))>>shift&0xff]++
		}
		at := int32(0)
		for i, n := range starts {
			starts[i] = at
			at += n
		}
		for _, place := range t.places {
			start := &starts[(top-t.score(rows[place].n))>>shift&0xff]
			t.morePlaces[*start] = place
			*start++
		}
		t.places, t.morePlaces = t.morePlaces, t.places
	}
	return t.places
}

// A cutoff tells the top rows of some: those whose score is above least, and the
// first room of those that have it.
type cutoff struct {
	least uint64
	room  int
}

// cutoff is that of the top rows of those that are not left out, which are that
// many at most; with ties all that have the least score are of them.
func (d *declared) cutoff(rows []rankedRow, top int, ties bool) cutoff {
	if top <= 0 || top >= len(rows) {
		return cutoff{0, len(rows)}
	}
	d.scores = d.scores[:0]
	for i := range rows {
		if !rows[i].left {
			d.scores = append(d.scores, d.score(rows[i].n))
		}
	}
	if top >= len(d.scores) {
		return cutoff{0, len(d.scores)}
	}
	slices.Sort(d.scores)
	c := cutoff{d.scores[len(d.scores)-top], top}
	if ties {
		c.room = len(d.scores)
		return c
	}
	above, _ := slices.BinarySearch(d.scores, c.least+1)
	if c.least+1 != 0 {
		c.room -= len(d.scores) - above
	}
	return c
}

// takes reports whether the next row is one of them.
func (c *cutoff) takes(score uint64) bool {
	switch {
	case score > c.least:
		return true
	case score == c.least && c.room > 0:
		c.room--
		return true
	}
	return false
}
