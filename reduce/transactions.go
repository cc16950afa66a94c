package reduce

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"

	"ratadns/dns"
	"ratadns/speedy"
)

// A Match says what a message is to its transaction: a query and its response,
// which have the flow, the id and the question in common.
type Match uint8

const (
	Unmatched     Match = iota // not looked at: no reducer asks for transactions
	Asked                      // a query that now waits for its response
	AskedAgain                 // the same query once more while it waits: a retransmission
	Answered                   // the first response to a query: the transaction is complete
	AnsweredAgain              // a further one
	Unasked                    // a response to no query
	TimedOut                   // a query whose response has not come in time
	Untracked                  // a query for which there was no room
)

// responseTimeout is how long a query waits for its response, in capture time.
const responseTimeout = int64(5e9)

// maxPending bounds the queries of one server that wait: those of the timeout
// at twenty thousand queries per second without any response. Answered ones
// are kept as long, to know repeated responses, but give way when there are
// three times as many again.
const maxPending = 100_000

// maxHeld bounds the octets of the queries that wait: twice what a hundred
// thousand usual ones take. Those beyond are matched, but bare.
const maxHeld = 64 << 20

// maxChain bounds the questions that wait under one transaction: more than one
// with equal id and ports is an accident or an attack.
const maxChain = 8

// transactionKey is what a query and its response have in common but for the
// question, which is left out where a response has none.
type transactionKey struct {
	client, server netip.AddrPort
	transport      uint8
	id             uint16
}

var transactionSeed = maphash.MakeSeed()

func (k *transactionKey) hash() uint64 {
	var b [39]byte
	client, server := k.client.Addr().As16(), k.server.Addr().As16()
	copy(b[:], client[:])
	copy(b[16:], server[:])
	binary.NativeEndian.PutUint16(b[32:], k.client.Port())
	binary.NativeEndian.PutUint16(b[34:], k.server.Port())
	binary.NativeEndian.PutUint16(b[36:], k.id)
	b[38] = k.transport
	return maphash.Bytes(transactionSeed, b[:])
}

// A question tells one from another: a hash of the lower-cased name, type and class,
// or zero where there is none. Who does not know the seed cannot make two alike.
type question uint64

func (e *Event) question() question {
	q := e.Question()
	if q == nil {
		return 0
	}
	const odd = 0x9e3779b97f4a7c15
	return question((maphash.Bytes(transactionSeed, e.Qname())+uint64(q.Qtype)<<16+uint64(q.Qclass))*odd | 1)
}

// A pending query waits for its response until its deadline.
type pending struct {
	key      transactionKey
	hash     uint64
	question question
	time     int64
	place    uint64
	query    *kept // nil when it did not fit, and when it is answered
	answered bool
	again    int32 // retransmissions
	next     *pending
}

func (q *pending) deadline() int64 { return q.time + responseTimeout }

// kept is a copy of a query.
type kept struct{ m speedy.Message }

func (k *kept) set(m *speedy.Message) {
	wire, questions, records := k.m.Wire[:0], k.m.Questions[:0], k.m.Records[:0]
	k.m = *m
	k.m.Wire = append(wire, m.Wire...)
	k.m.Questions = append(questions, m.Questions...)
	k.m.Records = append(records, m.Records...)
}

// cost is what a copy takes, about.
func (k *kept) cost() int { return cap(k.m.Wire) + 64*cap(k.m.Questions) + 64*cap(k.m.Records) + 256 }

// A tracker matches the queries of one server with their responses, across
// windows. Retransmissions and repeated responses are known for what they are.
type tracker struct {
	limit     int        // queries that wait
	heldLimit int        // octets
	waiting   []*pending // by hash, the newest first; older ones hang on next
	linked    int        // how many hang there
	queue     []*pending // by deadline
	open      int        // of queue, those without a response
	held      int        // octets of their copies
	lost      uint64     // not tracked, because too many waited
	answered  []*kept    // queries of the last responses
	// What can be used again.
	free     []*pending
	freeKept []*kept
}

// newTracker returns the tracker of one of that many workers.
func newTracker(workers int) *tracker {
	return &tracker{
		limit: max(maxPending/workers, 1), heldLimit: maxHeld / workers,
		waiting: make([]*pending, minSlots),
	}
}

// see finds out what e is to its transaction.
func (t *tracker) see(e *Event) {
	source, dest := netip.AddrPortFrom(e.Source, e.SourcePort), netip.AddrPortFrom(e.Dest, e.DestPort)
	key := transactionKey{source, dest, uint8(e.Transport), e.ID}
	if e.QR() {
		key.client, key.server = dest, source
		t.response(e, &key, e.question())
	} else {
		t.query(e, &key, e.question())
	}
}

// query lets a query wait. The same query again is a retransmission, but after its
// response a new one, which may stay without a response or get it later than the
// first one would wait.
func (t *tracker) query(e *Event, key *transactionKey, asked question) {
	chain := 0
	hash := key.hash()
	for q := *t.head(hash); q != nil; q = q.next {
		if q.hash != hash || q.key != *key {
			continue
		}
		same := q.question == asked
		if e.Time >= q.deadline() || same && q.answered {
			t.unlink(q) // nothing answers it any more; the queue has it
			continue
		}
		if same {
			q.again++
			e.Match = AskedAgain
			return
		}
		chain++
	}
	if t.open >= t.limit || chain >= maxChain {
		t.lost++
		e.Match = Untracked
		return
	}
	if len(t.queue) >= 4*t.limit {
		t.forgetAnswered()
	}
	q := t.fresh()
	*q = pending{key: *key, hash: hash, question: asked, time: e.Time, place: e.Place}
	t.keep(q, e.Message)
	t.link(q)
	t.open++
	t.queue = append(t.queue, q)
	// Packets come nearly in order of time, so this rarely moves.
	for i := len(t.queue) - 1; i > 0 && t.queue[i].time < t.queue[i-1].time; i-- {
		t.queue[i], t.queue[i-1] = t.queue[i-1], t.queue[i]
	}
	e.Match = Asked
}

// keep copies m, where there is room.
func (t *tracker) keep(q *pending, m *speedy.Message) {
	if t.held+len(m.Wire) > t.heldLimit {
		return
	}
	var k *kept
	if n := len(t.freeKept); n > 0 {
		k, t.freeKept = t.freeKept[n-1], t.freeKept[:n-1]
	} else {
		k = new(kept)
	}
	k.set(m)
	q.query = k
	t.held += k.cost()
}

// release makes a copy usable again, which counts no more among what is held. Long
// ones are left to the collector.
func (t *tracker) release(k *kept) {
	if cap(k.m.Wire) <= 4*dns.HeaderLen+512 && len(t.freeKept) < 10_000 {
		t.freeKept = append(t.freeKept, k)
	}
}

// releaseAnswered lets go of the queries that events of responses have had.
func (t *tracker) releaseAnswered() {
	for _, k := range t.answered {
		t.release(k)
	}
	clear(t.answered)
	t.answered = t.answered[:0]
}

func (t *tracker) fresh() *pending {
	if n := len(t.free); n > 0 {
		q := t.free[n-1]
		t.free = t.free[:n-1]
		return q
	}
	return new(pending)
}

// response looks for the query that e answers, perhaps once more: a query that
// was sent again may be answered again. A response without a question matches
// without.
func (t *tracker) response(e *Event, key *transactionKey, asked question) {
	hash := key.hash()
	for q := *t.head(hash); q != nil; q = q.next {
		if q.hash != hash || q.key != *key {
			continue
		}
		if asked != 0 && q.question != asked || e.Time >= q.deadline() {
			continue
		}
		// Clocks of two interfaces may differ by less than a network takes.
		e.LatencyNS, e.Retransmissions = max(0, e.Time-q.time), int(q.again)
		if q.answered {
			e.Match = AnsweredAgain
			return
		}
		e.Match = Answered
		t.open--
		q.answered = true
		if q.query != nil {
			e.Query = &q.query.m
			t.held -= q.query.cost()
			t.answered = append(t.answered, q.query)
			q.query = nil
		}
		return
	}
	e.Match = Unasked
}

// head is where the queries of that hash hang.
func (t *tracker) head(hash uint64) **pending { return &t.waiting[hash&uint64(len(t.waiting)-1)] }

// link puts q into the look-up.
func (t *tracker) link(q *pending) {
	if t.linked++; 4*t.linked > len(t.waiting) { // a miss then is seldom a look at another query
		t.grow()
	}
	head := t.head(q.hash)
	q.next, *head = *head, q
}

// grow makes the look-up twice as long. The newest still come first.
func (t *tracker) grow() {
	old := t.waiting
	t.waiting = make([]*pending, 2*len(old))
	for _, q := range old {
		var oldest *pending // the other way round
		for q != nil {
			oldest, q, q.next = q, q.next, oldest
		}
		for q = oldest; q != nil; {
			head, next := t.head(q.hash), q.next
			q.next, *head = *head, q
			q = next
		}
	}
}

// unlink takes q out of it, if it is there.
func (t *tracker) unlink(q *pending) {
	for at := t.head(q.hash); *at != nil; at = &(*at).next {
		if *at == q {
			*at = q.next
			t.linked--
			return
		}
	}
}

// forgetAnswered makes room: their further responses are then Unasked.
func (t *tracker) forgetAnswered() {
	t.queue = slices.DeleteFunc(t.queue, func(q *pending) bool {
		if q.answered {
			t.unlink(q)
			t.free = append(t.free, q)
		}
		return q.answered
	})
}

// overdue reports whether expire has anything to do, or queries were lost that no
// window has counted.
func (t *tracker) overdue(until int64, all bool) bool {
	return t.lost > 0 || len(t.queue) > 0 && (all || t.queue[0].deadline() < until)
}

// expire gives f the queries whose time was over before t, or all.
func (t *tracker) expire(until int64, all bool, f func(*pending)) {
	i := 0
	for ; i < len(t.queue) && (all || t.queue[i].deadline() < until); i++ {
		q := t.queue[i]
		t.queue[i] = nil
		t.unlink(q)
		if !q.answered {
			t.open--
			f(q)
			if q.query != nil {
				t.held -= q.query.cost()
				t.release(q.query)
				q.query = nil
			}
		}
		t.free = append(t.free, q)
	}
	// The queue moves to the front, so that it does not grow for ever.
	n := copy(t.queue, t.queue[i:])
	clear(t.queue[n:])
	t.queue = t.queue[:n]
}
