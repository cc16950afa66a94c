package reduce

// counts count by one number, of a registry or of the interner, or by a name and a
// word of a closed list. A place is a number, or that of a name with a word behind it;
// a page has 256 of them. A look-up is two loads, and what was counted stands
// in no order that had to be kept.
type counts struct {
	names     *interner // whose numbers they are, or nil
	max       int       // places
	wordBits  uint8     // of a place, that are the word
	wordFirst bool      // in the keys
	// One more than the count of each place, or zero where there is none.
	pages []*[256]uint64
	other uint64   // of absentValue, where there are no words
	seen  []uint32 // places, as they came
}

// maxWords is for how many words of a list there is room.
const maxWords = 4

// smallNumbers is how many numbers a field has that is small. A message that comes
// as JSON may claim more.
const smallNumbers = 1 << 16

// place is that of a name and a word.
func (c *counts) place(name, word uint32) uint32 { return name<<c.wordBits | word }

// name is the name of a place.
func (c *counts) name(place uint32) uint32 { return place >> c.wordBits }

// word is its word.
func (c *counts) word(place uint32) uint32 { return place & (1<<c.wordBits - 1) }

// key is that of a place.
func (c *counts) key(place uint32) key {
	switch {
	case c.wordBits == 0:
		return key{place}
	case c.wordFirst:
		return key{c.word(place), c.name(place)}
	}
	return key{c.name(place), c.word(place)}
}

// nameDim is the dimension that the name is.
func (c *counts) nameDim() int {
	if c.wordFirst {
		return 1
	}
	return 0
}

// at is where the count of a place is.
func (c *counts) at(place uint32) *uint64 {
	if place == absentValue {
		return &c.other
	}
	p := int(place >> 8)
	for p >= len(c.pages) {
		c.pages = append(c.pages, nil)
	}
	if c.pages[p] == nil {
		c.pages[p] = new([256]uint64)
	}
	return &c.pages[p][place&255]
}

// again adds one at a place that has a count, and reports whether it has.
func (c *counts) again(place uint32) bool {
	at := c.known(place)
	if at == nil || *at == 0 {
		return false
	}
	*at++
	return true
}

// known is where the count of a place is, or nil where none of its page has one.
func (c *counts) known(place uint32) *uint64 {
	if p := int(place >> 8); p < len(c.pages) && c.pages[p] != nil {
		return &c.pages[p][place&255]
	}
	return nil
}

// count is what was counted at a place, if anything was.
func (c *counts) count(place uint32) (n uint64, ok bool) {
	if at := c.known(place); at != nil && *at > 0 {
		return *at - 1, true
	}
	return 0, false
}

// add adds n at a place, and reports whether there was room.
func (c *counts) add(place uint32, n uint64) bool {
	if c.names == nil && place >= smallNumbers && place != absentValue {
		return false
	}
	at := c.at(place)
	if *at == 0 {
		if len(c.seen) >= c.max {
			return false
		}
		c.enter(place, at)
	}
	*at += n
	return true
}

// enter makes a place one that was seen.
func (c *counts) enter(place uint32, at *uint64) {
	*at = 1
	c.seen = append(c.seen, place)
	if c.names != nil && place != absentValue {
		c.names.refs[c.name(place)]++
	}
}

// merge adds what o has, and may then have more than there is room for.
func (c *counts) merge(o *counts) {
	for _, place := range o.seen {
		n := *o.at(place) - 1
		if o.names != nil && place != absentValue {
			place = c.place(c.names.idOf(o.names, o.name(place)), o.word(place))
		}
		at := c.at(place)
		if *at == 0 {
			c.enter(place, at)
		}
		*at += n
	}
}

// each calls f with each key and its count.
func (c *counts) each(f func(k key, n uint64)) {
	for _, place := range c.seen {
		f(c.key(place), *c.at(place)-1)
	}
}

// moveTo makes what was counted the rows of a table that has none.
func (c *counts) moveTo(t *table) {
	c.each(func(k key, n uint64) {
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
	for _, place := range c.seen {
		*c.at(place) = 0
	}
	c.seen = c.seen[:0]
}
