package reduce

// An index finds the row of a key. Where keys are one number of the interner,
// which counts from zero, it is a slice of them; a look-up is then a load.
type index struct {
	places map[key]int32
	direct []int32 // place plus one, by number; in place of places
	none   int32   // place plus one of absentValue
}

func newIndex(direct bool) index {
	if direct {
		return index{}
	}
	return index{places: make(map[key]int32)}
}

// get returns the place of k in the rows.
func (x *index) get(k *key) (int32, bool) {
	if x.places != nil {
		i, ok := x.places[*k]
		return i, ok
	}
	if n := k[0]; int(n) < len(x.direct) {
		i := x.direct[n]
		return i - 1, i > 0
	} else if n == absentValue {
		return x.none - 1, x.none > 0
	}
	return 0, false
}

func (x *index) set(k *key, place int32) {
	switch n := k[0]; {
	case x.places != nil:
		x.places[*k] = place
	case n == absentValue:
		x.none = place + 1
	default:
		for int(n) >= len(x.direct) {
			x.direct = append(x.direct, 0)
		}
		x.direct[n] = place + 1
	}
}

func (x *index) delete(k *key) {
	if x.places != nil {
		delete(x.places, *k)
		return
	}
	x.set(k, -1)
}

func (x *index) clear() {
	clear(x.places)
	clear(x.direct)
	x.direct, x.none = x.direct[:0], 0
}
