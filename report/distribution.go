package report

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// A Distribution tells the quantiles of numbers: how many fell into each of
// buckets that grow with the numbers. It is a DDSketch (Masson, Rim, Lee, 2019)
// whose logarithm is read off the bits of the number, straight between powers of
// two. Numbers below 128 have a bucket each, and each power of two above has 64:
// no number is further than 0.8 % from the one that its bucket stands for.
//
// All its arithmetic is of integers, so merging is exact and no two processors
// can disagree. The zero value is empty.
type Distribution struct {
	count uint64
	pages [maxPages]*[perPage]uint64
}

const (
	pageBits = 6
	perPage  = 1 << pageBits
	// maxPages are enough for 64 bits; numbers below 64 are in the first.
	maxPages = 64 - pageBits + 1
)

// Levels are the quantiles that are told, in thousandths, by their names.
var Levels = [...]struct {
	Name  string
	Mille uint64
}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}}

// bucket is the page of n and its place there.
func bucket(n uint64) (page, place int) {
	if n < perPage {
		return 0, int(n)
	}
	page = bits.Len64(n) - pageBits
	return page, int(n>>(page-1)) - perPage
}

// standsFor is the number that a bucket stands for: the one in its middle.
func standsFor(page, place int) uint64 {
	if page == 0 {
		return uint64(place)
	}
	return uint64(perPage+place)<<(page-1) + (1<<(page-1)-1)/2
}

// Add adds a number.
func (d *Distribution) Add(n uint64) {
	page, place := bucket(n)
	d.add(page, place, 1)
}

func (d *Distribution) add(page, place int, count uint64) {
	p := d.pages[page]
	if p == nil {
		p = new([perPage]uint64)
		d.pages[page] = p
	}
	p[place] += count
	d.count += count
}

// Merge adds the numbers of o.
func (d *Distribution) Merge(o Sketch) {
	for i, p := range o.(*Distribution).pages {
		for j := 0; p != nil && j < perPage; j++ {
			if p[j] > 0 {
				d.add(i, j, p[j])
			}
		}
	}
}

// Quantile is the least number that at least so many thousandths are not above.
// d must not be empty.
func (d *Distribution) Quantile(mille uint64) uint64 {
	// Whole thousands apart, so that it does not overflow; rounded up.
	rank := d.count/1000*mille + (d.count%1000*mille+999)/1000
	seen, found := uint64(0), uint64(0)
	for i, p := range d.pages {
		for j := 0; p != nil && j < perPage; j++ {
			if p[j] == 0 {
				continue
			}
			found = standsFor(i, j)
			if seen += p[j]; seen >= rank {
				return found
			}
		}
	}
	return found
}

// Rank is how many numbers there are: of keys with few, the quantiles say least.
func (d *Distribution) Rank() uint64 { return d.count }

// AppendData appends the quantiles, or null where there are no numbers.
func (d *Distribution) AppendData(dst []byte) []byte {
	if d.count == 0 {
		return append(dst, "null"...)
	}
	for i, l := range Levels {
		dst = append(dst, "{,,,"[i])
		dst = append(append(append(dst, '"'), l.Name...), `":`...)
		dst = strconv.AppendUint(dst, d.Quantile(l.Mille), 10)
	}
	return append(dst, '}')
}

// AppendState appends the buckets that have numbers, ascending: each as its
// distance from the one before, and its count.
func (d *Distribution) AppendState(dst []byte) []byte {
	dst = append(dst, stateSparse)
	last := 0
	for i, p := range d.pages {
		for j := 0; p != nil && j < perPage; j++ {
			if p[j] > 0 {
				index := i<<pageBits | j
				dst = binary.AppendUvarint(dst, uint64(index-last))
				dst = binary.AppendUvarint(dst, p[j])
				last = index
			}
		}
	}
	return dst
}

// SetState reads what AppendState has written.
func (d *Distribution) SetState(b []byte) error {
	*d = Distribution{}
	if len(b) == 0 || b[0] != stateSparse {
		return errSketch
	}
	b = b[1:]
	last := uint64(0)
	for len(b) > 0 {
		distance, rest, ok := uvarint(b)
		if !ok {
			return errSketch
		}
		count, rest, ok := uvarint(rest)
		if !ok || distance >= maxPages*perPage || distance == 0 && d.count > 0 || count == 0 || count > maxNumber-d.count {
			return errSketch
		}
		if last += distance; last >= maxPages*perPage {
			return errSketch
		}
		d.add(int(last>>pageBits), int(last&(perPage-1)), count)
		b = rest
	}
	return nil
}

// Reset empties d.
func (d *Distribution) Reset() {
	d.count = 0
	for _, p := range d.pages {
		if p != nil {
			clear(p[:])
		}
	}
}
