package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"ratadns/bus"
	"ratadns/capture"
	"ratadns/capture/filter"
	"ratadns/fievel"
	"ratadns/speedy"
)

// sourceFlags say where packets come from.
type sourceFlags struct {
	Read        []string      `short:"r" sep:"none" help:"Capture to read, pcap, pcapng or dnstap, plain or compressed, or a directory of them; - is standard input. Repeatable." placeholder:"FILE"`
	More        []string      `arg:"" optional:"" name:"file" help:"More captures, as -r *.pcap gives them."`
	Interface   []string      `short:"i" sep:"none" help:"Network interface to listen on. Repeatable." placeholder:"IFACE"`
	Dnstap      []string      `sep:"none" help:"Socket to listen on for dnstap: a path with a /, of a Unix socket, or HOST:PORT. Repeatable." placeholder:"ADDR"`
	Ports       []uint16      `default:"53" help:"Ports of DNS over UDP and TCP, a list (default: ${default})." placeholder:"PORT"`
	Filter      string        `help:"Take only packets that this expression of tcpdump's selects, or the program that tcpdump -ddd makes of one." placeholder:"EXPR"`
	Promiscuous bool          `help:"Take packets for other hosts too, as a mirror port sends them."`
	octets      *atomic.Int64 // read of captures so far, where somebody asks
}

// workersFlag says how many share the work.
type workersFlag struct {
	Workers int `help:"Workers that share the flows; 0 is one for each core." default:"0" placeholder:"N"`
}

// maxWorkers is more than any machine has cores.
const maxWorkers = 1024

// count is the number of workers.
func (w *workersFlag) count() (int, error) {
	if w.Workers < 0 || w.Workers > maxWorkers {
		return 0, usagef("--workers: must be 0 to %d, got %d", maxWorkers, w.Workers)
	}
	if w.Workers == 0 {
		return runtime.GOMAXPROCS(0), nil
	}
	return w.Workers, nil
}

// serverFlag says which side of a message is the server's.
type serverFlag struct {
	Server []prefix `help:"Address or prefix of a name server, to tell servers from clients where the ports do not. Repeatable." placeholder:"ADDR|PREFIX"`
}

// A prefix is a range of addresses; an address alone is one too.
type prefix struct{ netip.Prefix }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *prefix) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil {
		p.Prefix = netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen())
		return nil
	}
	var err error
	if p.Prefix, err = netip.ParsePrefix(string(b)); err != nil {
		return fmt.Errorf("%q is no address and no prefix such as 192.0.2.0/24", b)
	}
	return nil
}

// prefixes are the values of the flag.
func (s *serverFlag) prefixes() (list []netip.Prefix) {
	for _, p := range s.Server {
		list = append(list, p.Prefix)
	}
	return list
}

// A source is opened packets, with what the engine has to know of them.
type source struct {
	capture.Source
	live     liveSource     // or nil
	filtered *filter.Source // or nil
	grace    time.Duration
	ports    []uint16
	drops    []uint64 // told to Fievel, by interface
	between  func()   // called between batches, if not nil
}

// A liveSource drops what is not read in time.
type liveSource interface {
	capture.Source
	Stats() capture.LiveStats
}

// An interfaceSource has several interfaces.
type interfaceSource interface {
	Interfaces() []string
	Drops(iface int) uint64
}

// tapLateness is the lateness of windows of time over live dnstap where the
// configuration has none: name servers, each thread for itself, send messages up
// to a second after the fact, and some time goes into the network and a busy
// machine.
const tapLateness = 3 * time.Second

// pipeGrace is how long a pipe, with a name or without, is still read after
// Ctrl-C: its writer got the same and flushes what it has. A live source is closed
// instead, and read to its end, however long what it has takes.
const pipeGrace, liveGrace = time.Second, time.Duration(math.MaxInt64)

// names are the captures of -r.
func (s *sourceFlags) names() []string { return append(s.Read[:len(s.Read):len(s.Read)], s.More...) }

// live reports whether the flags name a source that is not a capture.
func (s *sourceFlags) live() bool { return len(s.Interface) > 0 || len(s.Dnstap) > 0 }

// maxRings bounds the rings of an interface. They divide its memory among them,
// and one goroutine parses what they give together: more would only be smaller.
const maxRings = 4

// open opens what -r, -i and --dnstap name; without any that is standard input.
// Workers is how many will share the flows.
func (s *sourceFlags) open(ctx context.Context, log *slog.Logger, workers int) (*source, error) {
	if err := s.checkPorts(); err != nil {
		return nil, err
	}
	names := s.names()
	for _, list := range [][]string{names, s.Interface} {
		if name := twice(list); name != "" {
			return nil, usagef("%s: named twice, its packets would count twice", name)
		}
	}
	selected, err := s.filter()
	if err != nil {
		return nil, err
	}
	if len(s.Dnstap) > 0 {
		if len(names) > 0 || len(s.Interface) > 0 {
			return nil, usagef("--dnstap with -i or -r: messages come from dnstap, interfaces or captures, choose one")
		}
		if selected != nil {
			return nil, usagef("--filter with --dnstap: it selects packets, and dnstap has none")
		}
		return s.openDnstap(ctx, log)
	}
	if len(s.Interface) > 0 {
		if len(names) > 0 {
			return nil, usagef("-i and -r: packets come from interfaces or from captures, choose one")
		}
		cfg := capture.DefaultLive(s.Interface...)
		cfg.Promiscuous = s.Promiscuous
		cfg.Rings = min(workers, runtime.GOMAXPROCS(0), maxRings)
		if selected != nil {
			cfg.Filter = selected
		}
		live, err := capture.OpenLive(cfg)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { live.Close() })
		log.Info("listening", "interfaces", s.Interface, "rings", cfg.Rings)
		return &source{Source: live, live: live, grace: liveGrace, ports: s.Ports}, nil
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	src := &source{ports: s.Ports}
	for _, name := range names {
		if name == "-" || bus.IsFIFO(name) {
			src.grace = pipeGrace
		}
	}
	// Opening reads the beginning of each; a pipe may never give one.
	opened := make(chan error, 1)
	go func() {
		var err error
		if src.Source, err = capture.OpenCounted(names, log, s.octets); err == nil {
			src.apply(selected)
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		return src, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// twice is a name that stands in a list more than once, or empty.
func twice(list []string) string {
	for i, name := range list {
		if slices.Contains(list[:i], name) {
			return name
		}
	}
	return ""
}

// checkPorts refuses a list of nothing, as a variable of a shell may give, and what
// is no port: all packets would leave by the door of other ports.
func (s *sourceFlags) checkPorts() error {
	switch {
	case len(s.Ports) == 0:
		return usagef("--ports: names no port; left out it is 53")
	case slices.Contains(s.Ports, 0):
		return usagef("--ports: 0 is no port")
	}
	return nil
}

// filter is what --filter says, or nil.
func (s *sourceFlags) filter() (*filter.Filter, error) {
	if s.Filter == "" {
		return nil, nil
	}
	f, err := filter.New(s.Filter)
	if err != nil {
		return nil, usageError{hinted{err, `what only tcpdump understands is given as its program: --filter "$(tcpdump -y EN10MB -ddd 'EXPR')"`}}
	}
	return f, nil
}

// apply leaves out what f, which may be nil, does not select.
func (s *source) apply(f *filter.Filter) {
	if f != nil {
		s.filtered = filter.NewSource(s.Source, f)
		s.Source = s.filtered
	}
}

// openDnstap listens for senders of dnstap.
func (s *sourceFlags) openDnstap(ctx context.Context, log *slog.Logger) (*source, error) {
	live, err := capture.ListenDnstap(s.Dnstap, log)
	if errors.Is(err, capture.ErrDnstapAddress) {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { live.Close() })
	log.Info("listening", "dnstap", live.Addresses())
	return &source{Source: live, live: live, grace: liveGrace, ports: s.Ports}, nil
}

// windows gives the windows of a configuration the lateness that the source
// needs, unless it says one.
func (s *sourceFlags) windows(cfg *config) {
	if w := &cfg.Window; len(s.Dnstap) > 0 && w.Lateness == "" {
		w.Lateness = tapLateness.String()
	}
}

// engine configures Speedy for the source.
func (s *source) engine() speedy.Config {
	cfg := speedy.DefaultConfig()
	cfg.Grace, cfg.Ports, cfg.Steady = s.grace, s.ports, capture.Steady(s.Source)
	return cfg
}

// reduce gives the packets to f and closes it. Silence on the network closes
// windows, and what the kernel dropped is told.
func (s *source) reduce(ctx context.Context, log *slog.Logger, f *fievel.Fievel) error {
	cfg := s.engine()
	cfg.Ticks = s.live != nil
	cfg.Before = func(l *speedy.Load) {
		if !l.Tick.IsZero() {
			s.tellDrops(f)
		}
		if s.between != nil {
			s.between()
		}
	}
	engine := f.NewEngine(cfg)
	err := engine.Run(ctx, s)
	// Since the last tick the kernel may have dropped more.
	s.tellDrops(f)
	err = first(err, f.Close())
	stats := engine.Stats()
	stats.Malformed = f.Stats.Malformed
	s.logStats(log, stats)
	logFievel(log, f)
	return err
}

// dropped is what the kernel had no room for.
func (s *source) dropped() uint64 {
	if s.live == nil {
		return 0
	}
	return s.live.Stats().Dropped
}

// interfaces are the names of a live source's.
func (s *source) interfaces() []string {
	if l, ok := s.live.(interfaceSource); ok {
		return l.Interfaces()
	}
	return nil
}

// tellDrops tells f what has been dropped since it was told last.
func (s *source) tellDrops(f interface{ LostAnywhere(n uint64, iface int) }) {
	tell := func(iface int, n uint64) {
		for len(s.drops) <= iface {
			s.drops = append(s.drops, 0)
		}
		if n > s.drops[iface] {
			f.LostAnywhere(n-s.drops[iface], iface)
			s.drops[iface] = n
		}
	}
	l, ok := s.live.(interfaceSource)
	if !ok {
		tell(0, s.dropped())
		return
	}
	for i := range l.Interfaces() {
		tell(i, l.Drops(i))
	}
}

// logStats tells what became of the packets and messages.
func (s *source) logStats(log *slog.Logger, st speedy.Stats) {
	s.logPackets(log, st)
	log.Info("messages", "found", st.Streams.Messages, "malformed", st.Malformed, "incomplete", st.Streams.Incomplete)
}

// logPackets tells what became of the packets. Those that were dropped were
// never received by Speedy.
func (s *source) logPackets(log *slog.Logger, st speedy.Stats) {
	dropped := s.dropped()
	packets := []any{"received", st.Received + dropped,
		"used", st.Streams.Used + st.Joined, "not_ip", st.NotIP, "not_dns_port", st.NotDNSPort, "not_dns", st.Streams.NotDNS,
		"lost_fragments", st.Fragments, "lost_tcp", st.Streams.Lost, "dropped", dropped}
	if s.filtered != nil {
		packets = append(packets, "filtered", s.filtered.LeftOut())
	}
	log.Info("packets", packets...)
	if st.UnknownLinks > 0 {
		log.Warn("packets of a link type that is not read", "link_type", st.UnknownLink, "count", st.UnknownLinks)
	}
	if st.UnknownTypes > 0 {
		log.Warn("packets of an EtherType that is not read", "ethertype", fmt.Sprintf("0x%04x", st.UnknownType), "count", st.UnknownTypes)
	}
	if st.Cut > 0 {
		log.Warn("packets that the capture has cut: their messages are read up to there", "count", st.Cut, "hint", "capture whole packets: tcpdump -s 0")
	}
}
