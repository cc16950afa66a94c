package dns

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// Types with a gateway, and others whose fields depend on each other.

// A gateway's kinds (RFC 4025 §2.3, RFC 8777 §4.2.3).
const (
	noGateway = iota
	gatewayIPv4
	gatewayIPv6
	gatewayName
)

// gateway is what its kind says; none is ".".
func gateway(dst, b []byte, off int, kind uint8) ([]byte, int) {
	switch kind {
	case noGateway:
		return append(dst, '.'), off
	case gatewayIPv4:
		return ipv4(dst, b, off)
	case gatewayIPv6:
		return ipv6(dst, b, off)
	case gatewayName:
		return name(dst, b, off)
	}
	return dst, bad
}

// ipsecKey is precedence, the gateway's kind, algorithm, gateway and perhaps a
// key (RFC 4025 §3.1).
func ipsecKey(dst, b []byte, off int) ([]byte, int) {
	if off+3 > len(b) {
		return dst, bad
	}
	kind := b[off+1]
	for i := range 3 {
		dst, _ = u8(dst, b, off+i)
		dst = append(dst, ' ')
	}
	if dst, off = gateway(dst, b, off+3, kind); off < 0 || off == len(b) {
		return dst, off
	}
	return rest64(append(dst, ' '), b, off)
}

// amtRelay is precedence, the discovery-optional bit, the relay's kind and the
// relay (RFC 8777 §4.3.1).
func amtRelay(dst, b []byte, off int) ([]byte, int) {
	if off+2 > len(b) {
		return dst, bad
	}
	kind := b[off+1]
	dst, _ = u8(dst, b, off)
	dst = append(dst, ' ', '0'+kind>>7, ' ')
	dst = strconv.AppendUint(dst, uint64(kind&0x7f), 10)
	return gateway(append(dst, ' '), b, off+2, kind&0x7f)
}

// hostIdentity is the algorithm, a tag, a key, and the names of rendezvous
// servers, possibly none (RFC 8005 §6). Their lengths come first.
func hostIdentity(dst, b []byte, off int) ([]byte, int) {
	if off+4 > len(b) {
		return dst, bad
	}
	tag := off + 4
	key := tag + int(b[off])
	end := key + int(binary.BigEndian.Uint16(b[off+2:]))
	if end > len(b) || key == tag || end == key {
		return dst, bad
	}
	dst, _ = u8(dst, b, off+1)
	dst = appendHex(append(dst, ' '), b[tag:key], upperHex)
	dst = base64.StdEncoding.AppendEncode(append(dst, ' '), b[key:end])
	for off = end; off >= 0 && off < len(b); {
		dst, off = name(append(dst, ' '), b, off)
	}
	return dst, off
}

// prefixes are address prefixes (RFC 3123 §5), of at least one octet here. An
// address without its trailing zeros is as long as it may be (§4).
func prefixes(dst, b []byte, off int) ([]byte, int) {
	for off < len(b) {
		if off+4 > len(b) {
			return dst, bad
		}
		family, bits := binary.BigEndian.Uint16(b[off:]), int(b[off+2])
		negated, n := b[off+3]&0x80 != 0, int(b[off+3]&0x7f)
		if off += 4; off+n > len(b) || n > 0 && b[off+n-1] == 0 {
			return dst, bad
		}
		size := 4
		if family == 2 {
			size = 16
		}
		if family != 1 && family != 2 || n > size || bits > 8*size {
			return dst, bad
		}
		if negated {
			dst = append(dst, '!')
		}
		dst = append(dst, '0'+byte(family), ':')
		var address [16]byte
		copy(address[:], b[off:off+n])
		if family == 1 {
			dst, _ = ipv4(dst, address[:], 0)
		} else {
			dst, _ = ipv6(dst, address[:], 0)
		}
		dst = strconv.AppendInt(append(dst, '/'), int64(bits), 10)
		if off += n; off < len(b) {
			dst = append(dst, ' ')
		}
	}
	return dst, off
}

// u64 is a number of 64 bits.
func u64(dst, b []byte, off int) ([]byte, int) {
	if off+8 > len(b) {
		return dst, bad
	}
	return strconv.AppendUint(dst, binary.BigEndian.Uint64(b[off:]), 10), off + 8
}
