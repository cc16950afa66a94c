package reduce

import (
	"maps"
	"slices"

	"ratadns/report"
)

// identity lists messages.
type identity struct {
	budget budget
	list   items
}

func newIdentity(p Params) Reducer { return &identity{budget: p.budget(DefaultSamples)} }

func (i *identity) Add(e *Event) {
	if i.budget.full(&i.list) {
		i.budget.skipped++
		return
	}
	at := order{place: e.Place}
	if e.Match == TimedOut { // which comes when the window closes, after all others
		at.time = e.Time
	}
	i.budget.add(&i.list, e.Object(), at)
}

func (i *identity) Merge(other Reducer) {
	o := other.(*identity)
	i.budget.join(&o.budget)
	i.budget.merge(&i.list, &o.list)
	i.budget.trim(&i.list)
}

func (i *identity) Report(r *report.Report) {
	r.Data, r.Shape = i.list.json(), report.ListOf
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
	for _, key := range slices.Sorted(maps.Keys(o.lists)) { // which of them have room must not be chance
		l, mine := o.lists[key], u.lists[key]
		switch {
		case mine != nil:
			mine.count += l.count
			u.budget.merge(&mine.items, &l.items)
		case len(u.lists) < u.budget.keys:
			u.lists[key] = l
		default:
			u.budget.skipped += uint64(l.n) // the others are counted already
		}
	}
	lists := make([]cuttable, 0, len(u.lists))
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
		u.data = append(u.data, l.json()...)
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
