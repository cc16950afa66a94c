package dns

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// svcKeys are the SvcParamKeys with a form of their own (RFC 9460 §14.3.2,
// RFC 9461, RFC 9540), by number.
var svcKeys = [...]string{
	"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp",
}

// svcParams are the parameters of SVCB and HTTPS up to the end, possibly none
// (RFC 9460 §2.1). Their keys strictly increase (§2.2).
func svcParams(dst, b []byte, off int) ([]byte, int) {
	dst = dst[:len(dst)-1] // each parameter brings its own space
	for last := -1; off < len(b); {
		if off+4 > len(b) {
			return dst, bad
		}
		key, value := int(binary.BigEndian.Uint16(b[off:])), off+4
		end := value + int(binary.BigEndian.Uint16(b[off+2:]))
		if key <= last || end > len(b) {
			return dst, bad
		}
		var ok bool
		if dst, ok = appendSvcParam(append(dst, ' '), key, b[value:end]); !ok {
			return dst, bad
		}
		last, off = key, end
	}
	return dst, off
}

func appendSvcKey(dst []byte, key int) []byte {
	if key < len(svcKeys) {
		return append(dst, svcKeys[key]...)
	}
	return strconv.AppendUint(append(dst, "key"...), uint64(key), 10)
}

// appendSvcParam appends key or key=value. What may hold any octet is quoted.
func appendSvcParam(dst []byte, key int, v []byte) ([]byte, bool) {
	dst = appendSvcKey(dst, key)
	if len(v) == 0 {
		// A known key without a value is no-default-alpn, ohttp, or wrong.
		return dst, key == 2 || key >= 8
	}
	dst = append(dst, '=')
	switch key {
	case 0:
		return appendMandatory(dst, v)
	case 1:
		return appendAlpn(dst, v)
	case 2, 8:
		return dst, false
	case 3:
		if len(v) != 2 {
			return dst, false
		}
		return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(v)), 10), true
	case 4:
		return appendHints(dst, v, ipv4)
	case 5:
		return base64.StdEncoding.AppendEncode(dst, v), true
	case 6:
		return appendHints(dst, v, ipv6)
	}
	return appendQuoted(dst, v), true
}

// appendMandatory appends keys in strictly increasing order (RFC 9460 §8).
func appendMandatory(dst, v []byte) ([]byte, bool) {
	if len(v)%2 != 0 {
		return dst, false
	}
	for i, last := 0, -1; i < len(v); i += 2 {
		key := int(binary.BigEndian.Uint16(v[i:]))
		if key <= last {
			return dst, false
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, last = appendSvcKey(dst, key), key
	}
	return dst, true
}

// appendAlpn appends a list of protocol identifiers. A comma or backslash in
// one is escaped for the list, and its backslash again for the string
// (RFC 9460 §7.1.1 and appendix A.1).
func appendAlpn(dst, v []byte) ([]byte, bool) {
	dst = append(dst, '"')
	for off := 0; off < len(v); {
		end := off + 1 + int(v[off])
		if end == off+1 || end > len(v) {
			return dst, false
		}
		if off > 0 {
			dst = append(dst, ',')
		}
		for _, c := range v[off+1 : end] {
			switch {
			case c == ',':
				dst = append(dst, `\\,`...)
			case c == '\\':
				dst = append(dst, `\\\\`...)
			case plain[c]:
				dst = append(dst, c)
			default:
				dst = appendEscaped(dst, c)
			}
		}
		off = end
	}
	return append(dst, '"'), true
}

// appendHints appends a list of addresses.
func appendHints(dst, v []byte, address field) ([]byte, bool) {
	for off := 0; ; {
		if dst, off = address(dst, v, off); off < 0 || off == len(v) {
			return dst, off > 0
		}
		dst = append(dst, ',')
	}
}
