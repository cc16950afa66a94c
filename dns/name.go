package dns

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Presentation form of names: absolute, as asked, the root is ".". Inside a
// label "." and "\" are escaped by a backslash and octets outside 21-7e (hex)
// are written \DDD, decimal (RFC 1035 §5.1); nothing else is escaped.

// maxPointers bounds the compression pointers of one name: a name has at most
// 127 labels (RFC 1035 §2.3.4), and a pointer that brings none is an attack on
// whoever follows it.
const maxPointers = 127

// MaxName is the most octets a name has on the wire (RFC 1035 §2.3.4).
const MaxName = 255

// escapes tells how an octet of a label is written: 0 as it is, 1 with a
// backslash before it, 2 as \DDD.
var escapes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == '.' || c == '\\':
			t[c] = 1
		case c < 0x21 || c > 0x7e:
			t[c] = 2
		}
	}
	return t
}()

// AppendLabel appends one label's octets in presentation form, without a dot.
func AppendLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch escapes[c] {
		case 0:
			dst = append(dst, c)
		case 1:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return dst
}

// AppendName appends the presentation form of the name at off in msg, which
// may be compressed, and returns the offset of the octet after it. On an error
// dst holds the labels before the break.
func AppendName(dst, msg []byte, off int) ([]byte, int, error) {
	start := len(dst)
	end, wire, pointers := 0, 1, 0
	limit := off // pointers must point before it
	for {
		if off >= len(msg) {
			return dst, off, ErrTruncatedName
		}
		n := int(msg[off])
		switch n & 0xc0 {
		case 0:
			if n == 0 {
				if len(dst) == start {
					dst = append(dst, '.')
				}
				if end == 0 {
					end = off + 1
				}
				return dst, end, nil
			}
			if off+1+n > len(msg) {
				return dst, off, ErrTruncatedName
			}
			if wire += n + 1; wire > MaxName {
				return dst, off, ErrNameTooLong
			}
			dst = AppendLabel(dst, msg[off+1:off+1+n])
			dst = append(dst, '.')
			off += n + 1
		case 0xc0:
			if off+2 > len(msg) {
				return dst, off, ErrTruncatedName
			}
			if end == 0 {
				end = off + 2
			}
			// A pointer may only point backwards (RFC 1035 §4.1.4), so
			// limits strictly fall and a hostile name cannot loop.
			target := n&0x3f<<8 | int(msg[off+1])
			if pointers++; target >= limit || pointers > maxPointers {
				return dst, off, ErrPointer
			}
			off, limit = target, target
		default:
			return dst, off, ErrLabelType
		}
	}
}

// AppendLowerName is AppendName with A-Z folded. The usual names, without
// pointers and escapes, are folded eight octets at a time.
func AppendLowerName(dst, msg []byte, off int) ([]byte, int, error) {
	end := off
	for end < len(msg) && msg[end]-1 < 63 && end-off < MaxName {
		end += int(msg[end]) + 1
	}
	if end >= len(msg) || msg[end] != 0 || end-off >= MaxName {
		return appendLowerName(dst, msg, off)
	}
	if end == off {
		return append(dst, '.'), end + 1, nil
	}
	// Behind the first length stand the octets of labels, and in the place of each
	// dot a length.
	start := len(dst)
	dst = slices.Grow(dst, MaxName)[:start+end-off]
	out := dst[start:]
	fold(out, msg[off+1:end+1])
	for at := off; at < end; {
		at += int(msg[at]) + 1
		out[at-off-1] = '.'
	}
	if bytes.IndexByte(out, 0) >= 0 {
		return appendLowerName(dst[:start], msg, off)
	}
	return dst, end + 1, nil
}

func appendLowerName(dst, msg []byte, off int) ([]byte, int, error) {
	start := len(dst)
	dst, end, err := AppendName(dst, msg, off)
	Lower(dst[start:])
	return dst, end, err
}

// fold copies b with A-Z folded, and zero in place of what is not written as it
// stands.
func fold(dst, b []byte) {
	n := len(b)
	if n < 8 {
		for i, c := range b {
			dst[i] = byte(fold8(uint64(c)))
		}
		return
	}
	for i := 0; i < n-8; i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], fold8(binary.LittleEndian.Uint64(b[i:])))
	}
	binary.LittleEndian.PutUint64(dst[n-8:], fold8(binary.LittleEndian.Uint64(b[n-8:])))
}

// fold8 folds eight octets. To add a number to one of seven bits sets the eighth
// where it is great enough.
func fold8(b uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	low := b &^ high
	upper := (low + (0x80-'A')*ones) &^ (low + (0x7f-'Z')*ones)
	visible := (low + (0x80-'!')*ones) &^ (low + (0x80-0x7f)*ones)
	other := ((low ^ ('.' * ones)) + 0x7f*ones) & ((low ^ ('\\' * ones)) + 0x7f*ones)
	plain := visible & other &^ b & high
	return (b | (upper&high)>>2) & ((plain >> 7) * 0xff)
}

// skipName walks the name at off as AppendName does, without writing it.
// labels is the number of labels, wire its uncompressed length.
func skipName(msg []byte, off int) (next, labels, wire int, err error) {
	wire = 1
	limit, pointers := off, 0
	for {
		if off >= len(msg) {
			return off, labels, wire, ErrTruncatedName
		}
		n := int(msg[off])
		switch n & 0xc0 {
		case 0:
			if n == 0 {
				if next == 0 {
					next = off + 1
				}
				return next, labels, wire, nil
			}
			if off+1+n > len(msg) {
				return off, labels, wire, ErrTruncatedName
			}
			if wire += n + 1; wire > MaxName {
				return off, labels, wire, ErrNameTooLong
			}
			labels++
			off += n + 1
		case 0xc0:
			if off+2 > len(msg) {
				return off, labels, wire, ErrTruncatedName
			}
			if next == 0 {
				next = off + 2
			}
			target := n&0x3f<<8 | int(msg[off+1])
			if pointers++; target >= limit || pointers > maxPointers {
				return off, labels, wire, ErrPointer
			}
			off, limit = target, target
		default:
			return off, labels, wire, ErrLabelType
		}
	}
}

// Lower folds A-Z of name in place, and nothing else (RFC 4343), and returns it.
func Lower(name []byte) []byte {
	for i, c := range name {
		if c-'A' < 26 {
			name[i] = c + 'a' - 'A'
		}
	}
	return name
}

// AppendLower appends name with A-Z folded.
func AppendLower(dst, name []byte) []byte {
	n := len(dst)
	dst = append(dst, name...)
	Lower(dst[n:])
	return dst
}

// AppendWire appends the wire form of a name in presentation form, absolute or
// not, and returns the number of its labels without the root. Octets that need
// no escape may stand for themselves.
func AppendWire(dst, text []byte) (wire []byte, labels int, err error) {
	start := len(dst)
	if len(text) == 1 && text[0] == '.' {
		text = nil
	}
	for i := 0; i < len(text); {
		at := len(dst)
		dst = append(dst, 0)
		for i < len(text) && text[i] != '.' {
			c := text[i]
			i++
			if c == '\\' {
				if i == len(text) {
					return dst[:start], 0, ErrTruncatedName
				}
				if c = text[i]; c-'0' <= 9 {
					if i+3 > len(text) || text[i+1]-'0' > 9 || text[i+2]-'0' > 9 {
						return dst[:start], 0, ErrTruncatedName
					}
					v := int(c-'0')*100 + int(text[i+1]-'0')*10 + int(text[i+2]-'0')
					if v > 255 {
						return dst[:start], 0, ErrLabelType
					}
					c = byte(v)
					i += 2
				}
				i++
			}
			dst = append(dst, c)
		}
		n := len(dst) - at - 1
		switch {
		case n == 0:
			return dst[:start], 0, ErrTruncatedName // an empty label
		case n > 63:
			return dst[:start], 0, ErrLabelType
		case len(dst)-start > MaxName-1:
			return dst[:start], 0, ErrNameTooLong
		}
		dst[at] = byte(n)
		labels++
		i++ // the dot
	}
	return append(dst, 0), labels, nil
}
