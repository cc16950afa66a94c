package fievel

import (
	"net/netip"
	"slices"

	"ratadns/reduce"
	"ratadns/report"
)

// maxQuiet is how many empty windows in a row a quiet server reports.
const maxQuiet = 360

// A server has windows of its own.
type server struct {
	name   string
	silent bool      // nothing seen yet, and no empty windows to be reported
	set    *set      // of the windows that begin now
	open   []*window // by seq
	quiet  int       // empty windows reported in a row
	last   int64     // seq reported last, or -1
	lost   uint64
	end    int64 // of the last window of messages
	seq    int64 // of the next window of messages
	jumped bool  // which begins at its first message
	// Packets of no window yet.
	packets reduce.PacketCounts
	own     func(netip.Addr) bool // its addresses, or nil where they are not known
}

// A window is open until it is reported.
type window struct {
	set                 *set
	seq                 int64
	start, end          int64
	messages, malformed uint64
	lost                uint64
	partial             bool
	gap                 int64
	parts               []*reduce.Window // nil where a part has nothing
	packets             reduce.PacketCounts
}

func (f *Fievel) newServer(name string) *server {
	s := &server{name: name, last: -1}
	s.own = f.ownAddresses(name)
	s.set = f.newSet(name, nil)
	return s
}

// ownAddresses tells the addresses of the server of that name from others, or
// is nil where they are not known.
func (f *Fievel) ownAddresses(name string) func(netip.Addr) bool {
	for _, s := range f.cfg.Servers {
		if s.Name == name && len(s.Addresses) > 0 {
			return func(a netip.Addr) bool {
				srv := f.byAddr[a]
				return srv != nil && srv.name == name
			}
		}
	}
	if f.cfg.Sides.Known() {
		return f.cfg.Sides.IsServer
	}
	return nil
}

// first is the oldest open window, or nil.
func (s *server) first() *window {
	if len(s.open) == 0 {
		return nil
	}
	return s.open[0]
}

// at returns the open window of that seq.
func (s *server) at(seq int64) *window {
	// The newest is nearly always the one.
	i := len(s.open)
	for i > 0 && s.open[i-1].seq > seq {
		i--
	}
	if i > 0 && s.open[i-1].seq == seq {
		return s.open[i-1]
	}
	w := s.window()
	w.seq = seq
	s.open = slices.Insert(s.open, i, w)
	return w
}

// window returns an empty window.
func (s *server) window() *window {
	return &window{set: s.set, parts: make([]*reduce.Window, len(s.set.groups))}
}

func (w *window) header() report.Window {
	return report.Window{
		Start: w.start, End: w.end, Seq: w.seq, Messages: w.messages, Malformed: w.malformed,
		Lost: w.lost, Partial: w.partial, Gap: w.gap,
	}
}

// time is where the window stands among others: its start, but for the first of
// so many messages, which has none.
func (w *window) time() int64 {
	if w.start == 0 {
		return w.end
	}
	return w.start
}

// advance closes the windows of time that are over when t is seen.
func (f *Fievel) advance(t int64) {
	length := f.cfg.length()
	// The first window whose end plus lateness is after t stays open.
	open := (t - f.cfg.lateness()) / length
	switch {
	case f.clock.restarted:
		f.clock.restarted = false
		f.finish()
		f.clock.closed = open
	case open > f.clock.closed:
		f.closeUntil(open)
	}
}

// closeUntil reports the windows before seq, in the order of time, and in each
// the servers in the order of the configuration.
func (f *Fievel) closeUntil(seq int64) {
	for s := f.clock.closed; s < seq; s++ {
		if next := f.nextWork(s); next > s {
			s = min(next, seq)
			if s == seq {
				break
			}
		}
		f.closeWindow(s, false)
	}
	f.clock.closed = seq
	f.flush()
}

// nextWork is the first window from s on that somebody has to report.
func (f *Fievel) nextWork(s int64) int64 {
	next := int64(1<<63 - 1)
	for _, srv := range f.servers {
		if w := srv.first(); w != nil {
			next = min(next, w.seq)
		}
		if f.clock.begun && !srv.silent && srv.quiet < maxQuiet {
			next = s
		}
	}
	return next
}

// closeWindow reports the window of that seq at every server that has one, or
// is known and has not been quiet for too long.
func (f *Fievel) closeWindow(seq int64, final bool) {
	length := f.cfg.length()
	first := !f.clock.begun
	f.clock.begun = true
	for _, srv := range f.servers {
		w := srv.first()
		if w != nil && w.seq == seq {
			srv.open = slices.Delete(srv.open, 0, 1)
			srv.quiet, srv.silent = 0, false
		} else {
			// The last report tells what is left, also of one long quiet.
			if srv.silent || srv.quiet >= maxQuiet && !final {
				continue
			}
			srv.quiet++
			w = srv.window()
			w.seq = seq
		}
		w.start, w.end = seq*length, (seq+1)*length
		w.partial = first || final
		if srv.last >= 0 && seq > srv.last+1 {
			w.gap = (seq - srv.last - 1) * length
		}
		w.lost, srv.lost = srv.lost, 0
		srv.last = seq
		f.send(srv, w, final)
		w.set.recycle(w)
	}
}

// finish reports all open windows: the input ends here, or its time begins
// anew. The last is partial.
func (f *Fievel) finish() {
	last := int64(-1)
	for _, srv := range f.servers {
		if n := len(srv.open); n > 0 {
			last = max(last, srv.open[n-1].seq)
		}
	}
	if last >= 0 {
		f.closeUntil(last)
		f.closeWindow(last, true)
	}
	for _, srv := range f.servers {
		srv.last, srv.quiet = -1, 0
	}
	f.clock.begun = false
}

// counted puts a message into a window of so many messages. No window lasts
// over a jump of time.
func (f *Fievel) counted(it *item) {
	if f.clock.jumped {
		f.clock.jumped = false
		f.cutAll()
		for _, srv := range f.servers {
			srv.jumped = true
		}
	}
	f.add(f.server(it), it)
}

// cutAll reports the windows of messages as they are.
func (f *Fievel) cutAll() {
	for _, srv := range f.servers {
		if w := srv.first(); w != nil {
			f.cut(srv, w, true)
		}
	}
}

// add puts a message into its server's window of so many messages.
func (f *Fievel) add(srv *server, it *item) {
	w := srv.first()
	if w == nil {
		w = srv.window()
		if srv.jumped {
			if srv.seq > 0 {
				w.gap = max(0, it.time-srv.end)
			}
			srv.jumped, srv.end = false, it.time
		}
		w.seq, w.start, w.end = srv.seq, srv.end, srv.end
		srv.open = append(srv.open, w)
	}
	// Packets may come slightly out of order; a window does not end before
	// it begins.
	w.end = max(w.end, it.time)
	f.reduce(srv, w, it)
	if w.messages == uint64(f.cfg.Window.Messages) {
		f.cut(srv, w, false)
		f.flush()
	}
}

// cut reports a window of messages.
func (f *Fievel) cut(srv *server, w *window, final bool) {
	srv.open = srv.open[:0]
	srv.end = w.end
	srv.seq++
	w.partial = final
	w.lost, srv.lost = srv.lost, 0
	f.send(srv, w, final)
	w.set.recycle(w)
}
