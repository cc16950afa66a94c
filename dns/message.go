// Package dns reads DNS messages in wire format.
//
// [Message.Unpack] walks a whole message in one pass without allocating: the
// header, the questions and the skeleton of every section. What it returns are
// numbers and offsets into the caller's octets; names and record data become
// text only when somebody asks ([AppendName], [AppendRdata]). A broken message
// yields all that was read before the break, with one of a closed list of
// reasons and the offset. Code points and their mnemonics are in codes.go.
package dns

import (
	"encoding/binary"
)

// HeaderLen is the length of the DNS header (RFC 1035 §4.1.1); anything
// shorter is not DNS.
const HeaderLen = 12

// A Reason says why a message could not be read to its end. It is an error so
// that readers can return it as it is; zero is none. It is a small number so
// that returning one does not allocate.
type Reason uint8

// The reasons, a closed list: counters, reports and Speedy's "malformed" use
// their words and no others.
const (
	_                    Reason = iota
	ErrTruncatedName            // the message ends inside a name
	ErrTruncatedQuestion        // ends inside a question, or QDCOUNT promised more
	ErrTruncatedRecord          // ends inside a record's fixed part, or a count promised more
	ErrTruncatedRdata           // RDLENGTH runs past the end
	ErrLabelType                // label type 01 or 10 (RFC 6891 §5)
	ErrPointer                  // a compression pointer that does not point backwards
	ErrNameTooLong              // over 255 octets
	ErrOption                   // an EDNS option runs past its OPT record (RFC 6891 §6.1.2)
	ErrTwoOpt                   // more than one OPT record (RFC 6891 §6.1.1)
	ErrOther                    // another program's reason, read from its messages
)

// Reasons are the words of the closed list; the first stands for none.
var Reasons = [...]string{
	"", "truncated-name", "truncated-question", "truncated-record", "truncated-rdata",
	"label-type", "pointer", "name-too-long", "edns-option", "edns-repeated", "other",
}

// ReasonByWord is the reason of that word, ErrOther when there is none.
func ReasonByWord(word []byte) Reason {
	for i, w := range Reasons {
		if i > 0 && string(word) == w {
			return Reason(i)
		}
	}
	return ErrOther
}

func (r Reason) Error() string  { return Reasons[r] }
func (r Reason) String() string { return Reasons[r] }

// Sections of a message, in order.
const (
	Answer = iota
	Authority
	Additional
)

// A Question is an entry of the question section. Its name begins at NameOff.
type Question struct {
	NameOff       int
	Labels        int // labels without the root
	NameLen       int // octets on the wire, uncompressed, the root's 1 included
	Qtype, Qclass uint16
}

// A Record is the skeleton of a resource record: its data are the octets
// [RdataOff, RdataOff+RdataLen) of the message.
type Record struct {
	NameOff     int
	TTL         uint32
	Type, Class uint16
	RdataOff    int
	RdataLen    int
	Section     uint8
}

// EDNS is what the OPT record says (RFC 6891 §6.1.3). Its options are the
// octets [Off, Off+Len) of the message.
type EDNS struct {
	Present  bool
	Version  uint8
	DO       bool
	ExtRcode uint8 // the upper eight bits of the response code
	UDP      uint16
	Off, Len int
}

// A Message is a DNS message as far as it could be read. It aliases the octets
// given to Unpack and is valid as long as they are.
type Message struct {
	ID, Flags uint16
	// Counts are those of the header: QD, AN, NS, AR.
	Counts    [4]uint16
	Questions []Question
	Records   []Record // without the OPT record, which is EDNS
	EDNS      EDNS
	// Nodata says that the response is NOERROR without data (RFC 2308 §2.2).
	Nodata bool
	// SkipRecords leaves Records empty; they are walked all the same. Unpack
	// does not change it.
	SkipRecords bool
	// OnlyQuestions ends reading behind the questions: what is not read can then
	// not be malformed, and EDNS and Nodata say nothing. Unpack does not change it.
	OnlyQuestions bool
	// Malformed is zero, or why reading stopped at Offset.
	Malformed Reason
	Offset    int
	Wire      []byte
}

// QR reports whether the message is a response.
func (m *Message) QR() bool { return m.Flags&0x8000 != 0 }

// Opcode is the kind of query (RFC 1035 §4.1.1).
func (m *Message) Opcode() uint8 { return uint8(m.Flags >> 11 & 15) }

// Rcode is the response code, of twelve bits where there is EDNS.
func (m *Message) Rcode() uint16 {
	return uint16(m.EDNS.ExtRcode)<<4 | m.Flags&15
}

// Unpack resets m and reads b, which m then aliases. It returns nil, or the
// Reason it also leaves in m.Malformed; b of fewer than HeaderLen octets is
// ErrTruncatedRecord with nothing read.
func (m *Message) Unpack(b []byte) error {
	m.Questions, m.Records = m.Questions[:0], m.Records[:0]
	m.EDNS = EDNS{}
	m.Nodata, m.Malformed, m.Offset = false, 0, 0
	m.Wire = b
	if len(b) < HeaderLen {
		m.ID, m.Flags, m.Counts = 0, 0, [4]uint16{}
		return m.fail(ErrTruncatedRecord, 0)
	}
	m.ID = binary.BigEndian.Uint16(b)
	m.Flags = binary.BigEndian.Uint16(b[2:])
	m.Counts = [4]uint16{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])}
	off := HeaderLen
	for range m.Counts[0] {
		if off == len(b) {
			return m.fail(ErrTruncatedQuestion, off)
		}
		next, labels, wire, err := skipName(b, off)
		if err != nil {
			return m.fail(err.(Reason), next)
		}
		if next+4 > len(b) {
			return m.fail(ErrTruncatedQuestion, next)
		}
		// In place, since to move it whole would wait for these writes.
		m.Questions = append(m.Questions, Question{})
		q := &m.Questions[len(m.Questions)-1]
		q.NameOff, q.Labels, q.NameLen = off, labels, wire
		q.Qtype, q.Qclass = binary.BigEndian.Uint16(b[next:]), binary.BigEndian.Uint16(b[next+2:])
		off = next + 4
	}
	if m.OnlyQuestions {
		return nil
	}
	return m.unpackRecords(b, off)
}

// unpackRecords walks the three sections. Most of the time of reading a message
// goes here, so the usual names cost a look, and no Record is made that nobody
// wants.
func (m *Message) unpackRecords(b []byte, off int) error {
	var qtype uint16
	if len(m.Questions) > 0 {
		qtype = m.Questions[0].Qtype
	}
	known := -1 // where the last pointer led, to a name that is good
	answered := false
	var authority uint64 // the types below 64 of the authority section, a bit each
	for section := range uint8(3) {
		for n := m.Counts[1+section]; n > 0; n-- {
			if off >= len(b) {
				return m.fail(ErrTruncatedRecord, off)
			}
			next := off + 1
			if c := b[off]; c != 0 { // not the root, of which a root server's denials are full
				target := -1
				if c >= 0xc0 && next < len(b) {
					target = int(c&0x3f)<<8 | int(b[next])
				}
				if next++; target != known || target < 0 {
					var err error
					if next, _, _, err = skipName(b, off); err != nil {
						return m.fail(err.(Reason), next)
					}
					known = target
				}
			}
			data := next + 10
			if data > len(b) {
				return m.fail(ErrTruncatedRecord, next)
			}
			h := b[next:data:data]
			t, size := binary.BigEndian.Uint16(h), int(binary.BigEndian.Uint16(h[8:]))
			if data+size > len(b) {
				return m.fail(ErrTruncatedRdata, next+8)
			}
			start := off
			off = data + size
			if t == TypeOPT || !m.SkipRecords {
				r := Record{
					NameOff: start, Section: section, Type: t,
					Class: binary.BigEndian.Uint16(h[2:]), TTL: binary.BigEndian.Uint32(h[4:]),
					RdataOff: data, RdataLen: size,
				}
				if t == TypeOPT { // wherever it stands
					if err := m.unpackOPT(&r); err != nil {
						return err
					}
					continue
				}
				m.Records = append(m.Records, r)
			}
			switch section {
			case Answer:
				answered = answered || answers(t, qtype)
			case Authority:
				authority |= 1 << t
			}
		}
	}
	soa, ns := authority>>TypeSOA&1 != 0, authority>>TypeNS&1 != 0
	// QR=1, opcode QUERY, TC=0, NOERROR. An NS set without an SOA is a referral.
	m.Nodata = m.Flags&0xfa0f == 0x8000 && m.EDNS.ExtRcode == 0 &&
		len(m.Questions) > 0 && !answered && (soa || !ns)
	return nil
}

// answers reports whether a record of that type answers the QTYPE; any does for
// the QTYPEs that are no types (251 to 255: IXFR, AXFR, MAILB, MAILA, ANY).
func answers(t, qtype uint16) bool { return t == qtype || qtype >= TypeIXFR && qtype <= TypeANY }

// unpackOPT reads an OPT record and walks its options.
func (m *Message) unpackOPT(r *Record) error {
	if m.EDNS.Present {
		return m.fail(ErrTwoOpt, r.NameOff)
	}
	m.EDNS = EDNS{
		Present: true, UDP: r.Class,
		ExtRcode: uint8(r.TTL >> 24), Version: uint8(r.TTL >> 16), DO: r.TTL&0x8000 != 0,
		Off: r.RdataOff, Len: r.RdataLen,
	}
	opts := m.Wire[r.RdataOff : r.RdataOff+r.RdataLen]
	for o := 0; o < len(opts); {
		if o+4 > len(opts) {
			m.EDNS.Len = o
			return m.fail(ErrOption, r.RdataOff+o)
		}
		n := int(binary.BigEndian.Uint16(opts[o+2:]))
		if o+4+n > len(opts) {
			m.EDNS.Len = o
			return m.fail(ErrOption, r.RdataOff+o)
		}
		o += 4 + n
	}
	return nil
}

func (m *Message) fail(r Reason, off int) error {
	m.Malformed, m.Offset = r, off
	return r
}

// Options calls f with the code and the data of each EDNS option until f
// returns false. The data alias the message.
func (m *Message) Options(f func(code uint16, data []byte) bool) {
	for o, end := m.EDNS.Off, m.EDNS.Off+m.EDNS.Len; o < end; {
		n := int(binary.BigEndian.Uint16(m.Wire[o+2:]))
		if !f(binary.BigEndian.Uint16(m.Wire[o:]), m.Wire[o+4:o+4+n]) {
			return
		}
		o += 4 + n
	}
}
