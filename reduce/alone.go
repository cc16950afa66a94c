package reduce

import (
	"net/netip"
	"slices"

	"ratadns/packet"
	"ratadns/report"
)

// responseTimeout is how long a query waits for its response, in capture time.
const responseTimeout = int64(5e9)

// maxPending bounds the queries of one server that wait: those of the timeout
// at twenty thousand queries per second without any response. Answered ones
// are kept as long, to know repeated responses, but give way when there are
// three times as many again.
const maxPending = 100_000

// maxHeld bounds the octets of the queries that wait, as they would be listed:
// twice what a hundred thousand usual ones take. Those beyond are counted only.
const maxHeld = 64 << 20

// maxChain bounds the questions that wait under one transaction: more than one
// with equal id and ports is an accident or an attack.
const maxChain = 8

// transaction is what a query and its response have in common. The question is
// left out where a response has none.
type transaction struct {
	client, server         netip.Addr
	clientPort, serverPort uint16
	transport              packet.Transport
	id                     uint16
}

// A pendingQuery waits for its response until its deadline.
type pendingQuery struct {
	key      transaction
	question string // lower-cased name, type and class
	deadline int64
	object   []byte // nil when it did not fit, and when it is answered
	answered bool
	next     *pendingQuery
}

// matcher knows the queries of one server that wait, across windows.
type matcher struct {
	pending map[transaction]*pendingQuery // the newest of each key; older ones hang on next
	queue   []*pendingQuery               // by deadline
	open    int                           // of queue, those without a response
	held    int                           // octets of their objects
	lost    uint64                        // forgotten because too many waited
	text    []byte
}

// alone lists the queries without a response and the reverse of one window.
type alone struct {
	m                  *matcher
	budget             budget
	queries, responses items
	nq, nr             uint64
	data               []byte
}

func newAlone(p Params) func() Reducer {
	m := &matcher{pending: make(map[transaction]*pendingQuery)}
	b := budget{samples: p.samples(DefaultSamples)}
	return func() Reducer { return &alone{m: m, budget: b} }
}

// question appends what tells two questions of one transaction apart.
func (m *matcher) question(e *Event) []byte {
	m.text = m.text[:0]
	if q := e.Question(); q != nil {
		m.text = append(m.text, e.Qname()...)
		m.text = append(m.text, byte(q.Qtype>>8), byte(q.Qtype), byte(q.Qclass>>8), byte(q.Qclass))
	}
	return m.text
}

func (a *alone) Add(e *Event) {
	key := transaction{e.Source, e.Dest, e.SourcePort, e.DestPort, e.Transport, e.ID}
	if !e.QR() {
		a.m.query(e, key)
		return
	}
	key.client, key.server, key.clientPort, key.serverPort = e.Dest, e.Source, e.DestPort, e.SourcePort
	if !a.m.response(e, key) {
		a.nr++
		if object := e.Object(); a.budget.take(&a.responses, len(object)) {
			a.responses.b = append(a.responses.b, object...)
		}
	}
}

// query lets a query wait. The same query again is a retransmission.
func (m *matcher) query(e *Event, key transaction) {
	question := m.question(e)
	chain := 0
	for q := m.pending[key]; q != nil; q = q.next {
		if e.Time >= q.deadline {
			m.unlink(q) // nothing answers it any more; the queue has it
			continue
		}
		if q.question == string(question) {
			return
		}
		chain++
	}
	if m.open >= maxPending || chain >= maxChain {
		m.lost++
		return
	}
	if len(m.queue) >= 4*maxPending {
		m.queue = slices.DeleteFunc(m.queue, func(q *pendingQuery) bool {
			if q.answered {
				m.unlink(q)
			}
			return q.answered
		})
	}
	q := &pendingQuery{
		key: key, question: string(question), deadline: e.Time + responseTimeout, next: m.pending[key],
	}
	if object := e.Object(); m.held+len(object) <= maxHeld {
		q.object = slices.Clone(object)
		m.held += len(object)
	}
	m.pending[key] = q
	m.open++
	m.queue = append(m.queue, q)
	// Packets come nearly in order of time, so this rarely moves.
	for i := len(m.queue) - 1; i > 0 && m.queue[i].deadline < m.queue[i-1].deadline; i-- {
		m.queue[i], m.queue[i-1] = m.queue[i-1], m.queue[i]
	}
}

// response reports whether e answers a query of the last five seconds, perhaps
// once more: a query that was sent again may be answered again. A response
// without a question matches without.
func (m *matcher) response(e *Event, key transaction) bool {
	question := m.question(e)
	for q := m.pending[key]; q != nil; q = q.next {
		if (len(question) == 0 || q.question == string(question)) && e.Time < q.deadline {
			if !q.answered {
				m.open--
				m.held -= len(q.object)
				q.answered, q.object = true, nil
			}
			return true
		}
	}
	return false
}

// unlink takes q out of the look-up.
func (m *matcher) unlink(q *pendingQuery) {
	head := m.pending[q.key]
	if head == q {
		if q.next == nil {
			delete(m.pending, q.key)
		} else {
			m.pending[q.key] = q.next
		}
		return
	}
	for p := head; p != nil; p = p.next {
		if p.next == q {
			p.next = q.next
			return
		}
	}
}

// expire hands f the queries whose deadline has passed at t.
func (m *matcher) expire(t int64, all bool, f func(*pendingQuery)) {
	i := 0
	for ; i < len(m.queue) && (all || m.queue[i].deadline < t); i++ {
		q := m.queue[i]
		m.unlink(q)
		if !q.answered {
			m.open--
			m.held -= len(q.object)
			f(q)
		}
		m.queue[i] = nil
	}
	m.queue = m.queue[i:]
}

// Report counts a query as alone in the window that holds its deadline.
func (a *alone) Report(r *report.Report, final bool) {
	a.m.expire(r.Window.End, final, func(q *pendingQuery) {
		a.nq++
		if q.object == nil {
			a.budget.skipped++
		} else if a.budget.take(&a.queries, len(q.object)) {
			a.queries.b = append(a.queries.b, q.object...)
		}
	})
	a.data = append(a.data[:0], `{"queries":`...)
	a.data = report.AppendCount(a.data, a.nq)
	a.data = append(a.data, `,"answers":`...)
	a.data = report.AppendCount(a.data, a.nr)
	a.data = append(append(a.data, `,"AloneQueries":[`...), a.queries.b...)
	a.data = append(append(a.data, `],"AloneAnswers":[`...), a.responses.b...)
	a.data = append(a.data, `]}`...)
	r.Data, r.Shape = a.data, report.ListOf
	r.Window.Skipped += a.budget.skipped + a.m.lost
	a.m.lost = 0
}

func (a *alone) Reset() {
	a.budget.reset()
	a.nq, a.nr = 0, 0
	a.queries, a.responses = items{b: a.queries.b[:0]}, items{b: a.responses.b[:0]}
}
