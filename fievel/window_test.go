package fievel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/speedy"
)

// traffic is n random messages in order of time, over a minute.
func traffic(seed uint64, n int) []*speedy.Message {
	rng := rand.New(rand.NewPCG(seed, 1))
	var msgs []*speedy.Message
	at := base
	for range n {
		at += rng.Int64N(2 * 60e9 / int64(n))
		m := message(at, []netip.Addr{ns1, ns1v6, ns2, other}[rng.IntN(4)],
			fmt.Sprintf("N%d_%d.example.org.", rng.IntN(3), min(rng.IntN(50), rng.IntN(50))), []uint16{0x0100, 0x8180, 0x8183}[rng.IntN(3)])
		m.ID = uint16(rng.IntN(100))
		msgs = append(msgs, m)
	}
	return msgs
}

// TestDeterminism: two runs give equal octets, for every reducer.
func TestDeterminism(t *testing.T) {
	for _, cfg := range []Config{
		config(nil),
		config(func(c *Config) { c.Servers = two }),
		config(func(c *Config) { c.Servers = two; c.Window = Window{Messages: 100} }),
	} {
		msgs := traffic(1, 3000)
		a, _ := run(t, cfg, catalogue(), msgs)
		b, _ := run(t, cfg, catalogue(), msgs)
		if diff := cmp.Diff(a.lines, b.lines); diff != "" {
			t.Error(diff)
		}
		if len(a.lines) < 5*len(catalogue()) {
			t.Errorf("%d reports only", len(a.lines))
		}
	}
}

// TestShuffle: the order of messages inside a window does not matter to what is
// counted.
func TestShuffle(t *testing.T) {
	names := []string{
		"QueriesPerSecond", "AnswersPerSecond", "PacketsPerSecond", "PacketsQueriesAndAnswersPerSecond",
		"QueriesNameCounter", "AnswersNameCounter", "NameCounter", "TopN", "TopNPP", "TopNQ", "Null",
	}
	msgs := traffic(2, 3000)
	cfg := config(func(c *Config) { c.Servers = two })
	want, _ := run(t, cfg, names, msgs)
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 3))
		shuffled := slices.Clone(msgs)
		for start := 0; start < len(shuffled); {
			end := start
			for end < len(shuffled) && shuffled[end].Time/10e9 == shuffled[start].Time/10e9 {
				end++
			}
			part := shuffled[start:end]
			rng.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			start = end
		}
		if slices.Equal(shuffled, msgs) {
			t.Fatal("not shuffled")
		}
		got, _ := run(t, cfg, names, shuffled)
		if diff := cmp.Diff(want.lines, got.lines); diff != "" {
			t.Error(diff)
		}
	}
	// But lists keep the order of the messages.
	for _, name := range []string{"Identity", "PacketSummary"} {
		backwards := slices.Clone(msgs[:100])
		slices.Reverse(backwards)
		a, _ := run(t, config(nil), []string{name}, msgs[:100])
		b, _ := run(t, config(nil), []string{name}, backwards)
		if slices.Equal(a.lines, b.lines) {
			t.Errorf("%s does not show the order of messages", name)
		}
	}
}

// FuzzWindows: whatever the times and servers are, nothing panics, the ledger
// adds up, each server's windows follow one another, and no message makes more
// reports than the bound on empty windows allows.
func FuzzWindows(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 0, 1})
	f.Add([]byte{1, 16, 200, 17, 3, 18, 3, 48, 1, 0, 1})
	f.Add([]byte{2, 0, 1, 1, 1, 2, 1, 0x60, 5, 0x60, 0, 0x60, 0})
	f.Add([]byte{3, 0, 1, 0x71, 1, 0x52, 30, 0x40, 30, 0x20, 3, 0x80, 0, 0x80, 1, 0x80, 2})
	f.Add([]byte{4, 0, 1, 0, 1, 0, 1, 0x50, 100, 0x50, 0, 0x50, 0, 0x60, 255, 0x60, 0, 0x60, 0, 0x10, 20})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > 200 {
			return
		}
		cfg := config(func(c *Config) {
			switch b[0] % 5 {
			case 1:
				c.Servers = two
			case 2:
				c.Servers = two
				c.Window.Duration, c.Window.Lateness = time.Hour, 0
			case 3:
				c.Window.Duration = 100 * time.Millisecond
			case 4:
				c.Servers = two
				c.Window = Window{Messages: 3}
			}
		})
		s := &sink{t: t}
		names := []string{"PacketsPerSecond", "AlonePackets"}
		fv := New(cfg, reducers(t, s.output(), names...), plain(t))
		// Open windows, and those of the server that become known, are as many again.
		most := len(names) * len(fv.servers) * (maxQuiet + 5)
		if d := cfg.Window.Duration; d > 0 {
			most += len(names) * len(fv.servers) * 2 * int(cfg.Window.Lateness/d)
		}
		now, given := base, uint64(0)
		last := make(map[string]int64)
		reported := make(map[string]uint64) // messages by type
		decided := uint64(0)                // those that waited for agreement are decided together
		check := func(before int, restarted bool) {
			n := fv.Stats.Reduced + fv.Stats.Late - decided + 1
			decided += n - 1
			if got := len(s.lines) - before; got > most*int(n) {
				t.Errorf("%d reports at once of %d messages, want at most %d each", got, n-1, most)
			}
			fresh := sink{t: t, lines: s.lines[before:]}
			for _, r := range fresh.reports() {
				key := r.Type + " " + r.ServerID
				if seq, ok := last[key]; ok && r.Window.Seq <= seq && !restarted {
					t.Errorf("%s: seq %d after %d", key, r.Window.Seq, seq)
				}
				last[key] = r.Window.Seq
				reported[r.Type] += r.Window.Messages
			}
			if restarted {
				clear(last)
			}
		}
		for i := 1; i+1 < len(b) && len(s.lines) < 2_000; i += 2 { // more takes too long
			d := int64(b[i+1])
			switch b[i] >> 4 {
			default:
				now += d * 1e7
			case 1:
				now += d * 1e9
			case 2:
				now -= d * 1e8
			case 3:
				now += d * 60e9
			case 4:
				now -= d * 60e9
			case 5:
				now += d * 3600e9
			case 6:
				now -= d * 3600e9
			case 7:
				now = base
			case 8:
				now = []int64{0, -1, 1, -1 << 63, 1<<63 - 1, maxTime, maxTime - 1}[d%7]
			}
			before, at := len(s.lines), fv.clock.now
			fv.Message(message(now, []netip.Addr{ns1, ns2, other}[b[i]&15%3], "a.example.org.", []uint16{0x100, 0x8180}[b[i]&1]))
			given++
			check(before, fv.clock.now < at)
		}
		before := len(s.lines)
		if err := fv.Close(); err != nil {
			t.Fatal(err)
		}
		check(before, false)
		st := fv.Stats
		if st.Found != given || st.Found != st.Reduced+st.Late || st.Reports != uint64(len(s.lines)) {
			t.Errorf("ledger: %+v of %d messages, %d reports", st, given, len(s.lines))
		}
		for _, n := range names {
			if reported[n] != st.Reduced {
				t.Errorf("%s: reports of %d messages, but %+v", n, reported[n], st)
			}
		}
	})
}
