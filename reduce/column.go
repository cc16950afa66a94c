package reduce

import "net/netip"

// A dim is a field with its place in the values of an event.
type dim struct {
	*Field
	slot int
	// Of a field of QNAMEs, its place among what the window keeps of each name,
	// else -1.
	derived int
}

// A column has one field of all events of a batch, each made once however many
// reducers ask for it.
type column struct {
	made, there     set              // that were asked, and that have a value
	hashed, hasHash set              // the same of hashes
	numbers         [batchLen]uint32 // of octets those of the interner
	hashes          *[batchLen]uint64
}

// empty makes it that of other events.
func (c *column) empty() { c.made, c.there, c.hashed, c.hasHash = 0, 0, 0, 0 }

// value returns a number, or of octets the interner's.
func (e *Event) value(d dim) (uint32, bool) {
	c := &e.columns[d.slot]
	if c.made&setOf(e.at) == 0 {
		e.fill(c, d)
	}
	return c.numbers[e.at%batchLen], c.there&setOf(e.at) != 0
}

// column is that of a field, made for some events.
func (c *common) column(d dim, of set) *column {
	col := &c.columns[d.slot]
	left := of &^ col.made
	if d.number == nil || d.derived >= 0 || d.bin > 0 {
		for left != 0 {
			c.batch[left.take()].fill(col, d)
		}
		return col
	}
	for left != 0 { // as most are, with less to decide for each
		at := left.take()
		n, ok := d.number(c.batch[at])
		col.put(at, d.Field, n, ok)
	}
	return col
}

// fill makes a value.
func (e *Event) fill(c *column, d dim) {
	var n uint32
	var ok bool
	// What a QNAME alone tells is found out once for each name of a window, if it
	// has a number.
	if names := &e.columns[qnameSlot]; d.derived >= 0 && names.there&setOf(e.at) != 0 {
		n, ok = e.names.derive(names.numbers[e.at%batchLen], d.derived, func() (uint32, bool) { return e.make(d) })
	} else {
		n, ok = e.make(d)
	}
	c.put(e.at, d.Field, n, ok)
}

// put makes n the value of the event at that place, if it has one.
func (c *column) put(at uint32, f *Field, n uint32, ok bool) {
	c.made |= setOf(at)
	if !ok {
		if f.absent == "" {
			return
		}
		n = absentValue
	}
	c.there |= setOf(at)
	c.numbers[at%batchLen] = n
}

// make finds a value.
func (e *Event) make(d dim) (n uint32, ok bool) {
	switch {
	case d.number != nil:
		if n, ok = d.number(e); d.bin > 0 {
			n /= d.bin
		}
		return n, ok
	case d.text != nil:
		var b []byte
		if b, ok = d.text(e); ok {
			n = e.names.idIn(d.slot, b)
		}
	default:
		var p netip.Prefix
		if p, ok = d.addr(e); ok {
			n = e.names.addr(d.slot, p, d.Kind, func() []byte {
				e.raw = d.appendAddr(e.raw[:0], p, e.anon)
				return e.raw
			})
		}
	}
	if ok {
		e.names.fields[n] |= 1 << (d.slot % lanes)
	}
	return n, ok
}
