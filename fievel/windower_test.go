package fievel

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture/filter"
	"ratadns/capture/sample"
	"ratadns/speedy"
)

// ownWindows are windows that reducers may want.
var ownWindows = []Window{
	{Duration: 10 * time.Second, Lateness: time.Second},
	{Duration: 7 * time.Second, Lateness: time.Second},
	{Duration: time.Minute, Lateness: 3 * time.Second},
	{Messages: 100},
	{Messages: 37},
}

// ofType are the lines of some types, in their order.
func ofType(lines []string, types ...string) (list []string) {
	for _, l := range lines {
		if slices.ContainsFunc(types, func(n string) bool { return strings.HasPrefix(l, `{"type":"`+n+`"`) }) {
			list = append(list, l)
		}
	}
	return list
}

// samples tells servers of the bundled capture apart.
func samples(c *Config) {
	for _, s := range sample.Servers {
		srv := Server{Name: s.Name}
		for _, a := range s.Addresses {
			srv.Addresses = append(srv.Addresses, netip.MustParseAddr(a))
		}
		c.Servers = append(c.Servers, srv)
	}
}

// play gives the sample to f, told of all packets too, and closes it.
func play(t testing.TB, f *Fievel, between func()) {
	t.Helper()
	src := sampleSource(t)
	defer src.Close()
	cfg := speedy.DefaultConfig()
	cfg.Before = func(*speedy.Load) { between() }
	if err := f.NewEngine(cfg).Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnWindows: a reducer with a window of its own reports, octet for octet,
// what it would if all had that window, for any number of workers.
func TestOwnWindows(t *testing.T) {
	names := []string{"AlonePackets", "NewDomains", "PcapStats", "TopN"}
	for i, n := range catalogue() {
		if i%4 == 0 && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	windowOf := func(i int) Window { return ownWindows[i%len(ownWindows)] }
	var want []string
	for i := range ownWindows {
		s := &sink{t: t}
		var some []string
		for k, n := range names {
			if k%len(ownWindows) == i {
				some = append(some, n)
			}
		}
		cfg := config(samples)
		cfg.Window = ownWindows[i]
		play(t, New(cfg, reducers(t, s.output(), some...), plain(t)), func() {})
		want = append(want, s.lines...)
	}
	slices.Sort(want)
	var order []string
	for _, workers := range []int{1, 3} {
		s := &sink{t: t}
		list := reducers(t, s.output(), names...)
		for i := range list {
			list[i].Window = windowOf(i)
		}
		cfg := config(samples)
		cfg.Workers = workers
		f := New(cfg, list, plain(t))
		play(t, f, func() {})
		if len(f.windowers) != len(ownWindows) {
			t.Errorf("%d windowers for %d windows", len(f.windowers), len(ownWindows))
		}
		if order == nil {
			order = s.lines
		} else if diff := cmp.Diff(order, s.lines); diff != "" {
			t.Errorf("%d workers:\n%.4000s", workers, diff)
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(s.lines))); diff != "" {
			t.Errorf("%d workers, not what they report alone:\n%.4000s", workers, diff)
		}
		if st := f.Stats; st.Found != st.Reduced || st.Late != 0 || st.Malformed == 0 || st.Reports != uint64(len(s.lines)) {
			t.Errorf("%d workers: %+v", workers, st)
		}
	}
}

// TestOrderOfWindows: what one message ends comes by windows, in the order of the
// first reducer that wants them, then by time, server and reducer.
func TestOrderOfWindows(t *testing.T) {
	s := &sink{t: t}
	list := reducers(t, s.output(), "Null", "PacketsPerSecond", "TopN", "Rcode", "NameCounter")
	minute := Window{Duration: 20 * time.Second, Lateness: time.Second}
	list[1].Window, list[3].Window, list[4].Window = minute, minute, Window{Messages: 2, Lateness: time.Second}
	f := New(config(nil), list, plain(t))
	for _, m := range queries(1, 2, 21) {
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, w := range windows(s.reports(), 0) {
		got = append(got, s.reports()[i].Type+w[len("server1"):strings.Index(w, "#")]+w[strings.LastIndex(w, " ")+1:])
	}
	if diff := cmp.Diff([]string{
		"NameCounter [1,2) 2",
		"Null [0,10) partial", "TopN [0,10) partial", "Null [10,20) 0", "TopN [10,20) 0",
		"PacketsPerSecond [0,20) partial", "Rcode [0,20) partial",
		"Null [20,30) partial", "TopN [20,30) partial",
		"PacketsPerSecond [20,40) partial", "Rcode [20,40) partial",
		"NameCounter [2,21) partial",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// TestLateForSome: a message is late where its window is closed, and nowhere else.
func TestLateForSome(t *testing.T) {
	s := &sink{t: t}
	list := reducers(t, s.output(), "Null", "PacketsPerSecond", "TopN")
	list[1].Window = Window{Duration: time.Minute, Lateness: time.Second}
	list[2].Window = Window{Messages: 100}
	f := New(config(nil), list, plain(t))
	for _, m := range queries(1, 2, 3, 12, 9, 13) {
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string][]string{
		"Null":             {"server1 [0,10) #0 3 partial", "server1 [10,20) #1 2 lost 1 partial"},
		"PacketsPerSecond": {"server1 [0,60) #0 6 partial"},
		"TopN":             {"server1 [1,13) #0 6 partial"},
	} {
		one := &sink{t: t, lines: ofType(s.lines, typ)}
		got := windows(one.reports(), map[string]int64{"Null": tens, "PacketsPerSecond": base / 60e9}[typ])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}
	if st := f.Stats; st.Found != 6 || st.Late != 1 || st.Reduced != 5 {
		t.Errorf("%+v", st)
	}
}

// TestTicks: silence ends the windows of each length when they are over.
func TestTicks(t *testing.T) {
	s := &sink{t: t}
	list := reducers(t, s.output(), "Null", "PacketsPerSecond", "TopN")
	list[1].Window = Window{Duration: 20 * time.Second, Lateness: 3 * time.Second}
	list[2].Window = Window{Messages: 100}
	f := New(config(nil), list, plain(t))
	for _, m := range queries(1, 2, 3) {
		f.Message(m)
	}
	for _, c := range []struct {
		at   float64
		want int // reports so far
	}{{10.9, 0}, {11, 1}, {20.9, 1}, {21, 2}, {22.9, 2}, {23, 3}} {
		f.Tick(time.Unix(0, base+int64(c.at*1e9)))
		if len(s.lines) != c.want {
			t.Errorf("at %g: %d reports, want %d: %q", c.at, len(s.lines), c.want, s.lines)
		}
	}
}

// TestReloadWindow changes the window of one reducer at any message. The others
// report what they would have. It reports whole windows to where the last that was
// open ends, and goes on from there with those it wants now, the first of them
// partial: each message is in one of its reports.
func TestReloadWindow(t *testing.T) {
	stay := []string{"QueriesPerSecond", "AlonePackets", "PacketsPerSecond"}
	msgs := traffic(3, 3000)
	for _, from := range ownWindows {
		for _, to := range ownWindows {
			list := func(s *sink, w Window) []Reducer {
				l := reducers(t, s.output(), append(stay, "TopN")...)
				l[2].Window, l[3].Window = Window{Duration: time.Minute, Lateness: 3 * time.Second}, w
				return l
			}
			alone := func(w Window) []string {
				s := &sink{t: t}
				f := New(config(func(c *Config) { c.Servers = two }), list(s, w), plain(t))
				for _, m := range msgs {
					f.Message(m)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				return s.lines
			}
			before, after := alone(from), alone(to)
			for _, at := range []int{0, 1, 500, 2999} {
				s := &sink{t: t}
				f := New(config(func(c *Config) { c.Servers = two }), list(s, from), plain(t))
				for i, m := range msgs {
					if i == at {
						f.Reload(list(s, to))
					}
					f.Message(m)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%+v to %+v at %d", from, to, at)
				if diff := cmp.Diff(ofType(before, stay...), ofType(s.lines, stay...)); diff != "" {
					t.Errorf("%s: the others:\n%.2000s", name, diff)
				}
				moved := &sink{t: t, lines: ofType(s.lines, "TopN")}
				messages, other := uint64(0), 0
				for i, r := range moved.reports() {
					messages += r.Window.Messages
					l := moved.lines[i]
					if to.Messages == 0 && !slices.Contains(before, l) && !slices.Contains(after, l) {
						if other++; !r.Window.Partial && from.Messages == 0 {
							t.Errorf("%s: of neither window, and not partial: %s", name, l)
						}
					}
				}
				// The first of each server, and the last of one that begins late.
				if messages != f.Stats.Reduced || other > 2*len(f.servers) {
					t.Errorf("%s: %d messages in its reports, %d of neither window, of %+v", name, messages, other, f.Stats)
				}
				if at <= 500 && len(f.windowers) > 3 {
					t.Errorf("%s: %d windowers are left", name, len(f.windowers))
				}
			}
		}
	}
}

// TestReloadsAtRandom: however often windows change, also while earlier changes
// have not taken effect or time jumps, each message is in one report of each
// reducer, and no loss is in two.
func TestReloadsAtRandom(t *testing.T) {
	names := []string{"QueriesPerSecond", "TopN", "Rcode", "PacketsPerSecond"}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 5))
		s := &sink{t: t}
		list := func() []Reducer {
			l := reducers(t, s.output(), names...)
			for i := range l {
				l[i].Window = ownWindows[rng.IntN(len(ownWindows))]
			}
			return l
		}
		f := New(config(func(c *Config) { c.Servers = two }), list(), plain(t))
		most, lost := 0, uint64(0)
		for i, m := range traffic(seed, 2000) {
			if i > 1000 {
				m.Time += []int64{-2, 0, 2}[seed%3] * 86400e9
			}
			if rng.IntN(50) == 0 {
				f.Lost(client, []netip.Addr{ns1, ns2}[rng.IntN(2)], 1)
				lost++
			}
			if rng.IntN(1+int(seed)*20) == 0 {
				f.Reload(list())
				most = max(most, len(f.windowers))
			}
			f.Message(m)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		checkLedger(t, f.Stats, s, 2000)
		told := make(map[string]uint64)
		for _, r := range s.reports() {
			told[r.Type] += r.Window.Lost
		}
		for typ, n := range told {
			if n > lost || n < lost/2 || f.Stats.Late > 0 {
				t.Errorf("%d: %s tells of %d lost, want %d: %+v", seed, typ, n, lost, f.Stats)
			}
		}
		if most > len(names)*(1+len(ownWindows)) {
			t.Errorf("%d windowers, more than have reducers or windows of them", most)
		}
	}
}

// TestReloadPackets: the packets that PcapStats counts are in one report each,
// also where its window changes or it is turned off and on.
func TestReloadPackets(t *testing.T) {
	run := func(workers int, windows ...Window) (map[string]uint64, []string) {
		s := &sink{t: t}
		list := func(w Window) []Reducer {
			l := reducers(t, s.output(), "Null", "PcapStats")
			l[1].Window = w
			return l
		}
		cfg := config(samples)
		cfg.Workers = workers
		f := New(cfg, list(windows[0]), plain(t))
		play(t, f, func() {
			if len(windows) > 1 {
				windows = windows[1:]
				f.Reload(list(windows[0]))
			}
		})
		sum := make(map[string]uint64)
		var rest []string
		for i, r := range s.reports() {
			if r.Type != "PcapStats" {
				rest = append(rest, s.lines[i])
				continue
			}
			for _, kind := range []string{"received", "decoded"} {
				sum[kind] += numbers(t, r.Data, kind)
			}
		}
		return sum, rest
	}
	want, rest := run(1, ownWindows[0])
	if want["received"] < 10_000 {
		t.Fatalf("%v", want)
	}
	for _, workers := range []int{1, 2} {
		got, others := run(workers, slices.Concat(ownWindows, ownWindows, ownWindows)...)
		if !maps.Equal(got, want) {
			t.Errorf("%d workers: %v, want %v", workers, got, want)
		}
		if diff := cmp.Diff(rest, others); diff != "" {
			t.Errorf("%d workers: the others:\n%.2000s", workers, diff)
		}
	}
}

// TestPacketsOfPauses: the packet of a message is counted in the window of the
// message, also of the first one after a pause.
func TestPacketsOfPauses(t *testing.T) {
	for _, workers := range []int{1, 2} {
		s := &sink{t: t}
		cfg := config(func(c *Config) { c.Window.Duration = 10 * time.Millisecond })
		cfg.Workers = workers
		whole, err := filter.New("udp and ip[6:2] & 0x3fff == 0") // each packet of DNS is a message
		if err != nil {
			t.Fatal(err)
		}
		src := filter.NewSource(sampleSource(t), whole)
		defer src.Close()
		f := New(cfg, reducers(t, s.output(), "PcapStats"), plain(t))
		if err := f.NewEngine(speedy.DefaultConfig()).Run(context.Background(), src); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		messages := uint64(0)
		for i, r := range s.reports() {
			messages += r.Window.Messages
			// Until the first three messages agree about the time, packets count in
			// the first window.
			if got := numbers(t, r.Data, "received") - numbers(t, r.Data, "not_dns"); got != r.Window.Messages && messages > 3 {
				t.Errorf("%d workers: %d packets of DNS in %s", workers, got, s.lines[i])
			}
		}
		if messages < 10_000 {
			t.Errorf("%d workers: %d messages", workers, messages)
		}
	}
}

// TestPacketsOfNoServer: packets of none of the servers, as ARP and what hosts
// tell their neighbours, are the rest's, also where no message ever is.
func TestPacketsOfNoServer(t *testing.T) {
	for _, w := range ownWindows {
		for _, workers := range []int{1, 2} {
			s := &sink{t: t}
			cfg := config(samples)
			cfg.Window, cfg.Workers = w, workers
			play(t, New(cfg, reducers(t, s.output(), "Null", "PcapStats"), plain(t)), func() {})
			var received, rest uint64
			for _, r := range s.reports() {
				n := numbers(t, r.Data, "received")
				received += n
				if r.Window.Start < 1e18 {
					t.Fatalf("%+v: a window before all packets: %+v", w, r)
				}
				if r.ServerID == cfg.Server {
					rest += n
					if r.Type != "PcapStats" {
						t.Fatalf("%+v: a report of the rest, which has no message: %+v", w, r)
					}
				}
			}
			if received != 52_041 || rest == 0 {
				t.Errorf("%+v, %d workers: %d packets, %d of no server; want 52041", w, workers, received, rest)
			}
		}
	}
}

// numbers adds up all members of that name, of one digit string each.
func numbers(t *testing.T, data []byte, member string) (sum uint64) {
	t.Helper()
	for _, part := range bytes.Split(data, []byte(`"`+member+`":`))[1:] {
		var n uint64
		if _, err := fmt.Sscan(string(bytes.TrimRight(bytes.FieldsFunc(part, func(r rune) bool { return r == ',' || r == '}' })[0], " ")), &n); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		sum += n
	}
	return sum
}
