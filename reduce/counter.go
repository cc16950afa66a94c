package reduce

import (
	"cmp"
	"container/heap"
	"slices"

	"ratadns/report"
)

// A Counter counts by key: exactly up to max keys, and from there on as a
// Space-Saving sketch (Metwally, Agrawal, El Abbadi, 2005) of that many, in
// which a new key takes the place and the count of the rarest. A count is then
// too high by at most Error.
type Counter struct {
	max   int
	index map[string]int // place in rows
	rows  []row
	over  bool // rows are a heap, the rarest first
	Error uint64
	total uint64
}

type row struct {
	key string
	n   uint64
}

// NewCounter returns a Counter of at most that many keys.
func NewCounter(max int) *Counter {
	return &Counter{max: max, index: make(map[string]int)}
}

// Add counts key once more.
func (c *Counter) Add(key []byte) {
	c.total++
	if i, ok := c.index[string(key)]; ok {
		c.rows[i].n++
		if c.over {
			heap.Fix((*rarest)(c), i)
		}
		return
	}
	if len(c.rows) < c.max {
		k := string(key)
		c.index[k] = len(c.rows)
		c.rows = append(c.rows, row{k, 1})
		return
	}
	if !c.over {
		c.over = true
		heap.Init((*rarest)(c))
	}
	// The count of the rarest bounds what the key may have had before.
	r := &c.rows[0]
	c.Error = max(c.Error, r.n)
	delete(c.index, r.key)
	r.key = string(key)
	r.n++
	c.index[r.key] = 0
	heap.Fix((*rarest)(c), 0)
}

// least is the most that a key may have had which is not in rows.
func (c *Counter) least() uint64 {
	if !c.over {
		return 0
	}
	return c.rows[0].n
}

// Merge adds the counts of o. What neither counter dropped stays exact; a key
// that one of them may have dropped is counted there as the rarest of its keys,
// so that no count is too low (Agarwal et al., Mergeable Summaries, 2012).
func (c *Counter) Merge(o *Counter) {
	if c.total == 0 && c.max == o.max {
		*c, *o = *o, *c
		return
	}
	mine, others := c.least(), o.least()
	for i := range c.rows {
		c.rows[i].n += others
	}
	for _, r := range o.rows {
		if i, ok := c.index[r.key]; ok {
			c.rows[i].n += r.n - others
			continue
		}
		c.index[r.key] = len(c.rows)
		c.rows = append(c.rows, row{r.key, r.n + mine})
	}
	c.total += o.total
	c.Error += o.Error
	c.over = c.over || o.over
	if len(c.rows) > c.max {
		rows := c.ranked()
		c.Error = max(c.Error, rows[c.max].n)
		for _, r := range rows[c.max:] {
			delete(c.index, r.key)
		}
		clear(rows[c.max:])
		c.rows, c.over = rows[:c.max], true
		for i := range c.rows {
			c.index[c.rows[i].key] = i
		}
	}
	if c.over {
		heap.Init((*rarest)(c))
	}
}

// Reset empties the counter.
func (c *Counter) Reset() {
	clear(c.index)
	c.rows, c.over, c.Error, c.total = c.rows[:0], false, 0, 0
}

// rarest is the heap of a Counter that has become a sketch.
type rarest Counter

func (h *rarest) Len() int           { return len(h.rows) }
func (h *rarest) Less(i, j int) bool { return h.rows[i].n < h.rows[j].n }
func (h *rarest) Swap(i, j int) {
	h.rows[i], h.rows[j] = h.rows[j], h.rows[i]
	h.index[h.rows[i].key], h.index[h.rows[j].key] = i, j
}

// Push and Pop are not used: the heap keeps its size.
func (h *rarest) Push(any) {}

// Pop implements [heap.Interface].
func (h *rarest) Pop() any { return nil }

// ranked returns the rows by count descending, then key ascending. It sorts in
// place; the counter is only good for Reset afterwards.
func (c *Counter) ranked() []row {
	slices.SortFunc(c.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key))
	})
	return c.rows
}

// maxData bounds the data of a report, which has a state of at most 2048 keys
// and its window beside them.
const maxData = report.MaxReport - 4<<20

// shown is how many of the ranked rows are shown: top of them, more where ties
// are kept, all where top is 0, and never more than fit a report.
func shown(rows []row, top int, ties bool) int {
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
		if size += len(rows[i].key) + 32; size > maxData/2 {
			return i
		}
	}
	return n
}

// appendTable appends rows as an object, keys ascending, and tells what the
// table left out beside them.
func appendTable(dst []byte, rows, left []row) []byte {
	all := slices.Clone(rows)
	if len(left) > 0 {
		sum := uint64(0)
		for _, r := range left {
			sum += r.n
		}
		all = append(all, row{report.SkippedKey, uint64(len(left))}, row{report.SkippedSumKey, sum})
	}
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i, r := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(report.AppendString(dst, r.key), ':')
		dst = report.AppendCount(dst, r.n)
	}
	return append(dst, '}')
}

// appendPairs appends rows as [["key",5],…].
func appendPairs(dst []byte, rows []row) []byte {
	dst = append(dst, '[')
	for i, r := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = report.AppendString(append(dst, '['), r.key)
		dst = append(report.AppendCount(append(dst, ','), r.n), ']')
	}
	return append(dst, ']')
}

// appendState appends what merging needs of a table whose data were cut. Two
// of its keys may have to tell what it leaves out itself.
func appendState(dst []byte, rows []row) []byte {
	n := len(rows)
	if n > report.MaxState {
		n = report.MaxState - 2
	}
	return appendTable(dst, rows[:n], rows[n:])
}
