package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// stateOf is the state of values, shared out over parts at random, in any
// order, and merged in any order.
func stateOf(shape Shape, values []uint64, parts int, rng *rand.Rand) Sketch {
	sketches := make([]Sketch, parts)
	for i := range sketches {
		sketches[i] = shape.NewSketch()
	}
	values = slices.Clone(values)
	rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	for _, v := range values {
		addTo(sketches[rng.IntN(parts)], v)
	}
	for len(sketches) > 1 {
		i := rng.IntN(len(sketches) - 1)
		if rng.IntN(2) == 0 { // as it comes over the network
			other := shape.NewSketch()
			if err := other.SetState(sketches[i+1].AppendState(nil)); err != nil {
				panic(err)
			}
			sketches[i+1] = other
		}
		sketches[i].Merge(sketches[i+1])
		sketches = slices.Delete(sketches, i+1, i+2)
	}
	return sketches[0]
}

func addTo(s Sketch, v uint64) {
	switch s := s.(type) {
	case *Cardinality:
		s.AddHash(v)
	case *Distribution:
		s.Add(v)
	}
}

// TestSketchOrder: the state is the same octets whatever the order and the
// split.
func TestSketchOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []Shape{Distinct, Quantiles} {
		for _, n := range []int{0, 1, 2, 10, 1000, maxSparse - 1, maxSparse, maxSparse + 1, maxSparse + 2, 5000, 40_000} {
			var values []uint64
			for range n {
				v := rng.Uint64()
				if shape == Quantiles || rng.IntN(4) == 0 { // many zeros in the middle
					v >>= rng.IntN(64)
				}
				values = append(values, v)
			}
			for range n / 2 { // some come again
				values = append(values, values[rng.IntN(n)])
			}
			want := stateOf(shape, values, 1, rng)
			for _, parts := range []int{1, 2, 3, 8, 20} {
				got := stateOf(shape, values, parts, rng)
				if !bytes.Equal(got.AppendState(nil), want.AppendState(nil)) {
					t.Errorf("%s of %d: state of %d parts differs", shape, n, parts)
				}
				if a, b := string(got.AppendData(nil)), string(want.AppendData(nil)); a != b {
					t.Errorf("%s of %d: %d parts say %s, one says %s", shape, n, parts, a, b)
				}
			}
		}
	}
}

// TestSketchReset: what is reset is as new.
func TestSketchReset(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for _, shape := range []Shape{Distinct, Quantiles} {
		for _, n := range []int{5, 5000} {
			s, fresh := shape.NewSketch(), shape.NewSketch()
			for range n {
				addTo(s, rng.Uint64())
			}
			s.Reset()
			if got, want := s.AppendState(nil), fresh.AppendState(nil); !bytes.Equal(got, want) || string(s.AppendData(nil)) != string(fresh.AppendData(nil)) {
				t.Errorf("%s: state %x after Reset, want %x", shape, got, want)
			}
			addTo(s, 7)
			addTo(fresh, 7)
			if got, want := s.AppendState(nil), fresh.AppendState(nil); !bytes.Equal(got, want) {
				t.Errorf("%s: state %x after Reset and 7, want %x", shape, got, want)
			}
		}
	}
}

// TestCardinality: exact while sparse, then within four standard errors.
func TestCardinality(t *testing.T) {
	sizes := []int{0, 1, 2, 10, 100, 1000, maxSparse, maxSparse + 1, 4000, 10_000, 30_000, 100_000, 1_000_000}
	const runs = 20
	sums := make([]float64, len(sizes)) // of the errors squared
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var c Cardinality
		added := 0
		for i, n := range sizes {
			for ; added < n; added++ {
				c.AddHash(rng.Uint64())
			}
			off := (float64(c.Estimate()) - float64(n)) / max(float64(n), 1)
			sums[i] += off * off
			switch {
			case n <= 100 && off != 0, n <= maxSparse && math.Abs(off*float64(n)) > 2:
				t.Errorf("%d different values counted as %d", n, c.Estimate())
			case math.Abs(off) > 4*0.0081:
				t.Errorf("%d different values counted as %d, off by %.2f %%", n, c.Estimate(), 100*off)
			}
			// Values that share their 26 bits may leave it sparse a little longer.
			if c.Error() > 0 && n <= maxSparse || c.Error() == 0 && n > maxSparse+5 {
				t.Errorf("error of %d values is %d", n, c.Error())
			}
		}
	}
	for i, n := range sizes {
		rms := math.Sqrt(sums[i] / runs)
		t.Logf("%d: off by %.3f %% (root of mean square of %d runs)", n, 100*rms, runs)
		if rms > 2*0.0081 {
			t.Errorf("%d: standard error of %.2f %%, want 0.81 %%", n, 100*rms)
		}
	}
}

// TestQuantiles: of known distributions, within 1 % of the value at the rank.
func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for name, draw := range map[string]func() uint64{
		"constant":    func() uint64 { return 20_000 },
		"small":       func() uint64 { return rng.Uint64N(100) },
		"uniform":     func() uint64 { return rng.Uint64N(5_000_000) },
		"exponential": func() uint64 { return uint64(rng.ExpFloat64() * 20_000) },
		"log-normal":  func() uint64 { return uint64(math.Exp(rng.NormFloat64()*2 + 8)) },
		"two peaks":   func() uint64 { return []uint64{300, 4_000_000}[rng.IntN(2)] + rng.Uint64N(50) },
		"all bits":    func() uint64 { return rng.Uint64() >> rng.IntN(64) },
	} {
		for _, n := range []int{1, 2, 3, 10, 999, 1000, 1001, 100_000} {
			var d Distribution
			var all []uint64
			for range n {
				v := draw()
				d.Add(v)
				all = append(all, v)
			}
			slices.Sort(all)
			for _, l := range Levels {
				rank := (uint64(n)*l.Mille + 999) / 1000
				got, want := float64(d.Quantile(l.Mille)), float64(all[rank-1])
				if off := math.Abs(got - want); off > 0.008*want || want < 128 && off > 0 {
					t.Errorf("%s, %d values: %s is %g, want %g", name, n, l.Name, got, want)
				}
			}
		}
	}
}

// TestBuckets: buckets leave no gap, and each number is near what its bucket
// stands for.
func TestBuckets(t *testing.T) {
	lastIndex := -1
	for n := uint64(0); ; {
		page, place := bucket(n)
		index := page<<pageBits | place
		if index != lastIndex+1 || place < 0 || place >= perPage || page >= maxPages {
			t.Fatalf("%d is in bucket %d after %d", n, index, lastIndex)
		}
		width := uint64(1)
		if page > 0 {
			width <<= page - 1
		}
		for _, m := range []uint64{n, n + width - 1, n + (width-1)/2} {
			if p, q := bucket(m); p != page || q != place {
				t.Fatalf("%d is in bucket %d/%d, want %d/%d", m, p, q, page, place)
			}
			if off := math.Abs(float64(m) - float64(standsFor(page, place))); off > float64(m)/128 {
				t.Fatalf("bucket of %d stands for %d", m, standsFor(page, place))
			}
		}
		lastIndex = index
		if n+width < n { // the last bucket
			if index != maxPages*perPage-1 {
				t.Fatalf("%d buckets, want %d", index+1, maxPages*perPage)
			}
			return
		}
		n += width
	}
}

// TestDocumentedStates holds the octets that docs/reports.md explains.
func TestDocumentedStates(t *testing.T) {
	var c Cardinality
	if got := string(AppendSketch(nil, &c)); got != `"AQ=="` {
		t.Errorf("nothing: %s", got)
	}
	// Bits 1, then 38 zeros: 1<<6 | 39. Bits 3, then a one: 3<<6 | 1.
	c.AddHash(1 << 38)
	c.AddHash(3<<38 | 1<<37)
	if got, want := c.AppendState(nil), []byte{1, 103, 90}; !bytes.Equal(got, want) {
		t.Errorf("two hashes: %x, want %x", got, want)
	}
	var d Distribution
	for _, n := range []uint64{5, 5, 128, 129, 1000} {
		d.Add(n)
	}
	// Bucket 5; 128 and 129 share bucket 2×64; 1000 is 125×2^3, bucket 4×64+61.
	if got, want := d.AppendState(nil), []byte{1, 5, 2, 123, 2, 0xbd, 1, 1}; !bytes.Equal(got, want) {
		t.Errorf("five numbers: %x, want %x", got, want)
	}
	if got := string(d.AppendData(nil)); got != `{"p50":128,"p90":1003,"p99":1003,"p999":1003}` {
		t.Error(got)
	}
}

// TestStateRefused: states that no sketch has.
func TestStateRefused(t *testing.T) {
	entry := func(entries ...uint64) []byte {
		b := []byte{1}
		last := uint64(0)
		for _, e := range entries {
			b = binary.AppendUvarint(b, e-last)
			last = e
		}
		return b
	}
	many := make([]uint64, maxSparse+1)
	for i := range many {
		many[i] = uint64(i+1)<<6 | 1
	}
	full := make([]byte, 1+registers/4*3)
	full[0] = stateDense
	tooHigh := slices.Clone(full)
	tooHigh[1] = 52 << 2
	for i, b := range [][]byte{
		nil, {0}, {3}, {stateDense}, full[:len(full)-1], append(slices.Clone(full), 0), tooHigh,
		{1, 0x80}, {1, 0xc1, 0x00}, // cut; not the shortest form
		entry(1 << 6), entry(1<<6 | 40), entry(1 << 32), entry(1<<6|1, 1<<6|2), entry(1<<6|1, 1<<6|1), entry(many...),
		append(entry(1<<6|1), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
	} {
		if err := new(Cardinality).SetState(b); err == nil {
			t.Errorf("cardinality %d: %.20x taken", i, b)
		}
	}
	if err := new(Cardinality).SetState(full); err != nil {
		t.Error(err)
	}
	for i, b := range [][]byte{
		nil, {0}, {2}, {1, 5}, {1, 5, 0}, {1, 0x85, 0, 1}, {1, 5, 0x81, 0}, {1, 5, 1, 0, 1},
		append([]byte{1}, 0xc0, 0x1d, 1),                                // 59×64
		append([]byte{1, 5}, binary.AppendUvarint(nil, maxNumber+1)...), // more than there can be
		append(append([]byte{1, 5}, binary.AppendUvarint(nil, maxNumber)...), 1, 1),
		{1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1},
	} {
		if err := new(Distribution).SetState(b); err == nil {
			t.Errorf("distribution %d: %x taken", i, b)
		}
	}
}

// FuzzSketch: what is taken for a state is written as it came, merges, and has
// a bound.
func FuzzSketch(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{1, 5, 2, 123, 2, 0xbd, 1, 1})
	f.Add([]byte{1, 0x41, 0x80, 0x01})
	f.Add([]byte{2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, shape := range []Shape{Distinct, Quantiles} {
			s := shape.NewSketch()
			if s.SetState(b) != nil {
				continue
			}
			if got := s.AppendState(nil); !bytes.Equal(got, b) {
				t.Fatalf("%s: state %x became %x", shape, b, got)
			}
			if len(b) > 1+registers/4*3 && shape == Distinct {
				t.Fatalf("%d octets taken", len(b))
			}
			before := string(s.AppendData(nil))
			twice := shape.NewSketch()
			twice.Merge(s)
			if got := string(twice.AppendData(nil)); got != before {
				t.Fatalf("%s: merged into nothing it says %s, before %s", shape, got, before)
			}
			twice.Merge(s)
			if got := string(twice.AppendData(nil)); shape == Distinct && got != before {
				t.Fatalf("merged with itself it says %s, before %s", got, before)
			}
			s.Rank()
			addTo(s, 1<<63)
			s.Reset()
		}
	})
}

func BenchmarkCardinality(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{1000, 1 << 16} {
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = rng.Uint64()
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var c Cardinality
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.AddHash(hashes[i])
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkDistribution(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	numbers := make([]uint64, 1<<16)
	for i := range numbers {
		numbers[i] = uint64(rng.ExpFloat64() * 20_000)
	}
	var d Distribution
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d.Add(numbers[i&(1<<16-1)])
		i++
	}
}

// BenchmarkEstimate: what a report of registers costs.
func BenchmarkEstimate(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	var c Cardinality
	for range 100_000 {
		c.AddHash(rng.Uint64())
	}
	for b.Loop() {
		c.Estimate()
	}
}
