package packet

import (
	"bytes"
	"encoding/binary"
)

// Where a capture begins inside a TCP connection, or octets of it are missing,
// a length is like any other two octets. What follows it tells: a header of DNS
// and, as far as they are here, a question and records whose fields are such as
// occur. Chance does not make that; a sender may, and gets what he sends.

// A likeness is how much octets look like a length and the message behind it.
type likeness uint8

const (
	unlike   likeness = iota
	unclear           // nothing against it, but too few octets to tell
	alike             // as far as it goes
	complete          // the whole message is here and reads to its end
)

// maxLook bounds the records that are looked at for one place.
const maxLook = 32

// findMessage returns where in b a length and its message begin. size is how
// many octets the segment had on the wire. sure says that there is no need to
// look again when the message is complete; off is -1 when none begins here.
func findMessage(b []byte, size int) (off int, sure bool) {
	first := look(b)
	switch {
	case first == complete || fits(b, size):
		return 0, true
	case first != unlike: // mostly messages begin with a segment
		return 0, false
	}
	// The upper octet of QDCOUNT is zero, and zeros are quickly found.
	const upper = 2 + 4
	for at := upper + 1; at < len(b); at++ {
		n := bytes.IndexByte(b[at:], 0)
		if n < 0 {
			break
		}
		at += n
		if l := look(b[at-upper:]); l >= alike {
			return at - upper, l == complete
		}
	}
	return -1, false
}

// fits reports whether b is messages one behind the other up to the last octet
// of the segment. So malformed ones are found, whose octets say little.
func fits(b []byte, size int) bool {
	for at := 0; plausible(b[min(at, len(b)):]); {
		if at += 2 + int(binary.BigEndian.Uint16(b[at:])); at == size {
			return true
		}
	}
	return false
}

// plausible reports whether b may begin with a message's length and header.
func plausible(b []byte) bool {
	if len(b) < 2+8 || binary.BigEndian.Uint16(b) < minMessage {
		return false
	}
	// One question; none in the messages of a zone transfer after the first
	// (RFC 5936 §2.2.1), which have answers.
	switch binary.BigEndian.Uint16(b[2+4:]) {
	case 0:
		return b[2+2]&0x80 != 0 && binary.BigEndian.Uint16(b[2+6:]) > 0
	case 1:
		return true
	}
	return false
}

// look says how much b is like a length and a message.
func look(b []byte) likeness {
	if len(b) < 2 {
		return unlike
	}
	n := int(binary.BigEndian.Uint16(b))
	return lookAt(b[2:min(2+n, len(b))], n, maxLook)
}

// lookAt says how much m is like the beginning of a message of n octets. It
// looks at so many records.
func lookAt(m []byte, n, records int) likeness {
	if n < minMessage {
		return unlike
	}
	if len(m) < minMessage {
		return unclear
	}
	flags := binary.BigEndian.Uint16(m[2:])
	var counts [4]int
	for i := range counts {
		counts[i] = int(binary.BigEndian.Uint16(m[4+2*i:]))
	}
	if !headerOccurs(flags, counts, n) {
		return unlike
	}
	r := reading{m: m, n: n, at: minMessage}
	for range counts[0] {
		r.question()
	}
	all := counts[1] + counts[2] + counts[3]
	for i := 0; i < min(all, records) && r.ok(); i++ {
		r.record()
	}
	switch {
	case r.bad, r.short && len(m) == n, !r.short && all <= records && r.at != n:
		return unlike
	case len(m) == n && all <= records:
		return complete
	case r.read > 0:
		return alike
	}
	return unclear
}

// headerOccurs reports whether messages of n octets have such a header.
func headerOccurs(flags uint16, counts [4]int, n int) bool {
	qr, opcode, rcode := flags>>15 != 0, flags>>11&15, flags&15
	all := counts[1] + counts[2] + counts[3]
	switch {
	case flags&0x40 != 0, opcode == 3, opcode > 6, // not assigned
		counts[0] > 1,
		minMessage+5*counts[0]+11*all > n,
		!qr && rcode != 0:
		return false
	case !qr && opcode == 0: // IXFR has an SOA (RFC 1995 §3); OPT, TSIG, SIG(0)
		return counts[0] == 1 && counts[1] == 0 && counts[2] <= 1 && counts[3] <= 3
	case qr && counts[0]+all == 0: // the header alone is all that an error may have
		return rcode != 0 && n == minMessage
	}
	return counts[0] > 0 || all > 0
}

// A reading walks a message m, of which n octets were on the wire.
type reading struct {
	m          []byte
	n, at      int
	read       int  // questions and records
	bad, short bool // it is none; its end is not here
}

func (r *reading) ok() bool { return !r.bad && !r.short }

// need reports whether k more octets are here.
func (r *reading) need(k int) bool {
	r.bad = r.bad || r.at+k > r.n
	r.short = r.short || r.at+k > len(r.m)
	return r.ok()
}

func (r *reading) name() {
	for wire := 0; r.need(1); {
		c := int(r.m[r.at])
		switch {
		case c == 0:
			r.at++
			return
		case c >= 0xc0:
			if r.need(2) {
				// Into the header or forwards is nowhere.
				to := c&0x3f<<8 | int(r.m[r.at+1])
				r.bad = to < minMessage || to >= r.at
				r.at += 2
			}
			return
		case c > 63:
			r.bad = true
		default:
			wire += 1 + c
			r.at += 1 + c
			r.bad = wire > 254
		}
	}
}

func (r *reading) question() {
	if r.name(); !r.need(4) {
		return
	}
	r.bad = binary.BigEndian.Uint16(r.m[r.at:]) == 0 || !classOccurs(binary.BigEndian.Uint16(r.m[r.at+2:]))
	r.at += 4
	r.read++
}

func (r *reading) record() {
	if r.name(); !r.need(10) {
		return
	}
	h := r.m[r.at : r.at+10]
	const typeOPT = 41 // its class is a size
	typ, class := binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	r.bad = typ == 0 || typ != typeOPT && !classOccurs(class)
	r.at += 10
	r.read++
	if k := int(binary.BigEndian.Uint16(h[8:])); r.need(k) {
		r.at += k
	}
}

// classOccurs reports whether there is traffic of that class: IN, CH, HS, NONE, ANY.
func classOccurs(class uint16) bool {
	return class == 1 || class == 3 || class == 4 || class == 254 || class == 255
}
