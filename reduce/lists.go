package reduce

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"ratadns/report"
	"ratadns/speedy"
)

// identity lists messages.
type identity struct {
	budget budget
	list   items
	data   []byte
}

func newIdentity(p Params) Reducer { return &identity{budget: p.budget(DefaultSamples)} }

func (i *identity) Add(e *Event) {
	if i.budget.full(&i.list) {
		i.budget.skipped++
		return
	}
	i.budget.add(&i.list, e.Object(), order{place: e.Place})
}

func (i *identity) Merge(other Reducer) {
	o := other.(*identity)
	i.budget.join(&o.budget)
	i.budget.merge(&i.list, &o.list)
	i.budget.trim(&i.list)
}

func (i *identity) Report(r *report.Report) {
	i.data = append(append(append(i.data[:0], '['), i.list.b...), ']')
	r.Data, r.Shape = i.data, report.ListOf
	r.Window.Skipped += i.budget.skipped
}

func (i *identity) Reset() {
	i.budget.reset()
	i.list.reset()
}

// underscoredSamples is how many queries a name or client shows unless told.
const underscoredSamples = 100

// underscoredTypes are the QTYPEs whose owner should be a host or zone name:
// A, NS, SOA, MX.
var underscoredTypes = []uint16{1, 2, 6, 15}

// underscoredQueries lists queries for names with an underscore, by name or by
// client.
type underscoredQueries struct {
	types    []uint16
	byClient bool
	budget   budget
	lists    map[string]*underscoredList
	keyless  uint64
	item     []byte
	data     []byte
}

type underscoredList struct {
	items
	count uint64
}

func newUnderscoredNames(p Params) Reducer   { return newUnderscored(p, false) }
func newUnderscoredClients(p Params) Reducer { return newUnderscored(p, true) }

func newUnderscored(p Params, byClient bool) Reducer {
	types := p.Types
	if types == nil {
		types = underscoredTypes
	}
	return &underscoredQueries{
		types: types, byClient: byClient, budget: p.budget(underscoredSamples), lists: make(map[string]*underscoredList),
	}
}

func (u *underscoredQueries) Add(e *Event) {
	q := e.Question()
	if q == nil {
		u.keyless++
		return
	}
	if !slices.Contains(u.types, q.Qtype) || !e.underscored() {
		return
	}
	key := e.Qname()
	if u.byClient {
		key = e.ClientText()
	}
	l := u.lists[string(key)]
	if l == nil {
		// JSON escapes the backslashes of a presentation form once more.
		if len(u.lists) >= u.budget.keys || !u.budget.room(2*len(key)+32) {
			u.budget.skipped++
			return
		}
		l = new(underscoredList)
		u.lists[string(key)] = l
	}
	l.count++
	if u.budget.full(&l.items) {
		u.budget.skipped++
		return
	}
	if u.byClient {
		u.item = e.AppendQuery(u.item[:0])
	} else {
		u.item = e.AppendQuery(append(u.item[:0], `{"query":`...))
		u.item = append(append(u.item, `,"sender":"`...), e.ClientText()...)
		u.item = append(append(u.item, `","server":"`...), e.ServerText()...)
		u.item = append(u.item, `"}`...)
	}
	u.budget.add(&l.items, u.item, order{place: e.Place})
}

func (u *underscoredQueries) Merge(other Reducer) {
	o := other.(*underscoredQueries)
	u.keyless += o.keyless
	u.budget.join(&o.budget)
	for key, l := range o.lists {
		mine := u.lists[key]
		switch {
		case mine != nil:
			mine.count += l.count
			u.budget.merge(&mine.items, &l.items)
		case len(u.lists) < u.budget.keys:
			u.lists[key] = l
		default:
			u.budget.skipped += l.count
		}
	}
	lists := make([]*items, 0, len(u.lists))
	for _, l := range u.lists {
		lists = append(lists, &l.items)
	}
	u.budget.trim(lists...)
}

func (u *underscoredQueries) Report(r *report.Report) {
	u.data = append(u.data[:0], '{')
	for i, key := range slices.Sorted(maps.Keys(u.lists)) {
		l := u.lists[key]
		if i > 0 {
			u.data = append(u.data, ',')
		}
		u.data = append(report.AppendString(u.data, key), ':')
		if u.byClient {
			u.data = append(u.data, `{"cnt":`...)
			u.data = report.AppendCount(u.data, l.count)
			u.data = append(u.data, `,"queries":`...)
		}
		u.data = append(append(append(u.data, '['), l.b...), ']')
		if u.byClient {
			u.data = append(u.data, '}')
		}
	}
	u.data = append(u.data, '}')
	r.Data, r.Shape = u.data, report.ListOf
	r.Window.Skipped += u.budget.skipped
	r.Window.Keyless += u.keyless
}

func (u *underscoredQueries) Reset() {
	u.budget.reset()
	clear(u.lists)
	u.keyless = 0
}

// summary lists the names each client asked, by QTYPE, in order of arrival.
type summary struct {
	asList  bool
	budget  budget
	clients map[string]*asked
	keyless uint64
	item    []byte
	data    []byte
}

// asked is what one client asked.
type asked struct {
	queries uint64
	n       int // samples
	// The list of its first QTYPE, which is all that most clients of a flood have,
	// and those of others.
	qtype uint16
	first *items
	more  map[uint16]*items
}

// list is that of a QTYPE, or nil.
func (c *asked) list(qtype uint16) *items {
	if c.first != nil && c.qtype == qtype {
		return c.first
	}
	return c.more[qtype]
}

// put gives the client a list of a QTYPE that has none.
func (c *asked) put(qtype uint16, l *items) {
	switch {
	case c.first == nil:
		c.qtype, c.first = qtype, l
	case c.more == nil:
		c.more = map[uint16]*items{qtype: l}
	default:
		c.more[qtype] = l
	}
}

// types are the lists by QTYPE, in any order.
func (c *asked) types() iter.Seq2[uint16, *items] {
	return func(yield func(uint16, *items) bool) {
		if c.first != nil && !yield(c.qtype, c.first) {
			return
		}
		for t, l := range c.more {
			if !yield(t, l) {
				return
			}
		}
	}
}

func newSummary(p Params) Reducer     { return summaries(p, false) }
func newSummaryList(p Params) Reducer { return summaries(p, true) }

func summaries(p Params, asList bool) Reducer {
	return &summary{asList: asList, budget: p.budget(DefaultSamples), clients: make(map[string]*asked)}
}

func (s *summary) Add(e *Event) {
	q := e.Question()
	if q == nil {
		s.keyless++
		return
	}
	key := e.ClientText()
	c := s.clients[string(key)]
	if c == nil {
		if len(s.clients) >= s.budget.keys || !s.budget.room(len(key)+32) {
			s.budget.skipped++
			return
		}
		c = new(asked)
		s.clients[string(key)] = c
	}
	c.queries++
	if c.n >= s.budget.samples { // bounded by client, not by type
		s.budget.skipped++
		return
	}
	l := c.list(q.Qtype)
	if l == nil {
		if !s.budget.room(16) {
			s.budget.skipped++
			return
		}
		l = new(items)
		c.put(q.Qtype, l)
	}
	s.item = report.AppendString(s.item[:0], string(e.Asked()))
	if s.budget.add(l, s.item, order{place: e.Place}) {
		c.n++
	}
}

func (s *summary) Merge(other Reducer) {
	o := other.(*summary)
	s.keyless += o.keyless
	s.budget.join(&o.budget)
	for key, c := range o.clients {
		mine := s.clients[key]
		switch {
		case mine != nil:
			mine.merge(c, &s.budget)
		case len(s.clients) < s.budget.keys:
			s.clients[key] = c
		default:
			s.budget.skipped += uint64(c.n)
		}
	}
	var lists []*items
	for _, c := range s.clients {
		for _, l := range c.types() {
			lists = append(lists, l)
		}
	}
	s.budget.trim(lists...)
}

// merge adds what another worker has of the client.
func (c *asked) merge(o *asked, b *budget) {
	c.queries += o.queries
	for t, l := range o.types() {
		if mine := c.list(t); mine != nil {
			b.merge(mine, l)
		} else {
			c.put(t, l)
		}
	}
	// The samples of a client are its first of all types.
	var places []uint64
	for _, l := range c.types() {
		for _, m := range l.marks {
			places = append(places, m.at.place)
		}
	}
	if c.n = len(places); c.n <= b.samples {
		return
	}
	slices.Sort(places)
	last := places[b.samples-1]
	for _, l := range c.types() {
		keep, _ := slices.BinarySearchFunc(l.marks, last+1, func(m mark, p uint64) int { return cmp.Compare(m.at.place, p) })
		b.skipped += uint64(l.n - keep)
		b.octets -= l.cut(keep)
	}
	maps.DeleteFunc(c.more, func(_ uint16, l *items) bool { return l.n == 0 })
	if c.first != nil && c.first.n == 0 {
		c.first = nil
	}
	c.n = b.samples
}

func (s *summary) Report(r *report.Report) {
	clients := slices.Sorted(maps.Keys(s.clients))
	if s.asList {
		// Those who asked most come first; the sort keeps the order of equals.
		slices.SortStableFunc(clients, func(a, b string) int {
			return cmp.Compare(s.clients[b].queries, s.clients[a].queries)
		})
		s.data = append(s.data[:0], '[')
	} else {
		s.data = append(s.data[:0], '{')
	}
	for i, key := range clients {
		if i > 0 {
			s.data = append(s.data, ',')
		}
		if s.asList {
			s.data = report.AppendString(append(s.data, `{"ip":`...), key)
			s.data = append(s.data, `,"queries":`...)
		} else {
			s.data = append(report.AppendString(s.data, key), ':')
		}
		s.data = s.clients[key].append(s.data)
		if s.asList {
			s.data = append(s.data, '}')
		}
	}
	if s.asList {
		s.data = append(s.data, ']')
	} else {
		s.data = append(s.data, '}')
	}
	r.Data, r.Shape = s.data, report.ListOf
	r.Window.Skipped += s.budget.skipped
	r.Window.Keyless += s.keyless
}

// append appends the names by QTYPE, codes in ascending order of their octets.
func (c *asked) append(dst []byte) []byte {
	byCode := make(map[string]*items, 1+len(c.more))
	for t, l := range c.types() {
		byCode[string(speedy.AppendHex(nil, t))] = l
	}
	dst = append(dst, '{')
	for i, code := range slices.Sorted(maps.Keys(byCode)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), code...), `":[`...)
		dst = append(append(dst, byCode[code].b...), ']')
	}
	return append(dst, '}')
}

func (s *summary) Reset() {
	s.budget.reset()
	clear(s.clients)
	s.keyless = 0
}
