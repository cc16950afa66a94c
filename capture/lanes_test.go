package capture

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// numbered makes packets at those times; their data are their place in all.
func numbered(times ...int64) (all []Packet) {
	for i, t := range times {
		all = append(all, Packet{Time: t, Data: []byte{byte(i), byte(i >> 8)}, Wire: 60, Link: LinkEthernet})
	}
	return all
}

// merging merges lanes in the background and returns its output.
func merging(n int) (lanes []*lane, full <-chan *Batch, free chan<- *Batch) {
	news := make(chan struct{}, 1)
	for range n {
		lanes = append(lanes, newLane(news))
	}
	out := newLane(nil)
	go func() {
		mergeLanes(lanes, news, out.free, out.full)
		close(out.full)
	}()
	return lanes, out.full, out.free
}

// send puts packets as one batch.
func (l *lane) send(packets ...Packet) {
	b := <-l.free
	b.Reset()
	for i := range packets {
		b.Append(&packets[i])
	}
	l.put(b)
}

// Packets divided among lanes in any way come out in the order of their times,
// each once, whatever the sizes of batches.
func TestMergeLanes(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const n = 20_000
		var times []int64
		for i := range int64(n) {
			times = append(times, 1000+10*i)
		}
		all := numbered(times...)
		lanes, full, free := merging(1 + rnd.IntN(5))
		parts := make([][]Packet, len(lanes))
		for at := 0; at < n; {
			run := min(1+rnd.IntN(1+rnd.IntN(3000)), n-at) // from finely mixed to whole batches
			i := rnd.IntN(len(lanes))
			parts[i] = append(parts[i], all[at:at+run]...)
			at += run
		}
		for i, l := range lanes {
			sizes := rand.New(rand.NewPCG(seed, uint64(i)))
			go func() {
				for rest := parts[i]; len(rest) > 0; {
					size := min(1+sizes.IntN(500), len(rest))
					l.send(rest[:size]...)
					rest = rest[size:]
				}
				l.done()
			}()
		}
		var got []Packet
		for b := range full {
			if len(b.Packets) == 0 {
				t.Fatal("an empty batch")
			}
			for _, p := range b.Packets {
				p.Data = slices.Clone(p.Data)
				got = append(got, p)
			}
			free <- b
		}
		wantPackets(t, got, all)
	}
}

// A silent lane holds the others up to what it promises, and no further.
func TestMergeLanesWaits(t *testing.T) {
	lanes, full, free := merging(2)
	all := numbered(10, 20, 30, 40, 50)
	give := func(want ...int64) {
		t.Helper()
		var got []int64
		for len(got) < len(want) {
			b := <-full
			for _, p := range b.Packets {
				got = append(got, p.Time)
			}
			free <- b
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	lanes[0].send(all[0], all[1], all[3])
	lanes[1].promise(20)
	give(10, 20)
	lanes[1].send(all[2])
	lanes[1].promise(45)
	give(30, 40)
	lanes[1].send(all[4])
	lanes[0].done()
	give(50)
	lanes[1].done()
	if b, ok := <-full; ok {
		t.Fatalf("%d packets too many", len(b.Packets))
	}
}

// When the clock is set back, promises lag behind the packets of before: those
// are given on all the same.
func TestMergeLanesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lanes, full, _ := merging(2)
		lanes[0].send(numbered(1e18)...)
		begin := time.Now()
		for got := false; !got; {
			lanes[1].promise(5)
			select {
			case b := <-full:
				got = len(b.Packets) == 1
			case <-time.After(20 * time.Millisecond):
			}
		}
		if waited := time.Since(begin); waited > 2*laneStall {
			t.Errorf("waited %v", waited)
		}
		lanes[0].done()
		lanes[1].done()
	})
}

// BenchmarkMergeLanes: two lanes whose packets alternate, the worst case.
func BenchmarkMergeLanes(b *testing.B) {
	lanes, full, free := merging(2)
	b.ReportAllocs()
	per := 1000
	go func() {
		data := make([]byte, 100)
		for at := int64(0); at < int64(b.N); at += int64(2 * per) {
			for i, l := range lanes {
				batch := <-l.free
				batch.Reset()
				for k := range int64(per) {
					batch.Append(&Packet{Time: at + 2*k + int64(i), Data: data, Wire: 100})
				}
				l.put(batch)
			}
		}
		for _, l := range lanes {
			l.done()
		}
	}()
	for batch := range full {
		free <- batch
	}
}
