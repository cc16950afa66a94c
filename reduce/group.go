package reduce

import (
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
	uses    []Use
	style   Style
	dims    []dim    // fields that reducers use, each once
	tracker *tracker // nil when no reducer asks for transactions
	bare    speedy.Message
}

// NewGroup returns the group of one of that many workers. style says how reports
// write keys.
func NewGroup(uses []Use, workers int, style Style) *Group {
	g := &Group{style: style}
	for _, u := range uses {
		u.Workers = workers
		g.uses = append(g.uses, u)
		if u.Entry.Of&Transactions != 0 && g.tracker == nil {
			g.tracker = newTracker(workers)
		}
	}
	return g
}

// dim is the field of that name, which exists.
func (g *Group) dim(name string) dim {
	for _, d := range g.dims {
		if d.Name == name {
			return d
		}
	}
	d := dim{FindField(name), len(g.dims)}
	g.dims = append(g.dims, d)
	return d
}

// A Window is what one worker has of one window of one server.
type Window struct {
	Messages, Malformed uint64
	group               *Group
	reducers            []Reducer
	names               *interner
	untracked           uint64 // queries for which there was no room
}

// NewWindow returns an empty window.
func (g *Group) NewWindow() *Window {
	w := &Window{group: g, names: newInterner()}
	for i := range g.uses {
		u := &g.uses[i]
		if u.Entry.New != nil {
			w.reducers = append(w.reducers, u.Entry.New(u.Params))
		} else {
			w.reducers = append(w.reducers, g.newDeclared(u, w.names))
		}
	}
	return w
}

// Add gives e, which has just been set, to the reducers.
func (w *Window) Add(e *Event) {
	w.Messages++
	if e.Malformed != 0 {
		w.Malformed++
	}
	if t := w.group.tracker; t != nil {
		t.see(e)
	}
	w.reduce(e)
}

func (w *Window) reduce(e *Event) {
	e.names = w.names
	w.names.sweep()
	if len(e.values) < len(w.group.dims) {
		e.values = make([]value, len(w.group.dims))
	}
	is := e.scope()
	for i, r := range w.reducers {
		entry := w.group.uses[i].Entry
		if entry.Of&is != 0 && (entry.Where == nil || entry.Where(e)) {
			r.Add(e)
		}
	}
}

// Close adds the queries whose time was over before the window's end, or at the
// end of the input those that still wait. e is what they are shown as.
func (w *Window) Close(e *Event, end int64, final bool) {
	t := w.group.tracker
	if t == nil {
		return
	}
	t.expire(end, final, func(q *pending) {
		if q.query != nil {
			e.Set(&q.query.m)
		} else {
			e.Set(w.group.bareQuery(q))
			e.Bare = true
		}
		e.Match, e.Retransmissions = TimedOut, q.again
		w.reduce(e)
	})
	w.untracked += t.lost
	t.lost = 0
}

// bareQuery is what is known of a query that was not kept.
func (g *Group) bareQuery(q *pending) *speedy.Message {
	m := &g.bare
	m.Time, m.Place, m.ID = q.time, q.place, q.key.id
	m.Source, m.SourcePort = q.key.client.Addr(), q.key.client.Port()
	m.Dest, m.DestPort = q.key.server.Addr(), q.key.server.Port()
	return m
}

// Merge adds what another worker has of the same window, and empties that.
func (w *Window) Merge(o *Window) {
	w.Messages += o.Messages
	w.Malformed += o.Malformed
	w.untracked += o.untracked
	for i, r := range w.reducers {
		r.Merge(o.reducers[i])
	}
	o.Reset()
}

// Report is the report of one reducer, by its place in the list.
func (w *Window) Report(i int, r *report.Report) {
	w.reducers[i].Report(r)
	if w.group.uses[i].Entry.Of&Overdue != 0 {
		r.Window.Skipped += w.untracked
	}
}

// Reset makes the window ready to be used for another.
func (w *Window) Reset() {
	w.Messages, w.Malformed, w.untracked = 0, 0, 0
	for _, r := range w.reducers {
		r.Reset()
	}
	w.names.reset()
}
