package report

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
)

// A Cardinality tells how many different values it was given, by their hashes:
// a HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) of 2^14 registers,
// whose standard error is 0.81 %, with the estimator of Ertl (2017), which has
// no bias at any size. Up to maxSparse values it keeps 26 bits of each hash
// instead, as HyperLogLog++ does (Heule, Nunkesser, Hall, 2013), and is as good
// as exact.
//
// Which of the two forms it has depends on the set of hashes only. The zero
// value is empty.
type Cardinality struct {
	sparse []uint32 // open addressing, a power of two; 0 is free
	count  int      // of sparse
	spread uint32   // odd, scatters the entries
	dense  []uint8  // registers, when there are too many for sparse
}

const (
	densePrecision  = 14
	registers       = 1 << densePrecision
	maxRegister     = 64 - densePrecision + 1
	sparsePrecision = 26
	rankBits        = 32 - sparsePrecision // of the number of zeros in an entry
	maxSparseRank   = 64 - sparsePrecision + 1

	// maxSparse values take as much memory, 4,096 places of four octets, as the
	// registers.
	maxSparse = 3072
	minPlaces = 16
)

// The first octet of a state.
const (
	stateSparse = 1
	stateDense  = 2
)

// AddHash adds the value with that hash, of which all bits must be random.
func (c *Cardinality) AddHash(h uint64) {
	if c.dense != nil {
		i := h >> (64 - densePrecision)
		// The bit set ends the zeros where the hash does.
		rank := uint8(bits.LeadingZeros64(h<<densePrecision|1<<(densePrecision-1)) + 1)
		if c.dense[i] < rank {
			c.dense[i] = rank
		}
		return
	}
	rank := bits.LeadingZeros64(h<<sparsePrecision|1<<(sparsePrecision-1)) + 1
	c.addEntry(uint32(h>>(64-sparsePrecision))<<rankBits | uint32(rank))
}

// addEntry adds 26 bits of a hash and how many zeros follow, plus one. It is
// never 0.
func (c *Cardinality) addEntry(e uint32) {
	if c.dense != nil {
		i, rank := register(e)
		c.dense[i] = max(c.dense[i], rank)
		return
	}
	if len(c.sparse) == 0 {
		c.sparse = make([]uint32, minPlaces)
		// Nobody can pick names whose places are all the same.
		c.spread = rand.Uint32() | 1
	}
	p := c.place(e)
	if old := c.sparse[p]; old != 0 {
		c.sparse[p] = max(old, e) // the same 26 bits: the more zeros
		return
	}
	c.sparse[p] = e
	c.count++
	switch {
	case c.count > maxSparse:
		c.densify()
	case c.count > len(c.sparse)*3/4:
		c.grow()
	}
}

// place is where the 26 bits of e are, or a free place for them.
func (c *Cardinality) place(e uint32) uint32 {
	mask := uint32(len(c.sparse) - 1)
	p := e >> rankBits * c.spread >> bits.LeadingZeros32(mask)
	for c.sparse[p] != 0 && c.sparse[p]>>rankBits != e>>rankBits {
		p = (p + 1) & mask
	}
	return p
}

func (c *Cardinality) grow() {
	old := c.sparse
	c.sparse = make([]uint32, 2*len(old))
	for _, e := range old {
		if e != 0 {
			c.sparse[c.place(e)] = e
		}
	}
}

func (c *Cardinality) densify() {
	entries := c.sparse
	c.sparse, c.count, c.dense = nil, 0, make([]uint8, registers)
	for _, e := range entries {
		if e != 0 {
			c.addEntry(e)
		}
	}
}

// register is the register of an entry and what it holds.
func register(e uint32) (i uint32, rank uint8) {
	const more = sparsePrecision - densePrecision
	index := e >> rankBits
	if low := index & (1<<more - 1); low != 0 {
		return index >> more, uint8(more - bits.Len32(low) + 1)
	}
	return index >> more, uint8(more + e&(1<<rankBits-1))
}

// Merge adds the values of o.
func (c *Cardinality) Merge(o Sketch) {
	other := o.(*Cardinality)
	if other.dense == nil {
		for _, e := range other.sparse {
			if e != 0 {
				c.addEntry(e)
			}
		}
		return
	}
	if c.dense == nil {
		c.densify()
	}
	for i, rank := range other.dense {
		c.dense[i] = max(c.dense[i], rank)
	}
}

// Estimate is the number of different values.
func (c *Cardinality) Estimate() uint64 {
	if c.dense == nil {
		// Of 3,072 values two share their 26 bits in one of fifteen cases.
		return uint64(c.count)
	}
	var at [maxRegister + 1]int // registers by what they hold
	for _, rank := range c.dense {
		at[rank]++
	}
	const m = float64(registers)
	// The conversions keep the products from being fused with the sums, which
	// not every processor does: the number must be the same on all.
	z := float64(m * tau(1-float64(at[maxRegister])/m))
	for k := maxRegister - 1; k >= 1; k-- {
		z = 0.5 * (z + float64(at[k]))
	}
	z += float64(m * sigma(float64(at[0])/m))
	return uint64(math.Round(m * m / (2 * math.Ln2) / z))
}

// sigma and tau correct for registers that are empty and full.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	for y, z := 1.0, x; ; {
		x = float64(x * x)
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	for y, z := 1.0, 1-x; ; {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		z -= float64((1 - x) * (1 - x) * y)
		if z == last {
			return z / 3
		}
	}
}

// Error bounds how far Estimate is off: by more than three standard errors,
// 2.5 %, in one of 400 cases.
func (c *Cardinality) Error() uint64 {
	if c.dense == nil {
		return 0
	}
	return (c.Estimate() + 39) / 40
}

// Rank is the number of different values.
func (c *Cardinality) Rank() uint64 { return c.Estimate() }

// AppendData appends the number of different values.
func (c *Cardinality) AppendData(dst []byte) []byte { return strconv.AppendUint(dst, c.Estimate(), 10) }

// AppendState appends the entries ascending, each as its distance from the one
// before, or else the registers of six bits.
func (c *Cardinality) AppendState(dst []byte) []byte {
	if c.dense != nil {
		dst = append(dst, stateDense)
		for i := 0; i < registers; i += 4 {
			four := uint32(c.dense[i])<<18 | uint32(c.dense[i+1])<<12 | uint32(c.dense[i+2])<<6 | uint32(c.dense[i+3])
			dst = append(dst, byte(four>>16), byte(four>>8), byte(four))
		}
		return dst
	}
	entries := make([]uint32, 0, c.count)
	for _, e := range c.sparse {
		if e != 0 {
			entries = append(entries, e)
		}
	}
	slices.Sort(entries)
	dst = append(dst, stateSparse)
	last := uint32(0)
	for _, e := range entries {
		dst = binary.AppendUvarint(dst, uint64(e-last))
		last = e
	}
	return dst
}

// SetState reads what AppendState has written.
func (c *Cardinality) SetState(b []byte) error {
	*c = Cardinality{}
	if len(b) == 0 {
		return errSketch
	}
	form, b := b[0], b[1:]
	switch {
	case form == stateSparse:
		return c.setSparse(b)
	case form == stateDense && len(b) == registers/4*3:
		c.dense = make([]uint8, registers)
		for i := 0; i < registers; i += 4 {
			four := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
			b = b[3:]
			for j := range 4 {
				rank := uint8(four >> (18 - 6*j) & 63)
				if rank > maxRegister {
					return errSketch
				}
				c.dense[i+j] = rank
			}
		}
		return nil
	}
	return errSketch
}

func (c *Cardinality) setSparse(b []byte) error {
	last := uint64(0)
	for len(b) > 0 {
		d, rest, ok := uvarint(b)
		if !ok || c.count == maxSparse {
			return errSketch
		}
		// Two entries of the same 26 bits would have been one.
		e := last + d
		rank := e & (1<<rankBits - 1)
		if d > math.MaxUint32 || e > math.MaxUint32 || rank == 0 || rank > maxSparseRank || c.count > 0 && e>>rankBits == last>>rankBits {
			return errSketch
		}
		c.addEntry(uint32(e))
		b, last = rest, e
	}
	return nil
}

// uvarint reads a number in its shortest form.
func uvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || size > 1 && b[size-1] == 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

// Reset empties c.
func (c *Cardinality) Reset() {
	clear(c.sparse)
	c.count, c.dense = 0, nil
}
