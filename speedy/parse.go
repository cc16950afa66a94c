package speedy

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"ratadns/dns"
)

// A parser reads JSON objects into messages. What it makes of a message's
// names and options goes to wire, so that a Message looks the same wherever it
// came from.
type parser struct {
	b    []byte
	i    int
	wire []byte
	text []byte // a string without its escapes
}

// maxNesting bounds the depth of unknown members.
const maxNesting = 64

// object parses the object at the beginning of b. When b is no object, used is
// how far it was read; len(b) means that more could make it one.
func (p *parser) object(b []byte, m *Message) (used int, ok bool) {
	p.b, p.i = b, 0
	p.wire = p.wire[:0]
	m.Message = dns.Message{Questions: m.Questions[:0]}
	m.Time, m.Source, m.Dest = 0, netip.Addr{}, netip.Addr{}
	m.SourcePort, m.DestPort, m.Size = 0, 0, 0
	m.Transport, m.Has = UnknownTransport, 0
	ok = p.members(func(name []byte) bool { return p.member(name, m) })
	m.Wire = p.wire
	return p.i, ok
}

// member reads the value of one member of a message.
func (p *parser) member(name []byte, m *Message) bool {
	switch string(name) {
	case "source":
		m.Has |= FieldSource
		return p.addr(&m.Source)
	case "dest":
		m.Has |= FieldDest
		return p.addr(&m.Dest)
	case "id":
		return p.hex(&m.ID)
	case "flags":
		return p.hex(&m.Flags)
	case "queries":
		return p.list(func() bool { return p.question(m) })
	case "time":
		m.Has |= FieldTime
		return p.time(&m.Time)
	case "transport":
		s, ok := p.str()
		for i, t := range Transports {
			if i > 0 && string(s) == t {
				m.Transport = Transport(i)
				m.Has |= FieldTransport
			}
		}
		return ok
	case "sport":
		m.Has |= FieldPorts
		return p.port(&m.SourcePort)
	case "dport":
		m.Has |= FieldPorts
		return p.port(&m.DestPort)
	case "size":
		m.Has |= FieldSize
		n, ok := p.uint(1 << 24)
		m.Size = int(n)
		return ok
	case "counts":
		m.Has |= FieldCounts
		i := 0
		return p.list(func() bool {
			n, ok := p.uint(0xffff)
			if i++; ok && i < len(m.Counts) {
				m.Counts[i] = uint16(n)
			}
			return ok
		})
	case "nodata":
		return p.bool(&m.Nodata)
	case "edns":
		m.Has |= FieldEDNS
		m.EDNS.Present = true
		return p.members(func(name []byte) bool { return p.edns(name, m) })
	case "malformed":
		return p.members(func(name []byte) bool {
			switch string(name) {
			case "reason":
				s, ok := p.str()
				m.Malformed = dns.ReasonByWord(s)
				return ok
			case "offset":
				n, ok := p.uint(1 << 24)
				m.Offset = int(n)
				return ok
			}
			return p.skip(0)
		})
	}
	return p.skip(0)
}

func (p *parser) question(m *Message) bool {
	m.Has |= FieldQueries
	q := dns.Question{NameOff: -1}
	ok := p.members(func(name []byte) bool {
		switch string(name) {
		case "qname":
			s, ok := p.str()
			if !ok {
				return false
			}
			off := len(p.wire)
			var err error
			if p.wire, q.Labels, err = dns.AppendWire(p.wire, s); err != nil {
				return false
			}
			q.NameOff, q.NameLen = off, len(p.wire)-off
			return true
		case "qtype":
			return p.hex(&q.Qtype)
		case "qclass":
			return p.hex(&q.Qclass)
		}
		return p.skip(0)
	})
	if ok && q.NameOff >= 0 {
		m.Questions = append(m.Questions, q)
	}
	return ok
}

func (p *parser) edns(name []byte, m *Message) bool {
	switch string(name) {
	case "version":
		var v uint16
		ok := p.hex(&v)
		m.EDNS.Version = uint8(v)
		return ok && v <= 0xff
	case "udp":
		n, ok := p.uint(0xffff)
		m.EDNS.UDP = uint16(n)
		return ok
	case "do":
		return p.bool(&m.EDNS.DO)
	case "rcode":
		var v uint16
		ok := p.hex(&v)
		m.EDNS.ExtRcode = uint8(v >> 4)
		return ok && v <= 0xfff
	case "options":
		m.EDNS.Off = len(p.wire)
		ok := p.list(p.option)
		m.EDNS.Len = len(p.wire) - m.EDNS.Off
		return ok
	}
	return p.skip(0)
}

// option reads an EDNS option into the form it has on the wire.
func (p *parser) option() bool {
	var code, scope uint16
	start := len(p.wire)
	p.wire = append(p.wire, 0, 0, 0, 0)
	ok := p.members(func(name []byte) bool {
		switch string(name) {
		case "code":
			return p.hex(&code)
		case "scope":
			n, ok := p.uint(255)
			scope = uint16(n)
			return ok
		case "data":
			s, ok := p.str()
			p.wire = p.wire[:start+4]
			for ; ok && len(s) >= 2; s = s[2:] {
				hi, lo := unhex[s[0]], unhex[s[1]]
				if hi|lo > 15 {
					return false
				}
				p.wire = append(p.wire, hi<<4|lo)
			}
			return ok && len(s) == 0
		case "subnet":
			s, ok := p.str()
			p.wire = p.wire[:start+4]
			return ok && p.subnet(s)
		}
		return p.skip(0)
	})
	n := len(p.wire) - start - 4
	if !ok || n > 0xffff {
		return false
	}
	if code == optionECS && n >= 4 {
		p.wire[start+4+3] = byte(scope)
	}
	binary.BigEndian.PutUint16(p.wire[start:], code)
	binary.BigEndian.PutUint16(p.wire[start+2:], uint16(n))
	return true
}

// subnet appends the data of a Client Subnet option, with all the octets that
// an anonymised address has.
func (p *parser) subnet(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	for i, c := range s {
		if c != '/' {
			continue
		}
		a, ok := parseAddr(s[:i])
		bits, err := strconv.ParseUint(string(s[i+1:]), 10, 8)
		if !ok || err != nil || int(bits) > a.BitLen() {
			return false
		}
		family := byte(1)
		if !a.Is4() {
			family = 2
		}
		p.wire = append(p.wire, 0, family, byte(bits), 0)
		p.wire = append(p.wire, a.AsSlice()...)
		return true
	}
	return false
}

// unhex is the value of a hexadecimal digit, or 255.
var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i := range byte(16) {
		t[lowerHex[i]], t[upperHex[i]] = i, i
	}
	return t
}()

func parseAddr(s []byte) (a netip.Addr, ok bool) {
	var b [16]byte
	if len(s) != 8 && len(s) != 32 {
		return a, false
	}
	for i := range len(s) / 2 {
		hi, lo := unhex[s[2*i]], unhex[s[2*i+1]]
		if hi|lo > 15 {
			return a, false
		}
		b[i] = hi<<4 | lo
	}
	if len(s) == 8 {
		return netip.AddrFrom4([4]byte(b[:4])), true
	}
	return netip.AddrFrom16(b), true
}

func (p *parser) addr(a *netip.Addr) (ok bool) {
	s, ok := p.str()
	if !ok {
		return false
	}
	*a, ok = parseAddr(s)
	return ok
}

// hex reads a string of hexadecimal digits.
func (p *parser) hex(v *uint16) bool {
	s, ok := p.str()
	if !ok || len(s) == 0 {
		return false
	}
	n := uint32(0)
	for _, c := range s {
		d := unhex[c]
		if n = n<<4 | uint32(d); d > 15 || n > 0xffff {
			return false
		}
	}
	*v = uint16(n)
	return true
}

func (p *parser) port(v *uint16) bool {
	n, ok := p.uint(0xffff)
	*v = uint16(n)
	return ok
}

// The rest reads JSON itself. Each function leaves i behind what it read; on
// failure i is where it stopped.

func (p *parser) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\n' || p.b[p.i] == '\t' || p.b[p.i] == '\r') {
		p.i++
	}
}

// take reads c, perhaps after white space.
func (p *parser) take(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	p.space()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

// members reads an object; f reads the value of the member of that name.
func (p *parser) members(f func(name []byte) bool) bool {
	if !p.take('{') {
		return false
	}
	if p.take('}') {
		return true
	}
	for {
		name, ok := p.str()
		if !ok || !p.take(':') || !f(name) {
			return false
		}
		if !p.take(',') {
			return p.take('}')
		}
	}
}

func (p *parser) list(f func() bool) bool {
	if !p.take('[') {
		return false
	}
	if p.take(']') {
		return true
	}
	for {
		if !f() {
			return false
		}
		if !p.take(',') {
			return p.take(']')
		}
	}
}

// str reads a string. The result is valid until the next string with escapes.
func (p *parser) str() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	start := p.i
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return p.b[start : p.i-1], true
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return nil, false
		}
		p.i++
	}
	return nil, false
}

// escaped goes on reading the string that began at start, whose first escape
// is at i.
func (p *parser) escaped(start int) ([]byte, bool) {
	p.text = append(p.text[:0], p.b[start:p.i]...)
	for p.i < len(p.b) {
		c := p.b[p.i]
		p.i++
		switch {
		case c == '"':
			return p.text, true
		case c < 0x20:
			return nil, false
		case c != '\\':
			p.text = append(p.text, c)
			continue
		}
		if p.i == len(p.b) {
			return nil, false
		}
		c = p.b[p.i]
		p.i++
		switch c {
		case '"', '\\', '/':
			p.text = append(p.text, c)
		case 'b':
			p.text = append(p.text, '\b')
		case 'f':
			p.text = append(p.text, '\f')
		case 'n':
			p.text = append(p.text, '\n')
		case 'r':
			p.text = append(p.text, '\r')
		case 't':
			p.text = append(p.text, '\t')
		case 'u':
			if p.i+4 > len(p.b) {
				p.i = len(p.b)
				return nil, false
			}
			r := rune(0)
			for _, d := range p.b[p.i : p.i+4] {
				if unhex[d] > 15 {
					return nil, false
				}
				r = r<<4 | rune(unhex[d])
			}
			p.i += 4
			// Up to ff it is an octet of a name, as AppendEscaped writes it.
			if r <= 0xff {
				p.text = append(p.text, byte(r))
			} else {
				p.text = utf8.AppendRune(p.text, r)
			}
		default:
			return nil, false
		}
	}
	return nil, false
}

// uint reads a whole number up to limit.
func (p *parser) uint(limit uint64) (uint64, bool) {
	p.space()
	n, start := uint64(0), p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		if n = n*10 + uint64(p.b[p.i]-'0'); n > limit {
			return 0, false
		}
		p.i++
	}
	return n, p.i > start
}

// maxSeconds is the latest time believed (the year 2242).
const maxSeconds = 1 << 33

// time reads seconds with a fraction; what is finer than nanoseconds is cut.
func (p *parser) time(ns *int64) bool {
	sec, ok := p.uint(maxSeconds)
	if !ok {
		return false
	}
	frac := int64(0)
	if p.i < len(p.b) && p.b[p.i] == '.' {
		p.i++
		unit, start := int64(1e8), p.i
		for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
			frac += int64(p.b[p.i]-'0') * unit
			unit /= 10
			p.i++
		}
		ok = p.i > start
	}
	*ns = int64(sec)*1e9 + frac
	return ok
}

func (p *parser) bool(v *bool) bool {
	p.space()
	switch *v = p.word("true"); {
	case *v:
		return true
	default:
		return p.word("false")
	}
}

func (p *parser) word(w string) bool {
	n := min(len(w), len(p.b)-p.i)
	if string(p.b[p.i:p.i+n]) != w[:n] {
		return false
	}
	p.i += n
	return n == len(w)
}

// skip reads any value.
func (p *parser) skip(depth int) bool {
	p.space()
	if p.i == len(p.b) || depth > maxNesting {
		return false
	}
	switch c := p.b[p.i]; {
	case c == '{':
		return p.members(func([]byte) bool { return p.skip(depth + 1) })
	case c == '[':
		return p.list(func() bool { return p.skip(depth + 1) })
	case c == '"':
		_, ok := p.str()
		return ok
	case c == 't':
		return p.word("true")
	case c == 'f':
		return p.word("false")
	case c == 'n':
		return p.word("null")
	}
	return p.number()
}

// number reads a JSON number (RFC 8259 §6) that nobody wants the value of.
func (p *parser) number() bool {
	if p.i < len(p.b) && p.b[p.i] == '-' {
		p.i++
	}
	if !p.digits() {
		return false
	}
	if p.i < len(p.b) && p.b[p.i] == '.' {
		if p.i++; !p.digits() {
			return false
		}
	}
	if p.i < len(p.b) && p.b[p.i]|0x20 == 'e' {
		if p.i++; p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		return p.digits()
	}
	return true
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i > start
}
