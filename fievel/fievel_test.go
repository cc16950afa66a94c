package fievel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/bus"
	"ratadns/dns"
	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

// base is a time at which windows of ten seconds, and of an hour, begin.
const base = int64(1_475_762_400) * 1e9

var (
	ns1    = netip.MustParseAddr("192.0.2.1")
	ns1v6  = netip.MustParseAddr("2001:db8::1")
	ns2    = netip.MustParseAddr("192.0.2.2")
	other  = netip.MustParseAddr("192.0.2.3") // no configured server
	client = netip.MustParseAddr("198.51.100.10")
	two    = []Server{{"ns1", []netip.Addr{ns1, ns1v6}}, {"ns2", []netip.Addr{ns2}}}
)

// query is a message to a server, seconds after base.
func query(at float64, server netip.Addr, qname string) *speedy.Message {
	return message(base+int64(at*1e9), server, qname, 0x0100)
}

func message(at int64, server netip.Addr, qname string, flags uint16) *speedy.Message {
	wire := make([]byte, dns.HeaderLen)
	wire[5] = 1
	binary.BigEndian.PutUint16(wire[2:], flags)
	wire, _, err := dns.AppendWire(wire, []byte(qname))
	if err != nil {
		panic(err)
	}
	wire = append(wire, 0, 1, 0, 1)
	m := &speedy.Message{
		Time: at, Source: client, Dest: server, SourcePort: 40000, DestPort: 53,
		Transport: packet.UDP, Size: len(wire), Has: speedy.FieldsAll,
	}
	if err := m.Unpack(wire); err != nil {
		panic(err)
	}
	if m.QR() {
		m.Source, m.SourcePort, m.Dest, m.DestPort = m.Dest, m.DestPort, m.Source, m.SourcePort
	}
	return m
}

// queries are messages to ns1 at those seconds after base.
func queries(at ...float64) (msgs []*speedy.Message) {
	for _, a := range at {
		msgs = append(msgs, query(a, ns1, "www.example.org."))
	}
	return msgs
}

func config(change func(*Config)) Config {
	cfg := DefaultConfig()
	cfg.Server = "server1"
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func plain(t testing.TB) *speedy.Anonymizer {
	a, err := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// quietLog takes what nobody reads.
var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// sink collects reports.
type sink struct {
	t     testing.TB
	lines []string
}

func (s *sink) output() bus.Output {
	return bus.Func(func(line []byte) { s.lines = append(s.lines, string(line)) })
}

// reports are the lines, read as Jerry reads them.
func (s *sink) reports() (list []*report.Report) {
	s.t.Helper()
	for _, line := range s.lines {
		r, err := report.Parse([]byte(line))
		if err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		list = append(list, r)
	}
	return list
}

// reducers are those of the catalogue by name, all to one output.
func reducers(t testing.TB, out bus.Output, names ...string) (list []Reducer) {
	t.Helper()
	for _, n := range names {
		e, err := reduce.Find(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Reducer{Type: n, Entry: e, Output: out})
	}
	return list
}

func catalogue() (names []string) {
	for _, e := range reduce.Catalog {
		names = append(names, e.Name)
	}
	return names
}

// run gives the messages to a new Fievel and closes it. In every run the ledger
// adds up: each message found is in one report of each reducer, or late.
func run(t testing.TB, cfg Config, names []string, msgs []*speedy.Message) (*sink, Stats) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s := &sink{t: t}
	f := New(cfg, reducers(t, s.output(), names...), plain(t))
	for _, m := range msgs {
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, f.Stats, s, uint64(len(msgs)))
	return s, f.Stats
}

func checkLedger(t testing.TB, st Stats, s *sink, given uint64) {
	t.Helper()
	if st.Found != given || st.Found != st.Reduced+st.Late || st.Reports != uint64(len(s.lines)) {
		t.Errorf("ledger: %+v of %d messages, %d reports", st, given, len(s.lines))
	}
	byType := make(map[string]report.Window)
	for _, r := range s.reports() {
		w := byType[r.Type]
		w.Messages += r.Window.Messages
		w.Malformed += r.Window.Malformed
		byType[r.Type] = w
	}
	for typ, w := range byType {
		if w.Messages != st.Reduced || w.Malformed != st.Malformed {
			t.Errorf("%s: reports of %d messages, %d malformed, but %+v", typ, w.Messages, w.Malformed, st)
		}
	}
	if len(byType) == 0 && st.Reduced > 0 {
		t.Errorf("no reports, but %+v", st)
	}
}

// heartbeat is a reducer whose reports are all alike.
var heartbeat = []string{"Null"}

// tens is the seq of base with windows of ten seconds.
const tens = base / 10e9

func TestServers(t *testing.T) {
	cfg := config(func(c *Config) { c.Servers = two; c.Server = "rest" })
	type msgs = []*speedy.Message
	for _, c := range []struct {
		name string
		msgs msgs
		want []string
	}{
		{"one busy, one quiet", msgs{query(1, ns1, "a."), query(2, ns1v6, "a."), query(3, ns1, "a."), query(11, ns1, "a."), query(21, ns2, "a.")}, []string{
			"ns1 [0,10) #0 3 partial", "ns2 [0,10) #0 0 partial",
			"ns1 [10,20) #1 1", "ns2 [10,20) #1 0",
			"ns1 [20,30) #2 0 partial", "ns2 [20,30) #2 1 partial",
		}},
		{"the rest from its first message on", msgs{query(1, ns1, "a."), query(2, ns1, "a."), query(3, ns1, "a."), query(10.5, other, "a."), query(21, ns2, "a."), query(31, ns2, "a.")}, []string{
			"ns1 [0,10) #0 3 partial", "ns2 [0,10) #0 0 partial",
			"ns1 [10,20) #1 0", "ns2 [10,20) #1 0", "rest [10,20) #1 1",
			"ns1 [20,30) #2 0", "ns2 [20,30) #2 1", "rest [20,30) #2 0",
			"ns1 [30,40) #3 0 partial", "ns2 [30,40) #3 1 partial", "rest [30,40) #3 0 partial",
		}},
		{"responses", msgs{message(base, ns1, "a.", 0x8180), message(base, ns2, "a.", 0x8180), message(base, ns1v6, "a.", 0x8180)}, []string{
			"ns1 [0,10) #0 2 partial", "ns2 [0,10) #0 1 partial",
		}},
		{"lost at the one that is late", msgs{query(1, ns1, "a."), query(2, ns2, "a."), query(3, ns1, "a."), query(12, ns2, "a."), query(4, ns1, "a.")}, []string{
			"ns1 [0,10) #0 2 partial", "ns2 [0,10) #0 1 partial",
			"ns1 [10,20) #1 0 lost 1 partial", "ns2 [10,20) #1 1 partial",
		}},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := run(t, cfg, heartbeat, c.msgs)
			if diff := cmp.Diff(c.want, windows(s.reports(), tens)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("one quiet for long", func(t *testing.T) {
		list := msgs{query(0, ns2, "a.")}
		for i := range 400 {
			list = append(list, query(float64(10*i), ns1, "a."))
		}
		s, _ := run(t, cfg, heartbeat, append(list, query(4000, ns2, "a.")))
		var ns2s []string
		busy := 0
		for _, w := range windows(s.reports(), tens) {
			if strings.HasPrefix(w, "ns2") {
				ns2s = append(ns2s, w)
			} else {
				busy++
			}
		}
		if busy != 401 || len(ns2s) != 1+maxQuiet+1 || ns2s[maxQuiet+1] != "ns2 [4000,4010) #400 1 partial gap 390" {
			t.Errorf("%d reports of ns1, %d of ns2, the last %s", busy, len(ns2s), ns2s[len(ns2s)-1])
		}
	})
	t.Run("one quiet to the end", func(t *testing.T) {
		// Its query waits longer than 360 windows, and its packet was lost.
		cfg := cfg
		cfg.Window.Duration = 10 * time.Millisecond
		s := &sink{t: t}
		f := New(cfg, reducers(t, s.output(), "AlonePackets"), plain(t))
		f.Message(query(0, ns2, "a."))
		for i := range 450 {
			f.Message(query(float64(i)/100, ns1, "a."))
		}
		f.Message(query(6, ns1, "a."))
		f.Lost(client, ns2, 1)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		list := s.reports()
		last := list[len(list)-1]
		if got, want := windows([]*report.Report{last}, base/10e6)[0], "ns2 [6,6.01) #600 0 lost 1 partial gap 2.39"; got != want || !strings.HasPrefix(string(last.Data), `{"queries":1,`) {
			t.Errorf("got %s %s, want %s", got, last.Data, want)
		}
	})
	t.Run("by the DNS port", func(t *testing.T) {
		// A resolver at ns2's address asks ns1; and its own port is 53 too.
		ask := query(1, ns1, "a.")
		ask.Source = ns2
		both := query(1, ns1, "a.")
		both.Source, both.SourcePort = ns2, 53
		// What was taken for a query by its port is one to ns2.
		odd := query(1, ns1, "a.")
		odd.Source, odd.SourcePort, odd.DestPort = ns2, 53, 40000
		none := query(1, ns1, "a.")
		none.Source, none.Has = ns2, none.Has&^speedy.FieldPorts
		for _, c := range []struct {
			m    *speedy.Message
			want string
		}{{ask, "ns1"}, {both, "ns1"}, {odd, "ns2"}, {none, "ns1"}} {
			s, _ := run(t, cfg, heartbeat, msgs{c.m})
			for _, r := range s.reports() {
				if (r.Window.Messages == 1) != (r.ServerID == c.want) {
					t.Errorf("%s:%d to %s:%d: %d messages at %s, want it at %s", c.m.Source, c.m.SourcePort, c.m.Dest, c.m.DestPort, r.Window.Messages, r.ServerID, c.want)
				}
			}
		}
	})
	t.Run("lost packets", func(t *testing.T) {
		s := &sink{t: t}
		f := New(cfg, reducers(t, s.output(), "Null"), plain(t))
		for _, m := range queries(1, 2, 3) {
			f.Message(m)
		}
		f.Lost(client, ns2, 1)
		f.Lost(ns2, client, 1)
		f.Lost(ns1v6, client, 1)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ns1 [0,10) #0 3 lost 1 partial", "ns2 [0,10) #0 0 lost 2 partial"}, windows(s.reports(), tens)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("one more address", func(t *testing.T) {
		s := &sink{t: t}
		f := New(cfg, reducers(t, s.output(), "Null"), plain(t))
		f.AddAddress("ns2", other)
		f.AddAddress("ns3", client)
		f.Message(query(1, other, "a."))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ns1 [0,10) #0 0 partial", "ns2 [0,10) #0 1 partial"}, windows(s.reports(), tens)); diff != "" {
			t.Error(diff)
		}
	})
}

// broken is an output that fails.
type broken struct {
	send, flush error
	sent        int
}

func (b *broken) Send(...[]byte) error { b.sent++; return b.send }
func (b *broken) Flush() error         { return b.flush }
func (b *broken) Close() error         { return errors.New("not Fievel's to close") }

func TestOutputThatFails(t *testing.T) {
	errSend, errFlush := errors.New("disk is full"), errors.New("pipe is broken")
	for _, c := range []struct {
		name string
		out  *broken
		want error
	}{{"send", &broken{send: errSend}, errSend}, {"flush", &broken{flush: errFlush}, errFlush}, {"both", &broken{send: errSend, flush: errFlush}, errSend}} {
		t.Run(c.name, func(t *testing.T) {
			s := &sink{t: t}
			list := slices.Concat(reducers(t, c.out, "Null"), reducers(t, s.output(), "PacketsPerSecond"), reducers(t, c.out, "TopN"))
			f := New(config(nil), list, plain(t))
			for _, m := range queries(1, 11, 21, 31) {
				f.Message(m)
			}
			if f.Err() != c.want {
				t.Errorf("Err: %v, want %v", f.Err(), c.want)
			}
			if err := f.Close(); err != c.want {
				t.Errorf("Close: %v, want %v", err, c.want)
			}
			if len(s.lines) != 4 || c.out.sent != 8 || f.Stats.Reports != 12 {
				t.Errorf("%d reports at the good output, %d at the bad one, %+v, want 4, 8, 12", len(s.lines), c.out.sent, f.Stats)
			}
		})
	}
}

func TestSeed(t *testing.T) {
	s := &sink{t: t}
	list := reducers(t, s.output(), "PacketsPerSecond")
	list[0].Type, list[0].Seed = "Mine", true
	f := New(config(nil), list, plain(t))
	f.Message(queries(1)[0])
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{`{"type":"Mine","serverId":"server1","data":{"pps":0.1}}`}; !slices.Equal(s.lines, want) {
		t.Errorf("got %s, want %s", s.lines, want)
	}
}

// TestParams: the parameters reach the reducer.
func TestParams(t *testing.T) {
	s := &sink{t: t}
	list := reducers(t, s.output(), "TopN")
	list[0].Params.Top = 1
	f := New(config(nil), list, plain(t))
	for _, m := range []*speedy.Message{query(1, ns1, "b."), query(1, ns1, "a."), query(1, ns1, "b.")} {
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := string(s.reports()[0].Data); got != `[["b.",2]]` {
		t.Errorf("got %s", got)
	}
}

func TestMalformed(t *testing.T) {
	bad := query(2, ns1, "a.")
	bad.Wire[7] = 1 // an answer that is not there
	_ = bad.Unpack(bad.Wire)
	s, st := run(t, config(nil), heartbeat, append(queries(1, 3), bad))
	if w := s.reports()[0].Window; st.Malformed != 1 || w.Malformed != 1 || w.Messages != 3 {
		t.Errorf("%+v, %+v", st, w)
	}
}

// TestDoubtfulMessagesAreCopied: what waits for agreement may not change with
// its reader's next message.
func TestDoubtfulMessagesAreCopied(t *testing.T) {
	s := &sink{t: t}
	f := New(config(nil), reducers(t, s.output(), "OnlyQueries"), plain(t))
	var m speedy.Message
	for _, name := range []string{"first.", "second.", "third."} {
		next := query(1, ns1, name)
		wire := append(m.Wire[:0], next.Wire...)
		m = *next
		_ = m.Unpack(wire)
		f.Message(&m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	data := string(s.reports()[0].Data)
	for _, name := range []string{"first.", "second.", "third."} {
		if strings.Count(data, `"`+name+`"`) != 1 {
			t.Errorf("%s is not there once: %s", name, data)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{nil, ""},
		{func(c *Config) { c.Server = "" }, "server must not be empty"},
		{func(c *Config) { c.Window.Duration = 0 }, "window.duration must be positive, got 0s"},
		{func(c *Config) { c.Window.Duration = -time.Second }, "window.duration must be positive, got -1s"},
		{func(c *Config) { c.Window.Duration = time.Microsecond }, "window.duration must be 1ms to 24h0m0s, got 1µs"},
		{func(c *Config) { c.Window.Duration = 25 * time.Hour }, "window.duration must be 1ms to 24h0m0s, got 25h0m0s"},
		{func(c *Config) { c.Window.Lateness = -1 }, "window.lateness must be 0s to 1h0m0s, got -1ns"},
		{func(c *Config) { c.Window.Lateness = 2 * time.Hour }, "window.lateness must be 0s to 1h0m0s, got 2h0m0s"},
		{func(c *Config) { c.Window.Messages = -1 }, "window.messages must be positive, got -1"},
		{func(c *Config) { c.Window = Window{Messages: 1} }, ""},
	} {
		err := config(c.change).Validate()
		if got := fmt.Sprint(err); got != c.want && !(err == nil && c.want == "") {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
