package reduce

import (
	"bytes"
	"net/netip"

	"ratadns/dns"
	"ratadns/speedy"
)

// An Event is one message as reducers see it. What several of them ask for is
// made once. The octets it returns are valid until the next Set.
type Event struct {
	*speedy.Message
	// Match says what the message is to its transaction, and the others tell
	// more where it is Answered: the time from the query to its response, how
	// often the query was sent again meanwhile, and the query, or nil when there
	// was no room for it.
	Match           Match
	LatencyNS       int64
	Retransmissions int
	Query           *speedy.Message
	// Bare says of a TimedOut query that nothing but its flow and id was kept.
	Bare bool
	*common
	at    int    // its place in a batch
	asked cached // QNAME as asked
	lower cached // QNAME with A-Z folded
	json  cached // the message as Speedy writes it
	addrs [2]cached
	split parts
	opts  options
}

// common is what the events of one batch share.
type common struct {
	// Facts are what fields look up elsewhere.
	Facts *Facts
	own   func(netip.Addr) bool // the server's addresses, or nil
	enc   *speedy.Encoder
	anon  *speedy.Anonymizer
	zones zoneCache
	// Where clients are, as that Geo says.
	places   []place
	placesOf *Geo
	names    *interner // of the window that they are added to
	raw      []byte
	// Fields of the events, those of one field together, and what filters said of
	// them. A cell is zero until it is asked for.
	cells    []cell
	hashes   []uint64
	verdicts []verdict
	// What runs filters that need a machine, and the first error of the one that
	// was asked last.
	runner  *runner
	failure error
}

// cached is something made on demand.
type cached struct {
	b    []byte
	made bool
}

// NewEvent returns an Event whose addresses go through anon.
func NewEvent(anon *speedy.Anonymizer) *Event { return &Event{common: newCommon(anon)} }

func newCommon(anon *speedy.Anonymizer) *common {
	return &common{enc: speedy.NewEncoder(speedy.FieldsDefault, anon), anon: anon, Facts: DefaultFacts()}
}

// Set makes e stand for m.
func (e *Event) Set(m *speedy.Message) {
	e.Message = m
	e.asked.made, e.lower.made, e.json.made = false, false, false
	e.addrs[0].made, e.addrs[1].made = false, false
	e.split.made, e.opts.made = false, false
	e.unmatch()
}

// unmatch forgets the transaction. What does not depend on the window stays made.
func (e *Event) unmatch() {
	e.Match, e.LatencyNS, e.Retransmissions, e.Query, e.Bare = Unmatched, 0, 0, nil, false
}

// Question is the first question, or nil when there is none.
func (e *Event) Question() *dns.Question {
	if len(e.Questions) == 0 {
		return nil
	}
	return &e.Questions[0]
}

// Asked is the QNAME in presentation form as asked; the message has a question.
func (e *Event) Asked() []byte {
	if !e.asked.made {
		// The name was walked when the message was read, so there is no error.
		e.asked.b, _, _ = dns.AppendName(e.asked.b[:0], e.Wire, e.Questions[0].NameOff)
		e.asked.made = true
	}
	return e.asked.b
}

// Qname is the QNAME as a key: in presentation form, A-Z folded.
func (e *Event) Qname() []byte {
	if !e.lower.made {
		e.lower.b, _, _ = dns.AppendLowerName(e.lower.b[:0], e.Wire, e.Questions[0].NameOff)
		e.lower.made = true
	}
	return e.lower.b
}

// ClientText is the client's anonymised address as Speedy writes it.
func (e *Event) ClientText() []byte {
	if !e.addrs[0].made {
		e.addrs[0] = cached{speedy.AppendAddr(e.addrs[0].b[:0], e.anon.Addr(e.Client())), true}
	}
	return e.addrs[0].b
}

// ServerText is the server's.
func (e *Event) ServerText() []byte {
	if !e.addrs[1].made {
		e.addrs[1] = cached{speedy.AppendAddr(e.addrs[1].b[:0], e.anon.Addr(e.Server())), true}
	}
	return e.addrs[1].b
}

// Object is the message as Speedy writes it with the default fields.
func (e *Event) Object() []byte {
	if !e.json.made {
		e.json = cached{e.enc.Append(e.json.b[:0], e.Message), true}
	}
	return e.json.b
}

// AppendQuery appends the first question as an object of a report; it keeps the
// case of the name.
func (e *Event) AppendQuery(dst []byte) []byte {
	q := e.Question()
	dst = append(dst, `{"qclass":"`...)
	dst = speedy.AppendHex(dst, q.Qclass)
	dst = append(dst, `","qtype":"`...)
	dst = speedy.AppendHex(dst, q.Qtype)
	dst = append(dst, `","qname":"`...)
	dst = speedy.AppendEscaped(dst, e.Asked())
	return append(dst, `"}`...)
}

// underscored reports whether the QNAME has an underscore where host names have
// none. A first label of exactly "_" is QNAME minimisation (RFC 9156 §2.3).
func (e *Event) underscored() bool {
	name := e.Asked()
	return bytes.IndexByte(name, '_') >= 0 && !bytes.HasPrefix(name, []byte("_."))
}
