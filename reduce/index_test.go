package reduce

import (
	"math/rand/v2"
	"testing"
)

// TestIndex: an index says what a map would.
func TestIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, want := newIndex(), make(map[key]int32)
	random := func() key { return key{rng.Uint32N(8), rng.Uint32N(8), absentValue - rng.Uint32N(8)} }
	for range 200_000 {
		k := random()
		switch n := rng.IntN(100); {
		case n == 0 && rng.IntN(20) == 0:
			x.clear()
			clear(want)
		case n < 50:
			place := rng.Int32()
			if place == 1<<31-1 {
				place = 0
			}
			x.set(&k, place)
			want[k] = place
		case n < 75:
			x.delete(&k)
			delete(want, k)
		}
		k = random()
		got, ok := x.get(&k)
		if place, there := want[k]; ok != there || ok && got != place {
			t.Fatalf("%v: got %d, %v; want %d, %v", k, got, ok, place, there)
		}
		if x.taken != len(want) {
			t.Fatalf("%d taken, want %d", x.taken, len(want))
		}
	}
}
