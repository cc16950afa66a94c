package reduce

import (
	"bytes"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/net/publicsuffix"
)

// maxLabels is the most labels a name has besides the root (RFC 1035 §2.3.4).
const maxLabels = 127

// labels is where the labels of a QNAME are, found once for all fields.
type labels struct {
	escaped bool // some label is written with escapes
	n       int
	at      [maxLabels]uint16 // beginnings of the labels in Qname
	// zone is the number of labels of the registered domain, zero until it is
	// looked up; the root has none.
	zone int
}

// labels splits the QNAME; the message has a question.
func (e *Event) labels() *labels {
	p := &e.split
	if !e.needs(madeLabels) {
		return p
	}
	p.escaped, p.n, p.zone = false, 0, 0
	name := e.Qname()
	if len(name) == 1 { // the root
		return p
	}
	for i := 0; i < len(name); {
		p.at[p.n] = uint16(i)
		p.n++
		for ; name[i] != '.'; i++ {
			if name[i] == '\\' { // what follows is no end of a label: a dot or digits
				p.escaped = true
				i++
			}
		}
		i++
	}
	return p
}

// suffix is the last n labels of the QNAME, or all where it has fewer.
func (e *Event) suffix(n int) []byte {
	p := e.labels()
	if n >= p.n {
		return e.Qname()
	}
	if n == 0 {
		return e.Qname()[len(e.Qname())-1:] // a dot
	}
	return e.Qname()[p.at[p.n-n]:]
}

// label is the label at i, the first is at 0, without a dot.
func (e *Event) label(i int) []byte {
	p, name := e.labels(), e.Qname()
	if i == p.n-1 {
		return name[p.at[i] : len(name)-1]
	}
	return name[p.at[i] : p.at[i+1]-1]
}

// zoneLabels is the number of labels of the registered domain: one more than
// the public suffix has, by the list's ICANN part, which is what registries
// delegate from. A name that is a public suffix itself is its own.
func (e *Event) zoneLabels() int {
	p := e.labels()
	if p.zone > 0 || p.n == 0 {
		return p.zone
	}
	if p.n <= 2 { // no suffix has fewer than one label
		p.zone = p.n
		return p.zone
	}
	name := e.Qname()
	if p.escaped {
		// The list splits at every dot. No label of it needs an escape, so any
		// other does as well.
		e.raw = e.raw[:0]
		for i := range p.n {
			if l := e.label(i); bytes.IndexByte(l, '\\') < 0 {
				e.raw = append(e.raw, l...)
			} else {
				e.raw = append(e.raw, '-')
			}
			e.raw = append(e.raw, '.')
		}
		name = e.raw
	}
	p.zone = min(e.zones.suffixLabels(name[:len(name)-1])+1, p.n)
	return p.zone
}

// zoneCache remembers what was looked up: the list's look-up allocates, since
// it asks first whether the name is an address. An entry is a name's hash, with
// the number of labels of its public suffix in the lowest octet.
type zoneCache struct {
	seed    maphash.Seed
	entries []uint64
}

// zoneEntries fit the second-level cache and hold the names that matter.
const zoneEntries = 1 << 15

func (c *zoneCache) suffixLabels(name []byte) int {
	if c.entries == nil {
		c.seed, c.entries = maphash.MakeSeed(), make([]uint64, zoneEntries)
	}
	hash := maphash.Bytes(c.seed, name)
	entry := &c.entries[hash>>8%zoneEntries]
	if *entry == 0 || *entry&^0xff != hash&^0xff {
		// The string is gone before the octets change.
		*entry = hash&^0xff | uint64(suffixLabels(unsafe.String(&name[0], len(name))))
	}
	return int(*entry & 0xff)
}

// suffixLabels is the number of labels of the public suffix of a name without
// its last dot.
func suffixLabels(name string) int {
	if isIPv4([]byte(name + ".")) { // which has no suffix for the list; no rule has digits
		return 1
	}
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann {
		// A suffix of the private part stands below one of the ICANN part; one
		// label that no rule knows is a suffix of itself.
		i := strings.IndexByte(suffix, '.')
		if i < 0 {
			break
		}
		suffix, icann = publicsuffix.PublicSuffix(suffix[i+1:])
	}
	return strings.Count(suffix, ".") + 1
}

// under reports whether the QNAME is at or under a domain, which is written
// without escapes and with its last dot.
func (e *Event) under(domain string) bool {
	name := e.Qname()
	if !bytes.HasSuffix(name, []byte(domain)) {
		return false
	}
	i := len(name) - len(domain)
	return i == 0 || name[i-1] == '.' && (i < 2 || name[i-2] != '\\' || e.isLabelAt(i))
}

// isLabelAt reports whether a label begins at i, which is not told by the dot
// before it where that may be escaped.
func (e *Event) isLabelAt(i int) bool {
	p := e.labels()
	for _, at := range p.at[:p.n] {
		if int(at) == i {
			return true
		}
	}
	return false
}

// idn reports whether a label is one of an internationalised name (RFC 5890
// §2.3.2.1): of a form only, whether or not it can be decoded.
func (e *Event) idn() bool {
	if e.Question() == nil {
		return false
	}
	name := e.Qname()
	if !bytes.Contains(name, []byte("xn--")) {
		return false
	}
	for i := range e.labels().n {
		if bytes.HasPrefix(e.label(i), []byte("xn--")) {
			return true
		}
	}
	return false
}

// eachOctet calls f with the octets of labels, which are in presentation form
// and perhaps several.
func eachOctet(text []byte, f func(c byte)) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.':
			continue
		case c == '\\' && text[i+1]-'0' <= 9:
			c = (text[i+1]-'0')*100 + (text[i+2]-'0')*10 + text[i+3] - '0'
			i += 3
		case c == '\\':
			i++
			c = text[i]
		}
		f(c)
	}
}

// weights are n·log2(n) in thousandths, of as many octets as names have.
var weights = func() (w [256]uint32) {
	for n := 2; n < len(w); n++ {
		w[n] = uint32(math.Round(float64(n) * math.Log2(float64(n)) * 1000))
	}
	return w
}()

// information is the number of octets of labels and their Shannon entropy,
// summed over all of them, in thousandths of a bit. It takes integers only, so
// that it is the same everywhere.
func information(labels []byte) (octets, millibits uint32) {
	var seen [256]uint8
	sum := uint32(0)
	eachOctet(labels, func(c byte) {
		n := seen[c]
		seen[c]++
		sum += weights[n+1] - weights[n]
		octets++
	})
	total := weights[octets&255]
	return octets, total - min(sum, total)
}

// below are the labels of the QNAME below its registered domain.
func (e *Event) below() []byte {
	zone := e.zoneLabels()
	p := e.labels()
	if zone >= p.n {
		return nil
	}
	return e.Qname()[:p.at[p.n-zone]]
}

// ofName is a field of names that need a question.
func ofName(name, doc string, get func(e *Event) []byte) Field {
	return Field{Name: name, Doc: doc, Kind: Name, ofQname: true, text: func(e *Event) ([]byte, bool) {
		if e.Question() == nil {
			return nil, false
		}
		return get(e), true
	}}
}

// ofLabels is a field of numbers that need a question.
func ofLabels(name, doc, unit string, get func(e *Event) uint32) Field {
	return Field{Name: name, Doc: doc, Kind: Number, Unit: unit, ofQname: true, number: func(e *Event) (uint32, bool) {
		if e.Question() == nil {
			return 0, false
		}
		return get(e), true
	}}
}

// nameFields are those of parts of the QNAME. Names of fewer labels than asked
// for stand for themselves.
var nameFields = []Field{
	ofName("tld", "top-level domain of the QNAME, without a dot; the root is .", func(e *Event) []byte {
		if n := e.labels().n; n > 0 {
			return e.label(n - 1)
		}
		return e.Qname()
	}),
	ofName("second_level", "second-level domain of the QNAME", func(e *Event) []byte { return e.suffix(2) }),
	ofName("third_level", "third-level domain of the QNAME", func(e *Event) []byte { return e.suffix(3) }),
	ofName("registered_domain", "registered domain of the QNAME: one label below a public suffix, by the ICANN part of the list", func(e *Event) []byte {
		return e.suffix(e.zoneLabels())
	}),
	{
		Name: "label(n)", Doc: "one label of the QNAME, the TLD is label(1); from the front, label(-1) is the first", Kind: Name, ofQname: true,
		with: func(f *Field, args []string) bool {
			n, err := strconv.Atoi(args[0])
			f.text = func(e *Event) ([]byte, bool) {
				if e.Question() == nil {
					return nil, false
				}
				i := e.labels().n - n
				if n < 0 {
					i = -n - 1
				}
				if i < 0 || i >= e.labels().n {
					return nil, false
				}
				return e.label(i), true
			}
			return len(args) == 1 && err == nil && n != 0 && n >= -maxLabels && n <= maxLabels
		},
	},
	{
		Name: "idn", Doc: "idn if any label starts with xn--", Kind: Choice, ofQname: true, small: true, zeros: true, words: []string{"normal", "idn"},
		number: func(e *Event) (uint32, bool) { return bit(e.idn()), e.Question() != nil },
	},
	ofLabels("subdomain_length", "octets in the labels below the registered domain", "octets", func(e *Event) (n uint32) {
		eachOctet(e.below(), func(byte) { n++ })
		return n
	}),
	ofLabels("entropy", "Shannon entropy of the octets of the QNAME's labels, for each octet", "millibits", func(e *Event) uint32 {
		octets, bits := information(e.Qname())
		return bits / max(octets, 1)
	}),
}
