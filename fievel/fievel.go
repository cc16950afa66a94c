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
	servers  []*server // in the order of the configuration, the one for the rest last
	byAddr   map[netip.Addr]*server
	rest     *server
	parts    []*part
	clock    clock
	item     item
	line     []byte
	// Sets whose outputs may hold reports back.
	unflushed []*set
	err       error // the first of an output
	// Packets that are not counted yet, where some reducer wants them.
	watches bool
	seen    []seenPacket
	decided int
}

// New returns a Fievel whose reports show addresses as anon writes them.
func New(cfg Config, reducers []Reducer, anon *speedy.Anonymizer) *Fievel {
	f := &Fievel{cfg: cfg, reducers: reducers, watches: countsPackets(reducers), byAddr: make(map[netip.Addr]*server)}
	for i := range max(cfg.Workers, 1) {
		own := anon.Clone()
		f.parts = append(f.parts, &part{
			f: f, index: i, dec: speedy.NewDecoder(cfg.Sides, false), anon: own, event: reduce.NewEvent(own),
		})
		if cfg.Facts != nil {
			f.parts[i].event.Facts = cfg.Facts
		}
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

// Message takes the next message of a stream of them, in place of an engine.
func (f *Fievel) Message(m *speedy.Message) {
	m.FromServer = f.cfg.Sides.FromServer(m.Source, m.Dest, m.SourcePort, m.DestPort, m.QR())
	f.item = item{time: m.Time, part: f.parts[0], msg: m}
	f.take(&f.item)
}

func (f *Fievel) take(it *item) {
	f.Stats.Found++
	f.believed(f.clock.take(it))
}

// Tick closes the windows of time that are over at t, where a live source has
// been silent since. It believes t as it would a packet.
func (f *Fievel) Tick(t time.Time) {
	if f.cfg.Window.Messages == 0 && f.clock.set && near(f.clock.now, t.UnixNano(), f.clock.far) {
		f.advance(max(t.UnixNano(), f.clock.now))
	}
}

// believed takes messages whose time is believed.
func (f *Fievel) believed(list []*item) {
	for _, it := range list {
		if f.cfg.Window.Messages > 0 {
			f.counted(it)
			continue
		}
		f.advance(it.time)
		f.timed(it)
	}
	f.Stats.Late += f.clock.refused()
}

// timed puts a message into the window of its time.
func (f *Fievel) timed(it *item) {
	srv := f.server(it)
	seq := it.time / f.cfg.length()
	if seq < f.clock.closed {
		f.Stats.Late++
		srv.lost++
		return
	}
	f.reduce(srv, srv.at(seq), it)
}

// reduce gives a message to its part for the window: at once where there is only
// one part.
func (f *Fievel) reduce(srv *server, w *window, it *item) {
	f.Stats.Reduced++
	w.messages++
	p := it.part
	switch {
	case it.msg != nil:
		p.reduce(w, it.msg)
	case len(f.parts) == 1:
		p.reduce(w, p.dec.Decode(&it.payload))
	default:
		p.jobs = append(p.jobs, job{it.payload, w})
	}
}

// server is the one that a message belongs to, by the address on the server's
// side.
func (f *Fievel) server(it *item) *server {
	if len(f.byAddr) == 0 {
		return f.rest
	}
	if it.msg != nil {
		return f.byAddress(it.msg.Server())
	}
	p := &it.payload
	if f.cfg.Sides.FromServer(p.Source, p.Dest, p.SourcePort, p.DestPort, p.Data[2]&0x80 != 0) {
		return f.byAddress(p.Source)
	}
	return f.byAddress(p.Dest)
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
	_ = f.Flush() // its error is returned below
	f.believed(f.clock.rest())
	if f.cfg.Window.Messages > 0 {
		f.cutAll()
	} else {
		f.finish()
	}
	f.flush()
	return f.err
}

// send makes a report of each reducer of w, of what all parts have, and passes
// it on.
func (f *Fievel) send(srv *server, w *window, final bool) {
	f.drain()
	// Those that have nothing may still have queries whose time is over.
	for i, p := range f.parts {
		if w.parts[i] == nil {
			w.parts[i] = w.set.fresh(i)
		}
		w.parts[i].Close(p.event, w.end, final)
	}
	all := w.parts[0]
	for _, o := range w.parts[1:] {
		all.Merge(o)
	}
	all.Failures(func(where string, n uint64, first error) {
		f.cfg.Log.Warn("where failed, messages not selected", "server", srv.name, "window", time.Unix(0, w.start).UTC(), "where", where, "count", n, "err", first)
	})
	if f.watches {
		for kind, n := range srv.packets {
			srv.count(w, kind, n)
		}
		all.AddPackets(w.packets, f.cfg.Interfaces)
	}
	clear(srv.packets)
	w.malformed = all.Malformed
	f.Stats.Malformed += w.malformed
	if f.cfg.Windows != nil {
		f.cfg.Windows(all, w.header())
		all.Reset()
		return
	}
	if n := len(f.unflushed); n == 0 || f.unflushed[n-1] != w.set {
		f.unflushed = append(f.unflushed, w.set)
	}
	for i := range w.set.reducers {
		c := &w.set.reducers[i]
		rep := report.Report{Type: c.Type, ServerID: srv.name, Window: w.header()}
		all.Report(i, &rep)
		if c.Seed {
			f.line = rep.AppendSeed(f.line[:0])
		} else {
			f.line = rep.Append(f.line[:0])
		}
		f.Stats.Reports++
		if t, ok := c.Output.(bus.Timed); ok {
			t.At(w.time())
		}
		if err := c.Output.Send(f.line); err != nil && f.err == nil {
			f.err = err
		}
	}
	all.Reset()
}

func (f *Fievel) flush() {
	for _, s := range f.unflushed {
		for i := range s.reducers {
			if err := s.reducers[i].Output.Flush(); err != nil && f.err == nil {
				f.err = err
			}
		}
	}
	f.unflushed = f.unflushed[:0]
}

// LostAnywhere counts packets of an interface that are missing at nobody knows
// which server: the kernel had no room for them. They stand with the rest.
func (f *Fievel) LostAnywhere(n uint64, iface int) {
	f.rest.lost += n
	f.rest.count(nil, reduce.PacketKind{Interface: uint8(iface), Fate: reduce.DroppedPacket}, n)
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
