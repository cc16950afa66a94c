package reduce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestInterner: names keep their numbers while they are held, through sweeps,
// and are told in order; what follows from a name is that of the name.
func TestInterner(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := newInterner()
	in.width = 3
	held := make(map[uint32]string)
	check := func() {
		t.Helper()
		for n, name := range held {
			if in.texts[n] != name || in.id([]byte(name)) != n {
				t.Fatalf("%d is %.40q, want %.40q", n, in.texts[n], name)
			}
		}
		var got, want []string
		for _, n := range in.sorted() {
			got = append(got, in.texts[n])
		}
		for _, name := range held {
			want = append(want, name)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%d names in order, want %d, or others", len(got), len(want))
		}
		in.order.numbers = in.order.numbers[:0] // holding a name does not add one
	}
	for step := range 500_000 {
		switch k := rng.IntN(1000); {
		case step%100_000 == 99_999:
			check()
			in.reset()
			clear(held)
		case k < 100 && len(held) > 20_000:
			for n := range held {
				in.refs[n]--
				delete(held, n)
				break
			}
		case k < 102:
			in.sweep()
		default:
			name := fmt.Sprintf("n%d.%s", rng.IntN(150_000), "abcdefghijklmnop"[:rng.IntN(16)])
			if rng.IntN(10_000) == 0 {
				name += strings.Repeat("x", longText)
			}
			n := in.id([]byte(name))
			length, ok := in.derive(n, 1, func() (uint32, bool) { return uint32(len(name)), len(name)%2 == 0 })
			if in.texts[n] != name || ok != (len(name)%2 == 0) || ok && length != uint32(len(name)) {
				t.Fatalf("%.40q: %.40q, %d, %v", name, in.texts[n], length, ok)
			}
			if held[n] == "" && k < 300 {
				held[n] = name
				in.refs[n]++
			}
		}
	}
	check()
}

// TestInternerMemory: what a window of long names took is not kept for the next.
func TestInternerMemory(t *testing.T) {
	in := newInterner()
	for window := range 20 {
		for i := range 20_000 {
			in.id(fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", 250)))
		}
		in.id([]byte(strings.Repeat("y", 3*pageSize)))
		in.reset()
		if len(in.pages) > keptPages {
			t.Fatalf("window %d leaves %d pages", window, len(in.pages))
		}
	}
}
