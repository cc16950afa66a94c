package reduce

import (
	"cmp"
	"container/heap"
	"slices"
)

// maxDims is the most dimensions of one table.
const maxDims = 3

// A key is a row's place in a table: for each dimension a number, which of
// octets is that of the interner.
type key [maxDims]uint32

// absentValue stands for no value where a dimension has a key for that.
const absentValue = ^uint32(0)

// A tableRow is a key with what is counted there.
type tableRow struct {
	key key
	n   uint64
}

// A table counts by key: exactly up to max keys, and from there on, where counts
// are added, as a Space-Saving sketch of that many (Metwally, Agrawal, El
// Abbadi, 2005), in which a new key takes the place and the count of the rarest.
// A count is then too high by at most error.
type table struct {
	names  *interner
	octets [maxDims]bool // dimensions whose numbers are the interner's
	dims   int
	max    int
	index  index
	rows   []tableRow
	over   bool // rows are a heap, the rarest first
	error  uint64
	total  uint64
	left   uint64 // values of keys for which there was no room
	places []int32
}

func newTable(names *interner, fields []*Field, max int) *table {
	t := &table{names: names, dims: len(fields), max: max}
	for i, f := range fields {
		t.octets[i] = f.Kind.octets()
	}
	t.index = newIndex()
	return t
}

// hold keeps the names of k, or lets them go with by of -1.
func (t *table) hold(k *key, by int32) {
	for i := range t.dims {
		if t.octets[i] && k[i] != absentValue {
			t.names.refs[k[i]] += by
		}
	}
}

// row returns the row of k, a new one where there is room, else nil.
func (t *table) row(k *key) *tableRow {
	if i, ok := t.index.get(k, t.rows); ok {
		return &t.rows[i]
	}
	if len(t.rows) >= t.max {
		return nil
	}
	t.index.add(k, int32(len(t.rows)), t.rows)
	t.rows = append(t.rows, tableRow{key: *k})
	t.hold(k, 1)
	return &t.rows[len(t.rows)-1]
}

// add adds n at k.
func (t *table) add(k *key, n uint64) {
	t.total += n
	if i, ok := t.index.get(k, t.rows); ok {
		t.rows[i].n += n
		if t.over {
			heap.Fix((*rarestRow)(t), int(i))
		}
		return
	}
	if r := t.row(k); r != nil {
		r.n = n
		return
	}
	if !t.over {
		t.over = true
		heap.Init((*rarestRow)(t))
	}
	// The count of the rarest bounds what the key may have had before.
	r := &t.rows[0]
	t.error = max(t.error, r.n)
	t.index.delete(&r.key, t.rows)
	t.hold(&r.key, -1)
	r.key = *k
	r.n += n
	t.hold(k, 1)
	t.index.add(k, 0, t.rows)
	heap.Fix((*rarestRow)(t), 0)
}

// addAll adds one at each of some keys. It looks where each should be before it
// adds, so that the processor does not wait for one look-up after the other.
func (t *table) addAll(keys []key) {
	places := t.places[:0]
	for i := range keys {
		places = append(places, t.index.slots[t.index.home(&keys[i])])
	}
	t.places = places
	for i := range keys {
		if place := places[i]; place > 0 && t.rows[place-1].key == keys[i] && !t.over {
			t.rows[place-1].n++
			t.total++
			continue
		}
		t.add(&keys[i], 1)
	}
}

// least is the most that a key may have had which is not in rows.
func (t *table) least() uint64 {
	if !t.over {
		return 0
	}
	return t.rows[0].n
}

// translate is k of table o with the numbers that the names have here.
func (t *table) translate(k key, o *table) key {
	for i := range t.dims {
		if t.octets[i] && k[i] != absentValue {
			k[i] = t.names.idOf(o.names, k[i])
		}
	}
	return k
}

// merge adds the counts of o. What neither table dropped stays exact; a key that
// one of them may have dropped is counted there as the rarest of its keys, so
// that no count is too low (Agarwal et al., Mergeable Summaries, 2012).
func (t *table) merge(o *table) {
	mine, others := t.least(), o.least()
	for i := range t.rows {
		t.rows[i].n += others
	}
	for _, r := range o.rows {
		k := t.translate(r.key, o)
		if i, ok := t.index.get(&k, t.rows); ok {
			t.rows[i].n += r.n - others
			continue
		}
		t.index.add(&k, int32(len(t.rows)), t.rows)
		t.rows = append(t.rows, tableRow{key: k, n: r.n + mine})
		t.hold(&k, 1)
	}
	t.total += o.total
	t.error += o.error
	t.over = t.over || o.over
	t.settle()
}

// settle makes t what a table is after more rows than there is room for.
func (t *table) settle() {
	if len(t.rows) > t.max {
		t.shrink()
	}
	if t.over {
		heap.Init((*rarestRow)(t))
	}
}

// shrink leaves the max rows of the highest counts.
func (t *table) shrink() {
	// The order of equals must not depend on how the work was shared, so they
	// go all alike: by their texts.
	slices.SortFunc(t.rows, func(a, b tableRow) int {
		return cmp.Or(cmp.Compare(b.n, a.n), t.compare(&a.key, &b.key))
	})
	for i := range t.rows[t.max:] {
		r := &t.rows[t.max+i]
		t.error = max(t.error, r.n)
		t.hold(&r.key, -1)
	}
	t.rows, t.over = t.rows[:t.max], true
	t.index.rebuild(t.rows)
}

// compare orders keys in a way that is the same for all workers.
func (t *table) compare(a, b *key) int {
	for i := range t.dims {
		c := cmp.Compare(a[i], b[i])
		if t.octets[i] && a[i] != absentValue && b[i] != absentValue {
			c = cmp.Compare(t.names.texts[a[i]], t.names.texts[b[i]])
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func (t *table) reset() {
	if len(t.rows) > 1<<16 {
		t.index, t.rows = newIndex(), nil
	}
	t.index.clear()
	t.rows, t.over, t.error, t.total, t.left = t.rows[:0], false, 0, 0, 0
}

// rarestRow is the heap of a table that has become a sketch.
type rarestRow table

func (h *rarestRow) Len() int           { return len(h.rows) }
func (h *rarestRow) Less(i, j int) bool { return h.rows[i].n < h.rows[j].n }
func (h *rarestRow) Swap(i, j int)      { h.index.swap(i, j, h.rows) }

// Push and Pop are not used: the heap keeps its size.
func (h *rarestRow) Push(any) {}

// Pop implements [heap.Interface].
func (h *rarestRow) Pop() any { return nil }
