package jerry

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ratadns/report"
)

func TestStoreKeep(t *testing.T) {
	j := newTest(t, func(c *Config) { c.Keep = time.Minute })
	for i := range 20 {
		j.Ingest(line("ns1", "T", report.Count, i, `1`, nil))
	}
	j.Ingest(line("ns2", "T", report.Count, 0, `1`, nil)) // its newest is its own
	if got := len(j.store.types["T"].series["ns1"].windows); got != 7 {
		t.Errorf("%d windows of ns1 kept, want 7: those that start at most 60 s before the newest", got)
	}
	j.Ingest(line("ns1", "T", report.Count, 2, `1`, nil))
	if refusedFor(t, j, "old") != 1 || j.store.windows != 8 {
		t.Errorf("an old window: refused %g, %d kept", refusedFor(t, j, "old"), j.store.windows)
	}
	checkStore(t, j.store)
}

func TestStoreMaxBytes(t *testing.T) {
	j := newTest(t, func(c *Config) { c.Keep, c.MaxBytes = 24*time.Hour, report.MaxReport })
	for i := range 100 {
		for _, s := range []string{"ns1", "ns2"} {
			// A table of about 100 kB.
			data := []byte(`{"`)
			data = append(data, make([]byte, 100_000)...)
			for k := 2; k < len(data); k++ {
				data[k] = 'x'
			}
			j.Ingest(line(s, "T", report.TableOf, i, string(data)+`":1}`, nil))
		}
	}
	j.Ingest(line("ns3", "T", report.TableOf, 100, `{}`, nil))
	if b := j.store.bytes; b > report.MaxReport || b < report.MaxReport-200_000 {
		t.Errorf("%d octets kept, want at most %d and little less", b, report.MaxReport)
	}
	a, b := j.store.types["T"].series["ns1"].windows, j.store.types["T"].series["ns2"].windows
	if d := len(a) - len(b); d < -1 || d > 1 || a[len(a)-1].window().Start != window(99).Start {
		t.Errorf("%d and %d windows kept: the oldest should go first, whose ever they are", len(a), len(b))
	}
	checkStore(t, j.store)
}

func TestStoreBoundsServersAndTypes(t *testing.T) {
	j := newTest(t)
	for i := range maxServers + 10 {
		j.Ingest(line(fmt.Sprint("ns", i), "T", report.Count, 0, `1`, nil))
	}
	for i := range maxTypes + 10 {
		j.Ingest(line("ns1", fmt.Sprint("T", i), report.Count, 0, `1`, nil))
	}
	if s, n := refusedFor(t, j, "servers"), len(j.store.servers); s != 10 || n != maxServers {
		t.Errorf("refused %g, %d servers", s, n)
	}
	if s, n := refusedFor(t, j, "types"), len(j.store.types); s != 11 || n != maxTypes { // T was the first
		t.Errorf("refused %g, %d types", s, n)
	}
	if status, _ := ask(t, j, "/metrics"); status != 200 {
		t.Errorf("/metrics: %d", status)
	}
}

func TestStoreGaps(t *testing.T) {
	gaps := func(j *Jerry) uint64 { return j.store.servers["ns1"].gaps }
	j := newTest(t)
	for _, i := range []int{0, 1, 5, 6} {
		j.Ingest(line("ns1", "T", report.Count, i, `1`, nil))
	}
	if gaps(j) != 3 {
		t.Errorf("%d gaps, want 3", gaps(j))
	}
	// One of them was only late.
	j.Ingest(line("ns1", "T", report.Count, 3, `1`, nil))
	if gaps(j) != 2 {
		t.Errorf("%d gaps after a late report, want 2", gaps(j))
	}
	// A silence that the monitor tells is none.
	j.Ingest(line("ns1", "T", report.Count, 17, `1`, func(r *report.Report) { r.Window.Gap = 100e9 }))
	if gaps(j) != 2 {
		t.Errorf("%d gaps after a silence, want 2", gaps(j))
	}
	// Windows of another length have other numbers.
	j.Ingest(line("ns1", "T", report.Count, 0, `1`, func(r *report.Report) {
		r.Window.Start = t0.Add(200 * time.Second).UnixNano()
		r.Window.End = r.Window.Start + 1e9
		r.Window.Seq = r.Window.Start / 1e9
	}))
	if gaps(j) != 2 {
		t.Errorf("%d gaps after a change of length, want 2", gaps(j))
	}

	// Windows of messages follow each other, and count from 0 after a restart.
	j = newTest(t)
	for _, w := range []report.Window{
		{Start: 0, End: 7e9, Seq: 0}, {Start: 7e9, End: 9e9, Seq: 1}, {Start: 12e9, End: 13e9, Seq: 4},
		{Start: 20e9, End: 21e9, Seq: 0}, {Start: 21e9, End: 22e9, Seq: 1},
	} {
		w.Start, w.End = t0.UnixNano()+w.Start, t0.UnixNano()+w.End
		j.Ingest(line("ns1", "T", report.Count, 0, `1`, func(r *report.Report) { r.Window = w }))
	}
	if gaps(j) != 2 {
		t.Errorf("%d gaps in windows of messages, want 2", gaps(j))
	}
}

// What is counted along the way equals what a fresh count gives, whatever the
// order of arrival and whatever was dropped.
func TestStoreSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := newStore(10*time.Minute, 40_000)
	for range 20_000 {
		w := window(rnd.IntN(200))
		w.Messages, w.Malformed, w.Lost = rnd.Uint64N(9), 0, rnd.Uint64N(3)
		r := &report.Report{Type: fmt.Sprint("T", rnd.IntN(3)), ServerID: fmt.Sprint("ns", rnd.IntN(3)), Shape: report.Count, Data: []byte("1"), Window: w}
		s.add(r, 50+rnd.IntN(100))
	}
	checkStore(t, s)
}

func checkStore(t *testing.T, s *store) {
	t.Helper()
	var bytes int64
	windows, all := 0, 0
	for name, srv := range s.servers {
		var gaps uint64
		refs := 0
		for _, sr := range srv.series {
			all++
			if s.oldest[sr.at] != sr || sr.typ.series[name] != sr {
				t.Errorf("%s %s is not where it should be", name, sr.typ.name)
			}
			windows += len(sr.windows)
			for i, k := range sr.windows {
				bytes += k.size
				if srv.tally[k.id()] == nil {
					t.Errorf("%s: window %d has no tally", name, i)
				}
				if i > 0 {
					gaps += missing(sr.windows[i-1].window(), k.window())
					if byTime(sr.windows[i-1], k) >= 0 {
						t.Errorf("%s: windows %d and %d are out of order", name, i-1, i)
					}
				}
			}
			refs += len(sr.windows)
		}
		sums := make(map[kind]tally)
		for id, tl := range srv.tally {
			sum := sums[id.kind]
			sum.messages += tl.messages
			sum.malformed += tl.malformed
			sum.lost += tl.lost
			sum.refs++
			sums[id.kind] = sum
			refs -= tl.refs
		}
		for kind, sum := range sums {
			if told := srv.sums[kind]; told == nil || sum != *told {
				t.Errorf("%s: %+v: sum %+v, want %+v", name, kind, told, sum)
			}
		}
		if refs != 0 || len(sums) != len(srv.sums) {
			t.Errorf("%s: %d windows not told; sums of %d kinds, want %d", name, refs, len(srv.sums), len(sums))
		}
		if gaps != srv.gaps {
			t.Errorf("%s: %d gaps, want %d", name, srv.gaps, gaps)
		}
	}
	if bytes != s.bytes || windows != s.windows || all != len(s.oldest) {
		t.Errorf("%d octets, %d windows, %d series; want %d, %d, %d", s.bytes, s.windows, len(s.oldest), bytes, windows, all)
	}
	for _, sr := range s.oldest {
		if byTime(s.oldest[0].windows[0], sr.windows[0]) > 0 {
			t.Error("the heap does not have the oldest window on top")
		}
	}
}
