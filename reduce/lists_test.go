package reduce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// objects are the messages of a list.
func objects(t testing.TB, raw json.RawMessage) []string {
	t.Helper()
	var list []struct {
		ID      string `json:"id"`
		Queries []struct {
			Qname string `json:"qname"`
		} `json:"queries"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatalf("%v: %.500s", err, raw)
	}
	var names []string
	for _, m := range list {
		s := m.ID
		for _, q := range m.Queries {
			s += " " + q.Qname
		}
		names = append(names, s)
	}
	return names
}

// TestLists holds which messages the lists have, in which order.
func TestLists(t *testing.T) {
	msgs := makeAll(t, mixed)
	var all, queries, responses []string
	for _, l := range mixed {
		s := strings.TrimSpace(string(speedy.AppendHex(nil, l.id)) + " " + l.qname)
		if l.id == 0x1005 {
			s = "1005" // its name is cut
		}
		all = append(all, s)
		if l.flags&0x8000 == 0 {
			queries = append(queries, s)
		} else {
			responses = append(responses, s)
		}
	}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"Identity", all}, {"OnlyQueries", queries}, {"OnlyAnswers", responses},
		{"MalformedMessages", []string{"1005", "1006 ipv6.example.org."}},
	} {
		rep := one(t, c.name, Params{}, msgs)
		if diff := cmp.Diff(c.want, objects(t, rep.Data)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	// The list's objects are Speedy's.
	enc := speedy.NewEncoder(speedy.FieldsDefault, plain(t))
	want := "["
	for i, m := range msgs {
		if i > 0 {
			want += ","
		}
		want += string(enc.Append(nil, m))
	}
	if got := string(one(t, "Identity", Params{}, msgs).Data); got != want+"]" {
		t.Errorf("Identity: %s", cmp.Diff(want+"]", got))
	}
}

func TestQueriesSummaryOrder(t *testing.T) {
	var list []struct {
		IP      string              `json:"ip"`
		Queries map[string][]string `json:"queries"`
	}
	if err := json.Unmarshal(one(t, "QueriesSummary", Params{}, makeAll(t, mixed)).Data, &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		n := 0
		for _, names := range c.Queries {
			n += len(names)
		}
		got = append(got, c.IP+" "+string(rune('0'+n)))
	}
	if diff := cmp.Diff([]string{"C000020A 9", "C000020B 4", "20010DB8000000000000000000000010 2"}, got); diff != "" {
		t.Error(diff)
	}

	// Of two that asked as much the lower address comes first; what samples
	// leave out counts for the order.
	msgs := []*speedy.Message{
		msg{from: bob, to: ns, flags: query, qname: "b.", qtype: 1}.make(t),
		msg{from: alice, to: ns, flags: query, qname: "a.", qtype: 1}.make(t),
	}
	rep := one(t, "QueriesSummary", Params{}, msgs)
	if want := `[{"ip":"C000020A","queries":{"1":["a."]}},{"ip":"C000020B","queries":{"1":["b."]}}]`; string(rep.Data) != want {
		t.Errorf("got %s, want %s", rep.Data, want)
	}
	rep = one(t, "QueriesSummary", Params{Samples: 1}, append(msgs, msgs[0]))
	if want := `[{"ip":"C000020B","queries":{"1":["b."]}},{"ip":"C000020A","queries":{"1":["a."]}}]`; string(rep.Data) != want || rep.Window.Skipped != 1 {
		t.Errorf("got %s, skipped %d, want %s", rep.Data, rep.Window.Skipped, want)
	}
}

func TestSamples(t *testing.T) {
	msgs := makeAll(t, mixed)
	for _, c := range []struct {
		name    string
		p       Params
		want    int // items in all lists
		skipped uint64
	}{
		{"Identity", Params{Samples: 5}, 5, 28},
		{"OnlyQueries", Params{Samples: 17}, 17, 0},
		{"MalformedMessages", Params{Samples: 1}, 1, 1},
		{"PacketSummary", Params{Samples: 3}, 3 + 3 + 2, 6 + 1}, // 9, 4 and 2 queries with a name
		{"PacketSummary", Params{MaxKeys: 1}, 9, 4 + 2},
		{"QueriesWithUnderscoredName", Params{Samples: 1}, 2, 1},
		{"QueriesWithUnderscoredName", Params{MaxKeys: 1}, 2, 1},
		{"PacketHasUnderscore", Params{MaxKeys: 2}, 2, 1},
		{"AlonePackets", Params{Samples: 1}, 2, 1},
	} {
		rep := one(t, c.name, c.p, msgs)
		if n := leaves(t, rep.Data); n != c.want || rep.Window.Skipped != c.skipped {
			t.Errorf("%s %+v: %d items, skipped %d, want %d, %d\n%s", c.name, c.p, n, rep.Window.Skipped, c.want, c.skipped, rep.Data)
		}
	}
	// What a client did not get into its list is counted all the same.
	rep := one(t, "PacketHasUnderscore", Params{Samples: 1}, askFor(t, 3, "a_b.example.org."))
	if want := `{"C000020A":{"cnt":3,"queries":[{"qclass":"1","qtype":"1","qname":"a_b.example.org."}]}}`; string(rep.Data) != want || rep.Window.Skipped != 2 {
		t.Errorf("got %s, skipped %d, want %s", rep.Data, rep.Window.Skipped, want)
	}
}

func TestTypes(t *testing.T) {
	types, err := ParseTypes([]string{"SRV", "TYPE65400"})
	if err != nil {
		t.Fatal(err)
	}
	msgs := makeAll(t, []msg{
		{from: alice, to: ns, flags: query, qname: "_a.example.org.", qtype: 33},
		{from: alice, to: ns, flags: query, qname: "_b.example.org.", qtype: 1},
		{from: alice, to: ns, flags: query, qname: "_c.example.org.", qtype: 65400},
		{from: ns, to: alice, flags: noerr, qname: "_d.example.org.", qtype: 33},
	})
	for _, c := range []struct {
		types []uint16
		want  []string
	}{{types, []string{"_a.example.org.", "_c.example.org."}}, {nil, []string{"_b.example.org."}}} {
		rep := one(t, "QueriesWithUnderscoredName", Params{Types: c.types}, msgs)
		var m map[string]any
		if err := json.Unmarshal(rep.Data, &m); err != nil {
			t.Fatal(err)
		}
		if len(m) != len(c.want) {
			t.Errorf("types %v: got %s, want %v", c.types, rep.Data, c.want)
		}
		for _, name := range c.want {
			if m[name] == nil {
				t.Errorf("types %v: got %s, want %v", c.types, rep.Data, c.want)
			}
		}
	}
	if _, err := ParseTypes([]string{"A", "AA"}); err == nil || !strings.Contains(err.Error(), `"AA"`) {
		t.Errorf("ParseTypes of AA: %v", err)
	}
}

// TestUnderscored lists names that have an underscore where it matters or not.
func TestUnderscored(t *testing.T) {
	for name, want := range map[string]bool{
		"a_b.example.org.":      true,
		"www.exam_ple.org.":     true,
		"_.example.org.":        false, // RFC 9156 §2.3
		"_.a_b.example.org.":    false,
		"_a.example.org.":       true,
		`_\..example.org.`:      true, // the label "_."
		`\095.example.org.`:     false,
		"www._.example.org.":    true,
		"www.example.org.":      false,
		".":                     false,
		"_.":                    false,
		`www.example\095x.org.`: true,
	} {
		for _, reducer := range []string{"QueriesWithUnderscoredName", "PacketHasUnderscore"} {
			if got := string(one(t, reducer, Params{}, askFor(t, 1, name)).Data) != "{}"; got != want {
				t.Errorf("%s of %s: %v, want %v", reducer, name, got, want)
			}
		}
	}
}

// TestUnderscoredKeysOfWorkers: where the lists of several workers are more than
// there may be, which remain is not chance, and each query is either listed or
// told as skipped.
func TestUnderscoredKeysOfWorkers(t *testing.T) {
	var msgs []*speedy.Message
	for i := range 300 {
		msgs = append(msgs, msg{
			at: float64(i) / 100, from: []string{alice, bob, carol}[i%3], to: ns, id: uint16(i), flags: query,
			qname: fmt.Sprintf("a_%d.example.org.", i%150), qtype: 1,
		}.make(t))
	}
	entry, err := Find("QueriesWithUnderscoredName")
	if err != nil {
		t.Fatal(err)
	}
	uses := []Use{{Entry: entry, Params: Params{MaxKeys: 50, Samples: 1}}}
	for _, workers := range []int{1, 2, 5} {
		want := shared(t, uses, workers, msgs)
		for range 5 {
			if diff := cmp.Diff(want, shared(t, uses, workers, msgs)); diff != "" {
				t.Fatalf("%d workers, once more: %s", workers, diff)
			}
		}
		told := 0
		for _, line := range want {
			r, err := report.Parse([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			told += strings.Count(line, `"query":`) + int(r.Window.Skipped)
		}
		if told != len(msgs) {
			t.Errorf("%d workers: %d queries are listed or skipped, of %d", workers, told, len(msgs))
		}
	}
}
