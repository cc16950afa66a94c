package fievel

import "ratadns/reduce"

// A set is the reducers that the windows of a server begin with. A window keeps
// its set to its end, so that other reducers take over between two windows and
// nobody loses a message.
type set struct {
	reducers []Reducer
	groups   []*reduce.Group    // one for each part
	free     [][]*reduce.Window // of each part
}

// newSet makes one of the present reducers for the server of that name, after the
// one it has.
func (f *Fievel) newSet(server string, before *set) *set {
	s := &set{reducers: f.reducers, free: make([][]*reduce.Window, len(f.parts))}
	var uses []reduce.Use
	for _, r := range f.reducers {
		uses = append(uses, reduce.Use{Entry: r.Entry, Params: r.Params})
	}
	own := f.ownAddresses(server)
	for i := range f.parts {
		g := reduce.NewGroup(uses, len(f.parts))
		g.Own = own
		if before != nil {
			g.Follow(before.groups[i])
		}
		s.groups = append(s.groups, g)
	}
	return s
}

// Reload gives other reducers to the windows that begin from now on; those that
// are open go on as they are. No handler may be running.
func (f *Fievel) Reload(reducers []Reducer) {
	f.reducers, f.watches = reducers, countsPackets(reducers)
	for _, srv := range f.servers {
		srv.set = f.newSet(srv.name, srv.set)
	}
}

// SetFacts gives the fields what they look up elsewhere. No handler may be
// running.
func (f *Fievel) SetFacts(facts *reduce.Facts) {
	for _, p := range f.parts {
		p.event.Facts = facts
	}
}

// fresh returns a part's share of an empty window. Only that part may call it
// while several are at work.
func (s *set) fresh(part int) *reduce.Window {
	free := s.free[part]
	if n := len(free); n > 0 {
		s.free[part] = free[:n-1]
		return free[n-1]
	}
	return s.groups[part].NewWindow()
}

// recycle keeps the reducers of a reported window, which have been reset.
func (s *set) recycle(w *window) {
	for i, p := range w.parts {
		s.free[i] = append(s.free[i], p)
	}
}
