package reduce

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ratadns/dns"
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
	small  bool     // numbers are below smallNumbers
	needs  string   // member of the configuration that fills it, or empty
	// A name is absolute, and not a part of one.
	absolute bool
	// ofQname says that it follows from the QNAME as a key and nothing else.
	ofQname bool
	// with completes a field that takes arguments, and reports whether they are
	// good. The name of such a field shows them: label(n).
	with func(f *Field, args []string) bool
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
	errorCodes  = &codes{dns.ExtendedErrorName, dns.ExtendedErrorByName}
	opcodeCodes = &codes{
		func(c uint16) string { return dns.OpcodeName(uint8(c)) },
		func(s string) (uint16, bool) { c, ok := dns.OpcodeByName(s); return uint16(c), ok },
	}
)

// Fields lists what messages have, in the order of the documentation. Each
// subject has a file.
var Fields = slices.Concat(
	questionFields, nameFields, headerFields, ednsFields, flowFields, geoFields, transactionFields, timeFields, classFields,
)

// FindField returns the field of that name, or nil. Of a field with arguments,
// such as label(2), it is made anew.
func FindField(name string) *Field {
	base, args, ok := strings.Cut(name, "(")
	if ok {
		if args, ok = strings.CutSuffix(args, ")"); !ok {
			return nil
		}
	}
	for i := range Fields {
		f := &Fields[i]
		switch {
		case !ok && f.with == nil && f.Name == name:
			return f
		case ok && f.with != nil && strings.HasPrefix(f.Name, base+"("):
			made := *f
			made.with = nil
			list := strings.Split(args, ",")
			for i := range list {
				list[i] = strings.TrimSpace(list[i])
			}
			if !f.with(&made, list) {
				return nil
			}
			made.Name = base + "(" + strings.Join(list, ",") + ")"
			return &made
		}
	}
	return nil
}

// A Style says how keys are written.
type Style struct {
	Mnemonics bool // codes by their names
	Plain     bool // addresses as text
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

// appendAddr appends an address or subnet as it is a key: as anon writes it.
func (f *Field) appendAddr(dst []byte, p netip.Prefix, anon *speedy.Anonymizer) []byte {
	if f.Kind == Address {
		return speedy.AppendAddr(dst, anon.Addr(p.Addr()))
	}
	dst = append(speedy.AppendAddr(dst, anon.Subnet(p)), '/')
	return strconv.AppendInt(dst, int64(p.Bits()), 10)
}

// Words are those of a choice.
func (f *Field) Words() []string {
	return slices.DeleteFunc(slices.Clone(f.words), func(w string) bool { return w == "" })
}

// Range is the width of the ranges that the keys of numbers are, or 0.
func (f *Field) Range() int { return int(f.bin) }

// Absent is the key of events that have no value, or empty where such are left
// out.
func (f *Field) Absent() string { return f.absent }
