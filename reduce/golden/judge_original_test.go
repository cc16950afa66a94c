package golden

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ratadns/reduce"
)

// originals judge part A of the catalogue.
var originals = map[string]judge{
	"QueriesPerSecond":                  judgeRates("qps"),
	"AnswersPerSecond":                  judgeRates("aps"),
	"PacketsPerSecond":                  judgeRates("pps"),
	"PacketsQueriesAndAnswersPerSecond": judgeRates("pps", "qps", "aps"),
	"QueriesNameCounter":                judgeTable(queries, (*message).byName),
	"AnswersNameCounter":                judgeTable(responses, (*message).byName),
	"NameCounter":                       judgeTable(messages, (*message).byName),
	"TopN":                              judgeTop(messages, (*message).byName),
	"TopNPP":                            judgeTop(messages, (*message).byName),
	"TopNQ":                             judgeTop(queries, (*message).byName),
	"QueriesWithUnderscoredName":        judgeUnderscoredNames,
	"PacketHasUnderscore":               judgeUnderscoredClients,
	"PacketSummary":                     judgeSummary,
	"QueriesSummary":                    judgeSummaryList,
	"AlonePackets":                      judgeAlone,
	"OnlyQueries":                       judgeList(queries),
	"OnlyAnswers":                       judgeList(responses),
	"Identity":                          judgeList(messages),
	"Null":                              func(*capt, reduce.Params) verdict { return verdict{} },
}

func judgeRates(words ...string) judge {
	return func(c *capt, _ reduce.Params) verdict {
		n := map[string]int{"pps": len(c.traffic.messages)}
		for _, m := range c.traffic.messages {
			if m.response() {
				n["aps"]++
			} else {
				n["qps"]++
			}
		}
		o := object{}
		for _, w := range words {
			o[w] = float64(n[w]) / window.Seconds()
		}
		return verdict{data: o}
	}
}

// judgeTable judges a table by one key.
func judgeTable(in scope, f func(m *message) []string) judge {
	return func(c *capt, p reduce.Params) verdict {
		t := c.traffic.tabulate(in, f)
		return verdict{data: t.by1(p.Top), keyless: t.keyless}
	}
}

// judgeTop judges the top of a table by one key, as pairs.
func judgeTop(in scope, f func(m *message) []string) judge {
	return func(c *capt, p reduce.Params) verdict {
		t := c.traffic.tabulate(in, f)
		return verdict{data: t.pairs(p.Top), keyless: t.keyless}
	}
}

func (m *message) byName() []string {
	if !m.asked {
		return nil
	}
	return []string{m.qname}
}

// question is the object that reports embed.
func (m *message) question() object {
	return object{"qclass": code(m.qclass), "qtype": code(m.qtype), "qname": m.name}
}

// underscored: a name with an underscore where host and zone names have none. A
// first label of exactly "_" is QNAME minimisation (RFC 9156).
func (m *message) underscored() bool {
	return m.asked && slices.Contains([]int{1, 2, 6, 15}, m.qtype) && strings.Contains(strings.Join(m.labels, ""), "_") && m.labels[0] != "_"
}

func judgeUnderscoredNames(c *capt, p reduce.Params) verdict {
	v := verdict{}
	lists := make(map[string][]object)
	for _, m := range c.traffic.messages {
		switch {
		case m.response():
		case !m.asked:
			v.keyless++
		case m.underscored():
			name := m.qname
			if len(lists[name]) == p.Samples || lists[name] == nil && len(lists) == p.MaxKeys {
				v.skipped++
				continue
			}
			lists[name] = append(lists[name], object{"query": m.question(), "sender": address(m.client()), "server": address(m.server())})
		}
	}
	v.data = lists
	return v
}

func judgeUnderscoredClients(c *capt, p reduce.Params) verdict {
	v := verdict{}
	type client struct {
		Count   int      `json:"cnt"`
		Queries []object `json:"queries"`
	}
	clients := make(map[string]*client)
	for _, m := range c.traffic.messages {
		switch {
		case m.response():
		case !m.asked:
			v.keyless++
		case m.underscored():
			a := address(m.client())
			if clients[a] == nil {
				if len(clients) == p.MaxKeys {
					v.skipped++
					continue
				}
				clients[a] = new(client)
			}
			if clients[a].Count++; len(clients[a].Queries) == p.Samples {
				v.skipped++
				continue
			}
			clients[a].Queries = append(clients[a].Queries, m.question())
		}
	}
	v.data = clients
	return v
}

// A summary is what one client asked: names by QTYPE.
type summary struct {
	IP      string              `json:"ip"`
	Names   map[string][]string `json:"queries"`
	queries int
	listed  int
}

func summaries(c *capt, p reduce.Params) (list []*summary, v verdict) {
	clients := make(map[string]*summary)
	for _, m := range c.traffic.messages {
		if m.response() {
			continue
		}
		if !m.asked {
			v.keyless++
			continue
		}
		a := address(m.client())
		s := clients[a]
		if s == nil {
			if len(clients) == p.MaxKeys {
				v.skipped++
				continue
			}
			s = &summary{IP: a, Names: make(map[string][]string)}
			clients[a] = s
			list = append(list, s)
		}
		if s.queries++; s.listed == p.Samples {
			v.skipped++
			continue
		}
		s.listed++
		s.Names[code(m.qtype)] = append(s.Names[code(m.qtype)], m.name)
	}
	return list, v
}

func judgeSummary(c *capt, p reduce.Params) verdict {
	list, v := summaries(c, p)
	o := object{}
	for _, s := range list {
		o[s.IP] = s.Names
	}
	v.data = o
	return v
}

func judgeSummaryList(c *capt, p reduce.Params) verdict {
	list, v := summaries(c, p)
	slices.SortFunc(list, func(a, b *summary) int {
		if a.queries != b.queries {
			return b.queries - a.queries
		}
		return strings.Compare(a.IP, b.IP)
	})
	v.data = list
	return v
}

// object is the message as a report lists it, but for the names of EDNS options,
// and why it is malformed.
func (m *message) object() object {
	o := object{
		"source": address(m.source), "dest": address(m.dest), "id": code(m.id), "flags": code(m.flags),
		"time":      json.Number(fmt.Sprintf("%d.%09d", m.time/1e9, m.time%1e9)),
		"transport": m.transport, "sport": m.sport, "dport": m.dport, "size": m.size, "counts": m.counts[1:],
	}
	if m.asked {
		o["queries"] = []object{m.question()}
	}
	if m.nodata() {
		o["nodata"] = true
	}
	if m.edns != nil {
		e := object{"version": code(m.edns.version), "udp": m.edns.udp, "do": m.edns.do, "rcode": code(m.rcode())}
		if n := len(m.edns.options); n > 0 {
			e["options"] = n
		}
		o["edns"] = e
	}
	if m.malformed {
		o["malformed"] = true
	}
	return o
}

// simplified makes an object of ours comparable: of EDNS options it leaves the
// number, of malformed that it is there, of several questions the first.
func simplified(v any) any {
	o := v.(object)
	if o["malformed"] != nil {
		o["malformed"] = true
	}
	if e, ok := o["edns"].(object); ok && e["options"] != nil {
		e["options"] = json.Number(fmt.Sprint(len(e["options"].([]any))))
	}
	if q, ok := o["queries"].([]any); ok {
		o["queries"] = q[:1]
	}
	return o
}

// sameMessages compares a list of a report with the first messages of another.
func sameMessages(list []*message, samples int, got any) error {
	items, ok := got.([]any)
	if want := min(len(list), samples); !ok || len(items) != want {
		return fmt.Errorf("%d messages listed, want %d", len(items), want)
	}
	for i, item := range items {
		want, err := plain(list[i].object())
		if err != nil {
			return err
		}
		if err := same(want, simplified(item)); err != nil {
			return fmt.Errorf("frame %d: %w", list[i].frame, err)
		}
	}
	return nil
}

func judgeList(in scope) judge {
	return func(c *capt, p reduce.Params) verdict {
		var list []*message
		for _, m := range c.traffic.messages {
			if in(m) {
				list = append(list, m)
			}
		}
		return verdict{
			check:   func(data any) error { return sameMessages(list, p.Samples, data) },
			skipped: uint64(max(0, len(list)-p.Samples)),
		}
	}
}

func judgeAlone(c *capt, p reduce.Params) verdict {
	var stray []*message
	for _, m := range c.traffic.messages {
		if m.stray {
			stray = append(stray, m)
		}
	}
	alone := c.traffic.alone
	return verdict{
		check: func(data any) error {
			o, _ := data.(object)
			if err := same([]any{json.Number(fmt.Sprint(len(alone))), json.Number(fmt.Sprint(len(stray)))}, []any{o["queries"], o["answers"]}); err != nil {
				return err
			}
			if err := sameMessages(alone, p.Samples, o["AloneQueries"]); err != nil {
				return fmt.Errorf("AloneQueries: %w", err)
			}
			return sameMessages(stray, p.Samples, o["AloneAnswers"])
		},
		skipped: uint64(max(0, len(alone)-p.Samples) + max(0, len(stray)-p.Samples)),
	}
}
