package golden

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"ratadns/reduce"
)

// novelties judge part C of the catalogue.
var novelties = map[string]judge{
	"TopClients":  judgeTop(queries, func(m *message) []string { return []string{address(m.client())} }),
	"TopServers":  judgeTop(queries, func(m *message) []string { return []string{address(m.server())} }),
	"TopSlow":     judgeSlow,
	"TopNxdomain": judgeTop(answered(3), (*message).byName),
	"TopServfail": judgeTop(answered(2), (*message).byName),
	"TopRefused":  judgeTop(answered(5), (*message).byName),
	"TopNodata":   judgeTop((*message).nodata, (*message).byName),
	"Nsid": judgeTable(scope(responses).and(func(m *message) bool { id, _ := m.option(3); return len(id) > 0 }), func(m *message) []string {
		id, _ := m.option(3)
		return []string{string(id)} // those of the captures are printable
	}),
	"TopBytes": func(c *capt, p reduce.Params) verdict {
		t := c.traffic.sum(responses, func(m *message) ([]string, int) { return m.byName(), m.size })
		return verdict{data: t.pairs(p.Top), keyless: t.keyless}
	},
	"TopEcs": judgeTop(scope(queries).and(func(m *message) bool { _, ok := m.option(8); return ok }), (*message).subnet),
	"ExtendedErrors": judgeTable(scope(responses).and(func(m *message) bool { _, ok := m.option(15); return ok }), func(m *message) []string {
		ede, _ := m.option(15)
		return []string{code(int(ede[0])<<8 | int(ede[1]))}
	}),
	"DistinctClients":       judgeDistinct(queries, func(m *message) []string { return []string{address(m.client())} }),
	"DistinctQnames":        judgeDistinct(queries, (*message).byName),
	"ResponseTimeQuantiles": judgeQuantiles(func(m *message) bool { return m.answered || m.timeout }, func(m *message) (int64, bool) { return m.latency / 1000, m.answered }),
	"ResponseSizeQuantiles": judgeQuantiles(responses, func(m *message) (int64, bool) { return int64(m.size), true }),
	"RandomSubdomains":      judgeRandom,
	"Tunnels":               judgeTunnels,
	"Reflection":            judgeReflection,
	// With one window every domain is new.
	"NewDomains":        judgeTable(queries, asked(func(m *message) []string { return []string{m.last(m.zoneLabels())} })),
	"MalformedMessages": judgeList(func(m *message) bool { return m.malformed }),
}

func answered(rcode int) scope {
	return func(m *message) bool { return m.response() && m.rcode() == rcode }
}

// judgeSlow: names by latency, summed, and by transactions that took longer than
// 100 ms or had no response.
func judgeSlow(c *capt, p reduce.Params) verdict {
	t := &table{rows: make(map[[2]string]uint64)}
	for _, m := range c.traffic.messages {
		switch {
		case !m.answered && !m.timeout:
			continue
		case !m.query.asked:
			t.keyless++
			continue
		}
		if us := m.latency / 1000; us > 0 {
			t.rows[[2]string{"latency", m.query.qname}] += uint64(us)
		}
		if m.timeout || m.latency > 100e6 {
			t.rows[[2]string{"slow", m.query.qname}]++
		}
	}
	return verdict{data: t.by2(p.Top), keyless: t.keyless}
}

// subnet is the one of EDNS Client Subnet (RFC 7871 §6).
func (m *message) subnet() []string {
	b, _ := m.option(8)
	if len(b) < 4 {
		return nil
	}
	size := map[byte]int{1: 4, 2: 16}[b[1]]
	if size == 0 {
		return nil
	}
	a, _ := netip.AddrFromSlice(append(slices.Clone(b[4:]), make([]byte, size-len(b[4:]))...))
	return []string{network(a, int(b[2]), int(b[2]))}
}

// judgeDistinct: within the stated error, which is none up to 3,072 and three
// standard errors of 0.81 % beyond.
func judgeDistinct(in scope, f func(m *message) []string) judge {
	return func(c *capt, _ reduce.Params) verdict {
		t := c.traffic.tabulate(in, f)
		want := float64(len(t.rows))
		return verdict{keyless: t.keyless, sketch: func(data any, stated uint64) error {
			n, _ := data.(json.Number)
			got, err := n.Float64()
			if err == nil && (math.Abs(got-want) > float64(stated) || float64(stated) > 0.025*got+1 || want <= 3072 && stated > 0) {
				err = fmt.Errorf("%v with an error of %d, want %v", got, stated, want)
			}
			return err
		}}
	}
}

// judgeQuantiles: off by less than 0.8 %.
func judgeQuantiles(in scope, f func(m *message) (int64, bool)) judge {
	return func(c *capt, _ reduce.Params) verdict {
		var v verdict
		var values []int64
		for _, m := range c.traffic.messages {
			if !in(m) {
				continue
			}
			if n, ok := f(m); ok {
				values = append(values, n)
			} else {
				v.keyless++
			}
		}
		slices.Sort(values)
		v.check = func(data any) error {
			o, _ := data.(object)
			for word, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999} {
				n, _ := o[word].(json.Number)
				got, err := n.Float64()
				if err != nil {
					return fmt.Errorf("%s: %w", word, err)
				}
				at := q * float64(len(values)-1)
				low, high := float64(values[int(at)]), float64(values[int(math.Ceil(at))])
				if got < low*0.992-1 || got > high*1.008+1 {
					return fmt.Errorf("%s is %v, want %v to %v", word, got, low, high)
				}
			}
			if len(o) != 4 {
				return fmt.Errorf("%v", data)
			}
			return nil
		}
		return v
	}
}

// judgeRandom: registered domains with 100 distinct first labels or more, and
// three queries for each of them at most.
func judgeRandom(c *capt, p reduce.Params) verdict {
	var v verdict
	labels, asked := make(map[string]map[string]bool), make(map[string]uint64)
	for _, m := range c.traffic.messages {
		switch n := m.zoneLabels(); {
		case m.response():
		case !m.asked:
			v.keyless++
		case n < len(m.labels):
			zone := m.last(n)
			if labels[zone] == nil {
				labels[zone] = make(map[string]bool)
			}
			labels[zone][folded(m.labels[0])] = true
			asked[zone]++
		}
	}
	distinct := make(map[string]uint64)
	for zone, l := range labels {
		if n := uint64(len(l)); n >= 100 && asked[zone] <= 3*n {
			distinct[zone] = n
		}
	}
	o := object{}
	list := ranking(distinct)
	shown := shown(len(list), p.Top)
	for _, r := range list[:shown] {
		o[r.key] = object{"distinct": r.n, "queries": asked[r.key]}
	}
	if sum := uint64(0); shown < len(list) {
		for _, r := range list[shown:] {
			sum += r.n + asked[r.key]
		}
		o["-:SKIPPED:-"], o["-:SKIPPED_SUM:-"] = len(list)-shown, sum
	}
	v.data = o
	return v
}

// A share is what is measured of one key, by words, and how much it is worth
// telling.
type share struct {
	key  string
	n    map[string]uint64
	rank float64
}

// shares is the table of the top of those that are worth telling; what else was
// measured is told as left out.
func shares(all map[string]map[string]uint64, rank func(n map[string]uint64) float64, top int) object {
	var list []share
	keys, sum := 0, uint64(0)
	for key, n := range all {
		list = append(list, share{key, n, rank(n)})
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.key, b.key)) })
	o := object{}
	for i, s := range list {
		if i < shown(len(list), top) && s.rank > 0 {
			o[s.key] = s.n
			continue
		}
		keys++
		for _, n := range s.n {
			sum += n
		}
	}
	if keys > 0 {
		o["-:SKIPPED:-"], o["-:SKIPPED_SUM:-"] = keys, sum
	}
	return o
}

// put adds to what is measured of a key; zeros are not told.
func put(all map[string]map[string]uint64, key, word string, n int) {
	if all[key] == nil {
		all[key] = make(map[string]uint64)
	}
	if n > 0 {
		all[key][word] += uint64(n)
	}
}

// judgeReflection: clients that had ten responses, by the ratio of octets.
func judgeReflection(c *capt, p reduce.Params) verdict {
	all := make(map[string]map[string]uint64)
	for _, m := range c.traffic.messages {
		if a := address(m.client()); m.fromServer() {
			put(all, a, "out", m.size)
			put(all, a, "responses", 1)
		} else {
			put(all, a, "in", m.size)
		}
	}
	return verdict{data: shares(all, func(n map[string]uint64) float64 {
		if n["responses"] < 10 {
			return 0
		}
		return float64(n["out"]) / float64(max(n["in"], 1))
	}, p.Top)}
}

// judgeTunnels: registered domains whose queries carry 64 bits or more below
// them, by bits: the entropy of the octets of the labels times their number, of
// each query to the nearest bit. Reverse zones are left out.
func judgeTunnels(c *capt, p reduce.Params) verdict {
	all := make(map[string]map[string]uint64)
	for _, m := range c.traffic.messages {
		if m.response() || !m.asked || m.under("arpa.") {
			continue
		}
		n := m.zoneLabels()
		count, octets := [256]float64{}, 0
		for _, l := range m.labels[:len(m.labels)-n] {
			for _, c := range []byte(folded(l)) {
				count[c]++
				octets++
			}
		}
		if octets == 0 {
			continue
		}
		bits := 0.0
		for _, k := range count {
			if k > 0 {
				bits -= k * math.Log2(k/float64(octets))
			}
		}
		zone := m.last(n)
		put(all, zone, "queries", 1)
		put(all, zone, "octets", octets)
		put(all, zone, "bits", int(math.Round(bits)))
	}
	return verdict{data: shares(all, func(n map[string]uint64) float64 {
		if n["bits"] < 64*n["queries"] {
			return 0
		}
		return float64(n["bits"])
	}, p.Top)}
}
