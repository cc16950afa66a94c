package reduce

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/dns"
	"ratadns/report"
	"ratadns/speedy"
)

// benchOf drives a reducer that is not in the catalogue; key is that of its
// addresses, or nil.
func benchOf(t testing.TB, e Entry, p Params, key *speedy.Key) *bench {
	t.Helper()
	anon := plain(t)
	if key != nil {
		var err error
		if anon, err = speedy.NewAnonymizer(speedy.Hash, *key); err != nil {
			t.Fatal(err)
		}
	}
	return &bench{entry: &e, group: NewGroup([]Use{{&e, p}}, 1), event: NewEvent(anon)}
}

// all reports the messages as one window.
func (b *bench) all(t testing.TB, msgs []*speedy.Message) *report.Report {
	t.Helper()
	w := b.make()
	for _, m := range msgs {
		b.add(w, m)
	}
	return b.report(t, w, 0, 20, true)
}

// sketchedEntries are of every measure with a sketch, every kind of field and
// every number of dimensions.
var sketchedEntries = []Entry{
	{Name: "clients", Of: Queries, Measure: Distinct, OfField: "client"},
	{Name: "names", Of: Messages, Measure: Distinct, OfField: "qname"},
	{Name: "types", Of: Messages, Measure: Distinct, OfField: "qtype"},
	{Name: "sizes by type", Of: Messages, Measure: Distinct, OfField: "size", By: dims("qtype")},
	{Name: "names by client", Of: Queries, Measure: Distinct, OfField: "qname", By: dims("client")},
	{Name: "names by type and client", Of: Queries, Measure: Distinct, OfField: "qname", By: dims("qtype", "client")},
	{Name: "names by three", Of: Messages, Measure: Distinct, OfField: "qname", By: dims("rcode", "qtype", "client")},
	{Name: "latency", Of: Transactions, Measure: Quantiles, OfField: "latency"},
	{Name: "size", Of: Responses, Measure: Quantiles, OfField: "size"},
	{Name: "size by name", Of: Messages, Measure: Quantiles, OfField: "size", By: dims("qname")},
	{Name: "size by three", Of: Messages, Measure: Quantiles, OfField: "size", By: dims("qtype", "transport", "client")},
}

// TestSketched holds what is counted to a count of our own.
func TestSketched(t *testing.T) {
	msgs := makeAll(t, mixed)
	for _, c := range []struct {
		e    Entry
		want string
	}{
		{Entry{Of: Queries, Measure: Distinct, OfField: "client"}, `3`},
		{Entry{Of: Queries, Measure: Distinct, OfField: "qname"}, `10`},
		{Entry{Of: Queries, Measure: Distinct, OfField: "qname", By: dims("client")},
			`{"20010DB8000000000000000000000010":2,"C000020A":6,"C000020B":3}`},
		{Entry{Of: Queries, Measure: Distinct, OfField: "qname", By: dims("client"), Top: 1},
			`{"-:SKIPPED:-":2,"C000020A":6}`},
		{Entry{Of: Queries, Measure: Distinct, OfField: "client", By: dims("transport", "qtype")},
			`{"udp":{"1":2,"10":1,"1c":2,"2":1,"21":1,"6":1,"f":1,"ff78":1}}`},
		{Entry{Of: Messages, Measure: Distinct, OfField: "edns_version"}, `0`}, // no message has EDNS
		{Entry{Of: Responses, Measure: Quantiles, OfField: "size", By: dims("rcode")},
			`{"0":{"p50":35,"p90":40,"p99":40,"p999":40},"1":{"p50":12,"p90":12,"p99":12,"p999":12},"3":{"p50":31,"p90":36,"p99":36,"p999":36}}`},
		{Entry{Of: Transactions, Measure: Quantiles, OfField: "latency"}, `{"p50":10047,"p90":10047,"p99":1011711,"p999":1011711}`}, // 10 ms, and once 1,010 ms
	} {
		c.e.Name = "T"
		rep := benchOf(t, c.e, Params{}, nil).all(t, msgs)
		if string(rep.Data) != c.want {
			t.Errorf("%s:%s by %v:\ngot  %s\nwant %s", c.e.Measure, c.e.OfField, c.e.By, rep.Data, c.want)
		}
		if rep.State == nil || rep.Window.Error != 0 {
			t.Errorf("%s:%s by %v: state %s, error %d", c.e.Measure, c.e.OfField, c.e.By, rep.State, rep.Window.Error)
		}
	}
}

// TestSketchedMerge: any split over workers, windows and servers, merged in any
// order, says what one reducer over all says, in the same octets.
func TestSketchedMerge(t *testing.T) {
	msgs := traffic(t, 3, 6000)
	rng := rand.New(rand.NewPCG(3, 3))
	for _, e := range sketchedEntries {
		if e.Of == Transactions {
			continue // TestSketchedWorkers and TestMergeWindows have those
		}
		whole := benchOf(t, e, Params{}, nil).all(t, msgs)
		if len(whole.Data) < 1 || string(whole.Data) == "0" {
			t.Errorf("%s: nothing to merge: %s", e.Name, whole.Data)
		}
		for _, parts := range []int{2, 5} {
			b := benchOf(t, e, Params{}, nil)
			workers := make([]*Window, parts)
			for i := range workers {
				workers[i] = b.make()
			}
			split := make([][]*speedy.Message, parts)
			for _, m := range msgs {
				i := rng.IntN(parts)
				split[i] = append(split[i], m)
				b.add(workers[i], m)
			}
			rng.Shuffle(parts, func(i, j int) { workers[i], workers[j] = workers[j], workers[i] })
			for _, w := range workers[1:] {
				workers[0].Merge(w)
			}
			if diff := cmp.Diff(whole, b.report(t, workers[0], 0, 20, true)); diff != "" {
				t.Errorf("%s: %d workers:\n%s", e.Name, parts, diff)
			}
			// Windows and servers meet at Jerry.
			var reports []*report.Report
			for _, part := range split {
				reports = append(reports, b.all(t, part))
			}
			rng.Shuffle(parts, func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
			if got := merged(t, e.Name, Params{}, 20, reports...); got != string(whole.Data) {
				t.Errorf("%s: %d reports:\n%s", e.Name, parts, cmp.Diff(string(whole.Data), got))
			}
		}
	}
}

// TestSketchedWorkers: with transactions too, where each flow is at one worker.
func TestSketchedWorkers(t *testing.T) {
	var uses []Use
	for i := range sketchedEntries {
		uses = append(uses, Use{Entry: &sketchedEntries[i]}, Use{Entry: &sketchedEntries[i], Params: Params{Top: 2}})
	}
	msgs := answered(4, traffic(t, 4, 3000))
	want := shared(t, uses, 1, msgs)
	for _, workers := range []int{2, 3, 8} {
		if diff := cmp.Diff(want, shared(t, uses, workers, msgs)); diff != "" {
			t.Errorf("%d workers:\n%s", workers, diff)
		}
	}
}

// TestSketchedKeys: keys that come when there is no room are not measured, and
// each of their messages is counted, whatever the number of workers.
func TestSketchedKeys(t *testing.T) {
	e := Entry{Name: "T", Of: Messages, Measure: Distinct, OfField: "client", By: dims("qname")}
	msgs := append(append(askFor(t, 3, "a."), askFor(t, 2, "b.")...), askFor(t, 4, "c.")...)
	rep := benchOf(t, e, Params{MaxKeys: 2}, nil).all(t, msgs)
	if got := string(rep.Data); got != `{"a.":1,"b.":1}` || rep.Window.Skipped != 4 {
		t.Errorf("%s, %d skipped", got, rep.Window.Skipped)
	}
	b := benchOf(t, e, Params{MaxKeys: 2}, nil)
	w, o := b.make(), b.make()
	for i, m := range append(msgs, msgs...) {
		b.add([]*Window{w, o}[i/len(msgs)], m)
	}
	w.Merge(o)
	if rep := b.report(t, w, 0, 20, true); string(rep.Data) != `{"a.":1,"b.":1}` || rep.Window.Skipped != 8 {
		t.Errorf("merged: %s, %d skipped", rep.Data, rep.Window.Skipped)
	}
	// By default there is room for a thousand.
	msgs = nil
	for i := range DefaultMaxSketches + 50 {
		msgs = append(msgs, askFor(t, 1, fmt.Sprintf("n%d.", i))...)
	}
	rep = benchOf(t, e, Params{}, nil).all(t, msgs)
	if n := strings.Count(string(rep.Data), ":"); n != DefaultMaxSketches || rep.Window.Skipped != 50 {
		t.Errorf("%d keys, %d skipped", n, rep.Window.Skipped)
	}
}

// many calls f with n queries from as many clients, for names of which one is
// asked for as often as the other.
func many(t testing.TB, n, names int, f func(*speedy.Message)) {
	m := msg{at: 1, from: alice, to: ns, flags: query, qname: "aaaa.example.org.", qtype: 1}.make(t)
	for i := range n {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[13], a[14], a[15] = byte(i>>16), byte(i>>8), byte(i)
		m.Source = netip.AddrFrom16(a)
		name := i % names
		for j := range 4 {
			m.Wire[dns.HeaderLen+1+j] = 'a' + byte(name>>(4*j)&15)
		}
		f(m)
	}
}

// TestSketchedFits: registers for many keys are more than a report may be; those
// that fit are the highest, and the rest is told.
func TestSketchedFits(t *testing.T) {
	if testing.Short() {
		t.Skip("adds many messages")
	}
	e := Entry{Name: "T", Of: Queries, Measure: Distinct, OfField: "client", By: dims("qname")}
	b := benchOf(t, e, Params{MaxKeys: 10_000_000}, nil)
	w := b.make()
	many(t, 1_600_000, 500, func(m *speedy.Message) { b.add(w, m) })
	rep := b.report(t, w, 0, 10, true) // checks its size
	for what, raw := range map[string]json.RawMessage{"data": rep.Data, "state": rep.State} {
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		left, _ := members[report.SkippedKey].(float64)
		if n := len(members) - 1; n < 400 || n+int(left) != 500 {
			t.Errorf("%s: %d keys and %g left out, want together 500", what, n, left)
		}
	}
	if rep.Window.Error < 75 || rep.Window.Error > 90 { // 2.5 % of 3,200
		t.Errorf("error is %d", rep.Window.Error)
	}
	// Names of the worst kind, one value each.
	b = benchOf(t, Entry{Name: "T", Of: Queries, Measure: Quantiles, OfField: "size", By: dims("client", "qtype", "qname")}, Params{MaxKeys: 10_000_000}, nil)
	w = b.make()
	flood(t, 20_000, '\\', 20_000, true, func(m *speedy.Message) { b.add(w, m) })
	rep = b.report(t, w, 0, 10, true)
	if rep.Window.Skipped != 20_000-maxSketches {
		t.Errorf("%d skipped", rep.Window.Skipped)
	}
}

// TestDistinctAddresses: monitors with one key agree on what a client is, and
// nobody without it can tell from a state who was there.
func TestDistinctAddresses(t *testing.T) {
	e := Entry{Name: "T", Of: Queries, Measure: Distinct, OfField: "client"}
	msgs := makeAll(t, mixed)
	a, b := speedy.Key{1}, speedy.Key{2}
	one, same, other := benchOf(t, e, Params{}, &a).all(t, msgs), benchOf(t, e, Params{}, &a).all(t, msgs), benchOf(t, e, Params{}, &b).all(t, msgs)
	if got := merged(t, "", Params{}, 20, one, same); got != "3" {
		t.Errorf("three clients at two servers with one key are %s", got)
	}
	if got := merged(t, "", Params{}, 20, one, other); got != "6" {
		t.Errorf("three clients at two servers with two keys are %s", got)
	}
	if real := benchOf(t, e, Params{}, nil).all(t, msgs); string(one.State) == string(real.State) {
		t.Error("the state is that of the real addresses")
	}
	// The report is that of anonymised addresses that came as they are, which is
	// what fievel gets from speedy.
	anon, err := speedy.NewAnonymizer(speedy.Hash, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		m.Source, m.Dest = anon.Addr(m.Source), anon.Addr(m.Dest)
	}
	if diff := cmp.Diff(one, benchOf(t, e, Params{}, nil).all(t, msgs)); diff != "" {
		t.Error(diff)
	}
}

// TestTruncatedKeys: addresses that are written alike are one key, and one
// value.
func TestTruncatedKeys(t *testing.T) {
	anon, err := speedy.NewAnonymizer(speedy.Truncate, speedy.Key{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		e    Entry
		want string
	}{
		{Entry{Of: Queries, Measure: Distinct, OfField: "qname", By: dims("client")}, `{"20010DB8000000000000000000000000":2,"C0000200":9}`},
		{Entry{Of: Queries, Measure: Quantiles, OfField: "questions", By: dims("client")},
			`{"20010DB8000000000000000000000000":{"p50":1,"p90":1,"p99":1,"p999":1},"C0000200":{"p50":1,"p90":1,"p99":1,"p999":1}}`},
		{Entry{Of: Queries, Measure: Distinct, OfField: "client"}, `2`},
	} {
		c.e.Name = "T"
		b := &bench{entry: &c.e, group: NewGroup([]Use{{&c.e, Params{}}}, 1), event: NewEvent(anon)}
		w := b.make()
		for _, m := range makeAll(t, mixed) {
			b.add(w, m)
		}
		first, second := &report.Report{}, &report.Report{}
		w.Report(0, first)
		data := string(first.Data)
		if w.Report(0, second); string(second.Data) != data {
			t.Errorf("asked again it says %s, first %s", second.Data, data)
		}
		if data != c.want {
			t.Errorf("got  %s\nwant %s", data, c.want)
		}
	}
}

// TestSketchedAllocations: a message costs no memory once its key is known.
func TestSketchedAllocations(t *testing.T) {
	msgs := traffic(t, 5, 200)
	for _, e := range sketchedEntries {
		b := benchOf(t, e, Params{}, &speedy.Key{1})
		w := b.make()
		add := func() {
			for _, m := range msgs {
				b.event.Set(m)
				w.reduce([]*Event{b.event}, seen)
			}
		}
		add()
		if n := testing.AllocsPerRun(10, add); n > 0 {
			t.Errorf("%s: %g allocations for %d messages", e.Name, n, len(msgs))
		}
	}
}

func TestParseMeasure(t *testing.T) {
	for text, want := range map[string]struct {
		m     Measure
		field string
	}{
		"count": {Count, ""}, "rate": {Rate, ""}, "sum:size": {Sum, "size"}, "min:latency": {Min, "latency"}, "max:labels": {Max, "labels"},
		"distinct:client": {Distinct, "client"}, "distinct:qname": {Distinct, "qname"}, "distinct:rcode": {Distinct, "rcode"}, "distinct:size": {Distinct, "size"},
		"quantiles:latency": {Quantiles, "latency"},
	} {
		if m, field, err := ParseMeasure(text); m != want.m || field != want.field || err != nil {
			t.Errorf("%s: %s of %q, %v", text, m, field, err)
		}
	}
	for text, want := range map[string]string{
		"":                `unknown measure "", choose from count, rate, sum:size, min:size, max:size, distinct:client, quantiles:size`,
		"mean:size":       `unknown measure "mean", choose`,
		"Count":           `unknown measure "Count", choose`,
		"count:size":      `count takes no field, got "count:size"`,
		"quantiles":       `quantiles needs a field, like quantiles:size`,
		"distinct":        `distinct needs a field, like distinct:client`,
		"sum:":            `sum: unknown field "", choose from labels,`,
		"distinct:qnme":   `distinct: unknown field "qnme", choose from qname, qtype,`,
		"quantiles:qname": `quantiles: qname is not a number (its kind: name), choose from labels,`,
		"sum:rcode":       `sum: rcode is not a number (its kind: code)`,
		"max:client":      `max: client is not a number (its kind: address)`,
	} {
		if _, _, err := ParseMeasure(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
