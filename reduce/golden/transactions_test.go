package golden

import (
	"fmt"
	"net/netip"
	"slices"
)

// match says what a message is to its transaction.
type match struct {
	answered, stray, timeout bool // a response, a response, a query
	latency                  int64
	query                    *message // whose question is that of the transaction
}

// timeout is how long a query waits.
const timeout = int64(5e9)

// matchAll matches each query with its response by client, server, ports,
// transport, id and question; a response without a question matches without.
// Latency is from the first of identical queries that wait: after its response the
// same query is another.
func (tr *traffic) matchAll() {
	type waiting struct {
		query    *message
		question string
		answered bool
	}
	all := make(map[string][]*waiting)
	var queries []*waiting
	for _, m := range tr.messages {
		client, server := netip.AddrPortFrom(m.source, uint16(m.sport)), netip.AddrPortFrom(m.dest, uint16(m.dport))
		if m.response() {
			client, server = server, client
		}
		key, question := fmt.Sprint(client, server, m.transport, m.id), ""
		if m.asked {
			question = fmt.Sprint(m.qname, m.qtype, m.qclass)
		}
		// The newest that still waits, or waited, for such a response.
		var found *waiting
		for _, w := range all[key] {
			if m.time < w.query.time+timeout && (w.question == question && (m.response() || !w.answered) || m.response() && question == "") {
				found = w
			}
		}
		switch {
		case !m.response() && found == nil:
			w := &waiting{query: m, question: question}
			all[key] = append(all[key], w)
			queries = append(queries, w)
		case m.response() && found == nil:
			m.stray = true
		case m.response() && !found.answered:
			found.answered, m.answered, m.latency = true, true, max(0, m.time-found.query.time)
			m.query = found.query
		}
	}
	for _, w := range queries {
		if !w.answered {
			w.query.timeout, w.query.query = true, w.query
			tr.alone = append(tr.alone, w.query)
		}
	}
	slices.SortStableFunc(tr.alone, func(a, b *message) int { return int(a.time - b.time) })
}
