package reduce

import (
	"cmp"
	"math/bits"
	"slices"
)

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
	d.inOrder, d.text = d.shared, d.text[:0]
	d.rows, d.spare = d.rows[:0], d.spare[:0]
	if d.table == nil && d.counts.names != nil && fewNames*len(d.counts.seen) > len(d.order(d.counts.nameDim())) {
		d.rankCounts()
		return d.rows
	}
	d.rows = d.appendRows(d.rows)
	for i := range d.by {
		d.rankDim(i)
	}
	d.sortRows()
	return d.rows
}

// order has the names that keys of a dimension may be, in their order.
func (t *tally) order(dim int) []uint32 {
	t.names.sorted()
	return t.names.byField[t.by[dim].slot%lanes]
}

// fewNames is how many names there may be for a row so that to go through all in
// their order takes less than to sort the rows.
const fewNames = 3

// rankCounts makes rows of counts by name, in the order of the names.
func (d *declared) rankCounts() {
	c, name := d.counts, d.counts.nameDim()
	r := &d.rankings[name]
	r.rankNames(d.names, d.by[name].absent)
	if c.wordBits > 0 {
		d.rankWords(name)
		return
	}
	for _, v := range d.order(name) {
		if n, ok := c.count(v); ok {
			d.rows = append(d.rows, rankedRow{keys: [maxDims]uint32{d.names.ranks[v]}, n: n})
		}
	}
	if n := c.other; n > 0 {
		at, _ := slices.BinarySearchFunc(d.rows, r.absentRank, func(row rankedRow, rank uint32) int { return cmp.Compare(row.keys[0], rank) })
		d.rows = slices.Insert(d.rows, at, rankedRow{keys: [maxDims]uint32{r.absentRank}, n: n - 1})
	}
}

// rankWords is rankCounts for counts by name and word.
func (d *declared) rankWords(name int) {
	c, f := d.counts, d.by[1-name].Field
	r := &d.rankings[1-name]
	r.rankNumbers(f.appendClosed(r.numbers[:0]), f, &d.style)
	var ranks [maxWords]uint32
	for i := range f.words {
		ranks[i] = r.rank(uint32(i))
	}
	add := func(v, word uint32) {
		if n, ok := c.count(c.place(v, word)); ok {
			row := rankedRow{n: n}
			row.keys[name], row.keys[1-name] = d.names.ranks[v], ranks[word]
			d.rows = append(d.rows, row)
		}
	}
	order := d.order(name)
	if c.wordFirst {
		for i := range f.words {
			for _, v := range order {
				add(v, r.number(uint32(2*i+1)))
			}
		}
		return
	}
	for _, v := range order {
		for i := range f.words {
			add(v, r.number(uint32(2*i+1)))
		}
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
// of them, 64 at a time, takes less than to compare rows.
const manyRanks = 512

// sortRows sorts by the first key, then by the others: by counting how many rows
// have each key, the last one first.
func (d *declared) sortRows() {
	for i := len(d.by) - 1; i >= 0; i-- {
		limit := d.rankings[i].limit()
		if limit > manyRanks*len(d.rows) {
			slices.SortFunc(d.rows, func(a, b rankedRow) int { return compareKeys(&a.keys, &b.keys) })
			return
		}
		d.there.begin(limit)
		for j := range d.rows {
			d.there.put(d.rows[j].keys[i])
		}
		different := d.there.count()
		if different == 1 {
			continue
		}
		d.spare = slices.Grow(d.spare[:0], len(d.rows))[:len(d.rows)]
		if different == len(d.rows) {
			for j := range d.rows {
				d.spare[d.there.place(d.rows[j].keys[i])] = d.rows[j]
			}
		} else {
			starts := slices.Grow(d.starts[:0], different+1)[:different+1]
			clear(starts)
			for j := range d.rows {
				starts[d.there.place(d.rows[j].keys[i])+1]++
			}
			for j := range different {
				starts[j+1] += starts[j]
			}
			for j := range d.rows {
				at := &starts[d.there.place(d.rows[j].keys[i])]
				d.spare[*at] = d.rows[j]
				*at++
			}
			d.starts = starts
		}
		d.rows, d.spare = d.spare, d.rows
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
	top, least := uint64(0), ^uint64(0)
	for i := range rows {
		score := t.score(rows[i].n)
		top, least = max(top, score), min(least, score)
		t.places[i] = int32(i)
	}
	room := bits.Len(uint(len(rows)))
	if len(rows) > 0 && bits.Len64(top-least)+room > 64 {
		slices.SortFunc(t.places, func(a, b int32) int {
			return cmp.Or(cmp.Compare(t.score(rows[b].n), t.score(rows[a].n)), cmp.Compare(a, b))
		})
		return t.places
	}
	t.scores = t.scores[:0]
	for i := range rows {
		t.scores = append(t.scores, (top-t.score(rows[i].n))<<room|uint64(i))
	}
	t.scores, t.moreScores = sortNumbers(t.scores, t.moreScores, room)
	for i, score := range t.scores {
		t.places[i] = int32(score & (1<<room - 1))
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
	// Most scores are small: of those it takes no sorting.
	var small [smallScores]int
	n := 0
	d.scores = d.scores[:0]
	for i := range rows {
		if rows[i].left {
			continue
		}
		n++
		if score := d.score(rows[i].n); score < smallScores {
			small[score]++
		} else {
			d.scores = append(d.scores, score)
		}
	}
	if top >= n {
		return cutoff{0, n}
	}
	var c cutoff
	above := 0
	if top > len(d.scores) {
		above = len(d.scores)
		for c.least = smallScores - 1; above+small[c.least] < top; c.least-- {
			above += small[c.least]
		}
	} else {
		d.scores, d.moreScores = sortNumbers(d.scores, d.moreScores, 0)
		c.least = d.scores[len(d.scores)-top]
		first, _ := slices.BinarySearch(d.scores, c.least+1)
		if c.least+1 != 0 {
			above = len(d.scores) - first
		}
	}
	c.room = top - above
	if ties {
		c.room = n
	}
	return c
}

// smallScores is up to where a cutoff counts scores rather than to sort them.
const smallScores = 256

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
