package capture

import (
	"context"
	"errors"
	"io"
	"math"
	"strconv"
	"time"
)

// Pace hands on src's packets when they are due: at their recorded distances
// divided by speed, counted from the first. Speed zero is without waiting.
// A damaged time is not waited for: a jump of more than a day needs three packets
// that agree, and what goes before the third of them goes at once.
// Times stay as captured. It returns ctx's error when ctx is done.
func Pace(ctx context.Context, src Source, speed float64) Source {
	return &pace{ctx: ctx, src: src, speed: speed}
}

type pace struct {
	ctx   context.Context
	src   Source
	speed float64
	batch Batch
	i     int
	first int64 // time of the first packet
	start time.Time

	last   int64 // time of the latest packet that was believed
	paced  int   // how many were
	strays int   // packets in a row that are far from it
	stray  int64 // time of the last of them
}

// slack is how far ahead of its time a packet may go out. A timer is not more
// exact than this, and one wake-up serves all the packets inside it.
const slack = time.Millisecond

func (p *pace) Read(b *Batch) error {
	b.Reset()
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.speed == 0 {
		return p.src.Read(b)
	}
	if p.i == len(p.batch.Packets) {
		p.i = 0
		if err := p.src.Read(&p.batch); err != nil {
			p.batch.Reset()
			return err
		}
		if p.start.IsZero() {
			p.begin(p.batch.Packets[0].Time)
		}
	}
	// One batch of src at most: src may be a pipe that has no more to give
	// for a while, and these packets are due.
	for ; p.i < len(p.batch.Packets) && !b.full(); p.i++ {
		next := &p.batch.Packets[p.i]
		if !p.believes(next.Time) {
			b.Append(next)
			continue
		}
		if wait := p.due(next.Time) - time.Since(p.start); wait > slack {
			if len(b.Packets) > 0 {
				return nil
			}
			if err := sleep(p.ctx, wait); err != nil {
				return err
			}
		}
		b.Append(next)
		p.paced++
	}
	return nil
}

// begin says that a packet of time t is due now.
func (p *pace) begin(t int64) { p.first, p.last, p.start = t, t, time.Now() }

// believes reports whether a packet of time t is to be waited for.
func (p *pace) believes(t int64) bool {
	if Near(t, p.last) {
		p.last, p.strays = t, 0
		return true
	}
	if p.strays > 0 && !Near(t, p.stray) {
		p.strays = 0
	}
	p.stray = t
	if p.strays++; p.strays < Agreement {
		return false
	}
	p.last, p.strays = t, 0
	if p.paced == 1 { // it was the very first that strayed
		p.begin(t)
	}
	return true
}

// due is when a packet of time t goes out, after the start.
func (p *pace) due(t int64) time.Duration {
	d := float64(t-p.first) / p.speed
	return time.Duration(max(min(d, math.MaxInt64/2), math.MinInt64/2))
}

func (p *pace) Close() error { return p.src.Close() }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Loop plays a capture round and round with its times moved: the first packet
// of the first round is at start, distances are divided by speed, and each
// round begins where the one before it ended.
func Loop(open func() (Source, error), start time.Time, speed float64) Source {
	return &loop{open: open, start: start.UnixNano(), speed: speed}
}

type loop struct {
	open  func() (Source, error)
	src   Source
	start int64 // of this round
	speed float64
	first int64 // time in the capture of the round's first packet
	last  int64 // moved time of the packet before
	any   bool  // this round gave a packet
}

// roundGap is between the last packet of a round and the first of the next.
const roundGap = int64(time.Millisecond)

func (l *loop) Read(b *Batch) error {
	b.Reset()
	for {
		if l.src == nil {
			src, err := l.open()
			if err != nil {
				return err
			}
			l.src, l.any = src, false
		}
		err := l.src.Read(b)
		if err == io.EOF && l.any {
			if err := l.src.Close(); err != nil {
				return err
			}
			l.src, l.start = nil, l.last+roundGap
			continue
		}
		if err != nil {
			return err
		}
		if !l.any {
			l.first, l.any = b.Packets[0].Time, true
		}
		for i := range b.Packets {
			p := &b.Packets[i]
			p.Time = l.start + int64(float64(p.Time-l.first)/l.speed)
			l.last = max(l.last, p.Time)
		}
		return nil
	}
}

func (l *loop) Close() error {
	if l.src == nil {
		return nil
	}
	return l.src.Close()
}

// ParseSpeed reads the value of --speed: a positive number, or "max", which is
// zero here and means without waiting.
func ParseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, errors.New("must be a positive number or max")
	}
	return v, nil
}
