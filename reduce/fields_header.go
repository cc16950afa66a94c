package reduce

import (
	"ratadns/dns"
	"ratadns/speedy"
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

// told is the field of a number that every message has, but in JSON only where
// that member was written.
func told(name, doc, unit string, member speedy.Fields, f func(e *Event) int) Field {
	return Field{Name: name, Doc: doc, Kind: Number, Unit: unit, small: true, number: func(e *Event) (uint32, bool) {
		return uint32(f(e)), e.Has&member != 0
	}}
}

// headerFields are those of the header and of the message as a whole.
var headerFields = []Field{
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
	{
		Name: "qr_aa", Doc: "the bits QR and AA together", Kind: Choice, small: true, zeros: true,
		words: []string{"qr=0,aa=0", "qr=0,aa=1", "qr=1,aa=0", "qr=1,aa=1"},
		number: func(e *Event) (uint32, bool) {
			return bit(e.Flags&0x8000 != 0)<<1 | bit(e.Flags&0x0400 != 0), true
		},
	},
	told("size", "length of the DNS message", "octets", speedy.FieldSize, func(e *Event) int { return e.Size }),
	// Not what the header says, which messages in JSON do not have.
	counted("questions", "questions of the question section, as far as it could be read", "", func(e *Event) int { return len(e.Questions) }),
	told("answers", "count of the answer section", "", speedy.FieldCounts, func(e *Event) int { return int(e.Counts[1]) }),
	told("authorities", "count of the authority section", "", speedy.FieldCounts, func(e *Event) int { return int(e.Counts[2]) }),
	told("additionals", "count of the additional section", "", speedy.FieldCounts, func(e *Event) int { return int(e.Counts[3]) }),
	{Name: "nodata", Doc: "NOERROR without data (RFC 2308 §2.2)", Kind: Flag, small: true, Of: Responses, number: func(e *Event) (uint32, bool) {
		return bit(e.Nodata), true
	}},
	{Name: "malformed", Doc: "why the message could not be read to its end", Kind: Choice, small: true, words: dns.Reasons[:], absent: "no", number: func(e *Event) (uint32, bool) {
		return uint32(e.Malformed), e.Malformed != 0
	}},
}
