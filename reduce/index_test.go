package reduce

import (
	"math/rand/v2"
	"testing"
)

// TestIndex: an index says what a map would, whatever becomes of the rows.
func TestIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, want := newIndex(), make(map[key]uint64)
	var rows []tableRow
	random := func() key { return key{rng.Uint32N(8), rng.Uint32N(8), absentValue - rng.Uint32N(8)} }
	for i := range uint64(200_000) {
		k := random()
		place, there := x.get(&k, rows)
		switch n := rng.IntN(100); {
		case n == 0 && rng.IntN(20) == 0:
			x.clear()
			clear(want)
			rows = rows[:0]
		case n == 1:
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			x.rebuild(rows)
		case n < 20 && len(rows) > 0:
			x.swap(rng.IntN(len(rows)), rng.IntN(len(rows)), rows)
		case n < 60 && !there:
			x.add(&k, int32(len(rows)), rows)
			rows = append(rows, tableRow{k, i})
			want[k] = i
		case n < 80 && there: // the last row takes its place
			last := len(rows) - 1
			x.swap(int(place), last, rows)
			x.delete(&k, rows)
			rows = rows[:last]
			delete(want, k)
		}
		k = random()
		place, ok := x.get(&k, rows)
		if n, there := want[k]; ok != there || ok && rows[place] != (tableRow{k, n}) {
			t.Fatalf("%v: got %d, %v; want a row of %d, %v", k, place, ok, n, there)
		}
		if x.taken != len(want) {
			t.Fatalf("%d taken, want %d", x.taken, len(want))
		}
	}
}
