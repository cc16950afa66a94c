package reduce

// An interner gives octets a number, the same for equal ones, so that twenty
// tables by name hold one copy of each name. It belongs to one window of one
// worker. Names that no table holds any more are forgotten when there are many.
type interner struct {
	ids   map[string]uint32
	texts []string
	refs  []int32 // tables' rows that hold it
	free  []uint32
	limit int // sweep when there are so many
	// The names in order, when so many had been added.
	added, ordered uint64
	order          []uint32
	ranks          []uint32 // of those in order, by number
}

// minInterned is how many names are kept at least before a sweep.
const minInterned = 1 << 15

func newInterner() *interner {
	return &interner{ids: make(map[string]uint32), limit: minInterned}
}

// id returns the number of b. It is good until the next sweep, or as long as it
// is held.
func (in *interner) id(b []byte) uint32 {
	if id, ok := in.ids[string(b)]; ok {
		return id
	}
	text := string(b)
	var id uint32
	if n := len(in.free); n > 0 {
		id = in.free[n-1]
		in.free = in.free[:n-1]
		in.texts[id], in.refs[id] = text, 0
	} else {
		id = uint32(len(in.texts))
		in.texts, in.refs = append(in.texts, text), append(in.refs, 0)
	}
	in.ids[text] = id
	in.added++
	return id
}

// sweep forgets what nobody holds when there is much. It is for the time between
// two messages.
func (in *interner) sweep() {
	if len(in.ids) < in.limit {
		return
	}
	for text, id := range in.ids {
		if in.refs[id] == 0 {
			delete(in.ids, text)
			in.texts[id] = ""
			in.free = append(in.free, id)
		}
	}
	// A name more costs five looks here. Tables that are indexed by number grow with
	// the names, for each worker.
	in.limit = max(minInterned, len(in.ids)+len(in.ids)/4)
}

func (in *interner) reset() {
	if len(in.texts) > 4*minInterned { // a flood's memory is not kept
		*in = *newInterner()
		return
	}
	clear(in.ids)
	clear(in.texts)
	in.texts, in.refs, in.free, in.limit = in.texts[:0], in.refs[:0], in.free[:0], minInterned
	in.order = in.order[:0]
}
