package main

import (
	"math"
	"net/netip"

	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/report"
	"ratadns/speedy"
)

// asking answers a question about a whole capture. Each worker decodes and
// reduces its own messages at once: without windows, the order of the others'
// does not matter.
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
}

// Watches implements [speedy.Watcher].
func (a *asking) Watches() bool { return a.packets != nil }

// Packet implements [speedy.Watcher].
func (a *asking) Packet(door packet.Door, s *packet.Segment) {
	own := a.sides.IsServer
	if !a.sides.Known() {
		own = nil
	}
	a.packets[reduce.KindOf(door, s, own, a.sides)]++
}

// An asker is one worker.
type asker struct {
	dec          *speedy.Decoder
	event        *reduce.Event
	group        *reduce.Group
	window       *reduce.Window
	first, last  int64 // times of messages
	recent       uint64
	recentLeast  int64 // time of the recent ones
	transactions bool
	skip         int8 // messages with that QR are only counted; -1 is none
	lost         uint64
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
		own := anon.Clone()
		group := reduce.NewGroup(uses, workers)
		w := &asker{
			dec: speedy.NewDecoder(sides, false), event: reduce.NewEvent(own), group: group, window: group.NewWindow(),
			first: math.MaxInt64, last: math.MinInt64, recentLeast: math.MaxInt64,
			transactions: q.entry.Of&reduce.Transactions != 0, skip: -1,
		}
		w.event.Facts = facts
		if a.shallow {
			w.dec.OnlyQuestions()
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

func (a *asking) handlers() (list []speedy.Handler) {
	for _, w := range a.workers {
		list = append(list, w)
	}
	return list
}

// Payload implements [speedy.Handler].
func (a *asker) Payload(p *packet.Payload) {
	a.first, a.last = min(a.first, p.Time), max(a.last, p.Time)
	if a.transactions {
		a.recent++
		a.recentLeast = min(a.recentLeast, p.Time)
	}
	if a.skip >= 0 && len(p.Data) > 2 && int8(p.Data[2]>>7) == a.skip {
		a.window.Messages++
		return
	}
	a.event.Set(a.dec.Decode(p))
	a.window.Add(a.event)
}

// Lost implements [speedy.Handler].
func (a *asker) Lost(netip.Addr, netip.Addr, uint64) { a.lost++ }

// enoughMessages is how many messages move the horizon to the earliest of them.
// One packet with an absurd time then gives up nobody's queries.
const enoughMessages = 256

// flush gives up the queries whose time is over, so that they make room for
// others. What is answered in time is told by the times of both messages, so
// that it does not depend on how often that is done.
func (a *asking) flush() error {
	if !a.workers[0].transactions {
		return nil
	}
	for _, w := range a.workers {
		a.seen += w.recent
		a.least = min(a.least, w.recentLeast)
		w.recent, w.recentLeast = 0, math.MaxInt64
	}
	if a.seen < enoughMessages {
		return nil
	}
	if a.least > a.horizon {
		a.horizon = a.least
		for _, w := range a.workers {
			w.window.Close(w.event, a.horizon, false)
		}
	}
	a.seen, a.least = 0, math.MaxInt64
	return nil
}

// merge returns the window of all workers at the end, from the first message to
// the last.
func (a *asking) merge() (*reduce.Window, report.Window) {
	all := a.workers[0]
	for i, w := range a.workers {
		w.window.Close(w.event, math.MaxInt64, true)
		if i > 0 {
			all.window.Merge(w.window)
			all.first, all.last, all.lost = min(all.first, w.first), max(all.last, w.last), all.lost+w.lost
		}
	}
	all.window.AddPackets(a.packets, a.interfaces)
	header := report.Window{Messages: all.window.Messages, Lost: all.lost}
	if !a.shallow {
		header.Malformed = all.window.Malformed
	}
	if header.Messages > 0 {
		header.Start, header.End = all.first, all.last
	}
	return all.window, header
}
