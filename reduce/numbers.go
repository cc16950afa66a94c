package reduce

import (
	"math/bits"
	"slices"
)

// digitBits is by how many bits at a time numbers are sorted: the places where
// those of each digit begin then stay near the processor.
const digitBits = 11

// sortNumbers sorts numbers by all bits but the low ones, and returns them with
// the other slice, in either of which they may then be. Equals by those bits
// stay in their order, or in that of the low ones.
func sortNumbers(a, other []uint64, low int) (sorted, spare []uint64) {
	if len(a) < 1<<8 {
		slices.Sort(a)
		return a, other
	}
	differ := uint64(0)
	for _, n := range a {
		differ |= n ^ a[0]
	}
	other = slices.Grow(other[:0], len(a))[:len(a)]
	for shift := low; shift < 64 && differ>>shift != 0; shift += digitBits {
		const mask = 1<<digitBits - 1
		if differ>>shift&mask == 0 {
			continue
		}
		var starts [1 << digitBits]uint32
		for _, n := range a {
			starts[n>>shift&mask]++
		}
		at := uint32(0)
		for i, n := range starts {
			starts[i] = at
			at += n
		}
		for _, n := range a {
			start := &starts[n>>shift&mask]
			other[*start] = n
			*start++
		}
		a, other = other, a
	}
	return a, other
}

// A numbering counts those of some numbers that are there, in ascending order. It
// takes two octets for each number that may be there.
type numbering struct{ words []numberingWord }

type numberingWord struct {
	there  uint64 // a bit for each of 64 numbers
	before uint32 // how many there are that are less
}

// begin empties it for numbers below a limit.
func (x *numbering) begin(limit int) {
	n := (limit + 63) / 64
	x.words = slices.Grow(x.words[:0], n)[:n]
	clear(x.words)
}

func (x *numbering) put(n uint32) { x.words[n>>6].there |= 1 << (n & 63) }

// count is for when all have been put, and returns how many there are.
func (x *numbering) count() int {
	n := uint32(0)
	for i := range x.words {
		x.words[i].before = n
		n += uint32(bits.OnesCount64(x.words[i].there))
	}
	return int(n)
}

// place is how many there are below n.
func (x *numbering) place(n uint32) uint32 {
	w := &x.words[n>>6]
	return w.before + uint32(bits.OnesCount64(w.there&(1<<(n&63)-1)))
}

// append appends those that are there.
func (x *numbering) append(dst []uint32) []uint32 {
	for i := range x.words {
		for there := x.words[i].there; there != 0; there &= there - 1 {
			dst = append(dst, uint32(i<<6+bits.TrailingZeros64(there)))
		}
	}
	return dst
}
