package reduce

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A trueTable is a table by QNAME, or by QNAME and QTYPE, with the true counts.
type trueTable struct {
	*table
	truth map[string]uint64
}

func newTrueTable(dims, max int) *trueTable {
	fields := []*Field{FindField("qname"), FindField("qtype")}[:dims]
	return &trueTable{newTable(newInterner(), fields, max), make(map[string]uint64)}
}

func (c *trueTable) count(name string) {
	c.names.sweep()
	c.add(&key{c.names.id([]byte(name))}, 1)
	c.truth[name]++
}

// check holds what a sketch promises: true ≤ shown ≤ true + error, and whoever
// has more than the error is there.
func (c *trueTable) check(t *testing.T, what any) {
	t.Helper()
	shown := make(map[string]bool)
	for i, r := range c.rows {
		name := c.names.texts[r.key[0]]
		shown[name] = true
		if at, ok := c.index.get(&r.key, c.rows); !ok || int(at) != i {
			t.Errorf("%v: %s is at %d, and not where the index says, %d", what, name, i, at)
		}
		if n := c.truth[name]; r.n < n || r.n > n+c.error {
			t.Errorf("%v: %s: %d shown, %d true, error %d", what, name, r.n, n, c.error)
		}
	}
	for name, n := range c.truth {
		if n > c.error && !shown[name] {
			t.Errorf("%v: %s came %d times, more than the error of %d, and is missing", what, name, n, c.error)
		}
	}
}

func TestTableSketch(t *testing.T) {
	const max, n = 500, 100_000
	for what, next := range map[string]func(*rand.Rand, *rand.Zipf) string{
		"zipf":    func(_ *rand.Rand, z *rand.Zipf) string { return fmt.Sprint(z.Uint64()) },
		"uniform": func(r *rand.Rand, _ *rand.Zipf) string { return fmt.Sprint(r.IntN(5000)) },
		"few":     func(r *rand.Rand, _ *rand.Zipf) string { return fmt.Sprint(r.IntN(max)) },
		"heavy among random": func(r *rand.Rand, _ *rand.Zipf) string {
			if r.IntN(10) == 0 {
				return "heavy"
			}
			return fmt.Sprint(r.Uint64())
		},
	} {
		for _, dims := range []int{1, 2} {
			rng := rand.New(rand.NewPCG(1, 2))
			zipf := rand.NewZipf(rng, 1.2, 1, 100_000)
			c := newTrueTable(dims, max)
			for range n {
				c.count(next(rng, zipf))
			}
			c.check(t, what)
			if c.over == (what == "few") || c.over == (c.error == 0) || c.error > n/max || len(c.rows) != max {
				t.Errorf("%s: over %v, error %d, %d rows", what, c.over, c.error, len(c.rows))
			}
			sum := uint64(0)
			for _, r := range c.rows {
				sum += r.n
			}
			if sum != n {
				t.Errorf("%s: counts add up to %d, want %d", what, sum, n)
			}
		}
	}
}

// TestTableMerge: exact below the limit; beyond it what a sketch promises.
func TestTableMerge(t *testing.T) {
	for _, c := range []struct{ max, keys int }{{1000, 300}, {100, 300}, {100, 101}, {1, 10}} {
		for _, dims := range []int{1, 2} {
			rng := rand.New(rand.NewPCG(1, uint64(c.max)))
			parts := []*trueTable{newTrueTable(dims, c.max), newTrueTable(dims, c.max), newTrueTable(dims, c.max), newTrueTable(dims, c.max)}
			for range 20_000 {
				parts[rng.IntN(4)].count(fmt.Sprint(min(rng.IntN(c.keys), rng.IntN(c.keys), rng.IntN(c.keys))))
			}
			sum := parts[0]
			for _, o := range parts[1:] {
				sum.merge(o.table)
				for k, n := range o.truth {
					sum.truth[k] += n
				}
			}
			sum.check(t, c)
			if len(sum.rows) > c.max || sum.total != 20_000 || c.keys <= c.max && sum.error > 0 {
				t.Errorf("%+v: %d rows, total %d, error %d", c, len(sum.rows), sum.total, sum.error)
			}
			sum.count("another") // it goes on
			if len(sum.rows) > c.max {
				t.Errorf("%+v: %d rows", c, len(sum.rows))
			}
			sum.check(t, c)
		}
	}
}

// TestTableAllocs: a key that is known costs no memory.
func TestTableAllocs(t *testing.T) {
	for _, names := range [][]string{{"a"}, {"a", "b", "c", "d"}} { // exact, and a sketch
		for _, dims := range []int{1, 2} {
			c := newTrueTable(dims, 3)
			for _, n := range names {
				c.count(n)
			}
			name := []byte(names[len(names)-1])
			if n := testing.AllocsPerRun(100, func() { c.add(&key{c.names.id(name)}, 1) }); n != 0 {
				t.Errorf("%g allocations with %d keys", n, len(names))
			}
		}
	}
}
