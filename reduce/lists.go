package reduce

import (
	"cmp"
	"maps"
	"slices"

	"ratadns/report"
	"ratadns/speedy"
)

// items is a bounded list of JSON values.
type items struct {
	n int
	b []byte // the values with commas between them
}

// budget bounds the lists of one reducer together, so that they fit a report.
type budget struct {
	samples int // items of one list
	keys    int // lists
	octets  int // used
	skipped uint64
}

// take reports whether l may have one more item of that many octets, and makes
// room; the caller appends it to l.b. What does not fit is counted.
func (b *budget) take(l *items, octets int) bool {
	if l.n >= b.samples || !b.room(octets+1) {
		b.skipped++
		return false
	}
	if l.n++; l.n > 1 {
		l.b = append(l.b, ',')
	}
	return true
}

// room takes that many octets, if they are left.
func (b *budget) room(octets int) bool {
	if b.octets+octets > maxData {
		return false
	}
	b.octets += octets
	return true
}

// identity lists messages.
type identity struct {
	budget budget
	list   items
	data   []byte
}

func newIdentity(p Params) func() Reducer {
	return func() Reducer { return &identity{budget: budget{samples: p.samples(DefaultSamples)}} }
}

func (i *identity) Add(e *Event) {
	if object := e.Object(); i.budget.take(&i.list, len(object)) {
		i.list.b = append(i.list.b, object...)
	}
}

func (i *identity) Report(r *report.Report, final bool) {
	i.data = append(append(append(i.data[:0], '['), i.list.b...), ']')
	r.Data, r.Shape = i.data, report.ListOf
	r.Window.Skipped += i.budget.skipped
}

func (i *identity) Reset() {
	i.budget.reset()
	i.list.n, i.list.b = 0, i.list.b[:0]
}

func (b *budget) reset() { b.octets, b.skipped = 0, 0 }

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

func newUnderscoredNames(p Params) func() Reducer   { return newUnderscored(p, false) }
func newUnderscoredClients(p Params) func() Reducer { return newUnderscored(p, true) }

func newUnderscored(p Params, byClient bool) func() Reducer {
	types := p.Types
	if types == nil {
		types = underscoredTypes
	}
	b := budget{samples: p.samples(underscoredSamples), keys: p.maxKeys()}
	return func() Reducer {
		return &underscoredQueries{types: types, byClient: byClient, budget: b, lists: make(map[string]*underscoredList)}
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
	if u.byClient {
		u.item = e.AppendQuery(u.item[:0])
	} else {
		u.item = e.AppendQuery(append(u.item[:0], `{"query":`...))
		u.item = append(append(u.item, `,"sender":"`...), e.ClientText()...)
		u.item = append(append(u.item, `","server":"`...), e.ServerText()...)
		u.item = append(u.item, `"}`...)
	}
	if u.budget.take(&l.items, len(u.item)) {
		l.b = append(l.b, u.item...)
	}
}

func (u *underscoredQueries) Report(r *report.Report, final bool) {
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
	types   map[uint16]*items
}

func newSummary(p Params) func() Reducer     { return summaries(p, false) }
func newSummaryList(p Params) func() Reducer { return summaries(p, true) }

func summaries(p Params, asList bool) func() Reducer {
	b := budget{samples: p.samples(DefaultSamples), keys: p.maxKeys()}
	return func() Reducer {
		return &summary{asList: asList, budget: b, clients: make(map[string]*asked)}
	}
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
		c = &asked{types: make(map[uint16]*items)}
		s.clients[string(key)] = c
	}
	c.queries++
	if c.n >= s.budget.samples { // bounded by client, not by type
		s.budget.skipped++
		return
	}
	l := c.types[q.Qtype]
	if l == nil {
		if !s.budget.room(16) {
			s.budget.skipped++
			return
		}
		l = new(items)
		c.types[q.Qtype] = l
	}
	s.item = report.AppendString(s.item[:0], string(e.Asked()))
	if s.budget.take(l, len(s.item)) {
		c.n++
		l.b = append(l.b, s.item...)
	}
}

func (s *summary) Report(r *report.Report, final bool) {
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
	byCode := make(map[string]*items, len(c.types))
	for t, l := range c.types {
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
