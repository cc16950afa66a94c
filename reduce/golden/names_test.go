package golden

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// presented is a label in presentation form.
func presented(label string) string {
	var b strings.Builder
	for _, c := range []byte(label) {
		switch {
		case c == '.' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x21 || c > 0x7e:
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// nameOf is the absolute name of labels in presentation form.
func nameOf(labels []string) string {
	if len(labels) == 0 {
		return "."
	}
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(presented(l) + ".")
	}
	return b.String()
}

// folded has A-Z in lower case and no other letter.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// last is the name of the last n labels, or of all where there are fewer.
func (m *message) last(n int) string {
	return folded(nameOf(m.labels[max(0, len(m.labels)-n):]))
}

// tld is the last label.
func (m *message) tld() string {
	if len(m.labels) == 0 {
		return "."
	}
	return folded(presented(m.labels[len(m.labels)-1]))
}

// under reports whether the name is at or under a domain.
func (m *message) under(domain string) bool {
	return m.last(strings.Count(domain, ".")) == domain
}

// length is that of the name on the wire less one; the root is 1.
func (m *message) length() int {
	n := 0
	for _, l := range m.labels {
		n += 1 + len(l)
	}
	return max(n, 1)
}

// zones remembers what zoneLabels has looked up.
var zones = make(map[string]int)

// zoneLabels is how many labels the registered domain has: one more than the
// longest public suffix of the list's ICANN part, or than the last label.
func (m *message) zoneLabels() int {
	var labels []string
	for _, l := range m.labels {
		if l = folded(l); presented(l) != l {
			l = "-" // which no rule has
		}
		labels = append(labels, l)
	}
	name := strings.Join(labels, ".")
	if _, ok := zones[name]; !ok {
		zones[name] = min(len(labels), 2)
		for i := range labels {
			suffix := strings.Join(labels[i:], ".")
			if found, icann := publicsuffix.PublicSuffix(suffix); icann && found == suffix {
				zones[name] = min(len(labels), len(labels)-i+1)
				break
			}
		}
	}
	return zones[name]
}

func (m *message) response() bool { return m.flags&0x8000 != 0 }

// rcode has twelve bits with EDNS.
func (m *message) rcode() int {
	if m.edns != nil {
		return m.edns.upper<<4 | m.flags&15
	}
	return m.flags & 15
}

// fromServer: the side of port 53 is the server's; where both or none are, QR
// tells.
func (m *message) fromServer() bool {
	if (m.sport == 53) != (m.dport == 53) {
		return m.sport == 53
	}
	return m.response()
}

func (m *message) client() netip.Addr {
	if m.fromServer() {
		return m.dest
	}
	return m.source
}

func (m *message) server() netip.Addr {
	if m.fromServer() {
		return m.source
	}
	return m.dest
}

func (m *message) clientPort() int {
	if m.fromServer() {
		return m.dport
	}
	return m.sport
}

// option is the data of the first of that code.
func (m *message) option(code int) ([]byte, bool) {
	if m.edns == nil {
		return nil, false
	}
	i := slices.IndexFunc(m.edns.options, func(o option) bool { return o.code == code })
	if i < 0 {
		return nil, false
	}
	return m.edns.options[i].data, true
}

// nodata is NOERROR without an answer of the QTYPE, not truncated, and no
// referral (RFC 2308 §2.2). Any record answers the QTYPEs that are no types of
// records, 251 to 255; other opcodes have no data, nor what cannot be read.
func (m *message) nodata() bool {
	if !m.response() || !m.asked || m.malformed || m.rcode() != 0 || m.flags&0x7a00 != 0 {
		return false
	}
	if slices.Contains(m.types[1], m.qtype) || m.qtype >= 251 && m.qtype <= 255 && len(m.types[1]) > 0 {
		return false
	}
	return slices.Contains(m.types[2], 6) || !slices.Contains(m.types[2], 2)
}

// address is written in hexadecimal, upper case.
func address(a netip.Addr) string { return strings.ToUpper(hex.EncodeToString(a.AsSlice())) }

// network is the one of a with so many bits, 4 or 6.
func network(a netip.Addr, bits4, bits6 int) string {
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		panic(err)
	}
	return address(p.Addr()) + "/" + strconv.Itoa(bits)
}

func version(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// code is written in hexadecimal, lower case.
func code(n int) string { return strconv.FormatInt(int64(n), 16) }
