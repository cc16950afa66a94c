package speedy

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

	"ratadns/dns"
)

// MaxObject bounds one message's JSON object. Questions that repeat one long
// name by compression could otherwise blow a packet up to many times its size.
const MaxObject = 4 << 20

// An Encoder writes messages as JSON objects. One worker owns it.
type Encoder struct {
	fields Fields
	anon   *Anonymizer
	second int64 // of digits
	digits []byte
	text   []byte   // of a record's data, before it is escaped
	types  []string // mnemonics of record types up to the greatest that has been asked for
	_      cpu.CacheLinePad
}

// NewEncoder returns an encoder of those members; addresses go through anon.
func NewEncoder(fields Fields, anon *Anonymizer) *Encoder {
	return &Encoder{fields: fields, anon: anon, second: -1}
}

// AppendFramed appends m's object with its length in octets before it.
func (e *Encoder) AppendFramed(dst []byte, m *Message) []byte {
	const guess = 3 // digits; most objects have 100 to 999 octets
	start := len(dst)
	dst = e.Append(append(dst, "000"...), m)
	n := len(dst) - start - guess
	if n >= 100 && n <= 999 {
		dst[start] = byte('0' + n/100)
		dst[start+1] = byte('0' + n/10%10)
		dst[start+2] = byte('0' + n%10)
		return dst
	}
	var num [20]byte
	length := strconv.AppendInt(num[:0], int64(n), 10)
	d := len(length)
	if d > guess {
		dst = append(dst, "        "[:d-guess]...)
	}
	copy(dst[start+d:], dst[start+guess:start+guess+n])
	copy(dst[start:], length)
	return dst[:start+d+n]
}

// Append appends m's object. Over MaxObject it is written again with the
// header's members only and "cut":true.
func (e *Encoder) Append(dst []byte, m *Message) []byte {
	start := len(dst)
	dst = e.object(dst, m, e.fields)
	if len(dst)-start > MaxObject {
		dst = e.object(dst[:start], m, e.fields&^(FieldQueries|FieldAnswers|FieldAuthorities|FieldAdditionals|FieldEDNS))
		dst = append(dst[:len(dst)-1], `,"cut":true}`...)
	}
	return dst
}

func (e *Encoder) object(dst []byte, m *Message, f Fields) []byte {
	f &= m.Has | fieldSeed
	enough := len(dst) + MaxObject // what is longer is cut, so writing more is of no use
	dst = append(dst, '{')
	if f&FieldSource != 0 {
		dst = append(dst, `"source":"`...)
		dst = AppendAddr(dst, e.anon.Addr(m.Source))
		dst = append(dst, `",`...)
	}
	if f&FieldDest != 0 {
		dst = append(dst, `"dest":"`...)
		dst = AppendAddr(dst, e.anon.Addr(m.Dest))
		dst = append(dst, `",`...)
	}
	dst = append(dst, `"id":"`...)
	dst = AppendHex(dst, m.ID)
	dst = append(dst, `","flags":"`...)
	dst = AppendHex(dst, m.Flags)
	dst = append(dst, '"')
	if f&FieldQueries != 0 && len(m.Questions) > 0 {
		dst = append(dst, `,"queries":[`...)
		for i := range m.Questions {
			if i > 0 {
				if dst = append(dst, ','); len(dst) > enough {
					break
				}
			}
			dst = AppendQuestion(dst, &m.Message, &m.Questions[i])
		}
		dst = append(dst, ']')
	}
	if f&(FieldAnswers|FieldAuthorities|FieldAdditionals) != 0 {
		dst = e.sections(dst, m, f, enough)
	}
	if f&FieldTime != 0 {
		dst = append(dst, `,"time":`...)
		dst = e.time(dst, m.Time)
	}
	if f&FieldTransport != 0 {
		dst = append(dst, `,"transport":"`...)
		dst = append(dst, m.Transport.String()...)
		dst = append(dst, '"')
	}
	if f&FieldPorts != 0 {
		dst = append(dst, `,"sport":`...)
		dst = appendUint(dst, uint32(m.SourcePort))
		dst = append(dst, `,"dport":`...)
		dst = appendUint(dst, uint32(m.DestPort))
	}
	if f&FieldSize != 0 {
		dst = append(dst, `,"size":`...)
		dst = appendUint(dst, uint32(m.Size))
	}
	if f&FieldCounts != 0 {
		dst = append(dst, `,"counts":[`...)
		dst = appendUint(dst, uint32(m.Counts[1]))
		dst = append(dst, ',')
		dst = appendUint(dst, uint32(m.Counts[2]))
		dst = append(dst, ',')
		dst = appendUint(dst, uint32(m.Counts[3]))
		dst = append(dst, ']')
		if m.Nodata {
			dst = append(dst, `,"nodata":true`...)
		}
	}
	if f&FieldEDNS != 0 && m.EDNS.Present {
		dst = e.edns(dst, m)
	}
	if m.Malformed != 0 && f&fieldSeed == 0 {
		dst = append(dst, `,"malformed":{"reason":"`...)
		dst = append(dst, m.Malformed.String()...)
		dst = append(dst, `","offset":`...)
		dst = appendUint(dst, uint32(m.Offset))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendQuestion appends an entry of the question section as it stands in
// "queries", the name as asked.
func AppendQuestion(dst []byte, m *dns.Message, q *dns.Question) []byte {
	dst = append(dst, `{"qname":"`...)
	dst = AppendName(dst, m.Wire, q.NameOff)
	dst = append(dst, `","qtype":"`...)
	dst = AppendHex(dst, q.Qtype)
	dst = append(dst, `","qclass":"`...)
	dst = AppendHex(dst, q.Qclass)
	return append(dst, `"}`...)
}

// sections appends the records of the sections in f; an empty one is left out.
// It stops when dst has more octets than enough.
func (e *Encoder) sections(dst []byte, m *Message, f Fields, enough int) []byte {
	names := [...]string{`,"answers":[`, `,"authorities":[`, `,"additionals":[`}
	last := -1
	for i := range m.Records {
		r := &m.Records[i]
		if f&(FieldAnswers<<r.Section) == 0 {
			continue
		}
		switch {
		case int(r.Section) == last:
			dst = append(dst, ',')
		case last >= 0:
			dst = append(dst, ']')
			fallthrough
		default:
			dst = append(dst, names[r.Section]...)
			last = int(r.Section)
		}
		if dst = e.record(dst, m, r, f); len(dst) > enough {
			break
		}
	}
	if last >= 0 {
		dst = append(dst, ']')
	}
	return dst
}

func (e *Encoder) record(dst []byte, m *Message, r *dns.Record, f Fields) []byte {
	dst = append(dst, `{"name":"`...)
	dst = AppendName(dst, m.Wire, r.NameOff)
	dst = append(dst, `","type":"`...)
	dst = AppendHex(dst, r.Type)
	dst = append(dst, `","class":"`...)
	dst = AppendHex(dst, r.Class)
	dst = append(dst, '"')
	if f&fieldSeed == 0 {
		dst = append(dst, `,"ttl":`...)
		dst = appendUint(dst, r.TTL)
	}
	dst = append(dst, `,"`...)
	dst = append(dst, e.typeName(r.Type)...)
	dst = append(dst, `":["`...)
	// Few data have anything to be escaped.
	at := len(dst)
	dst = dns.AppendRdata(dst, m.Wire, r.Type, r.RdataOff, r.RdataLen)
	if at += plainLen(dst[at:]); at < len(dst) {
		e.text = append(e.text[:0], dst[at:]...)
		dst = appendEscaped(dst[:at], e.text)
	}
	return append(dst, `"]}`...)
}

// typeName is the lower-case mnemonic of a record type.
func (e *Encoder) typeName(t uint16) string {
	if int(t) >= len(e.types) { // a megabyte at most
		e.types = append(e.types, make([]string, int(t)+1-len(e.types))...)
	}
	if e.types[t] == "" {
		e.types[t] = strings.ToLower(dns.TypeName(t))
	}
	return e.types[t]
}

const optionECS = 8 // RFC 7871

// edns appends the "edns" member. version and rcode are codes, in hexadecimal
// as all codes are; udp is a size. The ECS subnet is anonymised.
func (e *Encoder) edns(dst []byte, m *Message) []byte {
	dst = append(dst, `,"edns":{"version":"`...)
	dst = AppendHex(dst, uint16(m.EDNS.Version))
	dst = append(dst, `","udp":`...)
	dst = appendUint(dst, uint32(m.EDNS.UDP))
	if m.EDNS.DO {
		dst = append(dst, `,"do":true,"rcode":"`...)
	} else {
		dst = append(dst, `,"do":false,"rcode":"`...)
	}
	dst = AppendHex(dst, m.Rcode())
	dst = append(dst, '"')
	if m.EDNS.Len > 0 {
		dst = append(dst, `,"options":[`...)
		first := true
		m.Options(func(code uint16, data []byte) bool {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(dst, `{"code":"`...)
			dst = AppendHex(dst, code)
			if code == optionECS {
				dst = e.subnet(dst, data)
			} else {
				dst = append(dst, `","data":"`...)
				for _, c := range data {
					dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
				}
			}
			dst = append(dst, `"}`...)
			return true
		})
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// subnet appends a Client Subnet option's members. What does not follow
// RFC 7871 §6 is shown without its data, which could hold an address.
func (e *Encoder) subnet(dst, data []byte) []byte {
	p, scope, ok := ClientSubnet(data)
	if !ok {
		return append(dst, `","subnet":"`...)
	}
	dst = append(dst, `","scope":`...)
	dst = appendUint(dst, uint32(scope))
	dst = append(dst, `,"subnet":"`...)
	dst = AppendAddr(dst, e.anon.Subnet(p))
	dst = append(dst, '/')
	return appendUint(dst, uint32(p.Bits()))
}

// ClientSubnet reads the data of an EDNS Client Subnet option (RFC 7871 §6):
// family, source and scope prefix lengths, address octets.
func ClientSubnet(data []byte) (p netip.Prefix, scope uint8, ok bool) {
	if len(data) < 4 {
		return p, 0, false
	}
	n, bits := len(data)-4, int(data[2])
	var a [16]byte
	copy(a[:], data[4:])
	// Octets beyond the prefix are what an anonymised subnet has when it was
	// read back from JSON; on the wire RFC 7871 forbids them.
	whole := n == (bits+7)/8
	switch family := binary.BigEndian.Uint16(data); {
	case family == 1 && bits <= 32 && (whole || n == 4):
		p = netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), bits)
	case family == 2 && bits <= 128 && (whole || n == 16):
		p = netip.PrefixFrom(netip.AddrFrom16(a), bits)
	default:
		return p, 0, false
	}
	return p, data[3], true
}

// time appends seconds since 1970 with nine decimals. What a clock says that
// stands before is no time, and becomes 0.
func (e *Encoder) time(dst []byte, ns int64) []byte {
	ns = max(ns, 0)
	sec, frac := ns/1e9, ns%1e9
	if sec != e.second {
		e.second, e.digits = sec, strconv.AppendInt(e.digits[:0], sec, 10)
	}
	dst = append(dst, e.digits...)
	n := len(dst)
	dst = append(dst, ".000000000"...)
	// Four pairs of digits and a last one.
	v := uint32(frac)
	dst[n+9], v = byte('0'+v%10), v/10
	for i := n + 7; v > 0; i, v = i-2, v/100 {
		r := v % 100
		dst[i], dst[i+1] = pairs[2*r], pairs[2*r+1]
	}
	return dst
}

const lowerHex, upperHex = "0123456789abcdef", "0123456789ABCDEF"

// AppendHex appends v as lower-case hexadecimal without leading zeros.
func AppendHex(dst []byte, v uint16) []byte {
	switch (bits.Len16(v) + 3) / 4 {
	case 4:
		dst = append(dst, lowerHex[v>>12], lowerHex[v>>8&15], lowerHex[v>>4&15])
	case 3:
		dst = append(dst, lowerHex[v>>8], lowerHex[v>>4&15])
	case 2:
		dst = append(dst, lowerHex[v>>4])
	}
	return append(dst, lowerHex[v&15])
}

// AppendAddr appends an address as upper-case hexadecimal digits, 8 for IPv4
// and 32 for IPv6.
func AppendAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(dst,
			upperHex[b[0]>>4], upperHex[b[0]&15], upperHex[b[1]>>4], upperHex[b[1]&15],
			upperHex[b[2]>>4], upperHex[b[2]&15], upperHex[b[3]>>4], upperHex[b[3]&15])
	}
	for _, c := range a.As16() {
		dst = append(dst, upperHex[c>>4], upperHex[c&15])
	}
	return dst
}

// pairs are the numbers 00 to 99 one after the other.
var pairs = func() (t [200]byte) {
	for i := range 100 {
		t[2*i], t[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return t
}()

// appendUint appends v in decimal. Ports, sizes and counts have few digits, for
// which this takes a third of what strconv does.
func appendUint(dst []byte, v uint32) []byte {
	switch {
	case v < 10:
		return append(dst, byte('0'+v))
	case v < 100:
		return append(dst, pairs[2*v], pairs[2*v+1])
	case v < 1000:
		r := v % 100
		return append(dst, byte('0'+v/100), pairs[2*r], pairs[2*r+1])
	case v < 10000:
		q, r := v/100, v%100
		return append(dst, pairs[2*q], pairs[2*q+1], pairs[2*r], pairs[2*r+1])
	case v < 100000:
		q, r := v/100%100, v%100
		return append(dst, byte('0'+v/10000), pairs[2*q], pairs[2*q+1], pairs[2*r], pairs[2*r+1])
	}
	return strconv.AppendUint(dst, uint64(v), 10)
}

// quoted tells how an octet of a label is written inside a JSON string: the
// presentation form's escapes with their backslash doubled.
var quoted = func() (t [256]string) {
	for c := range t {
		label := dns.AppendLabel(nil, []byte{byte(c)})
		t[c] = string(appendEscaped(nil, label))
	}
	return t
}()

// plain tells which octets of a label stand for themselves in JSON.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = len(quoted[c]) == 1
	}
	return t
}()

// AppendName appends the name at off of a message that has been unpacked, in
// presentation form, to a JSON string that has just been begun.
func AppendName(dst, msg []byte, off int) []byte {
	if msg[off] == 0 {
		return append(dst, '.')
	}
	for {
		n := int(msg[off])
		switch {
		case n == 0:
			return dst
		case n >= 0xc0:
			if off = n&0x3f<<8 | int(msg[off+1]); msg[off] == 0 && dst[len(dst)-1] == '"' {
				return append(dst, '.')
			}
		default:
			label := msg[off+1 : off+1+n]
			for _, c := range label {
				if plain[c] {
					dst = append(dst, c)
				} else {
					dst = append(dst, quoted[c]...)
				}
			}
			dst = append(dst, '.')
			off += n + 1
		}
	}
}

// appendEscaped appends text as the inside of a JSON string. Control characters
// and octets outside ASCII do not occur in presentation forms; they are
// written as \u00XX so that the string stays valid.
func appendEscaped(dst, text []byte) []byte {
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, `\u00`...)
			dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// plainLen returns how many octets at the beginning of text are sure to be written
// by appendEscaped as they stand. It looks at eight at a time: what is added to the
// lower seven bits of an octet sets its eighth where they are great enough.
func plainLen(text []byte) (n int) {
	const ones = 0x0101010101010101
	for ; n+8 <= len(text); n += 8 {
		b := binary.LittleEndian.Uint64(text[n:])
		low := b & (0x7f * ones)
		stand := (low + (0x80-' ')*ones) &^ (low + (0x80-0x7f)*ones)
		stand &= ((low ^ ('"' * ones)) + 0x7f*ones) & ((low ^ ('\\' * ones)) + 0x7f*ones)
		if stand&^b&(0x80*ones) != 0x80*ones {
			return n
		}
	}
	for n < len(text) && text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}
