package reduce

import "math/rand/v2"

// An index finds the row of a key: a hash table with linear probing that takes a
// third of the time of a map of Go. It has only the places of rows, which have
// their keys, so that those of many tables stay near the processor.
type index struct {
	slots []int32 // a power of two, of which at most half are taken; one more than a place, 0 is free
	taken int
}

// hashSeed keeps those who can choose keys from choosing such as collide.
var hashSeed = rand.Uint64()

const minSlots = 16

func newIndex() index { return index{slots: make([]int32, minSlots)} }

// home is where the search for k begins.
func (x *index) home(k *key) int {
	h := (uint64(k[0]) | uint64(k[1])<<32) ^ hashSeed
	h = (h ^ h>>32) * 0xff51afd7ed558ccd // the finisher of MurmurHash3
	h = (h ^ h>>32 ^ uint64(k[2])) * 0xc4ceb9fe1a85ec53
	return int(h>>32) & (len(x.slots) - 1)
}

// find returns the slot of k, or the free one where it would be.
func (x *index) find(k *key, rows []tableRow) *int32 {
	for i := x.home(k); ; i = (i + 1) & (len(x.slots) - 1) {
		if s := &x.slots[i]; *s == 0 || rows[*s-1].key == *k {
			return s
		}
	}
}

// get returns the place of k in the rows.
func (x *index) get(k *key, rows []tableRow) (int32, bool) {
	p := *x.find(k, rows)
	return p - 1, p > 0
}

// add adds a key that is not there, whose row has or will have that place.
func (x *index) add(k *key, place int32, rows []tableRow) {
	if x.taken++; 2*x.taken > len(x.slots) {
		x.grow(rows)
	}
	x.put(k, place+1)
}

// put puts what a slot holds into the first free one.
func (x *index) put(k *key, content int32) {
	i := x.home(k)
	for x.slots[i] != 0 {
		i = (i + 1) & (len(x.slots) - 1)
	}
	x.slots[i] = content
}

func (x *index) grow(rows []tableRow) {
	old := x.slots
	x.slots = make([]int32, 2*len(old))
	for _, s := range old {
		if s != 0 {
			x.put(&rows[s-1].key, s)
		}
	}
}

// delete takes k out, which is there, and moves those behind it that were not at
// home because of it. All rows still stand where the index says.
func (x *index) delete(k *key, rows []tableRow) {
	mask := len(x.slots) - 1
	hole := x.home(k)
	for rows[x.slots[hole]-1].key != *k {
		hole = (hole + 1) & mask
	}
	x.taken--
	for i := (hole + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		// It may stand in the hole if that is not before its home.
		if (i-x.home(&rows[x.slots[i]-1].key))&mask >= (i-hole)&mask {
			x.slots[hole] = x.slots[i]
			hole = i
		}
	}
	x.slots[hole] = 0
}

// swap exchanges two rows.
func (x *index) swap(i, j int, rows []tableRow) {
	a, b := x.find(&rows[i].key, rows), x.find(&rows[j].key, rows)
	*a, *b = *b, *a
	rows[i], rows[j] = rows[j], rows[i]
}

// rebuild makes it the index of those rows.
func (x *index) rebuild(rows []tableRow) {
	x.clear()
	for i := range rows {
		x.add(&rows[i].key, int32(i), rows)
	}
}

// clear empties the index. It keeps memory for about as many keys as there were.
func (x *index) clear() {
	if len(x.slots) > max(minSlots, 8*x.taken) {
		x.slots = make([]int32, max(minSlots, len(x.slots)/2))
	} else {
		clear(x.slots)
	}
	x.taken = 0
}
