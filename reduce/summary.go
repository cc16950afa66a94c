package reduce

import (
	"cmp"
	"slices"

	"ratadns/report"
	"ratadns/speedy"
)

// A summary lists the names each client asked, by QTYPE, in order of arrival.
type summary struct {
	*asked
	asList bool
	order  []uint64
	spare  []uint64
	data   []byte
}

// asked is what summaries of a window list.
//
// Clients are many and ask little, so that a map and a list for each would be
// most of the work. Everything stands in a few slices instead, where one thing
// has the place of the next.
type asked struct {
	budget  budget
	names   *interner
	by      dim
	clients []asker
	places  []int32 // of a client plus one, by the interner's number
	lists   []askedList
	far     map[farList]int32 // lists of clients that have many, but for the first
	samples []listed
	text    []byte // of the samples
	keyless uint64
}

// none is no place.
const none = -1

// An asker is a client with what it asked.
type asker struct {
	id          uint32 // the interner's number
	n           int32  // samples
	queries     uint64
	first, last int32 // lists, by type as they came
	types       int32
}

// An askedList has the names that one client asked with one QTYPE.
type askedList struct {
	qtype       uint16
	gone        bool // all its samples came after those of the client that are listed
	n           int32
	first, last int32 // samples
	next        int32 // list of the client
}

// A listed name is one sample, a JSON string, with its place in the capture.
type listed struct {
	place      uint64
	start, end int32 // in text
	next       int32 // of the list
}

// A farList is a list that walking does not find.
type farList struct {
	client int32
	qtype  uint16
}

// walked is how many lists of a client are walked to find that of a QTYPE. Few
// clients have so many.
const walked = 16

func newSummary(w *Window, u *groupUse) Reducer     { return newSummaries(w, u, false) }
func newSummaryList(w *Window, u *groupUse) Reducer { return newSummaries(w, u, true) }

func newSummaries(w *Window, u *groupUse, asList bool) Reducer {
	if u.like != none {
		return &summary{asked: w.reducers[u.like].(*summary).asked, asList: asList}
	}
	return &summary{asList: asList, asked: &asked{
		budget: u.budget(DefaultSamples), names: w.names, by: w.group.dim("client"), far: make(map[farList]int32),
	}}
}

func (s *asked) Add(e *Event) {
	q := e.Question()
	if q == nil {
		s.keyless++
		return
	}
	id, ok := e.value(s.by)
	if !ok { // no address, which is written as one of zeros
		id = s.names.id(e.ClientText())
	}
	place := s.find(id)
	if place == none {
		if len(s.clients) >= s.budget.keys || !s.budget.room(len(s.names.texts[id])+32) {
			s.budget.skipped++
			return
		}
		place = s.add(id)
	}
	c := &s.clients[place]
	c.queries++
	if int(c.n) >= s.budget.samples { // bounded by client, not by type
		s.budget.skipped++
		return
	}
	list := s.findList(place, q.Qtype)
	if list == none {
		if !s.budget.room(16) {
			s.budget.skipped++
			return
		}
		list = s.addList(place, q.Qtype)
	}
	start := len(s.text)
	s.text = e.AppendAsked(s.text)
	if !s.budget.room(len(s.text) - start + 1) {
		s.text = s.text[:start]
		s.budget.skipped++
		return
	}
	c.n++
	s.addSample(&s.lists[list], e.Place, start)
}

// find is the place of a client, or none.
func (s *asked) find(id uint32) int32 {
	if int(id) >= len(s.places) {
		return none
	}
	return s.places[id] - 1
}

func (s *asked) add(id uint32) int32 {
	for int(id) >= len(s.places) {
		s.places = append(s.places, 0)
	}
	s.names.refs[id]++
	s.clients = append(s.clients, asker{id: id, first: none, last: none})
	s.places[id] = int32(len(s.clients))
	return int32(len(s.clients) - 1)
}

// findList is the place of the list of a client's QTYPE, or none.
func (s *asked) findList(client int32, qtype uint16) int32 {
	c := &s.clients[client]
	n := 0
	for i := c.first; i != none && n < walked; i = s.lists[i].next {
		if s.lists[i].qtype == qtype {
			return i
		}
		n++
	}
	if c.types > walked {
		if i, ok := s.far[farList{client, qtype}]; ok {
			return i
		}
	}
	return none
}

func (s *asked) addList(client int32, qtype uint16) int32 {
	c := &s.clients[client]
	i := int32(len(s.lists))
	s.lists = append(s.lists, askedList{qtype: qtype, first: none, last: none, next: none})
	if c.last == none {
		c.first = i
	} else {
		s.lists[c.last].next = i
	}
	c.last = i
	if c.types++; c.types > walked {
		s.far[farList{client, qtype}] = i
	}
	return i
}

// addSample adds the text from start on to a list.
func (s *asked) addSample(l *askedList, place uint64, start int) {
	s.samples = append(s.samples, listed{place: place, start: int32(start), end: int32(len(s.text)), next: none})
	s.link(l, int32(len(s.samples)-1))
}

// link puts the sample at i at the end of a list.
func (s *asked) link(l *askedList, i int32) {
	s.samples[i].next = none
	if l.last == none {
		l.first = i
	} else {
		s.samples[l.last].next = i
	}
	l.last = i
	l.n++
}

func (s *summary) Merge(other Reducer) { s.merge(other.(*summary).asked) }

func (s *asked) merge(o *asked) {
	s.keyless += o.keyless
	s.budget.join(&o.budget)
	for i := range o.clients {
		c := &o.clients[i]
		id := s.names.idOf(o.names, c.id)
		place := s.find(id)
		if place == none {
			if len(s.clients) >= s.budget.keys {
				s.budget.skipped += uint64(c.n)
				continue
			}
			place = s.add(id)
		}
		s.mergeClient(place, o, c)
	}
	var lists []cuttable
	for i := range s.lists {
		if l := &s.lists[i]; !l.gone {
			lists = append(lists, listOf{s, l})
		}
	}
	s.budget.trim(lists...)
}

// mergeClient adds what o has of a client.
func (s *asked) mergeClient(place int32, o *asked, c *asker) {
	for i := c.first; i != none; i = o.lists[i].next {
		list := s.findList(place, o.lists[i].qtype)
		if list == none {
			list = s.addList(place, o.lists[i].qtype)
		}
		s.mergeList(&s.lists[list], o, &o.lists[i])
	}
	mine := &s.clients[place]
	mine.queries += c.queries
	if mine.n += c.n; int(mine.n) <= s.budget.samples {
		return
	}
	// The samples of a client are its first of all types.
	var places []uint64
	for i := mine.first; i != none; i = s.lists[i].next {
		for j := s.lists[i].first; j != none; j = s.samples[j].next {
			places = append(places, s.samples[j].place)
		}
	}
	slices.Sort(places)
	last := places[s.budget.samples-1]
	mine.n = int32(s.budget.samples)
	for i := mine.first; i != none; i = s.lists[i].next {
		l := &s.lists[i]
		keep := 0
		for j := l.first; j != none && s.samples[j].place <= last; j = s.samples[j].next {
			keep++
		}
		s.budget.skipped += uint64(int(l.n) - keep)
		s.budget.octets -= listOf{s, l}.cut(keep)
		l.gone = keep == 0
	}
}

// mergeList makes l one list with that of o, in the order of the capture.
func (s *asked) mergeList(l *askedList, o *asked, ol *askedList) {
	i, j := l.first, ol.first
	l.first, l.last, l.n = none, none, 0
	l.gone = l.gone && ol.gone
	for i != none || j != none {
		if j == none || i != none && s.samples[i].place <= o.samples[j].place {
			next := s.samples[i].next
			s.link(l, i)
			i = next
			continue
		}
		from := &o.samples[j]
		start := len(s.text)
		s.text = append(s.text, o.text[from.start:from.end]...)
		s.addSample(l, from.place, start)
		j = from.next
	}
}

// listOf is a list of a summary that can be cut.
type listOf struct {
	s *asked
	*askedList
}

func (l listOf) len() int { return int(l.n) }

func (l listOf) cut(n int) (octets int) {
	i, last := l.first, int32(none)
	for range n {
		last, i = i, l.s.samples[i].next
	}
	for ; i != none; i = l.s.samples[i].next {
		octets += int(l.s.samples[i].end-l.s.samples[i].start) + 1
	}
	l.n, l.last = int32(n), last
	if last == none {
		l.first = none
	} else {
		l.s.samples[last].next = none
	}
	return octets
}

func (s *summary) Report(r *report.Report) {
	marks := "{}"
	if s.asList {
		marks = "[]"
	}
	s.data = append(s.data[:0], marks[0])
	for i, place := range s.sorted() {
		c := &s.clients[place]
		member := s.names.members.at(s.names.ranks[c.id] / 2)
		if i > 0 {
			s.data = append(s.data, ',')
		}
		if s.asList {
			s.data = append(append(s.data, `{"ip":`...), member[:len(member)-1]...)
			s.data = append(s.data, `,"queries":`...)
		} else {
			s.data = append(s.data, member...)
		}
		s.data = s.append(s.data, c)
		if s.asList {
			s.data = append(s.data, '}')
		}
	}
	s.data = append(s.data, marks[1])
	r.Data, r.Shape = s.data, report.ListOf
	r.Window.Skipped += s.budget.skipped
	r.Window.Keyless += s.keyless
}

// sorted are the places of the clients in the order of their texts. In a list
// those who asked most come first.
func (s *summary) sorted() []uint64 {
	s.names.sorted()
	const half = 32
	s.order = s.order[:0]
	for i := range s.clients {
		s.order = append(s.order, uint64(s.names.ranks[s.clients[i].id])<<half|uint64(i))
	}
	s.order, s.spare = sortNumbers(s.order, s.spare, half)
	for i := range s.order {
		s.order[i] &= 1<<half - 1
	}
	if s.asList {
		slices.SortStableFunc(s.order, func(a, b uint64) int {
			return cmp.Compare(s.clients[b].queries, s.clients[a].queries)
		})
	}
	return s.order
}

// append appends the names of a client by QTYPE, codes in ascending order of
// their octets.
func (s *summary) append(dst []byte, c *asker) []byte {
	var few [walked]uint64
	codes := few[:0]
	for i := c.first; i != none; i = s.lists[i].next {
		if !s.lists[i].gone {
			codes = append(codes, hexOrder(s.lists[i].qtype)<<32|uint64(i))
		}
	}
	slices.Sort(codes)
	dst = append(dst, '{')
	for n, code := range codes {
		l := &s.lists[uint32(code)]
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(speedy.AppendHex(append(dst, '"'), l.qtype), `":[`...)
		for i := l.first; i != none; i = s.samples[i].next {
			if i != l.first {
				dst = append(dst, ',')
			}
			dst = append(dst, s.text[s.samples[i].start:s.samples[i].end]...)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// hexOrder orders codes as their hexadecimal digits, which have no zeros before
// them: by the digits, and of those that begin alike the shorter first.
func hexOrder(code uint16) uint64 {
	digits := 1
	for c := code >> 4; c > 0; c >>= 4 {
		digits++
	}
	return uint64(code)<<(16-4*digits)<<4 | uint64(digits)
}

func (s *summary) Reset() { s.reset() }

func (s *asked) reset() {
	s.budget.reset()
	s.keyless = 0
	if len(s.places)+len(s.samples) > 1<<16 { // a flood's memory is not kept
		s.clients, s.places, s.lists, s.samples, s.text = nil, nil, nil, nil, nil
		s.far = make(map[farList]int32)
		return
	}
	clear(s.places)
	clear(s.far)
	s.clients, s.places, s.lists, s.samples, s.text = s.clients[:0], s.places[:0], s.lists[:0], s.samples[:0], s.text[:0]
}
