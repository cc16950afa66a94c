package dns

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// AppendRdata appends the presentation form of the data of a record of type
// typ, the octets msg[off:off+n]. Names in it may be compressed and point
// anywhere before themselves in msg. Data of an unknown type, and data that
// do not fit their type exactly (too short, octets left over, a bad name), are
// written as RFC 3597 §5 says: \# 2 0a0b.
//
// Nothing is allocated but for growing dst.
func AppendRdata(dst, msg []byte, typ uint16, off, n int) []byte {
	start, end := len(dst), off+n
	fields := fieldsOf(typ)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if dst, off = f(dst, msg[:end], off); off < 0 {
			break
		}
	}
	if off == end && n > 0 && fields != nil {
		return dst
	}
	return appendUnknown(dst[:start], msg[end-n:end])
}

// appendUnknown appends data in the form for unknown types (RFC 3597 §5).
func appendUnknown(dst, data []byte) []byte {
	dst = append(dst, `\# `...)
	dst = strconv.AppendUint(dst, uint64(len(data)), 10)
	if len(data) > 0 {
		dst = append(dst, ' ')
	}
	return appendHex(dst, data, lowerHex)
}

// A field writes one field of record data that begins at b[off]; the data end
// where b ends. It returns the offset after the field, negative if the octets
// do not make one.
type field func(dst, b []byte, off int) (text []byte, next int)

// bad is the offset a field returns that cannot be read.
const bad = -1

var (
	sigFields = []field{typeName, u8, u8, u32, seconds, seconds, u16, name, rest64} // RRSIG and its forerunner SIG
	keyFields = []field{u16, u8, u8, rest64}
	dsFields  = []field{u16, u8, u8, restHex}
)

// layouts are the fields of each type's data, of those below smallCodes.
var layouts = [smallCodes][]field{
	TypeA:          {ipv4},
	TypeNS:         {name},
	TypeMD:         {name},
	TypeMF:         {name},
	TypeCNAME:      {name},
	TypeSOA:        {name, name, u32, u32, u32, u32, u32},
	TypeMB:         {name},
	TypeMG:         {name},
	TypeMR:         {name},
	TypePTR:        {name},
	TypeHINFO:      {text, text},
	TypeMINFO:      {name, name},
	TypeMX:         {u16, name},
	TypeTXT:        {texts},
	TypeRP:         {name, name},
	TypeAFSDB:      {u16, name},
	TypeX25:        {text},
	TypeISDN:       {text, maybeText},
	TypeRT:         {u16, name},
	TypeNSAPPTR:    {name},
	TypeSIG:        sigFields,
	TypeKEY:        keyFields,
	TypePX:         {u16, name, name},
	TypeGPOS:       {text, text, text},
	TypeAAAA:       {ipv6},
	TypeLOC:        {loc},
	TypeSRV:        {u16, u16, u16, name},
	TypeNAPTR:      {u16, u16, text, text, text, name},
	TypeKX:         {u16, name},
	TypeCERT:       {u16, u16, u8, rest64},
	TypeDNAME:      {name},
	TypeAPL:        {prefixes},
	TypeDS:         dsFields,
	TypeIPSECKEY:   {ipsecKey},
	TypeSSHFP:      {u8, u8, restHex},
	TypeRRSIG:      sigFields,
	TypeNSEC:       {name, bitmap},
	TypeDNSKEY:     keyFields,
	TypeDHCID:      {rest64},
	TypeNSEC3:      {u8, u8, u16, salt, hashed, bitmap},
	TypeNSEC3PARAM: {u8, u8, u16, salt},
	TypeTLSA:       {u8, u8, u8, restHex},
	TypeSMIMEA:     {u8, u8, u8, restHex},
	TypeHIP:        {hostIdentity},
	TypeNINFO:      {texts},
	TypeRKEY:       keyFields,
	TypeTALINK:     {name, name},
	TypeCDS:        dsFields,
	TypeCDNSKEY:    keyFields,
	TypeOPENPGPKEY: {rest64},
	TypeCSYNC:      {u32, u16, bitmap},
	TypeZONEMD:     {u32, u8, u8, restHex},
	TypeSVCB:       {u16, name, svcParams},
	TypeHTTPS:      {u16, name, svcParams},
	TypeDSYNC:      {typeName, u8, u16, name},
	TypeHHIT:       {rest64},
	TypeBRID:       {rest64},
	TypeSPF:        {texts},
	TypeNID:        {u16, locator},
	TypeL32:        {u16, ipv4},
	TypeL64:        {u16, locator},
	TypeLP:         {u16, name},
	TypeEUI48:      {eui48},
	TypeEUI64:      {eui64},
	TypeTKEY:       {name, u32, u32, u16, tsigError, sized64, sized64},
	TypeTSIG:       {name, u48, u16, sized64, u16, tsigError, sized64},
	TypeURI:        {u16, u16, restText},
	TypeCAA:        {u8, caaTag, restText},
	TypeAVC:        {texts},
	TypeRESINFO:    {texts},
	TypeWALLET:     {texts},
	TypeAMTRELAY:   {amtRelay},
	TypeCLA:        {texts},
	TypeIPN:        {u64},
}

// fieldsOf is the layout of a type's data, nil if it has none here.
func fieldsOf(typ uint16) []field {
	switch {
	case typ < smallCodes:
		return layouts[typ]
	case typ == TypeTA || typ == TypeDLV:
		return dsFields
	}
	return nil
}

func u8(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	return strconv.AppendUint(dst, uint64(b[off]), 10), off + 1
}

func u16(dst, b []byte, off int) ([]byte, int) {
	if off+2 > len(b) {
		return dst, bad
	}
	return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(b[off:])), 10), off + 2
}

func u32(dst, b []byte, off int) ([]byte, int) {
	if off+4 > len(b) {
		return dst, bad
	}
	return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(b[off:])), 10), off + 4
}

func u48(dst, b []byte, off int) ([]byte, int) {
	if off+6 > len(b) {
		return dst, bad
	}
	n := uint64(binary.BigEndian.Uint16(b[off:]))<<32 | uint64(binary.BigEndian.Uint32(b[off+2:]))
	return strconv.AppendUint(dst, n, 10), off + 6
}

// seconds since 1970 as YYYYMMDDHHmmSS (RFC 4034 §3.2). They count to 2106;
// which turn of the serial number is meant depends on the clock, and is not asked.
func seconds(dst, b []byte, off int) ([]byte, int) {
	if off+4 > len(b) {
		return dst, bad
	}
	t := time.Unix(int64(binary.BigEndian.Uint32(b[off:])), 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append2(append2(dst, year/100), year%100)
	dst = append2(append2(dst, int(month)), day)
	return append2(append2(append2(dst, hour), minute), second), off + 4
}

// append2 appends n as two digits.
func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func ipv4(dst, b []byte, off int) ([]byte, int) {
	if off+4 > len(b) {
		return dst, bad
	}
	return netip.AddrFrom4([4]byte(b[off:])).AppendTo(dst), off + 4
}

// ipv6 is an address as RFC 5952 writes it: the longest run of two or more
// zero groups, the first of equals, is "::". netip takes twice as long.
func ipv6(dst, b []byte, off int) ([]byte, int) {
	if off+16 > len(b) {
		return dst, bad
	}
	b = b[off : off+16]
	start, end := zeroGroups(b)
	if start == 0 && end == 5 && b[10] == 0xff && b[11] == 0xff {
		dst, _ = ipv4(append(dst, "::ffff:"...), b, 12) // §5
		return dst, off + 16
	}
	for i := 0; i < 8; i++ {
		if i == start {
			dst = append(dst, ':', ':')
			if i = end; i == 8 {
				break
			}
		} else if i > 0 {
			dst = append(dst, ':')
		}
		group := binary.BigEndian.Uint16(b[2*i:])
		if group > 0xfff {
			dst = append(dst, lowerHex[group>>12])
		}
		if group > 0xff {
			dst = append(dst, lowerHex[group>>8&15])
		}
		if group > 0xf {
			dst = append(dst, lowerHex[group>>4&15])
		}
		dst = append(dst, lowerHex[group&15])
	}
	return dst, off + 16
}

// zeroGroups finds the groups [start, end) of an address that "::" stands for;
// start is -1 if there are none.
func zeroGroups(b []byte) (start, end int) {
	start = -1
	longest := 1
	for i := 0; i < 8; i++ {
		j := i
		for j < 8 && b[2*j]|b[2*j+1] == 0 {
			j++
		}
		if j-i > longest {
			start, end, longest = i, j, j-i
		}
		i = j
	}
	return start, end
}

func name(dst, b []byte, off int) ([]byte, int) {
	dst, off, err := AppendName(dst, b, off)
	if err != nil {
		return dst, bad
	}
	return dst, off
}

func typeName(dst, b []byte, off int) ([]byte, int) {
	if off+2 > len(b) {
		return dst, bad
	}
	return AppendTypeName(dst, binary.BigEndian.Uint16(b[off:])), off + 2
}

// tsigError is an RCODE, of which 16 is BADSIG here (RFC 8945 §3).
func tsigError(dst, b []byte, off int) ([]byte, int) {
	if off+2 > len(b) {
		return dst, bad
	}
	rcode := binary.BigEndian.Uint16(b[off:])
	if rcode == RcodeBADVERS {
		return append(dst, "BADSIG"...), off + 2
	}
	return AppendRcodeName(dst, rcode), off + 2
}

// text is a character string (RFC 1035 §3.3), in double quotes.
func text(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	end := off + 1 + int(b[off])
	if end > len(b) {
		return dst, bad
	}
	return appendQuoted(dst, b[off+1:end]), end
}

// texts are one or more character strings.
func texts(dst, b []byte, off int) ([]byte, int) {
	for {
		if dst, off = text(dst, b, off); off < 0 || off == len(b) {
			return dst, off
		}
		dst = append(dst, ' ')
	}
}

// maybeText is a character string, or the end.
func maybeText(dst, b []byte, off int) ([]byte, int) {
	if off == len(b) {
		return dst[:len(dst)-1], off // takes back the space before it
	}
	return text(dst, b, off)
}

// restText is all that is left, possibly nothing, as one quoted string.
func restText(dst, b []byte, off int) ([]byte, int) {
	return appendQuoted(dst, b[off:]), len(b)
}

// plain tells which octets stand for themselves inside double quotes.
var plain = func() (t [256]bool) {
	for c := 0x20; c <= 0x7e; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	done := 0
	for i, c := range s {
		if plain[c] {
			continue
		}
		dst = appendEscaped(append(dst, s[done:i]...), c)
		done = i + 1
	}
	return append(append(dst, s[done:]...), '"')
}

// appendEscaped appends an octet that is not plain (RFC 1035 §5.1).
func appendEscaped(dst []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	return append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

func appendHex(dst, data []byte, digits string) []byte {
	for _, c := range data {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// restHex is all that is left, at least one octet, in hexadecimal. With none
// there would be nothing to write, and the text could not be read back.
func restHex(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	return appendHex(dst, b[off:], upperHex), len(b)
}

// rest64 is all that is left, at least one octet, in base64.
func rest64(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	return base64.StdEncoding.AppendEncode(dst, b[off:]), len(b)
}

// sized64 is a length of 16 bits and as many octets, in base64. TSIG and TKEY
// have no presentation form of their own; this is what dig shows.
func sized64(dst, b []byte, off int) ([]byte, int) {
	dst, next := u16(dst, b, off)
	if next < 0 {
		return dst, bad
	}
	end := next + int(binary.BigEndian.Uint16(b[off:]))
	if end > len(b) {
		return dst, bad
	}
	if end > next {
		dst = base64.StdEncoding.AppendEncode(append(dst, ' '), b[next:end])
	}
	return dst, end
}

// salt is that of NSEC3 (RFC 5155 §3.3): "-" stands for none.
func salt(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	end := off + 1 + int(b[off])
	switch {
	case end > len(b):
		return dst, bad
	case end == off+1:
		return append(dst, '-'), end
	}
	return appendHex(dst, b[off+1:end], upperHex), end
}

var base32hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// hashed is the next hashed owner name of NSEC3 (RFC 5155 §3.3).
func hashed(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	end := off + 1 + int(b[off])
	if end > len(b) || end == off+1 {
		return dst, bad
	}
	return base32hex.AppendEncode(dst, b[off+1:end]), end
}

// bitmap is a list of types up to the end, possibly none (RFC 4034 §4.1.2):
// windows in ascending order, without zero octets at their ends.
func bitmap(dst, b []byte, off int) ([]byte, int) {
	dst = dst[:len(dst)-1] // each type brings its own space
	for last := -1; off < len(b); {
		if off+2 > len(b) {
			return dst, bad
		}
		window, end := int(b[off]), off+2+int(b[off+1])
		if window <= last || end > len(b) || end == off+2 || end > off+2+32 || b[end-1] == 0 {
			return dst, bad
		}
		for i, octet := range b[off+2 : end] {
			for bit := 0; octet != 0; bit, octet = bit+1, octet<<1 {
				if octet&0x80 != 0 {
					dst = AppendTypeName(append(dst, ' '), uint16(window<<8|i<<3|bit))
				}
			}
		}
		last, off = window, end
	}
	return dst, off
}

// caaTag is letters and digits, not quoted (RFC 8659 §4.1.1).
func caaTag(dst, b []byte, off int) ([]byte, int) {
	if off >= len(b) {
		return dst, bad
	}
	end := off + 1 + int(b[off])
	if end > len(b) || end == off+1 {
		return dst, bad
	}
	for _, c := range b[off+1 : end] {
		if c-'0' > 9 && c|0x20-'a' > 25 {
			return dst, bad
		}
	}
	return append(dst, b[off+1:end]...), end
}

func eui48(dst, b []byte, off int) ([]byte, int) { return eui(dst, b, off, 6) }
func eui64(dst, b []byte, off int) ([]byte, int) { return eui(dst, b, off, 8) }

// eui is n octets with hyphens between them (RFC 7043 §3.2).
func eui(dst, b []byte, off, n int) ([]byte, int) {
	if off+n > len(b) {
		return dst, bad
	}
	for i := range n {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = appendHex(dst, b[off+i:off+i+1], lowerHex)
	}
	return dst, off + n
}

// locator is eight octets in pairs with colons between them (RFC 6742 §2.1.2).
func locator(dst, b []byte, off int) ([]byte, int) {
	if off+8 > len(b) {
		return dst, bad
	}
	for i := 0; i < 8; i += 2 {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendHex(dst, b[off+i:off+i+2], lowerHex)
	}
	return dst, off + 8
}
