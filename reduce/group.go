package reduce

import (
	"math/bits"
	"net/netip"
	"slices"

	"ratadns/report"
	"ratadns/speedy"
)

// A Use is a reducer of the catalogue as it is configured.
type Use struct {
	Entry *Entry
	Params
}

// A Group is what one worker has of one server: the reducers of its windows, and
// the transactions, which outlive a window.
type Group struct {
	// Own reports whether an address is one of the server's own; without it,
	// the server's side of a message tells.
	Own     func(netip.Addr) bool
	uses    []groupUse
	dims    []dim    // fields that reducers use, each once; QNAMEs first
	derived int      // of dims, those that follow from a QNAME
	filters []*Where // that reducers have, each once
	scopes  []scoped // of the uses, each once
	tracker *tracker // nil when no reducer asks for transactions
	bare    speedy.Message
	// What reducers remember beyond a window, by their use.
	memories map[string]*memory
}

// A groupUse is a use with the places of its filters, which all have to hold.
type groupUse struct {
	Use
	filters []int
	scope   int // of the group's
	keeps   likeness
	like    int // an earlier use that keeps the same, or none
}

// A verdict is what a filter says of the events of a batch, each asked once however
// many reducers have the filter.
type verdict struct{ asked, holds set }

// scoped are the events of a batch that uses of one scope see.
type scoped struct {
	of     Scope
	events set
}

// NewGroup returns the group of one of that many workers.
func NewGroup(uses []Use, workers int) *Group {
	g := new(Group)
	g.dim("qname") // at qnameSlot
	for _, u := range uses {
		u.Workers = workers
		g.uses = append(g.uses, g.newUse(u))
		if u.Entry.Of&(Transactions|Stray) != 0 && g.tracker == nil {
			g.tracker = newTracker(workers)
		}
	}
	return g
}

func (g *Group) newUse(u Use) groupUse {
	n := groupUse{Use: u, filters: g.filtersOf(&u), like: none}
	n.keeps = n.likeness()
	n.scope = slices.IndexFunc(g.scopes, func(s scoped) bool { return s.of == u.Entry.Of })
	if n.scope < 0 {
		n.scope = len(g.scopes)
		g.scopes = append(g.scopes, scoped{of: u.Entry.Of})
	}
	for i := range g.uses {
		if o := &g.uses[i]; o.like == none && n.keeps != (likeness{}) && n.keeps == o.keeps {
			n.like = i
			break
		}
	}
	return n
}

// filtersOf are the filters of a use: the entry's, which a test compiles for
// the catalogue, and its own.
func (g *Group) filtersOf(u *Use) (places []int) {
	add := func(w *Where) {
		place := slices.IndexFunc(g.filters, func(o *Where) bool { return o.text == w.text })
		if place < 0 {
			place = len(g.filters)
			g.filters = append(g.filters, w)
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	if u.Entry.Where == nil && u.Entry.Filter != "" {
		w, err := CompileWhere(u.Entry.Filter)
		if err != nil {
			panic(u.Entry.Name + ": " + err.Error())
		}
		add(w)
	}
	if u.Where != nil {
		add(u.Where)
	}
	return places
}

// Follow takes over the transactions of a group of the same server, whose windows
// may still be open, and what its reducers remember.
func (g *Group) Follow(before *Group) {
	g.memories = before.memories
	if g.tracker != nil && before.tracker != nil {
		g.tracker = before.tracker
	}
}

// Remember takes a copy of what reducers remember in a group of the same server,
// which goes on beside this one.
func (g *Group) Remember(before *Group) {
	g.memories = make(map[string]*memory)
	for i := range g.uses {
		if key := g.memoryKey(i); before.memories[key] != nil {
			g.memories[key] = before.memories[key].clone()
		}
	}
}

// dim is the field of that name, which exists.
func (g *Group) dim(name string) dim { return g.dimOf(FindField(name)) }

// dimOf is a field, which need not be one that can be asked for.
func (g *Group) dimOf(f *Field) dim {
	for _, d := range g.dims {
		if d.Name == f.Name {
			return d
		}
	}
	d := dim{f, len(g.dims), -1}
	if d.ofQname {
		d.derived = g.derived
		g.derived++
	}
	g.dims = append(g.dims, d)
	return d
}

// qnameSlot is the place of QNAMEs in the values of an event.
const qnameSlot = 0

// A Window is what one worker has of one window of one server.
type Window struct {
	Messages, Malformed uint64
	group               *Group
	one                 [1]*Event
	reducers            []Reducer
	names               *interner
	desk                desk
	untracked           uint64     // queries for which there was no room
	failures            []failures // of each filter
}

// failures count the events that a filter could not be asked about.
type failures struct {
	n     uint64
	first error
}

// NewWindow returns an empty window.
func (g *Group) NewWindow() *Window {
	w := &Window{group: g, names: newInterner(), failures: make([]failures, len(g.filters))}
	for i := range g.uses {
		u := &g.uses[i]
		switch {
		case u.Entry.New != nil:
			w.reducers = append(w.reducers, u.Entry.New(u.Params))
		case u.Entry.newShared != nil:
			w.reducers = append(w.reducers, u.Entry.newShared(w, u))
		case u.Entry.Script != nil:
			w.reducers = append(w.reducers, g.newScripted(&u.Use))
		default:
			w.reducers = append(w.reducers, g.newDeclared(u, w))
		}
	}
	w.names.width = g.derived
	return w
}

// Add gives e, which has just been set, to the reducers.
func (w *Window) Add(e *Event) {
	w.one[0] = e
	w.add(w.one[:])
}

// AddBatch gives the messages of b to the reducers.
func (w *Window) AddBatch(b *Batch) { w.add(b.list) }

func (w *Window) add(list []*Event) {
	t := w.group.tracker
	if t != nil {
		t.releaseAnswered()
	}
	w.Messages += uint64(len(list))
	done := 0
	for i, e := range list {
		if e.Malformed != 0 {
			w.Malformed++
		}
		if t != nil { // else nobody asks
			e.unmatch()
			t.see(e)
			if e.Query != nil && e.Question() == nil && len(e.Query.Questions) > 0 {
				w.reduce(list[done:i], seen)
				w.addApart(e)
				done = i + 1
			}
		}
	}
	w.reduce(list[done:], seen)
}

// addApart gives a response without a question to the reducers, and to those of
// transactions with the question of its query.
func (w *Window) addApart(e *Event) {
	w.one[0] = e
	w.reduce(w.one[:], seen&^Complete)
	e.questionOf(e.Query)
	w.reduce(w.one[:], Complete)
	e.questionOf(e.Message)
}

// seen is what messages are to reducers when they come.
const seen = Messages | Complete | Stray

// reduce gives events of one batch to the reducers, as what they are of that.
func (w *Window) reduce(list []*Event, as Scope) {
	if len(list) == 0 {
		return
	}
	c, g := list[0].common, w.group
	c.names, c.own = w.names, g.Own
	c.begin(len(g.dims), len(g.filters))
	w.names.sweep()
	var are [8]set // what each bit of a scope says
	for _, e := range list {
		c.batch[e.at%batchLen] = e
		for scope := e.scope() & as; scope != 0; scope &= scope - 1 {
			are[bits.TrailingZeros8(uint8(scope))&7] |= setOf(e.at)
		}
	}
	for i := range g.scopes {
		s := &g.scopes[i]
		s.events = 0
		for of := s.of; of != 0; of &= of - 1 {
			s.events |= are[bits.TrailingZeros8(uint8(of))&7]
		}
	}
	for i := range g.uses {
		u := &g.uses[i]
		if u.like != none {
			continue
		}
		of := w.selected(c, u, g.scopes[u.scope].events)
		if of == 0 {
			continue
		}
		r := w.reducers[i]
		if d, ok := r.(*declared); ok {
			d.addAll(c, of)
			continue
		}
		for of != 0 {
			r.Add(c.batch[of.take()])
		}
	}
}

// selected are the events of which what a use asks for holds.
func (w *Window) selected(c *common, u *groupUse, of set) set {
	if u.Entry.Where != nil {
		for left := of; left != 0; {
			if at := left.take(); !u.Entry.Where(c.batch[at]) {
				of &^= setOf(at)
			}
		}
	}
	for _, i := range u.filters {
		v := &c.verdicts[i]
		for left := of &^ v.asked; left != 0; {
			at := left.take()
			e := c.batch[at]
			if w.group.filters[i].Match(e) {
				v.holds |= setOf(at)
			}
			if e.failure != nil {
				w.failures[i].add(1, e.failure)
			}
		}
		v.asked |= of
		of &= v.holds
	}
	return of
}

func (f *failures) add(n uint64, err error) {
	if f.n += n; f.first == nil {
		f.first = err
	}
}

// Failures calls f for each filter that failed of some events, with their number
// and the first error. They were not selected.
func (w *Window) Failures(f func(where string, n uint64, first error)) {
	for i := range w.failures {
		if e := &w.failures[i]; e.n > 0 {
			f(w.group.filters[i].text, e.n, e.first)
		}
	}
}

// Overdue reports whether Close would have anything to add to a window with that
// end.
func (g *Group) Overdue(end int64, final bool) bool {
	return g.tracker != nil && g.tracker.overdue(end, final)
}

// Close adds the queries whose time was over before the window's end, or at the
// end of the input those that still wait. e is what they are shown as.
func (w *Window) Close(e *Event, end int64, final bool) {
	t := w.group.tracker
	if t == nil {
		return
	}
	t.releaseAnswered()
	t.expire(end, final, func(q *pending) {
		if q.query != nil {
			e.Set(&q.query.m)
		} else {
			e.Set(w.group.bareQuery(q))
			e.Bare = true
		}
		e.Match, e.Retransmissions = TimedOut, int(q.again)
		w.one[0] = e
		w.reduce(w.one[:], Overdue)
	})
	w.untracked += t.lost
	t.lost = 0
}

// Waiting reports whether queries wait for their responses.
func (g *Group) Waiting() bool { return g.tracker != nil && g.tracker.open > 0 }

// bareQuery is what is known of a query that was not kept.
func (g *Group) bareQuery(q *pending) *speedy.Message {
	m := &g.bare
	m.Time, m.Place, m.ID = q.time, q.place, q.key.id
	m.Source, m.SourcePort = q.key.client.Addr(), q.key.client.Port()
	m.Dest, m.DestPort = q.key.server.Addr(), q.key.server.Port()
	return m
}

// AddPackets gives the packets of the window to the reducers of packets, with the
// names of interfaces. It is for the window that all have been merged into.
func (w *Window) AddPackets(p PacketCounts, interfaces []string) {
	for _, r := range w.reducers {
		if r, ok := r.(packetReducer); ok {
			r.addPackets(p, interfaces)
		}
	}
}

// Merge adds what another worker has of the same window, and empties that.
func (w *Window) Merge(o *Window) {
	w.Messages += o.Messages
	w.Malformed += o.Malformed
	w.untracked += o.untracked
	for i, r := range w.reducers {
		if w.group.uses[i].like == none {
			r.Merge(o.reducers[i])
			w.names.sweep()
		}
	}
	for i, e := range o.failures {
		w.failures[i].add(e.n, e.first)
	}
	w.names.known.from = nil
	o.Reset()
}

// Report is the report of one reducer, by its place in the list. Its octets are valid
// until the next report of the window.
func (w *Window) Report(i int, r *report.Report) {
	w.reducers[i].Report(r)
	if w.group.uses[i].Entry.Of&Overdue != 0 {
		r.Window.Skipped += w.untracked
	}
}

// Reset makes the window ready to be used for another.
func (w *Window) Reset() {
	w.Messages, w.Malformed, w.untracked = 0, 0, 0
	for i, r := range w.reducers {
		if w.group.uses[i].like == none {
			r.Reset()
		}
	}
	w.names.reset()
	clear(w.failures)
}
