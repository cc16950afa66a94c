package fievel

import (
	"slices"

	"ratadns/reduce"
)

// A set is the reducers that the windows of a server begin with. A window keeps
// its set to its end, so that other reducers take over between two windows and
// nobody loses a message.
type set struct {
	f        *Fievel
	reducers []Reducer
	groups   []*reduce.Group    // one for each part
	free     [][]*reduce.Window // of each part
	watches  bool               // some reducer counts packets
	born     int                // by Fievel.reloads
}

// newSet makes one for a server.
func (f *Fievel) newSet(srv *server, reducers []Reducer) *set {
	s := &set{
		f: f, reducers: reducers, free: make([][]*reduce.Window, len(f.parts)), watches: countsPackets(reducers), born: f.reloads,
	}
	var uses []reduce.Use
	for _, r := range reducers {
		uses = append(uses, reduce.Use{Entry: r.Entry, Params: r.Params})
	}
	for range f.parts {
		g := reduce.NewGroup(uses, len(f.parts))
		g.Own = srv.own
		s.groups = append(s.groups, g)
	}
	return s
}

// follow takes over from the set of the windows before.
func (s *set) follow(before *set) {
	for i, g := range s.groups {
		g.Follow(before.groups[i])
	}
}

// remember takes over what reducers remember where they had other windows.
func (s *set) remember(before *set) {
	for i, g := range s.groups {
		g.Remember(before.groups[i])
	}
}

// Reload gives other reducers to the windows that begin from now on; those that
// are open go on as they are. A reducer that wants other windows than it had gets
// them where those end. It is for [Config.Between], or for when nothing is running.
func (f *Fievel) Reload(reducers []Reducer) {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	f.reloads++
	f.assign(reducers)
	f.settle()
}

// assign divides reducers among the windowers.
func (f *Fievel) assign(reducers []Reducer) {
	had := make(map[string]*windower)
	for _, d := range f.windowers {
		for i := range d.reducers {
			had[d.reducers[i].Type] = d
		}
	}
	of := make(map[*windower][]Reducer)
	for _, r := range reducers {
		if r.Window == (Window{}) {
			r.Window = f.cfg.Window
		}
		r.Window = r.Window.plain()
		d := f.windowerOf(r.Window, had[r.Type])
		of[d] = append(of[d], r)
	}
	for _, d := range f.windowers {
		d.turnTo(of[d])
	}
	f.watch()
}

// windowerOf is the windower of a reducer that wants w and is at before, or is
// new.
func (f *Fievel) windowerOf(w Window, before *windower) *windower {
	if before != nil && before.window == w {
		return before
	}
	for _, d := range f.windowers {
		if d.window == w && d.before == before && (before == nil || d.born == f.reloads) {
			return d
		}
	}
	return f.newWindower(w, before)
}

// settle forgets what only windows that are over have needed since a reload.
func (f *Fievel) settle() {
	defer f.watch()
	f.unsettled, f.over = false, false
	f.windowers = slices.DeleteFunc(f.windowers, func(d *windower) bool {
		old := d.isOpen(func(q *sequence, w *window) bool { return w.set != q.set && len(w.set.reducers) > 0 })
		if old {
			f.unsettled = true
			return false
		}
		d.watches = countsPackets(d.reducers)
		f.unsettled = f.unsettled || d.before != nil
		gone := len(d.reducers) == 0
		if gone || d.before == nil {
			f.hand(d)
		}
		return gone
	})
}

// hand lets those that wait for d wait for what d waits for, or for nothing.
func (f *Fievel) hand(d *windower) {
	for _, o := range f.windowers {
		if o.before == d {
			o.before, o.born = d.before, d.born
		}
	}
}

// SetFacts gives the fields what they look up elsewhere.
func (f *Fievel) SetFacts(facts *reduce.Facts) {
	f.facts = facts
	if len(f.parts) == 1 {
		f.parts[0].setFacts(facts)
	}
}

// fresh returns a part's share of an empty window.
func (s *set) fresh(part int) *reduce.Window {
	s.f.stock.Lock()
	defer s.f.stock.Unlock()
	free := s.free[part]
	if n := len(free); n > 0 {
		s.free[part] = free[:n-1]
		return free[n-1]
	}
	return s.groups[part].NewWindow()
}

// maxFree is how many windows of one part are kept for others: one is open, one is
// being reported, and messages may be late for one.
const maxFree = 3

// recycle keeps the reducers of a reported window, which have been reset.
func (s *set) recycle(w *window) {
	s.f.stock.Lock()
	defer s.f.stock.Unlock()
	for i, p := range w.parts {
		if p != nil && len(s.free[i]) < maxFree {
			s.free[i] = append(s.free[i], p)
		}
	}
}
