package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// given is a source of those batches, and then of err.
type given struct {
	batches [][]Packet
	err     error
	closed  bool
}

func (g *given) Read(b *Batch) error {
	b.Reset()
	if len(g.batches) == 0 {
		return g.err
	}
	for i := range g.batches[0] {
		b.Append(&g.batches[0][i])
	}
	g.batches = g.batches[1:]
	return nil
}

func (g *given) Close() error { g.closed = true; return nil }

// at makes packets at those times after second.
func at(times ...time.Duration) []Packet {
	var ps []Packet
	for i, d := range times {
		ps = append(ps, Packet{Time: second + int64(d), Data: []byte{byte(i)}, Wire: 1, Link: LinkRaw})
	}
	return ps
}

func TestPace(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	paced := func(name string, speed float64, in [][]Packet, want ...time.Duration) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := Pace(t.Context(), &given{batches: in, err: io.EOF}, speed)
				start := time.Now()
				var n int
				for b := (Batch{}); ; {
					err := src.Read(&b)
					if err == io.EOF {
						break
					}
					if err != nil || len(b.Packets) == 0 {
						t.Fatalf("%d packets, %v", len(b.Packets), err)
					}
					for range b.Packets {
						if got := time.Since(start); n >= len(want) || got != want[n] {
							t.Fatalf("packet %d after %v, want %v", n, got, want)
						}
						n++
					}
				}
				if n != len(want) {
					t.Errorf("%d packets, want %d", n, len(want))
				}
			})
		})
	}
	in := [][]Packet{at(0, 0, 500*ms), at(2*s, 2*s, 10*s)}
	paced("as recorded", 1, in, 0, 0, 500*ms, 2*s, 2*s, 10*s)
	paced("faster", 10, in, 0, 0, 50*ms, 200*ms, 200*ms, s)
	paced("slower", 0.5, in, 0, 0, s, 4*s, 4*s, 20*s)
	paced("without waiting", 0, in, 0, 0, 0, 0, 0, 0)
	paced("within a timer's slack", 1, [][]Packet{at(0, ms/2, ms, 2*ms)}, 0, 0, 0, 2*ms)
	paced("out of order", 1, [][]Packet{at(s, 0, 2*s)}, 0, 0, s)
	const day = 24 * time.Hour
	paced("one from the future", 1, [][]Packet{at(0, s, 40_000*day, 2*s)}, 0, s, s, 2*s)
	paced("two that do not agree", 1, [][]Packet{at(0, 20_000*day, 40_000*day), at(20_000*day, 40_000*day, s)}, 0, 0, 0, 0, 0, s)
	paced("begins with one from the past", 1, [][]Packet{at(-10_000*day, 0, s, 2*s, 3*s)}, 0, 0, 0, 0, s)
	paced("days later", 1, [][]Packet{at(0, s, 2*day, 2*day+s, 2*day+2*s, 2*day+3*s)}, 0, s, s, s, 2*day+2*s, 2*day+3*s)
	paced("absurdly slow, out of order", 1e-300, [][]Packet{at(s, 0)}, 0, 0)
}

// Packets that are due do not wait for a source that has no more yet.
func TestPaceOfSilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go w.Write(nanoPcap(at(0, 0)))
		in, err := NewReader("pipe", r, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		src := Pace(t.Context(), in, 1)
		var b Batch
		if err := src.Read(&b); err != nil || len(b.Packets) != 2 {
			t.Errorf("%d packets, %v", len(b.Packets), err)
		}
	})
}

func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := &given{batches: [][]Packet{at(0, time.Hour)}}
		src := Pace(ctx, in, 1)
		start := time.Now()
		time.AfterFunc(time.Minute, cancel)
		got, err := readAll(src)
		if err != context.Canceled || len(got) != 1 || time.Since(start) != time.Minute {
			t.Errorf("%d packets, %v after %v", len(got), err, time.Since(start))
		}
		if src.Close(); !in.closed {
			t.Error("source not closed")
		}
	})
	broken := errors.New("broken")
	for _, speed := range []float64{0, 1e6} {
		got, err := readAll(Pace(t.Context(), &given{batches: [][]Packet{at(0, 1), at(2)}, err: broken}, speed))
		if err != broken || len(got) != 3 {
			t.Errorf("%d packets, %v", len(got), err)
		}
	}
}

func TestLoop(t *testing.T) {
	start := time.Unix(0, second+12345)
	const s = time.Second
	rounds := 0
	src := Loop(func() (Source, error) {
		rounds++
		return &given{batches: [][]Packet{at(0, s), at(3*s, 2*s)}, err: io.EOF}, nil
	}, start, 2)
	var got []time.Duration
	for b := (Batch{}); len(got) < 8; {
		if err := src.Read(&b); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			got = append(got, time.Duration(p.Time-start.UnixNano()))
		}
	}
	gap := 1500*time.Millisecond + time.Duration(roundGap) // of the rounds
	want := []time.Duration{0, s / 2, 3 * s / 2, s, gap, gap + s/2, gap + 3*s/2, gap + s}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("times %v\nwant %v", got, want)
		}
	}
	if rounds != 2 {
		t.Errorf("%d rounds", rounds)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// Played at the speed it was moved with, a loop keeps to the clock over rounds.
func TestLoopPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		src := Pace(ctx, Loop(func() (Source, error) {
			return NewReader("t", bytes.NewReader(nanoPcap(at(0, time.Second))), quiet(t))
		}, time.Now(), 1), 1)
		n := 0
		for b := (Batch{}); ; n++ {
			if err := src.Read(&b); err != nil {
				break
			}
			for _, p := range b.Packets {
				if ahead := time.Until(time.Unix(0, p.Time)); ahead < 0 || ahead > slack {
					t.Fatalf("packet %v ahead of the clock", ahead)
				}
			}
		}
		if n < 59 {
			t.Errorf("%d batches in a minute", n)
		}
	})
}

// A capture without packets ends; it is not opened for ever.
func TestLoopOfNothing(t *testing.T) {
	src := Loop(func() (Source, error) { return &given{err: io.EOF}, nil }, time.Unix(0, 0), 1)
	if err := src.Read(new(Batch)); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestParseSpeed(t *testing.T) {
	for s, want := range map[string]float64{"max": 0, "1": 1, "100": 100, "0.25": 0.25, "1e3": 1000} {
		if got, err := ParseSpeed(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "fast", "Inf", "NaN", "1x"} {
		if got, err := ParseSpeed(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}
