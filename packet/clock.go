package packet

import "ratadns/capture"

// A clock tells how much time has passed in the capture. It never goes back,
// and one packet with an absurd time does not move it: what waits for other
// packets would be given up at once, and, were the clock ahead for good, for
// the rest of the capture. All packets pass it, so what it says does not
// depend on the number of workers.
type clock struct {
	at     int64 // capture time that is believed
	passed int64
	jumps  int // packets in a row that agree about a time far away
	jumpAt int64
	set    bool
}

// sweepNS is how often Streams are told of the time.
const sweepNS = int64(10e9)

// Pending reports whether TakeSweep or TakeLost has anything to tell of the
// packet that has passed last.
func (p *Parser) Pending() bool {
	return p.fragments.now-p.swept >= sweepNS || len(p.fragments.lost) > 0
}

// TakeSweep returns a segment for the Streams of all workers when so much time
// has passed that they should look for flows that are silent. It stands before
// the packet that has passed last. That all are told at the same place makes
// what they do independent of how the flows are divided among them.
func (p *Parser) TakeSweep() (s Segment, ok bool) {
	now := p.fragments.now
	if now-p.swept < sweepNS {
		return s, false
	}
	p.swept = now
	return Segment{Sweep: true, Time: now, Place: p.fragments.place}, true
}

// take returns the time that has passed when a packet of that time is seen.
func (c *clock) take(t int64) int64 {
	switch {
	case !c.set:
		c.at, c.set = t, true
	case capture.Near(t, c.at):
		if t > c.at {
			c.passed += t - c.at
			c.at = t
		}
		c.jumps = 0
	case c.jumps > 0 && capture.Near(t, c.jumpAt):
		if c.jumps++; c.jumps == capture.Agreement {
			// Back in time is another capture: what waits has waited as long
			// as a jump, at least.
			c.passed += int64(capture.Leap)
			c.at, c.jumps = t, 0
		}
	default:
		c.jumps, c.jumpAt = 1, t
	}
	return c.passed
}

// takeAll is take for packets of times between those, where none of them is far
// away; else it does nothing and returns false.
func (c *clock) takeAll(earliest, latest int64) bool {
	at := max(c.at, latest)
	if !c.set || !capture.Near(earliest, c.at) || !capture.Near(latest, c.at) || !capture.Near(earliest, at) {
		return false
	}
	c.passed += at - c.at
	c.at, c.jumps = at, 0
	return true
}
