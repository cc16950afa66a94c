package reduce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// traffic is n random messages over twenty seconds, in order of time.
func traffic(t testing.TB, seed uint64, n int) []*speedy.Message {
	rng := rand.New(rand.NewPCG(seed, 1))
	names := []string{"", ".", "org.", "www.example.org.", "WWW.example.org.", "a_b.example.org.", "_.example.org.", `x\.y\\z.example.org.`}
	for i := range 300 {
		names = append(names, fmt.Sprintf("n%d.example.org.", i))
	}
	flags := []uint16{query, query, noerr, nxdom}
	var at []float64
	for range n {
		at = append(at, rng.Float64()*20)
	}
	slices.Sort(at)
	var msgs []*speedy.Message
	for i := range n {
		l := msg{
			at: at[i], from: []string{alice, bob, carol}[rng.IntN(3)], to: ns, id: uint16(i),
			flags: flags[rng.IntN(len(flags))], qname: names[min(rng.IntN(len(names)), rng.IntN(len(names)))],
			qtype: []uint16{1, 28, 15}[rng.IntN(3)],
		}
		if l.flags&0x8000 != 0 {
			l.from, l.to = l.to, l.from
		}
		if rng.IntN(50) == 0 {
			l.change = promise
		}
		msgs = append(msgs, l.make(t))
	}
	return msgs
}

// merged is what Jerry makes of reports of those parts.
func merged(t testing.TB, name string, p Params, seconds float64, reports ...*report.Report) string {
	t.Helper()
	var v report.Value
	for _, r := range reports {
		if err := v.Merge(r); err != nil {
			t.Fatal(err)
		}
	}
	return string(v.AppendData(nil, seconds, 0))
}

// exact are the reducers whose merged reports say what one report would. Lists
// keep their order only when they are joined in the order of time.
var exact = []struct {
	name   string
	p      Params
	inTime bool
}{
	{"QueriesPerSecond", Params{}, false},
	{"AnswersPerSecond", Params{}, false},
	{"PacketsPerSecond", Params{}, false},
	{"PacketsQueriesAndAnswersPerSecond", Params{}, false},
	{"QueriesNameCounter", Params{}, false},
	{"AnswersNameCounter", Params{}, false},
	{"NameCounter", Params{}, false},
	{"NameCounter", Params{Top: 3}, false}, // all keys are in its state
	{"TopN", Params{}, false},
	{"TopNPP", Params{Top: 1}, false},
	{"TopNQ", Params{Top: 50}, false},
	{"QueriesWithUnderscoredName", Params{Samples: 10_000}, true},
	{"PacketHasUnderscore", Params{Samples: 10_000}, true},
	{"PacketSummary", Params{Samples: 10_000}, true},
	{"OnlyQueries", Params{Samples: 10_000}, true},
	{"OnlyAnswers", Params{Samples: 10_000}, true},
	{"Identity", Params{Samples: 10_000}, true},
	{"MalformedMessages", Params{Samples: 10_000}, true},
	{"AlonePackets", Params{Samples: 10_000}, true},
	{"Null", Params{}, false},
	{"DistinctClients", Params{}, false},
	{"DistinctQnames", Params{}, false},
	{"ResponseTimeQuantiles", Params{}, true},
	{"ResponseSizeQuantiles", Params{}, false},
}

// TestMergeWindows: reports of two windows merge to that of both.
func TestMergeWindows(t *testing.T) {
	for seed := range uint64(3) {
		msgs := answered(seed, traffic(t, seed, 2000))
		half := slices.IndexFunc(msgs, func(m *speedy.Message) bool { return m.Time >= base+10e9 })
		for _, c := range exact {
			b := newBench(t, c.name, c.p)
			whole := b.make()
			for _, m := range msgs {
				b.add(whole, m)
			}
			want := merged(t, c.name, c.p, 20, b.report(t, whole, 0, 20, true))

			b = newBench(t, c.name, c.p)
			first, second := b.make(), b.make()
			for _, m := range msgs[:half] {
				b.add(first, m)
			}
			early := b.report(t, first, 0, 10, false)
			for _, m := range msgs[half:] {
				b.add(second, m)
			}
			late := b.report(t, second, 10, 20, true)
			if got := merged(t, c.name, c.p, 20, early, late); got != want {
				t.Errorf("%s %+v: %s", c.name, c.p, cmp.Diff(want, got))
			}
			if c.name != "Null" && slices.Contains([]string{"null", "{}", "[]", "0"}, want) {
				t.Errorf("%s: nothing to merge: %s", c.name, want)
			}
		}
	}
}

// TestMergeServers: so do reports of two servers over the same window.
func TestMergeServers(t *testing.T) {
	msgs := traffic(t, 7, 2000)
	rng := rand.New(rand.NewPCG(7, 7))
	for _, c := range exact {
		if c.inTime {
			continue
		}
		b := newBench(t, c.name, c.p)
		all, ns1, ns2 := b.make(), b.make(), b.make()
		for _, m := range msgs {
			b.add(all, m)
			if rng.IntN(3) == 0 {
				b.add(ns1, m)
			} else {
				b.add(ns2, m)
			}
		}
		want := merged(t, c.name, c.p, 20, b.report(t, all, 0, 20, true))
		r1, r2 := b.report(t, ns1, 0, 20, true), b.report(t, ns2, 0, 20, true)
		for _, got := range []string{merged(t, c.name, c.p, 20, r1, r2), merged(t, c.name, c.p, 20, r2, r1)} {
			if got != want {
				t.Errorf("%s %+v: %s", c.name, c.p, cmp.Diff(want, got))
			}
		}
	}
}

// TestMergeSketches: where sketches stood in, the merged counts are within the
// sum of their errors.
func TestMergeSketches(t *testing.T) {
	msgs := traffic(t, 9, 20_000)
	truth := make(map[string]float64)
	event := NewEvent(plain(t))
	p := Params{MaxKeys: 50, Top: 5}
	b := newBench(t, "TopN", p)
	ns1, ns2 := b.make(), b.make()
	for i, m := range msgs {
		if event.Set(m); event.Question() != nil {
			truth[string(event.Qname())]++
		}
		b.add([]*Window{ns1, ns2}[i%2], m)
	}
	r1, r2 := b.report(t, ns1, 0, 20, true), b.report(t, ns2, 0, 20, true)
	bound := float64(r1.Window.Error + r2.Window.Error)
	if r1.Window.Error == 0 || r2.Window.Error == 0 {
		t.Fatal("no sketches")
	}
	var v report.Value
	for _, r := range []*report.Report{r1, r2} {
		if err := v.Merge(r); err != nil {
			t.Fatal(err)
		}
	}
	pairs := pairsOf(t, v.AppendData(nil, 20, 0))
	if len(pairs) != 5 {
		t.Fatalf("%d pairs, want 5", len(pairs))
	}
	for _, p := range pairs {
		if d := p.n - truth[p.key]; d < -bound || d > bound {
			t.Errorf("%s: %g shown, %g true, error %g", p.key, p.n, truth[p.key], bound)
		}
	}
	if pairs[0].key != "www.example.org." {
		t.Errorf("%s is on top", pairs[0].key)
	}
}
