package reduce

import (
	"bytes"
	"net/netip"
	"slices"

	"ratadns/dns"
	"ratadns/speedy"
)

// An Event is one message as reducers see it. What several of them ask for is
// made once. The octets it returns are valid until the next Set.
type Event struct {
	*speedy.Message
	*common
	at   uint32 // its place in a batch
	made parts  // what has been made of the message
	// Match says what the message is to its transaction, and the others tell
	// more where it is Answered: the time from the query to its response, how
	// often the query was sent again meanwhile, and the query, or nil when there
	// was no room for it.
	Match           Match
	Bare            bool // of a TimedOut query nothing but its flow and id was kept
	LatencyNS       int64
	Retransmissions int
	Query           *speedy.Message
	// Whose question is that of the event: the message, or the query of a
	// transaction whose response has none.
	asker *speedy.Message
	lower []byte // QNAME with A-Z folded
	json  []byte // the message as Speedy writes it
	addrs [2][]byte
	split labels
	opts  options
}

// parts of an event are made when somebody asks for them.
type parts uint8

const (
	madeLower parts = 1 << iota
	madeJSON
	madeClient
	madeServer
	madeLabels
	madeOptions
)

// needs reports whether a part has yet to be made, which it then is.
func (e *Event) needs(part parts) bool {
	if e.made&part != 0 {
		return false
	}
	e.made |= part
	return true
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
	// The events that are reduced now, their fields, and what filters said of them.
	batch    [batchLen]*Event
	columns  []column
	verdicts []verdict
	// What runs filters that need a machine, and the first error of the one that
	// was asked last.
	runner  *runner
	failure error
}

func newCommon(anon *speedy.Anonymizer) *common {
	return &common{enc: speedy.NewEncoder(speedy.FieldsDefault, anon), anon: anon, Facts: DefaultFacts()}
}

// begin makes room for so many fields and filters, of events that nobody has been
// asked about.
func (c *common) begin(fields, filters int) {
	c.columns = slices.Grow(c.columns[:0], fields)[:fields]
	for i := range c.columns {
		c.columns[i].empty()
	}
	c.verdicts = slices.Grow(c.verdicts[:0], filters)[:filters]
	clear(c.verdicts)
}

// Set makes e stand for m.
func (e *Event) Set(m *speedy.Message) {
	e.Message, e.asker, e.made = m, m, 0
	e.unmatch()
}

// unmatch forgets the transaction. What does not depend on the window stays made.
func (e *Event) unmatch() {
	e.Match, e.LatencyNS, e.Retransmissions, e.Query, e.Bare = Unmatched, 0, 0, nil, false
}

// Question is the first question, or nil when there is none.
func (e *Event) Question() *dns.Question {
	if len(e.asker.Questions) == 0 {
		return nil
	}
	return &e.asker.Questions[0]
}

// questionOf makes the first question of m that of e.
func (e *Event) questionOf(m *speedy.Message) {
	e.asker = m
	e.made &^= madeLower | madeLabels
}

// AppendAsked appends the QNAME as asked, as a JSON string; the message has a
// question.
func (e *Event) AppendAsked(dst []byte) []byte {
	return append(speedy.AppendName(append(dst, '"'), e.asker.Wire, e.Question().NameOff), '"')
}

// Qname is the QNAME as a key: in presentation form, A-Z folded.
func (e *Event) Qname() []byte {
	if e.needs(madeLower) {
		// The name was walked when the message was read, so there is no error.
		e.lower, _, _ = dns.AppendLowerName(e.lower[:0], e.asker.Wire, e.Question().NameOff)
	}
	return e.lower
}

// ClientText is the client's anonymised address as Speedy writes it.
func (e *Event) ClientText() []byte {
	if e.needs(madeClient) {
		e.addrs[0] = speedy.AppendAddr(e.addrs[0][:0], e.anon.Addr(e.Client()))
	}
	return e.addrs[0]
}

// ServerText is the server's.
func (e *Event) ServerText() []byte {
	if e.needs(madeServer) {
		e.addrs[1] = speedy.AppendAddr(e.addrs[1][:0], e.anon.Addr(e.Server()))
	}
	return e.addrs[1]
}

// Object is the message as Speedy writes it with the default fields.
func (e *Event) Object() []byte {
	if e.needs(madeJSON) {
		e.json = e.enc.Append(e.json[:0], e.Message)
	}
	return e.json
}

// AppendQuery appends the first question as an object of a report; it keeps the
// case of the name.
func (e *Event) AppendQuery(dst []byte) []byte {
	q := e.Question()
	dst = append(dst, `{"qclass":"`...)
	dst = speedy.AppendHex(dst, q.Qclass)
	dst = append(dst, `","qtype":"`...)
	dst = speedy.AppendHex(dst, q.Qtype)
	return append(e.AppendAsked(append(dst, `","qname":`...)), '}')
}

// underscored reports whether the QNAME has an underscore where host names have
// none. A first label of exactly "_" is QNAME minimisation (RFC 9156 §2.3).
func (e *Event) underscored() bool {
	name := e.Qname()
	return bytes.IndexByte(name, '_') >= 0 && !bytes.HasPrefix(name, []byte("_."))
}
