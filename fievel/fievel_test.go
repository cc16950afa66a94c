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

// seconds writes a time as seconds after base.
func seconds(ns int64) string {
	return strings.TrimSuffix(fmt.Sprint(time.Duration(ns-base).Seconds()), ".0")
}

// windows writes each report's window on a line: server, [start,end), seq less
// that of base, messages, and what else is told.
func windows(list []*report.Report, baseSeq int64) (lines []string) {
	for _, r := range list {
		w := r.Window
		s := fmt.Sprintf("%s [%s,%s) #%d %d", r.ServerID, seconds(w.Start), seconds(w.End), w.Seq-baseSeq, w.Messages)
		if w.Lost > 0 {
			s += fmt.Sprintf(" lost %d", w.Lost)
		}
		if w.Partial {
			s += " partial"
		}
		if w.Gap > 0 {
			s += fmt.Sprintf(" gap %g", float64(w.Gap)/1e9)
		}
		lines = append(lines, s)
	}
	return lines
}

// heartbeat is a reducer whose reports are all alike.
var heartbeat = []string{"Null"}

// tens is the seq of base with windows of ten seconds.
const tens = base / 10e9

func TestWindowsOfTime(t *testing.T) {
	const day = 24 * 3600
	for _, c := range []struct {
		name string
		msgs []*speedy.Message
		want []string
		late uint64
	}{
		{"nothing", nil, nil, 0},
		{"one message", queries(3), []string{"server1 [0,10) #0 1 partial"}, 0},
		{"half-open", queries(0, 9.999999999, 10, 19.999999999, 20), []string{
			"server1 [0,10) #0 2 partial", "server1 [10,20) #1 2", "server1 [20,30) #2 1 partial",
		}, 0},
		{"first and last are partial", queries(5, 15, 25, 35), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 1", "server1 [30,40) #3 1 partial",
		}, 0},
		{"out of order in time", queries(9, 10.5, 9.5, 10.999999999, 9.6), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 2 partial",
		}, 0},
		{"late", queries(9, 10.5, 11, 9.5, 12), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 3 lost 1 partial",
		}, 1},
		{"late, told in the report after", queries(5, 15, 21, 14, 13, 25, 31), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 2 lost 2", "server1 [30,40) #3 1 partial",
		}, 2},
		{"empty windows", queries(5, 45), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 0", "server1 [20,30) #2 0", "server1 [30,40) #3 0",
			"server1 [40,50) #4 1 partial",
		}, 0},
		{"before base", queries(-0.5, 0.5), []string{
			"server1 [-10,0) #-1 1 partial", "server1 [0,10) #0 1 partial",
		}, 0},

		// A packet from 1970, and others that nobody confirms.
		{"1970 first", before(1, queries(1, 2, 3), 0), []string{"server1 [0,10) #0 3 partial"}, 1},
		{"1970 second", before(1, queries(1, 2, 3, 4), 1), []string{"server1 [0,10) #0 4 partial"}, 1},
		{"1970 third", before(1, queries(1, 2, 3, 4, 5), 2), []string{"server1 [0,10) #0 5 partial"}, 1},
		{"1970 in the middle", before(1, queries(1, 2, 3, 11, 12), 3), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 2 partial",
		}, 1},
		{"1970 last", before(1, queries(1, 2, 3), 3), []string{"server1 [0,10) #0 3 partial"}, 1},
		{"1970 among two", before(1, queries(1, 2), 1), []string{"server1 [0,10) #0 2 partial"}, 1},
		{"1970 and one", before(1, queries(1), 0), []string{"server1 [0,10) #0 1 partial"}, 1},
		{"two from the future", queries(1, 2, 3, 2*day, 2*day+1, 4), []string{"server1 [0,10) #0 4 partial"}, 2},
		{"two from the future at the end", queries(1, 2, 3, 2*day, 2*day+1), []string{"server1 [0,10) #0 3 partial"}, 2},
		{"three that do not agree", queries(1, 2, 3, 2*day, 9*day, 16*day, 4), []string{"server1 [0,10) #0 4 partial"}, 3},

		// Times before 1970 are never right.
		{"long ago", times(-1, -2, -3), nil, 3},
		{"long ago first", slices.Concat(times(-1, -2, -1<<62, -1<<63), queries(1, 2, 3)), []string{"server1 [0,10) #0 3 partial"}, 4},
		{"far away", slices.Concat(queries(1, 2, 3), times(1<<63-1, 1<<63-1, 1<<63-1)), []string{"server1 [0,10) #0 3 partial"}, 3},
		{"long ago in the middle", slices.Concat(queries(1, 2, 3), times(-5, -5, -5), queries(11)), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 1 partial",
		}, 3},
		{"at 1970", times(0, 1, 999_999_999), nil, 0}, // checked below
	} {
		t.Run(c.name, func(t *testing.T) {
			s, st := run(t, config(nil), heartbeat, c.msgs)
			got := windows(s.reports(), tens)
			if c.name == "at 1970" {
				got = windows(s.reports(), 0)
				c.want = []string{fmt.Sprintf("server1 [%s,%s) #0 3 partial", seconds(0), seconds(10e9))}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if st.Late != c.late {
				t.Errorf("late %d, want %d", st.Late, c.late)
			}
		})
	}
}

// times are messages at absolute times in nanoseconds.
func times(at ...int64) (msgs []*speedy.Message) {
	for _, a := range at {
		msgs = append(msgs, message(a, ns1, "www.example.org.", 0x0100))
	}
	return msgs
}

// before puts one message of that absolute time into msgs.
func before(at int64, msgs []*speedy.Message, i int) []*speedy.Message {
	return slices.Insert(msgs, i, times(at)...)
}

func TestJumps(t *testing.T) {
	const day = 24 * 3600
	t.Run("forward", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 2, 3, 2*day+1, 2*day+2, 2*day+3, 2*day+11))
		got := windows(s.reports(), tens)
		n := 1 + maxQuiet + 2
		if len(got) != n || st.Late != 0 {
			t.Fatalf("%d reports, %d late, want %d, 0", len(got), st.Late, n)
		}
		for i, want := range map[int]string{
			0: "server1 [0,10) #0 3 partial", 1: "server1 [10,20) #1 0", maxQuiet: "server1 [3600,3610) #360 0",
			n - 2: fmt.Sprintf("server1 [172800,172810) #17280 3 gap %d", 172800-3610),
			n - 1: "server1 [172810,172820) #17281 1 partial",
		} {
			if got[i] != want {
				t.Errorf("report %d: got %s, want %s", i, got[i], want)
			}
		}
	})
	t.Run("backward", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 12, 25, -2*day+1, -2*day+2, -2*day+3, -2*day+11, -2*day+30))
		if diff := cmp.Diff([]string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 1 partial",
			"server1 [-172800,-172790) #-17280 3 partial", "server1 [-172790,-172780) #-17279 1",
			"server1 [-172780,-172770) #-17278 0", "server1 [-172770,-172760) #-17277 1 partial",
		}, windows(s.reports(), tens)); diff != "" || st.Late != 0 {
			t.Error(diff, st)
		}
	})
	t.Run("just under a day", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 2, 3, day+2))
		if n := len(s.lines); n != 1+maxQuiet+1 || st.Late != 0 {
			t.Errorf("%d reports, %+v", n, st)
		}
	})
	t.Run("a late message does not turn back time", func(t *testing.T) {
		const hour = 3600
		_, st := run(t, config(nil), heartbeat, queries(0, 0, 0, 23*hour, 2*hour, 46*hour))
		if st.Late != 1 {
			t.Errorf("%+v", st)
		}
	})
	t.Run("queries that wait end with their time", func(t *testing.T) {
		s, _ := run(t, config(nil), []string{"AlonePackets"}, queries(1, 2, 3, -2*day+1, -2*day+2, -2*day+3))
		var got []string
		for _, r := range s.reports() {
			n := strings.Count(string(r.Data), `"flags"`)
			got = append(got, fmt.Sprint(n))
		}
		// All six are one transaction, sent again: alone once in each time.
		if diff := cmp.Diff([]string{"1", "1"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		gap  float64 // seconds
		n    int
		last string
	}{
		// At most 360 empty windows in a row.
		{3610, 1 + 360 + 1, "server1 [3610,3620) #361 1 partial"},
		{3620, 1 + 360 + 1, "server1 [3620,3630) #362 1 partial gap 10"},
		{7200, 1 + 360 + 1, "server1 [7200,7210) #720 1 partial gap 3590"},
	} {
		s, _ := run(t, config(nil), heartbeat, queries(0, 0, 0, c.gap))
		got := windows(s.reports(), tens)
		if len(got) != c.n || got[len(got)-1] != c.last {
			t.Errorf("after %g s: %d reports, the last %s, want %d, %s", c.gap, len(got), got[len(got)-1], c.n, c.last)
		}
	}
	// A busy time between two quiet ones begins the count again.
	s, _ := run(t, config(nil), heartbeat, queries(0, 0, 0, 3600, 7200))
	for _, w := range windows(s.reports(), tens) {
		if strings.Contains(w, "gap") {
			t.Errorf("gap after 359 empty windows: %s", w)
		}
	}
}

func TestLateness(t *testing.T) {
	for _, c := range []struct {
		lateness time.Duration
		want     string
	}{
		{0, "1 late"}, {500 * time.Millisecond, "1 late"}, {501 * time.Millisecond, "0 late"}, {time.Hour, "0 late"},
	} {
		_, st := run(t, config(func(cfg *Config) { cfg.Window.Lateness = c.lateness }), heartbeat, queries(9, 9, 9, 10.5, 9.5))
		if got := fmt.Sprintf("%d late", st.Late); got != c.want {
			t.Errorf("lateness %s: %s, want %s", c.lateness, got, c.want)
		}
	}
}

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

func TestWindowsOfMessages(t *testing.T) {
	cfg := config(func(c *Config) { c.Window = Window{Messages: 3} })
	for _, c := range []struct {
		name string
		cfg  Config
		msgs []*speedy.Message
		want []string
		data []string
	}{
		{"nothing", cfg, nil, nil, nil},
		{"cut exactly", cfg, queries(1, 2, 3, 5, 6, 7), []string{
			"server1 [1,3) #0 3", "server1 [3,7) #1 3",
		}, []string{`{"pps":1.5}`, `{"pps":0.75}`}},
		{"the last is partial", cfg, queries(1, 2, 3, 5), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`}},
		{"over no time", cfg, queries(1, 1, 1, 1), []string{
			"server1 [1,1) #0 3", "server1 [1,1) #1 1 partial",
		}, []string{`{"pps":null}`, `{"pps":null}`}},
		{"one message", cfg, queries(1), []string{"server1 [1,1) #0 1 partial"}, []string{`{"pps":null}`}},
		{"out of order", cfg, queries(1, 3, 2, 2.5, 2.6, 2.7), []string{
			"server1 [1,3) #0 3", "server1 [3,3) #1 3",
		}, []string{`{"pps":1.5}`, `{"pps":null}`}},
		{"1970", cfg, before(1, queries(1, 2, 3, 5), 2), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`}},
		{"time begins anew", cfg, queries(1, 2, 3, 5, -200_000, -199_999, -199_998, -199_996), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
			"server1 [-200000,-199998) #2 3", "server1 [-199998,-199996) #3 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`, `{"pps":1.5}`, `{"pps":0.5}`}},
		{"years later", cfg, queries(1, 2, 3, 5, 60_000_005, 60_000_006, 60_000_007), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial", "server1 [6.0000005e+07,6.0000007e+07) #2 3 gap 6e+07",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`, `{"pps":1.5}`}},
		{"several servers", config(func(c *Config) { c.Window = Window{Messages: 2}; c.Servers = two; c.Server = "rest" }), []*speedy.Message{
			query(1, ns1, "a."), query(2, ns2, "a."), query(3, ns1v6, "a."), query(4, other, "a."), query(5, ns1, "a."), query(6, ns2, "a."), query(6, ns1, "a."),
		}, []string{
			"ns1 [1,3) #0 2", "ns2 [2,6) #0 2", "ns1 [3,6) #1 2", "rest [4,4) #0 1 partial",
		}, []string{`{"pps":1}`, `{"pps":0.5}`, `{"pps":0.6666666666666666}`, `{"pps":null}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, st := run(t, c.cfg, []string{"PacketsPerSecond"}, c.msgs)
			var data []string
			for _, r := range s.reports() {
				data = append(data, string(r.Data))
			}
			if diff := cmp.Diff(c.want, windows(s.reports(), 0)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.data, data); diff != "" || st.Late != uint64(strings.Count(c.name, "1970")) {
				t.Error(diff, st)
			}
		})
	}
}

// TestAloneAtTheEnd: queries that wait when the input ends are told, also where
// the last window was full or has been closed by the clock.
func TestAloneAtTheEnd(t *testing.T) {
	msgs := []*speedy.Message{query(1, ns1, "a."), query(2, ns1, "b."), query(2.5, ns1, "c.")}
	for _, c := range []struct {
		name string
		cfg  Config
		tick int64
		seq  int64
		want []string
	}{
		{"full", config(func(c *Config) { c.Window = Window{Messages: 3} }), 0, 0, []string{
			"server1 [1,2.5) #0 3", "server1 [2.5,2.5) #1 0 partial",
		}},
		{"closed", config(func(c *Config) { c.Window = Window{Duration: time.Second, Lateness: time.Second} }), 5e9, base / 1e9, []string{
			"server1 [1,2) #1 1 partial", "server1 [2,3) #2 2", "server1 [3,4) #3 0", "server1 [4,5) #4 0 partial",
		}},
	} {
		s := &sink{t: t}
		f := New(c.cfg, reducers(t, s.output(), "AlonePackets"), plain(t))
		for _, m := range msgs {
			f.Message(m)
		}
		f.Tick(time.Unix(0, base+c.tick))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, windows(s.reports(), c.seq)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		told := 0
		for _, r := range s.reports() {
			told += strings.Count(string(r.Data), `"source"`)
		}
		if told != len(msgs) {
			t.Errorf("%s: %d queries told to be alone, want %d", c.name, told, len(msgs))
		}
	}
}

func TestLostInWindowsOfMessages(t *testing.T) {
	s := &sink{t: t}
	f := New(config(func(c *Config) { c.Window = Window{Messages: 3} }), reducers(t, s.output(), "Null"), plain(t))
	for i, m := range queries(1, 2, 3, 4, 5, 6, 7) {
		if i == 4 {
			f.Lost(client, ns1, 1)
		}
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"server1 [1,3) #0 3", "server1 [3,6) #1 3 lost 1", "server1 [6,7) #2 1 partial"}, windows(s.reports(), 0)); diff != "" {
		t.Error(diff)
	}
}

// broken is an output that fails.
type broken struct {
	send, flush error
	sent        int
}

func (b *broken) Send([]byte) error { b.sent++; return b.send }
func (b *broken) Flush() error      { return b.flush }
func (b *broken) Close() error      { return errors.New("not Fievel's to close") }

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
