package packet

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"ratadns/capture"
)

func TestClock(t *testing.T) {
	const start = int64(1475762100e9)
	day := 24 * time.Hour
	f := func(name string, want time.Duration, offsets ...time.Duration) {
		t.Helper()
		var c clock
		last, got := int64(0), int64(0)
		for _, o := range offsets {
			if got = c.take(start + int64(o)); got < last {
				t.Errorf("%s: went back from %v to %v", name, time.Duration(last), time.Duration(got))
			}
			last = got
		}
		if got != int64(want) {
			t.Errorf("%s: %v, want %v", name, time.Duration(got), want)
		}
	}
	s, m := time.Second, time.Minute
	f("in order", 3*s, 0, s, 2*s, 3*s)
	f("out of order", 3*s, 0, 2*s, s, 3*s, 2*s)
	f("an hour of silence", 61*m, 0, m, 61*m)
	f("one far ahead", 2*s, 0, s, 9000*day, 2*s)
	f("two far ahead and one more", 3*s, 0, s, 9000*day, 9000*day, 2*s, 9000*day, 3*s)
	f("one far back", 2*s, 0, s, -9000*day, 2*s)
	f("far ahead that disagree", 2*s, 0, s, 9000*day, 7000*day, 5000*day, 2*s)
	f("on from there", day+2*s, 0, s, 9000*day, 9000*day, 9000*day, 9000*day+s)
	f("back from there", day+2*s, 0, s, -9000*day, -9000*day, -9000*day, -9000*day+s)
	f("the first is wrong", day+s, 9000*day, 0, 0, 0, s)
}

// TestPassAll: packets that pass at once leave the parser as they do one by one, and
// do not where it has something to tell meanwhile.
func TestPassAll(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	at, together := int64(1475762100e9), 0
	all, each := NewParser(53), NewParser(53)
	for round := range 5000 {
		earliest, latest := int64(math.MaxInt64), int64(math.MinInt64)
		times := make([]int64, 1+r.IntN(20))
		for i := range times {
			switch r.IntN(200) {
			case 0:
				at += int64(r.Uint64N(4 * 86400e9))
			case 1:
				at -= int64(r.Uint64N(4 * 86400e9))
			}
			times[i] = at + r.Int64N(200e6)
			switch r.IntN(1000) {
			case 0:
				times[i] = int64(r.Uint64())
			case 1:
				times[i] = at + r.Int64N(3*86400e9)
			}
			earliest, latest = min(earliest, times[i]), max(latest, times[i])
			at += r.Int64N(100e6)
		}
		ok := all.PassAll(len(times), earliest, latest)
		for _, time := range times {
			each.Pass(time)
			pending := each.Pending()
			each.TakeSweep()
			if ok && pending {
				t.Fatalf("round %d: something to tell at %d of %v", round, time, times)
			}
			if !ok {
				all.Pass(time)
				all.TakeSweep()
			}
		}
		if ok {
			together++
		}
		if all.clock != each.clock || all.place != each.place || all.swept != each.swept ||
			all.fragments.now != each.fragments.now || all.fragments.place != each.fragments.place {
			t.Fatalf("round %d, at once: %v: %+v, want %+v", round, ok, all.clock, each.clock)
		}
	}
	all.fragments.lost = make([]Segment, 1)
	if all.PassAll(1, all.clock.at, all.clock.at) {
		t.Error("at once, and word of lost fragments waits")
	}
	if together < 2500 || together == 5000 {
		t.Errorf("%d of 5000 at once", together)
	}
}

// One packet with an absurd time does not end what other packets have begun,
// neither in TCP nor in fragments, before it nor behind it.
func TestAbsurdTime(t *testing.T) {
	for _, absurd := range []int64{1 << 62, -1 << 62, 0, 3600e9} {
		p := NewParser(53)
		got := 0
		streams := NewStreams(DefaultConfig(), func(*Segment) { got++ })
		time := int64(1475762100e9)
		feed := func(at int64, packets ...[]byte) {
			for _, b := range packets {
				var s Segment
				door := p.Parse(&capture.Packet{Time: at, Data: b, Wire: len(b), Link: capture.LinkRaw}, &s)
				if sweep, ok := p.TakeSweep(); ok {
					streams.Add(&sweep)
				}
				if door == DNS {
					streams.Add(&s)
				}
			}
		}
		stream := frame(query, query)
		segment := func(port uint16, from, to int) []byte {
			return ipv4(protoTCP, nil, tcp(port, 53, uint32(1000+from), 16, nil, stream[from:to]))
		}
		u := udp(4000, 53, big)
		parts := split4(7, u, part{0, 1480, true}, part{1480, 2960, true}, part{2960, len(u), false})
		feed(time, segment(4001, 0, 20), parts[0])
		feed(time+1e6, parts[1])
		wrong := tcp(4002, 53, 1, 2, nil, nil)
		feed(time+absurd, ipv4(protoTCP, nil, wrong), split4(8, u, part{0, 1480, true})[0])
		feed(time+2e6, segment(4003, 0, 20))
		feed(time+3e6, segment(4001, 20, len(stream)), parts[2], segment(4003, 20, len(stream)))
		// An hour is within the time that is believed: what was under way is
		// given up, what comes then is not, and the second query is found in it.
		want := 5
		if absurd == 3600e9 {
			want = 3
		}
		if got != want {
			t.Errorf("%d messages beside a time of %d, want %d", got, absurd, want)
		}
	}
}
