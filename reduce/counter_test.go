package reduce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// count gives a Counter a stream and returns its rows and the true counts.
func count(max int, stream []string) (*Counter, map[string]uint64) {
	c, truth := NewCounter(max), make(map[string]uint64)
	for _, k := range stream {
		c.Add([]byte(k))
		truth[k]++
	}
	return c, truth
}

func TestCounterExact(t *testing.T) {
	var stream []string
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		stream = append(stream, fmt.Sprint(rng.IntN(100)))
	}
	c, truth := count(100, stream) // as many as there are
	rows := c.ranked()
	if len(rows) != len(truth) || c.Error != 0 || c.over {
		t.Fatalf("%d rows, error %d, over %v, want %d, 0, false", len(rows), c.Error, c.over, len(truth))
	}
	for i, r := range rows {
		if r.n != truth[r.key] {
			t.Errorf("%s: %d, want %d", r.key, r.n, truth[r.key])
		}
		if i > 0 && (rows[i-1].n < r.n || rows[i-1].n == r.n && rows[i-1].key >= r.key) {
			t.Errorf("%v before %v", rows[i-1], r)
		}
	}
}

// TestCounterSketch holds what Space-Saving promises: true ≤ shown ≤ true +
// Error, Error at most the total over the keys, and whoever has more than
// Error is there.
func TestCounterSketch(t *testing.T) {
	for name, next := range map[string]func(*rand.Rand, *rand.Zipf) string{
		"zipf":    func(_ *rand.Rand, z *rand.Zipf) string { return fmt.Sprint(z.Uint64()) },
		"uniform": func(r *rand.Rand, _ *rand.Zipf) string { return fmt.Sprint(r.IntN(5000)) },
		"heavy among random": func(r *rand.Rand, _ *rand.Zipf) string {
			if r.IntN(10) == 0 {
				return "heavy"
			}
			return fmt.Sprint(r.Uint64())
		},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			zipf := rand.NewZipf(rng, 1.2, 1, 100_000)
			var stream []string
			for range 100_000 {
				stream = append(stream, next(rng, zipf))
			}
			const max = 500
			c, truth := count(max, stream)
			if !c.over || c.Error == 0 || c.Error > uint64(len(stream)/max) {
				t.Errorf("over %v, error %d, want at most %d", c.over, c.Error, len(stream)/max)
			}
			if len(c.rows) != max || len(c.index) != max {
				t.Errorf("%d rows, %d keys, want %d", len(c.rows), len(c.index), max)
			}
			shown, sum := make(map[string]uint64), uint64(0)
			for _, r := range slices.Clone(c.rows) {
				shown[r.key] = r.n
				sum += r.n
				if i := c.index[r.key]; c.rows[i].key != r.key {
					t.Errorf("%s is indexed at %d, which is %s", r.key, i, c.rows[i].key)
				}
				if r.n < truth[r.key] || r.n > truth[r.key]+c.Error {
					t.Errorf("%s: %d shown, %d true, error %d", r.key, r.n, truth[r.key], c.Error)
				}
			}
			if sum != uint64(len(stream)) {
				t.Errorf("counts add up to %d, want %d", sum, len(stream))
			}
			for k, n := range truth {
				if n > c.Error && shown[k] == 0 {
					t.Errorf("%s came %d times, more than the error of %d, and is missing", k, n, c.Error)
				}
			}
			again, _ := count(max, stream)
			if !slices.Equal(again.ranked(), c.ranked()) || again.Error != c.Error {
				t.Error("the same stream counted again gives other rows")
			}
		})
	}
}

func TestCounterReset(t *testing.T) {
	c, _ := count(2, []string{"a", "b", "c", "c", "d"})
	if !c.over {
		t.Fatal("not a sketch")
	}
	c.ranked()
	c.Reset()
	for _, k := range []string{"x", "y", "x"} {
		c.Add([]byte(k))
	}
	if rows := c.ranked(); !slices.Equal(rows, []row{{"x", 2}, {"y", 1}}) || c.over || c.Error != 0 {
		t.Errorf("rows %v, over %v, error %d", rows, c.over, c.Error)
	}
}

// TestCounterAllocs: a key that is known costs no memory.
func TestCounterAllocs(t *testing.T) {
	for _, stream := range [][]string{{"a"}, {"a", "b", "c", "d"}} { // exact, and a sketch
		c, _ := count(3, stream)
		key := []byte(stream[len(stream)-1])
		if n := testing.AllocsPerRun(100, func() { c.Add(key) }); n != 0 {
			t.Errorf("%g allocations with %d keys", n, len(stream))
		}
	}
}
