package reduce

// counts count by one number, of a registry or of the interner, of which a page
// has 256. A look-up is two loads, and what was counted stands in no order that
// had to be kept.
type counts struct {
	names *interner // whose numbers they are, or nil
	max   int       // numbers
	// One more than the count of each number, or zero where there is none.
	pages []*[256]uint64
	other uint64   // of absentValue
	seen  []uint32 // numbers, as they came
}

// smallNumbers is how many numbers a field has that is small. A message that comes
// as JSON may claim more.
const smallNumbers = 1 << 16

// at is where the count of v is.
func (c *counts) at(v uint32) *uint64 {
	if v == absentValue {
		return &c.other
	}
	p := int(v >> 8)
	for p >= len(c.pages) {
		c.pages = append(c.pages, nil)
	}
	if c.pages[p] == nil {
		c.pages[p] = new([256]uint64)
	}
	return &c.pages[p][v&255]
}

// again adds one at v where there is a count, and reports whether there is.
func (c *counts) again(v uint32) bool {
	if p := int(v >> 8); p < len(c.pages) && c.pages[p] != nil {
		if at := &c.pages[p][v&255]; *at != 0 {
			*at++
			return true
		}
	}
	return false
}

// add adds n at v, and reports whether there was room.
func (c *counts) add(v uint32, n uint64) bool {
	if c.names == nil && v >= smallNumbers && v != absentValue {
		return false
	}
	at := c.at(v)
	if *at == 0 {
		if len(c.seen) >= c.max {
			return false
		}
		c.enter(v, at)
	}
	*at += n
	return true
}

// enter makes v one that was seen.
func (c *counts) enter(v uint32, at *uint64) {
	*at = 1
	c.seen = append(c.seen, v)
	if c.names != nil && v != absentValue {
		c.names.refs[v]++
	}
}

// merge adds what o has, and may then have more than there is room for.
func (c *counts) merge(o *counts) {
	for _, v := range o.seen {
		n := *o.at(v) - 1
		if o.names != nil && v != absentValue {
			v = c.names.idOf(o.names, v)
		}
		at := c.at(v)
		if *at == 0 {
			c.enter(v, at)
		}
		*at += n
	}
}

// each calls f with each number and its count.
func (c *counts) each(f func(v uint32, n uint64)) {
	for _, v := range c.seen {
		f(v, *c.at(v)-1)
	}
}

// moveTo makes what was counted the rows of a table that has none.
func (c *counts) moveTo(t *table) {
	c.each(func(v uint32, n uint64) {
		k := key{v}
		t.index.add(&k, int32(len(t.rows)), t.rows)
		t.rows = append(t.rows, tableRow{k, n})
		t.total += n
	})
	c.clear() // the table holds the names now
}

func (c *counts) clear() {
	if len(c.pages) > 1<<10 { // a flood's memory is not kept
		c.pages, c.seen, c.other = nil, nil, 0
		return
	}
	for _, v := range c.seen {
		*c.at(v) = 0
	}
	c.seen = c.seen[:0]
}
