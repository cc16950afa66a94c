package reduce

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortNumbers: few and many numbers, wide and narrow ones, are in the order
// of their bits but for the low ones, equals as they were.
func TestSortNumbers(t *testing.T) {
	var other []uint64
	for range 300 {
		n, width, low := rand.IntN(3000), 1+rand.IntN(64), rand.IntN(40)
		a := make([]uint64, n)
		for i := range a {
			a[i] = rand.Uint64()>>(64-width)>>low<<low | uint64(i)&(1<<low-1)
		}
		if low < 12 { // no room for places
			low = 0
		}
		want := slices.Clone(a)
		slices.SortStableFunc(want, func(a, b uint64) int { return cmp.Compare(a>>low, b>>low) })
		a, other = sortNumbers(a, other, low)
		if !slices.Equal(a, want) {
			t.Fatalf("%d numbers of %d bits, but for %d, are out of order", n, width, low)
		}
	}
}

func TestNumbering(t *testing.T) {
	var x numbering
	for range 100 {
		limit := 1 + rand.IntN(5000)
		var want []uint32
		x.begin(limit)
		for range rand.IntN(2000) {
			n := uint32(rand.IntN(limit))
			x.put(n)
			want = append(want, n)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if got := x.count(); got != len(want) {
			t.Fatalf("%d numbers, want %d", got, len(want))
		}
		if got := x.append(nil); !slices.Equal(got, want) {
			t.Fatalf("numbers are %v, want %v", got, want)
		}
		for place, n := range want {
			if got := x.place(n); got != uint32(place) {
				t.Fatalf("%d is at %d, want %d", n, got, place)
			}
		}
	}
}
