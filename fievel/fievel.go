// Package fievel groups DNS messages into half-open intervals of capture
// time, [start, start+length), or into runs of so many messages, feeds the
// reducers with them and sends their reports.
//
// Time is always the packet's timestamp, never the clock: replaying a capture
// gives the reports of the live run, byte for byte. Each server has windows of
// its own; the time that closes them is common to all. Start at [Fievel].
package fievel

import (
	"net/netip"
	"time"

	"ratadns/bus"
	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

// A Reducer is a configured reducer with its output.
type Reducer struct {
	Type   string // in its reports
	Entry  *reduce.Entry
	Params reduce.Params
	Seed   bool // reports in the form of 2015
	Output bus.Output
}

// A Server is a name server whose traffic is told apart by its addresses.
type Server struct {
	Name      string
	Addresses []netip.Addr
}

// Stats count messages: Found is the sum of Reduced and Late, once all that
// wait for agreement about the time have been decided.
type Stats struct {
	Found, Reduced, Malformed, Late uint64
	Reports                         uint64
}

// A Fievel takes messages in the order of the capture. It is not safe for
// concurrent use.
type Fievel struct {
	Stats    Stats
	cfg      Config
	reducers []Reducer
	ports    map[uint16]bool
	servers  []*server // in the order of the configuration, the one for the rest last
	byAddr   map[netip.Addr]*server
	rest     *server
	event    *reduce.Event
	clock    clock
	line     []byte
	err      error // the first of an output
}

// New returns a Fievel whose reports show addresses as anon writes them.
func New(cfg Config, reducers []Reducer, anon *speedy.Anonymizer) *Fievel {
	f := &Fievel{
		cfg: cfg, reducers: reducers,
		byAddr: make(map[netip.Addr]*server), event: reduce.NewEvent(anon),
		ports: make(map[uint16]bool),
	}
	for _, p := range cfg.Ports {
		f.ports[p] = true
	}
	f.clock.far = int64(maxJump)
	for _, s := range cfg.Servers {
		srv := f.newServer(s.Name)
		f.servers = append(f.servers, srv)
		for _, a := range s.Addresses {
			f.byAddr[a] = srv
		}
	}
	// The rest may go to a server that has addresses of its own.
	for _, srv := range f.servers {
		if srv.name == cfg.Server {
			f.rest = srv
			return f
		}
	}
	f.rest = f.newServer(cfg.Server)
	// Where servers are told apart, the one for the rest is there from its
	// first message on.
	f.rest.silent = len(cfg.Servers) > 0
	f.servers = append(f.servers, f.rest)
	return f
}

// Err is the first error of an output; reports went on to the others.
func (f *Fievel) Err() error { return f.err }

// Message implements [speedy.Handler]: it takes the next message.
func (f *Fievel) Message(m *speedy.Message) {
	f.Stats.Found++
	f.believed(f.clock.take(m))
}

// Tick closes the windows of time that are over at t, where a live source has
// been silent since. It believes t as it would a packet.
func (f *Fievel) Tick(t time.Time) {
	if f.cfg.Window.Messages == 0 && f.clock.set && near(f.clock.now, t.UnixNano(), f.clock.far) {
		f.advance(max(t.UnixNano(), f.clock.now))
	}
}

// believed takes messages whose time is believed.
func (f *Fievel) believed(list []*speedy.Message) {
	for _, m := range list {
		if f.cfg.Window.Messages > 0 {
			f.counted(m)
			continue
		}
		f.advance(m.Time)
		f.timed(m)
	}
	f.Stats.Late += f.clock.refused()
}

// timed puts a message into the window of its time.
func (f *Fievel) timed(m *speedy.Message) {
	srv := f.server(m)
	seq := m.Time / f.cfg.length()
	if seq < f.clock.closed {
		f.Stats.Late++
		srv.lost++
		return
	}
	f.reduce(srv.at(seq), m)
}

// reduce feeds the window's reducers.
func (f *Fievel) reduce(w *window, m *speedy.Message) {
	f.Stats.Reduced++
	w.messages++
	if m.Malformed != 0 {
		f.Stats.Malformed++
		w.malformed++
	}
	e := f.event
	e.Set(m)
	for i, r := range w.reducers {
		entry := f.reducers[i].Entry
		if entry.Of.Has(e) && (entry.Where == nil || entry.Where(e)) {
			r.Add(e)
		}
	}
}

// server is the one that a message belongs to, by the address on the server's
// side: the one with a DNS port, and by QR where that does not decide.
func (f *Fievel) server(m *speedy.Message) *server {
	if len(f.byAddr) == 0 {
		return f.rest
	}
	a := m.Server()
	if m.Has&speedy.FieldPorts != 0 {
		if source, dest := f.ports[m.SourcePort], f.ports[m.DestPort]; source != dest {
			a = m.Dest
			if source {
				a = m.Source
			}
		}
	}
	return f.byAddress(a)
}

func (f *Fievel) byAddress(a netip.Addr) *server {
	if srv := f.byAddr[a]; srv != nil {
		return srv
	}
	return f.rest
}

// Lost counts a packet that is known to be missing at the server that one of
// the addresses belongs to.
func (f *Fievel) Lost(source, dest netip.Addr) {
	srv := f.byAddr[source]
	if srv == nil {
		srv = f.byAddress(dest)
	}
	srv.lost++
}

// Close reports what is in the last windows, partial as they are. It does not
// close the outputs.
func (f *Fievel) Close() error {
	f.believed(f.clock.rest())
	if f.cfg.Window.Messages > 0 {
		f.cutAll()
	} else {
		f.finish()
	}
	f.flush()
	return f.err
}

// send makes a report of each reducer of w and passes it on.
func (f *Fievel) send(srv *server, w *window, final bool) {
	for i, r := range w.reducers {
		c := &f.reducers[i]
		rep := report.Report{Type: c.Type, ServerID: srv.name, Window: w.header()}
		r.Report(&rep, final)
		if c.Seed {
			f.line = rep.AppendSeed(f.line[:0])
		} else {
			f.line = rep.Append(f.line[:0])
		}
		f.Stats.Reports++
		if err := c.Output.Send(f.line); err != nil && f.err == nil {
			f.err = err
		}
		r.Reset()
	}
}

func (f *Fievel) flush() {
	for i := range f.reducers {
		if err := f.reducers[i].Output.Flush(); err != nil && f.err == nil {
			f.err = err
		}
	}
}

// LostAnywhere counts packets that are missing at nobody knows which server: the
// kernel had no room for them. They stand with the rest.
func (f *Fievel) LostAnywhere(n uint64) {
	f.rest.lost += n
	f.rest.silent = false
}

// AddAddress gives a configured server one more address.
func (f *Fievel) AddAddress(name string, a netip.Addr) {
	for _, srv := range f.servers {
		if srv.name == name {
			f.byAddr[a] = srv
			return
		}
	}
}
