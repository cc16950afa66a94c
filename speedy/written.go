package speedy

import (
	"net/netip"

	"ratadns/dns"
	"ratadns/packet"
)

// written reads an object as Encoder writes it: members in its order, without
// white space, names in their usual form. It is less than half the work of the
// general way, which object goes where this one reports false; what both read
// is the same.
func (p *parser) written(m *Message) bool {
	if !p.lit(`{`) {
		return false
	}
	if p.lit(`"source":"`) {
		m.Has |= FieldSource
		if !p.address(&m.Source) {
			return false
		}
	}
	if p.lit(`"dest":"`) {
		m.Has |= FieldDest
		if !p.address(&m.Dest) {
			return false
		}
	}
	if !p.lit(`"id":"`) || !p.code(&m.ID) || !p.lit(`,"flags":"`) || !p.code(&m.Flags) {
		return false
	}
	if p.lit(`,"queries":[`) {
		for next := true; next; next = p.lit(`,`) {
			if !p.asked(m) {
				return false
			}
		}
		if !p.lit(`]`) {
			return false
		}
	}
	if p.lit(`,"time":`) {
		m.Has |= FieldTime
		if !p.seconds(&m.Time) {
			return false
		}
	}
	if p.lit(`,"transport":"`) && !p.transport(m) {
		return false
	}
	if p.lit(`,"sport":`) {
		m.Has |= FieldPorts
		var source, dest uint32
		if !p.small(&source, 0xffff) || !p.lit(`,"dport":`) || !p.small(&dest, 0xffff) {
			return false
		}
		m.SourcePort, m.DestPort = uint16(source), uint16(dest)
	}
	if p.lit(`,"size":`) {
		m.Has |= FieldSize
		var n uint32
		if !p.small(&n, 1<<24) {
			return false
		}
		m.Size = int(n)
	}
	if p.lit(`,"counts":[`) {
		m.Has |= FieldCounts
		var n [3]uint32
		if !p.small(&n[0], 0xffff) || !p.lit(`,`) || !p.small(&n[1], 0xffff) || !p.lit(`,`) || !p.small(&n[2], 0xffff) || !p.lit(`]`) {
			return false
		}
		m.Counts[1], m.Counts[2], m.Counts[3] = uint16(n[0]), uint16(n[1]), uint16(n[2])
		m.Nodata = p.lit(`,"nodata":true`)
	}
	if p.lit(`,"edns":{"version":"`) && !p.opt(m) {
		return false
	}
	return p.lit(`}`)
}

// lit reads s.
func (p *parser) lit(s string) bool {
	if len(p.b)-p.i >= len(s) && string(p.b[p.i:p.i+len(s)]) == s {
		p.i += len(s)
		return true
	}
	return false
}

// until is what stands before the next quote, at most n octets, which it reads
// with that.
func (p *parser) until(n int) []byte {
	for i, c := range p.b[p.i:min(p.i+n+1, len(p.b))] {
		if c == '"' {
			s := p.b[p.i : p.i+i]
			p.i += i + 1
			return s
		}
	}
	return nil
}

// address reads an address, the quote and the comma behind it.
func (p *parser) address(a *netip.Addr) (ok bool) {
	if *a, ok = parseAddr(p.until(32)); !ok {
		return false
	}
	return p.lit(`,`)
}

// code reads up to four hexadecimal digits and the quote behind them.
func (p *parser) code(v *uint16) bool {
	n := uint16(0)
	for i := range 5 {
		if p.i == len(p.b) {
			return false
		}
		c := p.b[p.i]
		p.i++
		if c == '"' {
			*v = n
			return i > 0
		}
		d := unhex[c]
		if d > 15 || i == 4 {
			return false
		}
		n = n<<4 | uint16(d)
	}
	return false
}

// small reads a number of at most eight digits up to limit.
func (p *parser) small(v *uint32, limit uint32) bool {
	n, start := uint32(0), p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		n = n*10 + uint32(p.b[p.i]-'0')
		if p.i++; p.i-start > 8 {
			return false
		}
	}
	*v = n
	return p.i > start && n <= limit
}

// seconds reads a time of ten digits, a point and nine digits.
func (p *parser) seconds(ns *int64) bool {
	const digits = 20
	if len(p.b)-p.i < digits || p.b[p.i+10] != '.' {
		return false
	}
	var n uint64 // nineteen digits fit
	for i, c := range p.b[p.i : p.i+digits] {
		if i == 10 {
			continue
		}
		if c -= '0'; c > 9 {
			return false
		}
		n = n*10 + uint64(c)
	}
	*ns = int64(n)
	p.i += digits
	return n < maxSeconds*1e9 && (p.i == len(p.b) || p.b[p.i]-'0' > 9)
}

// transport reads its word and the quote behind it.
func (p *parser) transport(m *Message) bool {
	for t := packet.UDP; int(t) < len(packet.Transports); t++ {
		if p.lit(packet.Transports[t]) {
			m.Transport = t
			m.Has |= FieldTransport
			return p.lit(`"`)
		}
	}
	return false
}

// asked reads an entry of the question section.
func (p *parser) asked(m *Message) bool {
	q := dns.Question{NameOff: len(p.wire)}
	if !p.lit(`{"qname":"`) || !p.name(&q) ||
		!p.lit(`,"qtype":"`) || !p.code(&q.Qtype) ||
		!p.lit(`,"qclass":"`) || !p.code(&q.Qclass) || !p.lit(`}`) {
		return false
	}
	m.Has |= FieldQueries
	m.Questions = append(m.Questions, q)
	return true
}

// name reads a name without escapes, and the quote behind it, into wire.
func (p *parser) name(q *dns.Question) bool {
	if p.lit(`."`) {
		p.wire = append(p.wire, 0)
		q.NameLen = 1
		return true
	}
	length := len(p.wire) // where the label's length goes
	p.wire = append(p.wire, 0)
	for p.i < len(p.b) {
		c := p.b[p.i]
		p.i++
		switch {
		case c == '.':
			n := len(p.wire) - length - 1
			if n == 0 || n > 63 {
				return false
			}
			p.wire[length] = byte(n)
			q.Labels++
			length = len(p.wire)
			p.wire = append(p.wire, 0)
		case c == '"':
			// The last label is the root's.
			q.NameLen = len(p.wire) - q.NameOff
			return length == len(p.wire)-1 && q.NameLen > 1 && q.NameLen <= dns.MaxName
		case c <= ' ' || c >= 0x7f || c == '\\':
			return false
		default:
			p.wire = append(p.wire, c)
		}
	}
	return false
}

// opt reads what stands behind the beginning of "edns".
func (p *parser) opt(m *Message) bool {
	var version, rcode uint16
	var size uint32
	if !p.code(&version) || version > 0xff || !p.lit(`,"udp":`) || !p.small(&size, 0xffff) {
		return false
	}
	do := p.lit(`,"do":true,"rcode":"`)
	if !do && !p.lit(`,"do":false,"rcode":"`) || !p.code(&rcode) || rcode > 0xfff {
		return false
	}
	m.Has |= FieldEDNS
	m.EDNS = dns.EDNS{Present: true, Version: uint8(version), UDP: uint16(size), DO: do, ExtRcode: uint8(rcode >> 4)}
	if p.lit(`,"options":`) {
		m.EDNS.Off = len(p.wire)
		if !p.list(p.option) {
			return false
		}
		m.EDNS.Len = len(p.wire) - m.EDNS.Off
	}
	return p.lit(`}`)
}
