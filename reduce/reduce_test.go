package reduce

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/dns"
	"ratadns/report"
	"ratadns/speedy"
)

// mixed is a little of everything.
var mixed = []msg{
	// Asked, answered; asked again in another case, answered.
	{at: 0.00, from: alice, to: ns, id: 0x1001, flags: query, qname: "www.example.org.", qtype: 1},
	{at: 0.01, from: ns, to: alice, id: 0x1001, flags: noerr, qname: "www.example.org.", qtype: 1},
	{at: 0.10, from: alice, to: ns, id: 0x1002, flags: query, qname: "WWW.Example.ORG.", qtype: 1},
	{at: 0.11, from: ns, to: alice, id: 0x1002, flags: noerr, qname: "WWW.Example.ORG.", qtype: 1},
	// A name that does not exist.
	{at: 0.20, from: bob, to: ns, id: 0x1003, flags: query, qname: "nosuch.example.org.", qtype: 28},
	{at: 0.21, from: ns, to: bob, id: 0x1003, flags: nxdom, qname: "nosuch.example.org.", qtype: 28},
	// No question; the response has none either.
	{at: 0.30, from: bob, to: ns, id: 0x1004, flags: query},
	{at: 0.31, from: ns, to: bob, id: 0x1004, flags: former},
	// Ends inside its name; the response has no question.
	{at: 0.40, from: bob, to: ns, id: 0x1005, flags: query, qname: "cut.example.org.", qtype: 1, change: cutName},
	{at: 0.41, from: ns, to: bob, id: 0x1005, flags: former},
	// IPv6; the response promises a record and ends.
	{at: 0.50, from: carol, to: ns6, id: 0x1006, flags: query, qname: "ipv6.example.org.", qtype: 28},
	{at: 0.51, from: ns6, to: carol, id: 0x1006, flags: noerr, qname: "ipv6.example.org.", qtype: 28, change: promise},
	// An underscore in a host name, twice; bob gets no response.
	{at: 0.60, from: bob, to: ns, id: 0x1007, flags: query, qname: "MAL_formed.example.org.", qtype: 1},
	{at: 0.70, from: carol, to: ns6, id: 0x1008, flags: query, qname: "mal_formed.example.org.", qtype: 15},
	{at: 0.71, from: ns6, to: carol, id: 0x1008, flags: noerr, qname: "mal_formed.example.org.", qtype: 15},
	// QNAME minimisation, and a service where services are, and where not.
	{at: 0.80, from: alice, to: ns, id: 0x1009, flags: query, qname: "_.example.org.", qtype: 1},
	{at: 0.81, from: ns, to: alice, id: 0x1009, flags: nxdom, qname: "_.example.org.", qtype: 1},
	{at: 0.90, from: alice, to: ns, id: 0x100a, flags: query, qname: "_sip._tcp.example.org.", qtype: 33},
	{at: 0.91, from: ns, to: alice, id: 0x100a, flags: noerr, qname: "_sip._tcp.example.org.", qtype: 33},
	{at: 1.00, from: alice, to: ns, id: 0x100b, flags: query, qname: "_sip._tcp.example.org.", qtype: 1},
	{at: 1.01, from: ns, to: alice, id: 0x100b, flags: noerr, qname: "_sip._tcp.example.org.", qtype: 1},
	// Octets that are written with escapes, and one (") that only JSON escapes.
	{at: 1.10, from: alice, to: ns, id: 0x100c, flags: query, qname: `A\.b\\c\032d\255"e.example.org.`, qtype: 16},
	{at: 1.11, from: ns, to: alice, id: 0x100c, flags: noerr, qname: `A\.b\\c\032d\255"e.example.org.`, qtype: 16},
	// Sent again, answered twice.
	{at: 1.20, from: bob, to: ns, id: 0x100d, flags: query, qname: "again.example.org.", qtype: 1},
	{at: 2.20, from: bob, to: ns, id: 0x100d, flags: query, qname: "again.example.org.", qtype: 1},
	{at: 2.21, from: ns, to: bob, id: 0x100d, flags: noerr, qname: "again.example.org.", qtype: 1},
	{at: 2.22, from: ns, to: bob, id: 0x100d, flags: noerr, qname: "again.example.org.", qtype: 1},
	// Nobody asked.
	{at: 2.30, from: ns, to: bob, id: 0x100e, flags: noerr, qname: "reflected.example.org.", qtype: 255},
	// The root; a NOTIFY, which is a query and stays unanswered; a private type.
	{at: 2.40, from: alice, to: ns, id: 0x100f, flags: 0, qname: ".", qtype: 2},
	{at: 2.41, from: ns, to: alice, id: 0x100f, flags: noerr, qname: ".", qtype: 2},
	{at: 2.50, from: alice, to: ns, id: 0x1010, flags: 0x2400, qname: "example.org.", qtype: 6},
	{at: 2.60, from: alice, to: ns, id: 0x1011, flags: query, qname: "www.example.org.", qtype: 65400},
	{at: 2.61, from: ns, to: alice, id: 0x1011, flags: noerr, qname: "www.example.org.", qtype: 65400},
}

// TestData holds what reports of mixed say, in full.
func TestData(t *testing.T) {
	msgs := makeAll(t, mixed) // 17 queries, 16 responses
	for _, c := range []struct{ name, want string }{
		{"QueriesPerSecond", `{"qps":1.7}`},
		{"AnswersPerSecond", `{"aps":1.6}`},
		{"PacketsPerSecond", `{"pps":3.3}`},
		{"PacketsQueriesAndAnswersPerSecond", `{"pps":3.3,"qps":1.7,"aps":1.6}`},
		{"TopNQ", `[["www.example.org.",3],["_sip._tcp.example.org.",2],["again.example.org.",2],["mal_formed.example.org.",2],[".",1],["_.example.org.",1],["a\\.b\\\\c\\032d\\255\"e.example.org.",1],["example.org.",1],["ipv6.example.org.",1],["nosuch.example.org.",1]]`},
		{"TopN", `[["www.example.org.",6],["_sip._tcp.example.org.",4],["again.example.org.",4],["mal_formed.example.org.",3],[".",2],["_.example.org.",2],["a\\.b\\\\c\\032d\\255\"e.example.org.",2],["ipv6.example.org.",2],["nosuch.example.org.",2],["example.org.",1]]`},
		{"QueriesNameCounter", `{".":1,"_.example.org.":1,"_sip._tcp.example.org.":2,"a\\.b\\\\c\\032d\\255\"e.example.org.":1,"again.example.org.":2,"example.org.":1,"ipv6.example.org.":1,"mal_formed.example.org.":2,"nosuch.example.org.":1,"www.example.org.":3}`},
		{"AnswersNameCounter", `{".":1,"_.example.org.":1,"_sip._tcp.example.org.":2,"a\\.b\\\\c\\032d\\255\"e.example.org.":1,"again.example.org.":2,"ipv6.example.org.":1,"mal_formed.example.org.":1,"nosuch.example.org.":1,"reflected.example.org.":1,"www.example.org.":3}`},
		{"PacketHasUnderscore", `{"20010DB8000000000000000000000010":{"cnt":1,"queries":[{"qclass":"1","qtype":"f","qname":"mal_formed.example.org."}]},` +
			`"C000020A":{"cnt":1,"queries":[{"qclass":"1","qtype":"1","qname":"_sip._tcp.example.org."}]},` +
			`"C000020B":{"cnt":1,"queries":[{"qclass":"1","qtype":"1","qname":"MAL_formed.example.org."}]}}`},
		{"QueriesWithUnderscoredName", `{"_sip._tcp.example.org.":[{"query":{"qclass":"1","qtype":"1","qname":"_sip._tcp.example.org."},"sender":"C000020A","server":"C6336435"}],` +
			`"mal_formed.example.org.":[{"query":{"qclass":"1","qtype":"1","qname":"MAL_formed.example.org."},"sender":"C000020B","server":"C6336435"},` +
			`{"query":{"qclass":"1","qtype":"f","qname":"mal_formed.example.org."},"sender":"20010DB8000000000000000000000010","server":"20010DB8005300000000000000000053"}]}`},
		{"PacketSummary", `{"20010DB8000000000000000000000010":{"1c":["ipv6.example.org."],"f":["mal_formed.example.org."]},` +
			`"C000020A":{"1":["www.example.org.","WWW.Example.ORG.","_.example.org.","_sip._tcp.example.org."],"10":["A\\.b\\\\c\\032d\\255\"e.example.org."],"2":["."],"21":["_sip._tcp.example.org."],"6":["example.org."],"ff78":["www.example.org."]},` +
			`"C000020B":{"1":["MAL_formed.example.org.","again.example.org.","again.example.org."],"1c":["nosuch.example.org."]}}`},
		{"Null", `null`},
	} {
		if got := string(one(t, c.name, Params{}, msgs).Data); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestKeyless: two queries and two responses of mixed have no question that
// could be read.
func TestKeyless(t *testing.T) {
	msgs := makeAll(t, mixed)
	for name, want := range map[string]uint64{
		"QueriesNameCounter": 2, "AnswersNameCounter": 2, "NameCounter": 4, "TopN": 4, "TopNPP": 4, "TopNQ": 2,
		"QueriesWithUnderscoredName": 2, "PacketHasUnderscore": 2, "PacketSummary": 2, "QueriesSummary": 2,
		"QueriesPerSecond": 0, "Identity": 0, "AlonePackets": 0, "Null": 0,
	} {
		w := one(t, name, Params{}, msgs).Window
		if w.Keyless != want {
			t.Errorf("%s: keyless %d, want %d", name, w.Keyless, want)
		}
		if w.Messages != 33 || w.Malformed != 2 || w.Skipped != 0 || w.Error != 0 {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestParams(t *testing.T) {
	// a 3, b 2, c 2, d 1 queries.
	var msgs []*speedy.Message
	for i, name := range []string{"a.", "b.", "c.", "d."} {
		msgs = append(msgs, askFor(t, []int{3, 2, 2, 1}[i], name)...)
	}
	for _, c := range []struct {
		what, name string
		p          Params
		want       string
		state      string
	}{
		{"all", "TopNQ", Params{}, `[["a.",3],["b.",2],["c.",2],["d.",1]]`, ""},
		{"n", "TopNQ", Params{Top: 2}, `[["a.",3],["b.",2]]`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"n as many as there are", "TopNQ", Params{Top: 4}, `[["a.",3],["b.",2],["c.",2],["d.",1]]`, ""},
		{"n more than there are", "TopNQ", Params{Top: 5, Ties: true}, `[["a.",3],["b.",2],["c.",2],["d.",1]]`, ""},
		{"ties", "TopNQ", Params{Top: 2, Ties: true}, `[["a.",3],["b.",2],["c.",2]]`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"ties of none", "TopNQ", Params{Top: 1, Ties: true}, `[["a.",3]]`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"ties at the last", "TopNQ", Params{Top: 3, Ties: true}, `[["a.",3],["b.",2],["c.",2]]`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"a table's top", "QueriesNameCounter", Params{Top: 1}, `{"-:SKIPPED:-":3,"-:SKIPPED_SUM:-":5,"a.":3}`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"a table's ties", "QueriesNameCounter", Params{Top: 2, Ties: true}, `{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":1,"a.":3,"b.":2,"c.":2}`, `{"a.":3,"b.":2,"c.":2,"d.":1}`},
		{"max_keys enough", "QueriesNameCounter", Params{MaxKeys: 4}, `{"a.":3,"b.":2,"c.":2,"d.":1}`, ""},
	} {
		rep := one(t, c.name, c.p, msgs)
		if string(rep.Data) != c.want || string(rep.State) != c.state || rep.Window.Error != 0 {
			t.Errorf("%s: got %s, state %s, error %d\nwant %s, state %s", c.what, rep.Data, rep.State, rep.Window.Error, c.want, c.state)
		}
	}
	two := append(askFor(t, 1, "b."), askFor(t, 1, "a.")...)
	if got, want := string(one(t, "TopNQ", Params{Top: 1, Ties: true}, two).Data), `[["a.",1],["b.",1]]`; got != want {
		t.Errorf("ties of all: got %s, want %s", got, want)
	}
	// A sketch: d takes the place and the count of one of two.
	rep := one(t, "TopNQ", Params{MaxKeys: 3}, msgs)
	if want := `[["a.",3],["d.",3],["c.",2]]`; string(rep.Data) != want || rep.Window.Error != 2 || rep.State == nil {
		t.Errorf("max_keys 3: got %s, error %d, state %s, want %s", rep.Data, rep.Window.Error, rep.State, want)
	}
	// No top beyond ten.
	msgs = nil
	for i := range 12 {
		msgs = append(msgs, askFor(t, 1, string(rune('a'+i))+".")...)
	}
	if pairs := strings.Count(string(one(t, "TopN", Params{}, msgs).Data), "[") - 1; pairs != DefaultTop {
		t.Errorf("TopN shows %d names, want %d", pairs, DefaultTop)
	}
}

// leaves counts the items of the lists in data.
func leaves(t testing.TB, raw json.RawMessage) int {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var count func(any) int
	count = func(v any) (n int) {
		switch v := v.(type) {
		case []any:
			return len(v)
		case map[string]any:
			for _, m := range v {
				n += count(m)
			}
		}
		return n
	}
	return count(v)
}

// keys counts the members of an object; null and the text of a sketch have none.
func keys(t testing.TB, raw json.RawMessage) int {
	t.Helper()
	if raw == nil || raw[0] == '"' {
		return 0
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return len(m)
}

// TestRateOverNoTime: a window of messages may have no length.
func TestRateOverNoTime(t *testing.T) {
	b := newBench(t, "PacketsQueriesAndAnswersPerSecond", Params{})
	r := b.make()
	for _, m := range askFor(t, 3, "a.") {
		b.add(r, m)
	}
	if got, want := string(b.report(t, r, 1, 1, false).Data), `{"pps":null,"qps":null,"aps":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestReset: a reducer that has been used reports like a new one.
func TestReset(t *testing.T) {
	msgs := makeAll(t, slices.Concat(mixed, special))
	for _, e := range Catalog {
		// Few keys and samples, so that bounds and sketches have to be reset too.
		p := Params{MaxKeys: 3, Samples: 2}
		b := newBench(t, e.Name, p)
		r := b.make()
		lines := make([]string, 2)
		for i := range lines {
			for _, m := range msgs {
				b.add(r, m)
			}
			lines[i] = string(b.report(t, r, 0, 10, true).Append(nil))
			forget(r)
		}
		if lines[0] != lines[1] {
			t.Errorf("%s: after Reset\n%s", e.Name, cmp.Diff(lines[0], lines[1]))
		}
		if empty := string(b.report(t, r, 10, 20, true).Data); empty != emptyData[b.entryShape(t)] && empty != emptyData[report.Shape(e.Name)] {
			t.Errorf("%s: empty window has %s", e.Name, empty)
		}
	}
}

// emptyData is what a reducer that saw nothing reports, by shape or by name.
var emptyData = map[report.Shape]string{
	report.TableOf: `{}`, report.Top: `[]`, report.Count: `null`, report.ListOf: `[]`, report.Distinct: `0`, report.Quantiles: `null`,
	"IdnQname": `{"idn":0,"normal":0}`, "Encryption": `{"dnscrypt":0,"doh":0,"doq":0,"dot":0,"tcp":0,"udp":0}`,
	"DoBit": `{"clr":0,"set":0}`, "RdBit": `{"clr":0,"set":0}`, "TcBit": `{"clr":0,"set":0}`,
	"QueriesPerSecond": `{"qps":0}`, "AnswersPerSecond": `{"aps":0}`, "PacketsPerSecond": `{"pps":0}`,
	"PacketsQueriesAndAnswersPerSecond": `{"pps":0,"qps":0,"aps":0}`,
	"QueriesWithUnderscoredName":        `{}`, "PacketHasUnderscore": `{}`, "PacketSummary": `{}`,
	"AlonePackets": `{"queries":0,"answers":0,"AloneQueries":[],"AloneAnswers":[]}`,
}

func (b *bench) entryShape(t testing.TB) report.Shape {
	return b.report(t, b.make(), 0, 10, true).Shape
}

func TestFind(t *testing.T) {
	seen := make(map[string]bool)
	for _, e := range Catalog {
		if seen[strings.ToLower(e.Name)] {
			t.Errorf("%s is listed twice", e.Name)
		}
		seen[strings.ToLower(e.Name)] = true
		if got, err := Find(e.Name); err != nil || got.Name != e.Name || e.Doc == "" || (e.New == nil && e.newShared == nil) == (e.By == nil && !e.Measure.sketched()) {
			t.Errorf("%s: %+v, %v", e.Name, got, err)
		}
		if e.Where != nil && e.Filter == "" {
			t.Errorf("%s: filter %q does not say where", e.Name, e.Filter)
		}
	}
	for name, want := range map[string]string{
		"topn":  `unknown reducer "topn", there is TopN`,
		"Topnn": `unknown reducer "Topnn", see: ratadns reducers`,
	} {
		if _, err := Find(name); err == nil || err.Error() != want {
			t.Errorf("Find(%s): %v, want %s", name, err, want)
		}
	}
}

// TestEventKeepsNothing: an event made for one message says nothing of it when
// it stands for the next.
func TestEventKeepsNothing(t *testing.T) {
	e := NewEvent(plain(t))
	var want []string
	texts := func(e *Event) (s string) {
		s = string(e.ClientText()) + " " + string(e.ServerText()) + " " + string(e.Object())
		if e.Question() != nil {
			var asked string
			if err := json.Unmarshal(e.AppendAsked(nil), &asked); err != nil {
				t.Fatal(err)
			}
			s += " " + asked + " " + string(e.Qname()) + " " + string(e.AppendQuery(nil))
			if string(dns.AppendLower(nil, []byte(asked))) != string(e.Qname()) {
				t.Errorf("qname %s of %s", e.Qname(), asked)
			}
		}
		return s
	}
	msgs := makeAll(t, mixed)
	for _, m := range msgs {
		fresh := NewEvent(plain(t))
		fresh.Set(m)
		want = append(want, texts(fresh))
	}
	for i, m := range msgs {
		e.Set(m)
		if got := texts(e); got != want[i] || texts(e) != got {
			t.Errorf("message %d: got %s, want %s", i, got, want[i])
		}
	}
}

// A ranking is a pair of a top.
type ranking struct {
	key string
	n   float64
}

func pairsOf(t testing.TB, raw json.RawMessage) (list []ranking) {
	t.Helper()
	var pairs [][2]any
	if err := json.Unmarshal(raw, &pairs); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		list = append(list, ranking{p[0].(string), p[1].(float64)})
	}
	return list
}
