package reduce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"ratadns/dns"
	"ratadns/speedy"
)

// A worst case is a window that something may not be ready for, with what some
// reducers then say, in full.
type worst struct {
	what    string
	msgs    []*speedy.Message
	keyless uint64 // of reducers by name
	want    map[string]string
}

func worstCases(t *testing.T) []worst {
	ask := func(name string) *speedy.Message {
		return msg{from: alice, to: ns, flags: query, qname: name, qtype: 1}.make(t)
	}
	var octets, client []*speedy.Message
	for o := range 256 {
		octets = append(octets, msg{from: alice, to: ns, flags: query, qname: "a.", qtype: 1, change: func(wire []byte) []byte {
			return append(append(wire[:dns.HeaderLen], longName(0, byte(o))...), 0, 1, 0, 1)
		}}.make(t))
	}
	for i := range 3000 {
		client = append(client, ask(fmt.Sprintf("n%d.example.org.", i)))
	}
	hyphens := "xn--" + strings.Repeat("-", 59) + "."
	return []worst{
		{"empty", nil, 0, map[string]string{
			"QueriesPerSecond": `{"qps":0}`, "NameCounter": `{}`, "TopN": `[]`, "PacketSummary": `{}`, "QueriesSummary": `[]`,
			"AlonePackets": `{"queries":0,"answers":0,"AloneQueries":[],"AloneAnswers":[]}`, "Identity": `[]`, "Null": `null`,
			"Qtype": `{}`, "RcodeVSReplylen": `{}`, "DistinctQnames": `0`, "ResponseTimeQuantiles": `null`, "Reflection": `{}`,
		}},
		{"one query", []*speedy.Message{ask("WWW.example.org.")}, 0, map[string]string{
			"QueriesPerSecond": `{"qps":0.1}`, "AnswersPerSecond": `{"aps":0}`, "TopN": `[["www.example.org.",1]]`, "Qtype": `{"1":1}`,
			"LabelCount": `{"3":1}`, "QtypeVSQnamelen": `{"1":{"16":1}}`, "PacketSummary": `{"C000020A":{"1":["WWW.example.org."]}}`,
			"DistinctQnames": `1`, "DistinctClients": `1`, "TopClients": `[["C000020A",1]]`, "Rcode": `{}`,
		}},
		{"one response without a question", []*speedy.Message{msg{from: ns, to: alice, flags: former}.make(t)}, 1, map[string]string{
			"QueriesPerSecond": `{"qps":0}`, "AnswersPerSecond": `{"aps":0.1}`, "AnswersNameCounter": `{}`, "TopN": `[]`,
			"Rcode": `{"1":1}`, "RcodeVSReplylen": `{"1":{"12":1}}`, "LabelCount": `{}`, "ResponseSizeQuantiles": `{"p50":12,"p90":12,"p99":12,"p999":12}`,
		}},
		{"one client", client, 0, map[string]string{
			"QueriesPerSecond": `{"qps":300}`, "TopClients": `[["C000020A",3000]]`, "ClientSubnet": `{"C0000200/24":3000}`,
			"SecondLdVSRcode": `{}`, "DistinctClients": `1`, "QtypeVSTld": `{"1":{"org":3000}}`,
		}},
		// Each of 255 octets, four labels; A–Z are a–z.
		{"names of every octet", octets, 0, map[string]string{
			"QtypeVSQnamelen": `{"1":{"254":256}}`, "LabelCount": `{"4":256}`, "DistinctQnames": `230`,
		}},
		{"xn-- that is none", []*speedy.Message{
			ask("xn--."), ask("XN--a.example.org."), ask(`xn--\255\000.example.org.`), ask(hyphens), ask("xn--99999999.xn--zzzzzzzzzzzz."),
			ask("axn--.example.org."),
		}, 0, map[string]string{
			"IdnQname": `{"idn":5,"normal":1}`,
			"IdnVSTld": `{"org":2,"xn--":1,"` + hyphens[:63] + `":1,"xn--zzzzzzzzzzzz":1}`,
		}},
	}
}

// TestWorst: whatever comes, each reducer of the catalogue reports JSON of at most
// 8 MiB in UTF-8, and what it should.
func TestWorst(t *testing.T) {
	for _, c := range worstCases(t) {
		seen := 0
		for _, e := range Catalog {
			rep := one(t, e.Name, Params{}, c.msgs) // checks its size
			if !json.Valid(rep.Data) || !utf8.Valid(rep.Data) {
				t.Errorf("%s: %s: not JSON in UTF-8: %.300s", c.what, e.Name, rep.Data)
			}
			if n := uint64(len(c.msgs)); rep.Window.Messages != n || rep.Window.Malformed != 0 {
				t.Errorf("%s: %s: %+v, want %d messages", c.what, e.Name, rep.Window, n)
			}
			if want, ok := c.want[e.Name]; ok {
				seen++
				if string(rep.Data) != want {
					t.Errorf("%s: %s:\ngot  %.500s\nwant %.500s", c.what, e.Name, rep.Data, want)
				}
			}
			switch e.Name {
			case "AnswersNameCounter", "NameCounter", "TopN", "LabelCount":
				if rep.Window.Keyless != c.keyless {
					t.Errorf("%s: %s: keyless %d, want %d", c.what, e.Name, rep.Window.Keyless, c.keyless)
				}
			}
		}
		if seen != len(c.want) {
			t.Errorf("%s: %d reducers looked at of %d", c.what, seen, len(c.want))
		}
	}
}

// TestWorstCounts: of names of every octet each folded one is there, with its
// queries.
func TestWorstCounts(t *testing.T) {
	for _, c := range worstCases(t) {
		if c.what != "names of every octet" {
			continue
		}
		for _, name := range []string{"QueriesNameCounter", "NameCounter", "QueriesWithUnderscoredName"} {
			data := one(t, name, Params{}, c.msgs).Data
			if n := keys(t, data); n != 230 {
				t.Errorf("%s: %d names, want 230", name, n)
			}
		}
		var counts map[string]int
		if err := json.Unmarshal(one(t, "QueriesNameCounter", Params{}, c.msgs).Data, &counts); err != nil {
			t.Fatal(err)
		}
		two, sum := 0, 0
		for _, n := range counts {
			sum += n
			if n == 2 {
				two++
			}
		}
		if two != 26 || sum != 256 {
			t.Errorf("%d names of two queries and %d queries, want 26 and 256", two, sum)
		}
	}
}
