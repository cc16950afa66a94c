package main

import (
	"math"
	"sync/atomic"

	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

// asking answers a question about a whole capture. Each worker decodes and
// reduces what it has taken: without windows, the order of the others' does not
// matter. Only transactions need the flows apart.
type asking struct {
	workers []*asker
	// shallow says that nothing behind the questions is looked at, which takes
	// most of the time of reading a message. What is malformed is not known then.
	shallow bool
	seen    uint64 // messages since the horizon moved
	least   int64  // time of one of those
	horizon int64  // up to which queries without a response have been given up
	// Packets, where the question is of them.
	packets    reduce.PacketCounts
	sides      *speedy.Sides
	interfaces []string
	lost       uint64
	progress   *atomic.Uint64 // packets, or nil
}

// transactions reports whether the question is of them.
func (a *asking) transactions() bool { return a.workers[0].transactions }

// engine returns an engine that gives a what cfg says.
func (a *asking) engine(cfg speedy.Config) *speedy.Engine {
	cfg.Workers, cfg.ByFlow, cfg.Losses = len(a.workers), a.transactions(), true
	cfg.Watches = func() bool { return a.packets != nil }
	return speedy.NewEngine(cfg, a)
}

// Order implements [speedy.Handler].
func (a *asking) Order(l *speedy.Load) {
	turns, _ := l.Data.([]turn)
	turns = turns[:0]
	for i, s := range l.Found {
		if s.Lost {
			a.lost += uint64(s.Size)
		} else if a.transactions() {
			turns = a.moveHorizon(turns, i, s.Time)
		}
	}
	l.Data = turns
	own := a.sides.IsServer
	if !a.sides.Known() {
		own = nil
	}
	for i := range l.Seen {
		a.packets[reduce.KindOf(l.Seen[i].Door, &l.Seen[i].Segment, own, a.sides)]++
	}
}

// Work implements [speedy.Handler].
func (a *asking) Work(l *speedy.Load, share int) {
	w, turns := a.workers[share], l.Data.([]turn)
	for i, s := range l.Found {
		if !s.Lost && (!w.transactions || speedy.Owner(s, len(a.workers)) == share) {
			w.add(s)
		}
		if len(turns) > 0 && turns[0].at == i {
			w.reduce()
			w.window.Close(w.batch.Single(), turns[0].horizon, false)
			turns = turns[1:]
		}
	}
	w.reduce()
}

// LostAnywhere counts packets of an interface for which the kernel had no room,
// as Fievel's does.
func (a *asking) LostAnywhere(n uint64, iface int) {
	a.lost += n
	if a.packets != nil {
		a.packets[reduce.PacketKind{Interface: uint8(iface), Fate: reduce.DroppedPacket}] += n
	}
}

// Flush implements [speedy.Handler].
func (a *asking) Flush(l *speedy.Load) error {
	if a.progress != nil {
		a.progress.Store(l.Packets())
	}
	return nil
}

// An asker is one worker.
type asker struct {
	batch        *reduce.Batch
	group        *reduce.Group
	window       *reduce.Window
	first, last  int64 // times of messages
	transactions bool
	skip         int8 // messages with that QR are only counted; -1 is none
}

func newAsking(q *question, sides *speedy.Sides, anon *speedy.Anonymizer, workers int, facts *reduce.Facts) *asking {
	a := &asking{least: math.MaxInt64, shallow: q.entry.OnlyQuestions() && q.params.Where.OnlyQuestions()}
	uses := []reduce.Use{{Entry: q.entry, Params: q.params}}
	a.sides = sides
	if q.entry.Of&reduce.Packets != 0 {
		a.packets = make(reduce.PacketCounts)
	}
	if a.shallow && q.params.Where == nil && q.entry.OnlyMessages() {
		sides = nil
	}
	for range workers {
		group := reduce.NewGroup(uses, workers)
		w := &asker{
			group: group, window: group.NewWindow(),
			first: math.MaxInt64, last: math.MinInt64,
			transactions: q.entry.Of&reduce.Transactions != 0, skip: -1,
		}
		w.batch = reduce.NewBatch(anon.Clone(), func() *speedy.Decoder {
			dec := speedy.NewDecoder(sides, false)
			if a.shallow {
				dec.OnlyQuestions()
			}
			return dec
		})
		w.batch.Facts = facts
		if a.shallow {
			switch q.entry.Of {
			case reduce.Queries:
				w.skip = 1
			case reduce.Responses:
				w.skip = 0
			}
		}
		a.workers = append(a.workers, w)
	}
	return a
}

// add takes a message.
func (a *asker) add(s *packet.Segment) {
	a.first, a.last = min(a.first, s.Time), max(a.last, s.Time)
	if a.skip >= 0 && len(s.Payload) > 2 && int8(s.Payload[2]>>7) == a.skip {
		a.window.Messages++
		return
	}
	if a.batch.Full() {
		a.reduce()
	}
	a.batch.Take(s)
}

func (a *asker) reduce() {
	a.window.AddBatch(a.batch)
	a.batch.Clear()
}

// enoughMessages is how many messages move the horizon to the earliest of them.
// One packet with an absurd time then gives up nobody's queries.
const enoughMessages = 256

// A turn moves the horizon behind the message at that place of a load.
type turn struct {
	at      int
	horizon int64
}

// moveHorizon appends a turn where the message at that place, with that time, makes
// enough. The horizon is the time up to which queries without a response are given
// up, so that they make room for others. It moves by messages and not by loads, so
// that where keys are too many those that have room do not depend on how the capture
// is read.
func (a *asking) moveHorizon(turns []turn, at int, t int64) []turn {
	a.seen++
	if a.least = min(a.least, t); a.seen < enoughMessages {
		return turns
	}
	if a.least > a.horizon {
		a.horizon = a.least
		turns = append(turns, turn{at, a.horizon})
	}
	a.seen, a.least = 0, math.MaxInt64
	return turns
}

// merge returns the window of all workers at the end, from the first message to
// the last.
func (a *asking) merge() (*reduce.Window, report.Window) {
	all := a.workers[0]
	for i, w := range a.workers {
		w.window.Close(w.batch.Single(), math.MaxInt64, true)
		if i > 0 {
			all.window.Merge(w.window)
			all.first, all.last = min(all.first, w.first), max(all.last, w.last)
		}
	}
	all.window.AddPackets(a.packets, a.interfaces)
	header := report.Window{Messages: all.window.Messages, Lost: a.lost}
	if !a.shallow {
		header.Malformed = all.window.Malformed
	}
	if header.Messages > 0 {
		header.Start, header.End = all.first, all.last
	}
	return all.window, header
}
