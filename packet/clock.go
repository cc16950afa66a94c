package packet

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

// A jump of more than a day needs three packets that agree, as in Fievel.
const (
	maxJump = int64(86400e9)
	agree   = 3
)

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
	case near(t, c.at):
		if t > c.at {
			c.passed += t - c.at
			c.at = t
		}
		c.jumps = 0
	case c.jumps > 0 && near(t, c.jumpAt):
		if c.jumps++; c.jumps == agree {
			// Back in time is another capture: what waits has waited as long
			// as a jump, at least.
			c.passed += maxJump
			c.at, c.jumps = t, 0
		}
	default:
		c.jumps, c.jumpAt = 1, t
	}
	return c.passed
}

func near(a, b int64) bool { return a-b <= maxJump && b-a <= maxJump }
