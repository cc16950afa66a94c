package reduce

import "math/rand/v2"

// An index finds the row of a key: a hash table with linear probing, which takes
// a third of what a map of Go takes for keys of three numbers.
type index struct {
	slots []slot // a power of two, of which at most three quarters are taken
	taken int
}

// A slot is free where place is 0; place is one more than that of the row.
type slot struct {
	key   key
	place int32
}

// hashSeed keeps those who can choose keys from choosing such as collide.
var hashSeed = rand.Uint64()

const minSlots = 16

func newIndex() index { return index{slots: make([]slot, minSlots)} }

// home is where the search for k begins.
func (x *index) home(k *key) int {
	h := (uint64(k[0]) | uint64(k[1])<<32) ^ hashSeed
	h = (h ^ h>>32) * 0xff51afd7ed558ccd // the finisher of MurmurHash3
	h = (h ^ h>>32 ^ uint64(k[2])) * 0xc4ceb9fe1a85ec53
	return int(h>>32) & (len(x.slots) - 1)
}

// find returns the slot of k, or the free one where it would be.
func (x *index) find(k *key) *slot {
	for i := x.home(k); ; i = (i + 1) & (len(x.slots) - 1) {
		if s := &x.slots[i]; s.place == 0 || s.key == *k {
			return s
		}
	}
}

// get returns the place of k in the rows.
func (x *index) get(k *key) (int32, bool) {
	p := x.find(k).place
	return p - 1, p > 0
}

func (x *index) set(k *key, place int32) {
	s := x.find(k)
	if s.place == 0 {
		if 4*(x.taken+1) > 3*len(x.slots) {
			x.grow()
			s = x.find(k)
		}
		x.taken++
	}
	*s = slot{*k, place + 1}
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, 2*len(old))
	for i := range old {
		if old[i].place != 0 {
			*x.find(&old[i].key) = old[i]
		}
	}
}

// delete takes k out, and moves those behind it that were not at home because of
// it.
func (x *index) delete(k *key) {
	mask := len(x.slots) - 1
	hole := x.home(k)
	for x.slots[hole].key != *k || x.slots[hole].place == 0 {
		if x.slots[hole].place == 0 {
			return
		}
		hole = (hole + 1) & mask
	}
	x.taken--
	for i := (hole + 1) & mask; x.slots[i].place != 0; i = (i + 1) & mask {
		// It may stand in the hole if that is not before its home.
		if (i-x.home(&x.slots[i].key))&mask >= (i-hole)&mask {
			x.slots[hole] = x.slots[i]
			hole = i
		}
	}
	x.slots[hole] = slot{}
}

// clear empties the index. It keeps memory for about as many keys as there were.
func (x *index) clear() {
	if len(x.slots) > max(minSlots, 8*x.taken) {
		x.slots = make([]slot, max(minSlots, len(x.slots)/2))
	} else {
		clear(x.slots)
	}
	x.taken = 0
}
