package filter

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// identifier reads what follows qualifiers.
func (p *parser) identifier(q qualifiers) (n *node) {
	t := p.peek()
	if !t.word || !t.escaped && keywords[t.text] {
		return p.fail("stands where a value for %s is missing", q.kind)
	}
	p.last = &q
	switch q.kind {
	case "host":
		n = p.host(q, t.text)
	case "net":
		n = p.network(q, t.text)
	case "port", "portrange":
		n = p.port(q, t)
	case "proto":
		n = p.protoNumber(q, t)
	}
	return n
}

// number takes a number up to limit: decimal, octal or hexadecimal.
func (p *parser) number(limit uint64) (uint32, bool) {
	t := p.peek()
	v, ok := parseNumber(t.text)
	if !t.word || t.escaped || !ok || v > limit {
		p.fail("stands where a number up to %d is missing", limit)
		return 0, false
	}
	p.i++
	return uint32(v), true
}

func parseNumber(s string) (uint64, bool) {
	base, digits := 10, s
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	v, err := strconv.ParseUint(digits, base, 32)
	return v, err == nil
}

// host takes an address. A name would need a resolver, whose queries would be
// among the packets.
func (p *parser) host(q qualifiers, text string) *node {
	if q.proto == "ether" || q.proto == "link" {
		mac, err := net.ParseMAC(padMAC(text))
		if err != nil || len(mac) != 6 {
			return p.fail("is no hardware address")
		}
		if !p.ethernet {
			return p.fail("is a hardware address, and packets have none")
		}
		p.i++
		return direct(q.dir, sameMAC(6, mac), sameMAC(0, mac))
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return p.fail("is no address; names are not looked up")
	}
	if n := p.address(q, addr, addr.BitLen()); n != nil {
		p.i++
		return n
	}
	return nil
}

// padMAC gives each octet two digits.
func padMAC(s string) string {
	parts := strings.FieldsFunc(s, func(c rune) bool { return c == ':' || c == '-' })
	for i, x := range parts {
		if len(x) == 1 {
			parts[i] = "0" + x
		}
	}
	return strings.Join(parts, ":")
}

// address compares the first bits of an address.
func (p *parser) address(q qualifiers, addr netip.Addr, bits int) *node {
	if addr.Is4() {
		b := addr.As4()
		mask := uint32(uint64(0xffffffff) << (32 - bits))
		return p.address4(q, binary.BigEndian.Uint32(b[:]), mask)
	}
	if q.proto != "" && q.proto != "ip6" {
		return p.fail("is an address of IPv6, not of %s", q.proto)
	}
	b := addr.As16()
	var src, dst *node
	for i := range 4 {
		mask := ^uint32(0)
		if n := bits - 32*i; n < 32 {
			mask = uint32(uint64(0xffffffff) << (32 - max(n, 0)))
		}
		v := binary.BigEndian.Uint32(b[4*i:])
		src = and(src, masked(p.at(8+4*i, 4), mask, v))
		dst = and(dst, masked(p.at(24+4*i, 4), mask, v))
	}
	return and(p.ethertype(typeIP6), direct(q.dir, src, dst))
}

// address4 compares an address of IPv4, also that of an ARP message unless a
// protocol is named.
func (p *parser) address4(q qualifiers, addr, mask uint32) *node {
	ip := and(p.ethertype(typeIP), direct(q.dir, masked(p.at(12, 4), mask, addr), masked(p.at(16, 4), mask, addr)))
	arp := direct(q.dir, masked(p.at(14, 4), mask, addr), masked(p.at(24, 4), mask, addr))
	switch q.proto {
	case "":
		return or(ip, and(or(p.ethertype(typeARP), p.ethertype(typeRARP)), arp))
	case "ip":
		return ip
	case "arp":
		return and(p.ethertype(typeARP), arp)
	case "rarp":
		return and(p.ethertype(typeRARP), arp)
	}
	return p.fail("is an address of IPv4, not of %s", q.proto)
}

// network takes a prefix: 192.0.2.0/24, 192.0.2, 192.0.2.0 mask 255.255.255.0,
// 2001:db8::/32.
func (p *parser) network(q qualifiers, text string) *node {
	if strings.Contains(text, ":") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return p.fail("is no address")
		}
		p.i++
		bits := uint32(128)
		if _, ok := p.take("/"); ok {
			if bits, ok = p.number(128); !ok {
				return nil
			}
		}
		if netip.PrefixFrom(addr, int(bits)).Masked().Addr() != addr {
			return p.fail("follows a network with bits behind its prefix")
		}
		return p.address(q, addr, int(bits))
	}
	addr, mask, ok := partial(text)
	if !ok {
		return p.fail("is no network; names are not looked up")
	}
	p.i++
	if _, ok := p.take("/"); ok {
		bits, ok := p.number(32)
		if !ok {
			return nil
		}
		mask = uint32(uint64(0xffffffff) << (32 - bits))
	} else if _, ok := p.take("mask"); ok {
		m, full, ok := partial(p.peek().text)
		if !ok || full != ^uint32(0) {
			return p.fail("is no mask")
		}
		p.i++
		mask = m
	}
	if addr&^mask != 0 {
		return p.fail("follows a network with bits behind its prefix")
	}
	return p.address4(q, addr, mask)
}

// partial reads the first octets of an address and says how many there are.
func partial(text string) (addr, mask uint32, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return 0, 0, false
	}
	for i, x := range parts {
		n, err := strconv.ParseUint(x, 10, 8)
		if err != nil || len(x) > 1 && x[0] == '0' { // octal to some
			return 0, 0, false
		}
		addr |= uint32(n) << (24 - 8*i)
		mask |= 0xff << (24 - 8*i)
	}
	if addr>>24 == 0 && len(parts) < 4 { // tcpdump shifts zeros out
		return 0, 0, false
	}
	return addr, mask, true
}

// port takes a port, or two with a hyphen between.
func (p *parser) port(q qualifiers, t token) *node {
	transports := []uint32{numberSCTP, numberTCP, numberUDP}
	switch q.proto {
	case "":
	case "tcp", "udp", "sctp":
		transports = []uint32{numbers[q.proto]}
	default:
		return p.fail("is a port, and %s has none", q.proto)
	}
	first, last, isRange := strings.Cut(t.text, "-")
	if !isRange {
		last = first
	}
	from, ok := portNumber(first)
	to, ok2 := portNumber(last)
	if !ok || !ok2 || isRange && q.kind != "portrange" {
		return p.fail("is no %s; of the names only domain is known", q.kind)
	}
	p.i++
	if from > to {
		from, to = to, from
	}
	among := func(load []loader) *node {
		if from == to {
			return equal(load, from)
		}
		return and(atLeast(load, from), atMost(load, to))
	}
	var four, six *node
	for _, n := range transports {
		four, six = or(four, equal(p.at(9, 1), n)), or(six, equal(p.at(6, 1), n))
	}
	// Only the first fragment has ports; of IPv6 none is looked at.
	four = and(four, p.unfragmented())
	return or(
		and(and(p.ethertype(typeIP6), six), direct(q.dir, among(p.at(40, 2)), among(p.at(42, 2)))),
		and(and(p.ethertype(typeIP), four), direct(q.dir, among(p.behindIP(0, 2)), among(p.behindIP(2, 2)))),
	)
}

func portNumber(s string) (uint32, bool) {
	if s == "domain" {
		return 53, true
	}
	v, ok := parseNumber(s)
	return uint32(v), ok && v <= 65535
}

// protoNumber takes the number of a protocol in IP or Ethernet, or its name.
func (p *parser) protoNumber(q qualifiers, t token) *node {
	if q.dir != "" {
		return p.fail("is a protocol, and has no direction")
	}
	if q.proto == "ether" || q.proto == "link" {
		v, ok := parseNumber(t.text)
		if t.escaped {
			v, ok = uint64(ethertypes[t.text]), ethertypes[t.text] != 0
		}
		if !ok || v < 1536 || v > 0xffff { // below are lengths (IEEE 802.3 §3.2.6)
			return p.fail("is no type of Ethernet")
		}
		p.i++
		return p.ethertype(uint32(v))
	}
	v, ok := parseNumber(t.text)
	if t.escaped {
		v, ok = uint64(numbers[t.text]), numbers[t.text] != 0
	}
	if !ok || v > 255 {
		return p.fail("is no protocol of IP")
	}
	var n *node
	switch q.proto {
	case "":
		n = or(p.proto4(uint32(v)), p.proto6(uint32(v)))
	case "ip":
		n = p.proto4(uint32(v))
	case "ip6":
		n = p.proto6(uint32(v))
	default:
		return p.fail("is a protocol of IP, not of %s", q.proto)
	}
	p.i++
	return n
}

// protocol is a name alone.
func (p *parser) protocol(name string) *node {
	switch name {
	case "ip", "ip6", "arp", "rarp":
		return p.ethertype(ethertypes[name])
	case "tcp", "udp", "sctp":
		return or(p.proto4(numbers[name]), p.proto6(numbers[name]))
	case "icmp", "igmp":
		return p.proto4(numbers[name])
	case "icmp6":
		return p.proto6(numbers[name])
	}
	p.i--
	return p.fail("says nothing alone")
}
