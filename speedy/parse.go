package speedy

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"ratadns/dns"
	"ratadns/packet"
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
	p.reset(b, m)
	if ok = p.written(m); !ok {
		p.reset(b, m)
		ok = p.members(func(name []byte) bool { return p.member(name, m) })
	}
	m.Wire = p.wire
	return p.i, ok
}

func (p *parser) reset(b []byte, m *Message) {
	p.b, p.i = b, 0
	p.wire = p.wire[:0]
	m.Message = dns.Message{Questions: m.Questions[:0]}
	m.Time, m.Source, m.Dest = 0, netip.Addr{}, netip.Addr{}
	m.SourcePort, m.DestPort, m.Size = 0, 0, 0
	m.Transport, m.Has = packet.UnknownTransport, 0
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
		for i, t := range packet.Transports {
			if i > 0 && string(s) == t {
				m.Transport = packet.Transport(i)
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
