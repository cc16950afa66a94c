package reduce

// An order is a place among the events of a window: by time, which is zero for
// those that stand in the order of the capture alone, then by packet.
type order struct {
	time  int64
	place uint64
}

func (a order) before(b order) bool {
	return a.time < b.time || a.time == b.time && a.place < b.place
}

// items is a bounded list of JSON values.
type items struct {
	n     int
	b     []byte // the values as a list without its end, or empty
	marks []mark // one for each, where several workers have parts of the list
}

// A mark says where an item stands in the capture, and where it ends in b.
type mark struct {
	at  order
	end int
}

func (l *items) reset() { l.n, l.b, l.marks = 0, l.b[:0], l.marks[:0] }

func (l *items) len() int { return l.n }

// json is the list, until there is another item.
func (l *items) json() []byte {
	if l.n == 0 {
		return []byte("[]")
	}
	list := append(l.b, ']')
	l.b = list[:len(l.b)]
	return list
}

// append appends an item.
func (l *items) append(item []byte) {
	if l.n++; l.n == 1 {
		l.b = append(l.b, '[')
	} else {
		l.b = append(l.b, ',')
	}
	l.b = append(l.b, item...)
}

// item is the one at i.
func (l *items) item(i int) []byte {
	start := 1
	if i > 0 {
		start = l.marks[i-1].end + 1
	}
	return l.b[start:l.marks[i].end]
}

// cut leaves the first n items and returns the octets of the others.
func (l *items) cut(n int) (octets int) {
	before := len(l.b)
	l.n, l.marks = n, l.marks[:n]
	if n == 0 {
		l.b = l.b[:0]
	} else {
		l.b = l.b[:l.marks[n-1].end]
	}
	return before - len(l.b)
}

// budget bounds the lists of one reducer together, so that they fit a report.
// The first item without room ends all lists, so that what is listed does not
// depend on how many workers have parts of them.
type budget struct {
	samples int  // items of one list
	keys    int  // lists
	ordered bool // lists have marks
	octets  int  // used
	closed  bool
	skipped uint64
}

// full reports whether l has no room for an item, however small.
func (b *budget) full(l *items) bool { return b.closed || l.n >= b.samples }

// add appends an item to l. What does not fit is counted; add reports whether it did.
func (b *budget) add(l *items, item []byte, at order) bool {
	if b.full(l) || !b.room(len(item)+1) {
		b.skipped++
		return false
	}
	l.append(item)
	if b.ordered {
		l.marks = append(l.marks, mark{at, len(l.b)})
	}
	return true
}

// room takes that many octets, if they are left.
func (b *budget) room(octets int) bool {
	if b.closed || b.octets+octets > maxData {
		b.closed = true
		return false
	}
	b.octets += octets
	return true
}

// join adds what another worker's budget has used.
func (b *budget) join(o *budget) {
	b.octets += o.octets
	b.skipped += o.skipped
	b.closed = b.closed || o.closed
}

// merge makes one list of two, in the order of the capture. The octets of both
// are used already.
func (b *budget) merge(l, o *items) {
	if o.n == 0 {
		return
	}
	if l.n == 0 {
		*l, *o = *o, *l
		return
	}
	var all items
	for i, j := 0, 0; i < l.n || j < o.n; {
		from, k := l, &i
		if i == l.n || j < o.n && o.marks[j].at.before(l.marks[i].at) {
			from, k = o, &j
		}
		if all.n < b.samples {
			all.append(from.item(*k))
			all.marks = append(all.marks, mark{from.marks[*k].at, len(all.b)})
		} else {
			b.octets -= len(from.item(*k)) + 1
			b.skipped++
		}
		*k++
	}
	*l = all
}

// cuttable is a list whose first n items can be left, which returns the octets
// of the others.
type cuttable interface {
	len() int
	cut(n int) (octets int)
}

// trim takes the last items from lists until all fit.
func (b *budget) trim(lists ...cuttable) {
	for b.octets > maxData {
		share, left := float64(maxData)/float64(b.octets), b.octets
		for _, l := range lists { // in whatever order: each gives its share
			if n := l.len(); n > 0 && (len(lists) > 1 || b.octets > maxData) {
				keep := n - 1 // of a single list, what fits
				if len(lists) > 1 {
					keep = min(keep, int(share*float64(n)))
				}
				b.skipped += uint64(n - keep)
				b.octets -= l.cut(keep)
			}
		}
		b.closed = true
		if b.octets == left {
			return // what is left are keys
		}
	}
}

func (b *budget) reset() { b.octets, b.closed, b.skipped = 0, false, 0 }
