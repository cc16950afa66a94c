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
	"sync"
	"sync/atomic"
	"time"

	"ratadns/bus"
	"ratadns/capture"
	"ratadns/reduce"
	"ratadns/speedy"
)

// A Reducer is a configured reducer with its output.
type Reducer struct {
	Type   string // in its reports
	Entry  *reduce.Entry
	Params reduce.Params
	Window Window // nothing is that of the configuration
	Seed   bool   // reports in the form of 2015
	Output bus.Output
}

// A Server is a name server whose traffic is told apart by its addresses.
type Server struct {
	Name      string
	Addresses []netip.Addr
}

// Stats count messages: Found is the sum of Reduced and Late, once all that
// wait for agreement about the time have been decided. Where windows of several
// lengths are cut, one that is late for any of them is Late.
type Stats struct {
	Found, Reduced, Malformed, Late uint64
	Reports                         uint64
}

// A Fievel takes messages in the order of the capture. It is not safe for
// concurrent use.
type Fievel struct {
	Stats     Stats
	cfg       Config
	windowers []*windower
	servers   []*server // in the order of the configuration, the one for the rest last
	byAddr    map[netip.Addr]*server
	rest      *server
	parts     []*part
	clock     clock
	reloads   int
	unsettled bool // windows may be open that began before the last of them
	over      bool // and one of those may be over
	item      item
	into      []*window // of the message being decided
	line      [][]byte  // a report, in parts
	told      []byte    // memory for some of them
	// Sets whose outputs may hold reports back.
	unflushed []*set
	err       error // the first of an output
	facts     *reduce.Facts
	batch     *batch     // of what is being decided
	closing   bool       // the input has ended, and all messages have been reduced
	stock     sync.Mutex // of what sets have made for parts
	reporting sync.Mutex // not at the same time: reports, and a reload
	watches   atomic.Bool
	ending    atomic.Int32 // loads that end windows and are not flushed
}

// A server is known by its place among all.
type server struct {
	name  string
	place int
	own   func(netip.Addr) bool // its addresses, or nil where they are not known
}

// New returns a Fievel whose reports show addresses as anon writes them.
func New(cfg Config, reducers []Reducer, anon *speedy.Anonymizer) *Fievel {
	f := &Fievel{cfg: cfg, facts: cfg.Facts, byAddr: make(map[netip.Addr]*server)}
	for i := range max(cfg.Workers, 1) {
		f.parts = append(f.parts, f.newPart(i, anon.Clone()))
	}
	f.know()
	f.assign(reducers)
	return f
}

// know makes the servers.
func (f *Fievel) know() {
	for _, s := range f.cfg.Servers {
		srv := f.newServer(s.Name)
		for _, a := range s.Addresses {
			f.byAddr[a] = srv
		}
		// The rest may go to a server that has addresses of its own.
		if s.Name == f.cfg.Server {
			f.rest = srv
		}
	}
	if f.rest == nil {
		f.rest = f.newServer(f.cfg.Server)
	}
}

func (f *Fievel) newServer(name string) *server {
	s := &server{name: name, place: len(f.servers), own: f.ownAddresses(name)}
	f.servers = append(f.servers, s)
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
	if f.clock.set && capture.Near(f.clock.now, t.UnixNano()) {
		f.pass(max(t.UnixNano(), f.clock.now), goesOn)
	}
}

// pass reports all windows that are over when a message at t comes.
func (f *Fievel) pass(t int64, turn turn) {
	for _, d := range f.windowers {
		d.pass(t, turn)
	}
	if f.over {
		f.settle()
	}
}

// believed takes messages whose time is believed.
func (f *Fievel) believed(list []*item) {
	for _, it := range list {
		f.pass(it.time, f.clock.turned())
		f.decide(it)
	}
	f.Stats.Late += f.clock.refused()
}

// decide puts a message into its windows.
func (f *Fievel) decide(it *item) {
	srv, late := f.server(it), false
	f.into = f.into[:0]
	for _, d := range f.windowers {
		if !d.choose(srv, it.time) {
			late = true
		} else if d.at != nil {
			d.at.messages++
			f.into = append(f.into, d.at)
		}
	}
	if late {
		f.Stats.Late++
	} else {
		f.Stats.Reduced++
	}
	if len(f.into) == 0 {
		return
	}
	it.part.take(it, srv, f.into)
	for _, d := range f.windowers {
		if d.at != nil && d.window.Messages > 0 && d.at.messages == uint64(d.window.Messages) {
			d.cut(d.sequences[srv.place], d.at, false)
			f.flushNow()
		}
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
	s := it.segment
	if f.cfg.Sides.FromServer(s.Source, s.Dest, s.SourcePort, s.DestPort, s.Payload[2]&0x80 != 0) {
		return f.byAddress(s.Source)
	}
	return f.byAddress(s.Dest)
}

func (f *Fievel) byAddress(a netip.Addr) *server {
	if srv := f.byAddr[a]; srv != nil {
		return srv
	}
	return f.rest
}

// Lost counts packets that are known to be missing at the server that one of the
// addresses belongs to.
func (f *Fievel) Lost(source, dest netip.Addr, n uint64) {
	srv := f.byAddr[source]
	if srv == nil {
		srv = f.byAddress(dest)
	}
	f.lose(srv, n)
}

// lose counts what is missing at a server, and returns the windowers that have
// counted it.
func (f *Fievel) lose(srv *server, n uint64) (told []*windower) {
	for _, d := range f.windowers {
		if !d.waits(srv) {
			d.sequences[srv.place].lost += n
			told = append(told, d)
		}
	}
	return told
}

// LostAnywhere counts packets of an interface that are missing at nobody knows
// which server: the kernel had no room for them. They stand with the rest.
func (f *Fievel) LostAnywhere(n uint64, iface int) {
	for _, d := range f.lose(f.rest, n) {
		q := d.sequences[f.rest.place]
		q.count(nil, reduce.PacketKind{Interface: uint8(iface), Fate: reduce.DroppedPacket}, n)
		q.silent = false
	}
}

// Close reports what is in the last windows, partial as they are. It does not
// close the outputs.
func (f *Fievel) Close() error {
	f.alone(func() { f.believed(f.clock.rest()) })
	f.closing = true
	f.alone(func() {
		for _, d := range f.windowers {
			d.finish()
		}
	})
	for _, p := range f.parts {
		f.Stats.Malformed += p.malformed
		p.malformed = 0
	}
	return f.err
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
