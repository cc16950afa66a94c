package reduce

import (
	"net/netip"
	"strconv"

	"ratadns/dns"
	"ratadns/packet"
	"ratadns/speedy"
)

// A Kind says what the values of a field are, and so how they are written as
// keys and compared.
type Kind uint8

// The kinds.
const (
	Number  Kind = iota // decimal
	Code                // of a registry: lower-case hexadecimal, or its mnemonic
	Flag                // set or clr
	Choice              // one word of a closed list
	Name                // a domain name or a part of one, A-Z folded
	Text                // other octets
	Address             // hexadecimal as Speedy writes it, upper case
	Subnet              // likewise, with its length: C0000200/24
)

// Kinds are the words of the documentation.
var Kinds = [...]string{"number", "code", "flag", "choice", "name", "text", "address", "subnet"}

func (k Kind) String() string { return Kinds[k] }

// octets reports whether values of the kind are octets rather than numbers.
func (k Kind) octets() bool { return k >= Name }

// A Field is something that messages have: a dimension to count by, a number to
// measure, a word of an expression.
type Field struct {
	Name string
	Doc  string
	Kind Kind
	Of   Scope // which events have it; zero is all
	Unit string

	// One of these, by kind. They report false where an event has none; what
	// text returns is valid until the next call.
	number func(e *Event) (uint32, bool)
	text   func(e *Event) ([]byte, bool)
	addr   func(e *Event) (netip.Prefix, bool)

	words  []string // of a choice
	absent string   // the key of events that have none; they are keyless where it is empty
	codes  *codes   // of a code
	bin    uint32   // width of the ranges that keys are, or 0
	zeros  bool     // a closed set lists its zeros
	small  bool     // numbers are below 65,536
	// A name is absolute, and not a part of one.
	absolute bool
}

// codes are a registry of code points.
type codes struct {
	name   func(uint16) string
	byName func(string) (uint16, bool)
}

var (
	typeCodes   = &codes{dns.TypeName, dns.TypeByName}
	classCodes  = &codes{dns.ClassName, dns.ClassByName}
	rcodeCodes  = &codes{dns.RcodeName, dns.RcodeByName}
	optionCodes = &codes{dns.OptionName, dns.OptionByName}
	opcodeCodes = &codes{
		func(c uint16) string { return dns.OpcodeName(uint8(c)) },
		func(s string) (uint16, bool) { c, ok := dns.OpcodeByName(s); return uint16(c), ok },
	}
)

// headerBit is the field of a bit of the header's flags.
func headerBit(name, doc string, mask uint16) Field {
	return Field{Name: name, Doc: doc, Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.Flags&mask != 0), true
	}}
}

func bit(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// counted is the field of a number that every message has.
func counted(name, doc, unit string, f func(e *Event) int) Field {
	return Field{Name: name, Doc: doc, Kind: Number, Unit: unit, small: true, number: func(e *Event) (uint32, bool) {
		return uint32(f(e)), true
	}}
}

// ofEDNS is the field of what stands in the OPT record.
func ofEDNS(f Field, get func(e *dns.EDNS) uint32) Field {
	f.number = func(e *Event) (uint32, bool) { return get(&e.EDNS), e.EDNS.Present }
	return f
}

// Fields lists what messages have, in the order of the documentation.
var Fields = []Field{
	{Name: "qname", Doc: "name of the first question", Kind: Name, absolute: true, text: func(e *Event) ([]byte, bool) {
		if e.Question() == nil {
			return nil, false
		}
		return e.Qname(), true
	}},
	{Name: "qtype", Doc: "type of the first question", Kind: Code, small: true, codes: typeCodes, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Qtype), true
		}
		return 0, false
	}},
	{Name: "qclass", Doc: "class of the first question", Kind: Code, small: true, codes: classCodes, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Qclass), true
		}
		return 0, false
	}},
	{Name: "opcode", Doc: "kind of query (RFC 1035 §4.1.1)", Kind: Code, small: true, codes: opcodeCodes, number: func(e *Event) (uint32, bool) {
		return uint32(e.Opcode()), true
	}},
	{Name: "rcode", Doc: "response code, of twelve bits with EDNS (RFC 6891 §6.1.3)", Kind: Code, small: true, codes: rcodeCodes, number: func(e *Event) (uint32, bool) {
		return uint32(e.Rcode()), true
	}},
	counted("id", "message id", "", func(e *Event) int { return int(e.ID) }),
	headerBit("qr", "response", 0x8000),
	headerBit("aa", "authoritative answer", 0x0400),
	headerBit("tc", "truncated", 0x0200),
	headerBit("rd", "recursion desired", 0x0100),
	headerBit("ra", "recursion available", 0x0080),
	headerBit("z", "the bit that must be zero", 0x0040),
	headerBit("ad", "authentic data (RFC 4035 §3.1.6)", 0x0020),
	headerBit("cd", "checking disabled", 0x0010),
	{Name: "do", Doc: "DNSSEC OK (RFC 3225)", Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.EDNS.DO), true
	}},
	{Name: "edns", Doc: "there is an OPT record", Kind: Flag, small: true, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(e.EDNS.Present), true
	}},
	ofEDNS(Field{Name: "edns_version", Doc: "version of EDNS", Kind: Number, small: true, absent: "none"}, func(e *dns.EDNS) uint32 { return uint32(e.Version) }),
	ofEDNS(Field{Name: "edns_size", Doc: "UDP payload size of EDNS", Kind: Number, small: true, Unit: "octets"}, func(e *dns.EDNS) uint32 { return uint32(e.UDP) }),
	counted("size", "length of the DNS message", "octets", func(e *Event) int { return e.Size }),
	counted("questions", "count of the question section", "", func(e *Event) int { return int(e.Counts[0]) }),
	counted("answers", "count of the answer section", "", func(e *Event) int { return int(e.Counts[1]) }),
	counted("authorities", "count of the authority section", "", func(e *Event) int { return int(e.Counts[2]) }),
	counted("additionals", "count of the additional section", "", func(e *Event) int { return int(e.Counts[3]) }),
	{Name: "labels", Doc: "labels of the QNAME, the root's not counted", Kind: Number, number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(q.Labels), true
		}
		return 0, false
	}},
	{Name: "qname_length", Doc: "length of the QNAME on the wire less one; the root is 1", Kind: Number, Unit: "octets", number: func(e *Event) (uint32, bool) {
		if q := e.Question(); q != nil {
			return uint32(max(q.NameLen-1, 1)), true
		}
		return 0, false
	}},
	{Name: "nodata", Doc: "NOERROR without data (RFC 2308 §2.2)", Kind: Flag, small: true, Of: Responses, number: func(e *Event) (uint32, bool) {
		return bit(e.Nodata), true
	}},
	{Name: "malformed", Doc: "why the message could not be read to its end", Kind: Choice, small: true, words: dns.Reasons[:], absent: "no", number: func(e *Event) (uint32, bool) {
		return uint32(e.Malformed), e.Malformed != 0
	}},
	{Name: "transport", Doc: "what carried the message", Kind: Choice, small: true, words: packet.Transports[:], number: func(e *Event) (uint32, bool) {
		return uint32(e.Transport), e.Transport != 0
	}},
	{Name: "ip_version", Doc: "version of IP", Kind: Choice, small: true, words: []string{"IPv4", "IPv6"}, zeros: true, number: func(e *Event) (uint32, bool) {
		return bit(!e.Source.Is4()), true
	}},
	{Name: "client", Doc: "address on the client's side", Kind: Address, addr: func(e *Event) (netip.Prefix, bool) { return host(e.Client()) }},
	{Name: "server", Doc: "address on the server's side", Kind: Address, addr: func(e *Event) (netip.Prefix, bool) { return host(e.Server()) }},
	{Name: "client_port", Doc: "port on the client's side", Kind: Number, small: true, number: func(e *Event) (uint32, bool) {
		if e.FromServer {
			return uint32(e.DestPort), e.Has&speedy.FieldPorts != 0
		}
		return uint32(e.SourcePort), e.Has&speedy.FieldPorts != 0
	}},
	{Name: "server_port", Doc: "port on the server's side", Kind: Number, small: true, number: func(e *Event) (uint32, bool) {
		if e.FromServer {
			return uint32(e.SourcePort), e.Has&speedy.FieldPorts != 0
		}
		return uint32(e.DestPort), e.Has&speedy.FieldPorts != 0
	}},
	{Name: "latency", Doc: "time from the first of equal queries to the response", Kind: Number, Unit: "microseconds", Of: Complete, number: func(e *Event) (uint32, bool) {
		return uint32(e.LatencyNS / 1000), e.Match == Answered
	}},
	{Name: "retransmissions", Doc: "how often the query was sent again", Kind: Number, Of: Transactions, number: func(e *Event) (uint32, bool) {
		return uint32(e.Retransmissions), e.Match == Answered || e.Match == TimedOut
	}},
}

func host(a netip.Addr) (netip.Prefix, bool) { return netip.PrefixFrom(a, a.BitLen()), a.IsValid() }

// FindField returns the field of that name, or nil.
func FindField(name string) *Field {
	for i := range Fields {
		if Fields[i].Name == name {
			return &Fields[i]
		}
	}
	return nil
}

// A Style says how keys are written.
type Style struct {
	Mnemonics  bool // codes by their names
	Plain      bool // addresses as text
	Anonymizer *speedy.Anonymizer
}

// appendNumber appends the key of a number.
func (f *Field) appendNumber(dst []byte, n uint32, s *Style) []byte {
	switch {
	case f.Kind == Flag && n == 0:
		return append(dst, "clr"...)
	case f.Kind == Flag:
		return append(dst, "set"...)
	case f.Kind == Choice:
		return append(dst, f.words[n]...)
	case f.Kind == Code && s.Mnemonics:
		return append(dst, f.codes.name(uint16(n))...)
	case f.Kind == Code:
		return speedy.AppendHex(dst, uint16(n))
	case f.bin > 0:
		dst = strconv.AppendUint(dst, uint64(n*f.bin), 10)
		return strconv.AppendUint(append(dst, '-'), uint64(n*f.bin+f.bin-1), 10)
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// appendOctets appends the key of octets, which are those of raw.
func (f *Field) appendOctets(dst []byte, raw string, s *Style) []byte {
	if f.Kind < Address {
		return append(dst, raw...)
	}
	var p netip.Prefix
	_ = p.UnmarshalBinary([]byte(raw)) // it was marshalled here
	return f.appendAddr(dst, p, s)
}

// appendAddr appends the key of an address or subnet.
func (f *Field) appendAddr(dst []byte, p netip.Prefix, s *Style) []byte {
	a := p.Addr()
	if f.Kind == Subnet {
		a = s.Anonymizer.Subnet(p)
	} else {
		a = s.Anonymizer.Addr(a)
	}
	if s.Plain {
		dst = a.AppendTo(dst)
	} else {
		dst = speedy.AppendAddr(dst, a)
	}
	if f.Kind == Subnet {
		dst = strconv.AppendInt(append(dst, '/'), int64(p.Bits()), 10)
	}
	return dst
}
