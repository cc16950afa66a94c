package dns

import (
	"encoding/binary"
	"strconv"
)

// loc is a place on Earth (RFC 1876): degrees, minutes, seconds, altitude,
// and the size and precisions as powers of ten.
func loc(dst, b []byte, off int) ([]byte, int) {
	if off+16 > len(b) || b[off] != 0 { // version 0
		return dst, bad
	}
	dst, ok := appendAngle(dst, binary.BigEndian.Uint32(b[off+4:]), 90, 'N', 'S')
	if !ok {
		return dst, bad
	}
	dst, ok = appendAngle(dst, binary.BigEndian.Uint32(b[off+8:]), 180, 'E', 'W')
	if !ok {
		return dst, bad
	}
	// Altitude counts centimetres from 100 km below the reference spheroid.
	cm := int64(binary.BigEndian.Uint32(b[off+12:])) - 100_000_00
	if cm < 0 {
		dst, cm = append(dst, '-'), -cm
	}
	dst = strconv.AppendInt(dst, cm/100, 10)
	if cm%100 != 0 {
		dst = append2(append(dst, '.'), int(cm%100))
	}
	for _, c := range b[off+1 : off+4] {
		// RFC 1876 §2: over 9 is undefined, so is zero with an exponent.
		if c>>4 > 9 || c&15 > 9 || c>>4 == 0 && c != 0 {
			return dst, bad
		}
		dst = appendLength(append(dst, 'm', ' '), c>>4, c&15)
	}
	return append(dst, 'm'), off + 16
}

// appendAngle appends thousandths of a second of arc, counted from 2^31, and
// a space.
func appendAngle(dst []byte, v uint32, limit int64, positive, negative byte) ([]byte, bool) {
	ms, side := int64(v)-1<<31, positive
	if ms < 0 {
		ms, side = -ms, negative
	}
	if ms > limit*3_600_000 {
		return dst, false
	}
	degrees, minutes, ms := ms/3_600_000, ms/60_000%60, ms%60_000
	if degrees >= 100 {
		dst = append(dst, '1')
	}
	dst = append2(dst, int(degrees%100))
	dst = append2(append(dst, ' '), int(minutes))
	dst = strconv.AppendInt(append(dst, ' '), ms/1000, 10)
	dst = append(dst, '.', byte('0'+ms/100%10))
	dst = append2(dst, int(ms%100))
	return append(dst, ' ', side, ' '), true
}

// appendLength appends mantissa times ten to the exponent centimetres, in metres.
func appendLength(dst []byte, mantissa, exponent byte) []byte {
	switch exponent {
	case 0:
		return append(dst, '0', '.', '0', '0'+mantissa)
	case 1:
		return append(dst, '0', '.', '0'+mantissa, '0')
	}
	dst = append(dst, '0'+mantissa)
	for ; exponent > 2; exponent-- {
		dst = append(dst, '0')
	}
	return dst
}
