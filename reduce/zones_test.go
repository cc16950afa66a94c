package reduce

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// tables are the numbers of a nested table.
func tables(t testing.TB, raw json.RawMessage) (m map[string]map[string]uint64) {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatalf("%v: %.300s", err, raw)
	}
	m = make(map[string]map[string]uint64)
	for k, v := range all {
		if strings.HasPrefix(k, "-:") {
			continue
		}
		n := make(map[string]uint64)
		if err := json.Unmarshal(v, &n); err != nil {
			t.Fatal(err)
		}
		m[k] = n
	}
	return m
}

// attack is n queries for names of a zone that are each asked for so often,
// among others that people ask for.
func attack(t testing.TB, n, each int, zone string) (msgs []*speedy.Message) {
	for i := range n {
		m := msg{at: float64(i) / float64(n), from: []string{alice, bob, carol}[i%3], to: ns, id: uint16(i), flags: query, qname: fmt.Sprintf("x%d.%s", i, zone), qtype: 1}.make(t)
		msgs = append(msgs, times(each, m)...)
	}
	return msgs
}

func TestRandomSubdomains(t *testing.T) {
	usual := slices.Concat(askFor(t, 500, "www.example.net."), attack(t, 40, 30, "cdn.example.net."), attack(t, 99, 1, "example.com."))
	for _, c := range []struct {
		what string
		msgs []*speedy.Message
		want string
	}{
		{"usual traffic", usual, `{}`},
		{"each once", slices.Concat(usual, attack(t, 100, 1, "example.org.")), `{"example.org.":{"distinct":100,"queries":100}}`},
		{"each three times", attack(t, 200, 3, "www.example.co.uk."), `{"example.co.uk.":{"distinct":200,"queries":600}}`},
		{"each four times", attack(t, 200, 4, "example.org."), `{}`},
		// A name in many cases is one name; the zone itself has no subdomain.
		{"cases", slices.Concat(askFor(t, 60, "a.example.org."), askFor(t, 60, "A.EXAMPLE.ORG."), askFor(t, 60, "example.org.")), `{}`},
	} {
		if got := string(one(t, "RandomSubdomains", Params{}, c.msgs).Data); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	rep := one(t, "RandomSubdomains", Params{Top: 1}, slices.Concat(attack(t, 300, 1, "example.org."), attack(t, 200, 1, "example.com.")))
	if want := `{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":400,"example.org.":{"distinct":300,"queries":300}}`; string(rep.Data) != want {
		t.Errorf("top 1: %s, want %s", rep.Data, want)
	}
}

// TestRandomSubdomainsSampled: beyond max_keys the numbers are within the error
// told, and the same however the work is shared and in whatever order.
func TestRandomSubdomainsSampled(t *testing.T) {
	msgs := slices.Concat(attack(t, 20_000, 2, "example.org."), attack(t, 5000, 1, "example.com."), attack(t, 300, 20, "example.net."))
	e, err := Find("RandomSubdomains")
	if err != nil {
		t.Fatal(err)
	}
	var want string
	for i, workers := range []int{1, 1, 2, 7} {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		if i > 0 {
			rng.Shuffle(len(msgs), func(i, j int) { msgs[i], msgs[j] = msgs[j], msgs[i] })
		}
		var parts []*Window
		for range workers {
			parts = append(parts, NewGroup([]Use{{Entry: e, Params: Params{MaxKeys: 2000}}}, workers).NewWindow())
		}
		event := NewEvent(plain(t))
		for _, m := range msgs {
			event.Set(m)
			parts[rng.IntN(workers)].Add(event)
		}
		for _, o := range parts[1:] {
			parts[0].Merge(o)
		}
		var rep report.Report
		parts[0].Report(0, &rep)
		got := fmt.Sprintf("%s %s %d", rep.Data, rep.State, rep.Window.Error)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%d workers: %s", workers, cmp.Diff(want, got))
		}
		m := tables(t, rep.Data)
		for zone, truth := range map[string][2]uint64{"example.org.": {20_000, 40_000}, "example.com.": {5000, 5000}} {
			for k, word := range []string{"distinct", "queries"} {
				if d := math.Abs(float64(m[zone][word]) - float64(truth[k])); d > float64(rep.Window.Error)*float64(truth[1]/truth[0]) {
					t.Errorf("%s of %s: %d, want %d, error %d", word, zone, m[zone][word], truth[k], rep.Window.Error)
				}
			}
		}
		if len(m) != 2 || rep.Window.Error == 0 || rep.Window.Error > 3000 {
			t.Errorf("error %d: %s", rep.Window.Error, rep.Data)
		}
		if n := len(parts[0].reducers[0].(*randomSubdomains).pairs); n != 2000 {
			t.Errorf("%d pairs", n)
		}
	}
}

func TestReflection(t *testing.T) {
	ask := msg{from: alice, to: ns, flags: query, qname: "example.org.", qtype: 255}.make(t) // 29 octets
	answer := msg{from: ns, to: alice, flags: noerr, qname: "example.org.", qtype: 255}.make(t)
	answer.Size = 2900
	usual := msg{from: ns, to: bob, flags: noerr, qname: "example.org.", qtype: 1}.make(t)
	few := msg{from: ns6, to: carol, flags: noerr, qname: "example.org.", qtype: 1}.make(t)
	few.Size = 60_000
	msgs := slices.Concat(times(10, ask), times(10, answer), times(50, usual), times(9, few))
	rep := one(t, "Reflection", Params{Top: 1}, msgs)
	want := map[string]map[string]uint64{"C000020B": {"out": 1450, "responses": 50}}
	if diff := cmp.Diff(want, tables(t, rep.Data)); diff != "" { // bob asked nothing
		t.Error(diff)
	}
	want["C000020A"] = map[string]uint64{"in": 290, "out": 29_000, "responses": 10}
	if diff := cmp.Diff(want, tables(t, one(t, "Reflection", Params{}, msgs).Data)); diff != "" {
		t.Error(diff)
	}
	if all := tables(t, rep.State); len(all) != 3 || all["20010DB8000000000000000000000010"]["responses"] != 9 {
		t.Errorf("state %s", rep.State)
	}
}

// TestReflectionState: a state has of a client all that was measured, or nothing,
// so that who merges it does not take what was left out for 0.
func TestReflectionState(t *testing.T) {
	var msgs []*speedy.Message
	for i := range 900 {
		client := fmt.Sprintf("198.51.%d.%d:4000", i/250, i%250)
		ask := msg{from: client, to: ns, flags: query, qname: "example.org.", qtype: 1}.make(t)
		answer := msg{from: ns, to: client, flags: noerr, qname: "example.org.", qtype: 1}.make(t)
		answer.Size = 1000 + i
		msgs = append(msgs, times(1+i%3, ask)...)
		msgs = append(msgs, times(1+i%20, answer)...)
	}
	rep := one(t, "Reflection", Params{Top: 5}, msgs)
	state := tables(t, rep.State)
	if len(state) < 300 || len(state) > 900 {
		t.Errorf("%d clients in the state", len(state))
	}
	for client, n := range state {
		if len(n) != 3 || n["in"] == 0 || n["out"] == 0 || n["responses"] == 0 {
			t.Fatalf("%s: %v", client, n)
		}
	}
	for client, n := range tables(t, rep.Data) {
		if diff := cmp.Diff(n, state[client]); diff != "" {
			t.Errorf("%s: %s", client, diff)
		}
	}
	var all, sum uint64
	for _, m := range msgs {
		all += uint64(m.Size) + uint64(m.Flags>>15)
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(rep.State, &data); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data[report.SkippedSumKey], &sum); err != nil {
		t.Fatal(err)
	}
	for _, n := range state {
		sum += n["in"] + n["out"] + n["responses"]
	}
	if sum != all {
		t.Errorf("the state tells of %d, want %d", sum, all)
	}
}

func TestTunnels(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var msgs []*speedy.Message
	for range 50 {
		b := make([]byte, 60)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz234567"[rng.IntN(32)]
		}
		msgs = append(msgs, askFor(t, 1, string(b)+".t.example.com.")...)
		msgs = append(msgs, askFor(t, 20, "www.example.org.")...)
		msgs = append(msgs, askFor(t, 1, strings.Repeat("1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.0.", 2)+"ip6.arpa.")...)
		msgs = append(msgs, askFor(t, 1, strings.Repeat("a", 60)+".example.net.")...) // carries nothing
	}
	m := tables(t, one(t, "Tunnels", Params{}, msgs).Data)
	zone := m["example.com."]
	if len(m) != 1 || zone["queries"] != 50 || zone["octets"] != 50*61 || zone["bits"] < 50*220 || zone["bits"] > 50*61*5 {
		t.Errorf("%v", m)
	}
}

func TestTopSlow(t *testing.T) {
	var lines []msg
	exchange := func(at, latency float64, name string) {
		id := uint16(len(lines))
		lines = append(lines, msg{at: at, from: alice, to: ns, id: id, flags: query, qname: name, qtype: 1})
		if latency > 0 {
			lines = append(lines, msg{at: at + latency, from: ns, to: alice, id: id, flags: noerr, qname: name, qtype: 1})
		}
	}
	exchange(0, 0.100, "exactly.example.org.")
	exchange(1, 0.101, "over.example.org.")
	exchange(2, 0.050, "Over.example.org.")
	exchange(3, 0, "never.example.org.")
	msgs := makeAll(t, lines)
	want := `{"latency":{"exactly.example.org.":100000,"over.example.org.":151000},"slow":{"never.example.org.":1,"over.example.org.":1}}`
	if got := string(one(t, "TopSlow", Params{}, msgs).Data); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want = `{"latency":{"exactly.example.org.":100000,"over.example.org.":151000},"slow":{"exactly.example.org.":1,"never.example.org.":1,"over.example.org.":2}}`
	if got := string(one(t, "TopSlow", Params{Threshold: 1}, msgs).Data); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
