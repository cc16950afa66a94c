package fievel

import (
	"cmp"
	"slices"

	"ratadns/capture"
)

// maxDoubtful is how many messages wait for others that agree about a jump, or
// about the first time of all: so many that strays among the first do not drive
// out good ones.
const maxDoubtful = 2*capture.Agreement - 1

// maxTime is the end of the times that are believed at all (the year 2242), and
// so of those that a report may have.
const maxTime = 1<<33*1e9 - int64(maxDuration)

// A clock decides which times are believed. Its time is the latest of a message.
type clock struct {
	set      bool
	now      int64
	turn     turn // of what take returned last
	doubtful []*item
	late     uint64
	ready    []*item
}

// A turn is what time does at a message.
type turn uint8

const (
	goesOn     turn = iota
	jumps           // goes on far away
	beginsAnew      // begins, for the first time or anew
)

// take takes the next message and returns those whose time is believed, in
// order. They are valid until the next call.
func (c *clock) take(m *item) []*item {
	c.ready = c.ready[:0]
	if m.time < 0 || m.time >= maxTime {
		c.late++
		return nil
	}
	if c.set && capture.Near(c.now, m.time) {
		c.doubt()
		c.now = max(c.now, m.time)
		return append(c.ready, m)
	}
	c.doubtful = append(c.doubtful, m.clone())
	agreed := 0
	for _, d := range c.doubtful {
		if capture.Near(d.time, m.time) {
			agreed++
		}
	}
	if agreed >= capture.Agreement {
		return c.believe(m.time)
	}
	if len(c.doubtful) > maxDoubtful {
		// The oldest had its chance.
		c.doubtful = slices.Delete(c.doubtful, 0, 1)
		c.late++
	}
	return nil
}

// believe starts time with the doubtful messages that agree about t.
func (c *clock) believe(t int64) []*item {
	for _, m := range c.doubtful {
		if capture.Near(m.time, t) {
			c.ready = append(c.ready, m)
		}
	}
	c.late += uint64(len(c.doubtful) - len(c.ready))
	c.doubtful = nil
	first := c.ready[0].time
	// Going back means to begin anew, and so does the very first time;
	// going on is only a long gap.
	c.turn = jumps
	if !c.set || first < c.now {
		c.turn = beginsAnew
		c.now = first
	}
	c.set = true
	for _, m := range c.ready {
		c.now = max(c.now, m.time)
	}
	return c.ready
}

// doubt gives up the messages whose time nobody confirmed.
func (c *clock) doubt() {
	c.late += uint64(len(c.doubtful))
	c.doubtful = c.doubtful[:0]
}

// rest returns what is believed at the end of the input: where time never
// began, the latest message and those that agree with it.
func (c *clock) rest() []*item {
	c.ready = c.ready[:0]
	if c.set || len(c.doubtful) == 0 {
		c.doubt()
		return nil
	}
	latest := slices.MaxFunc(c.doubtful, func(a, b *item) int { return cmp.Compare(a.time, b.time) })
	return c.believe(latest.time)
}

// refused returns and clears the number of messages not believed.
func (c *clock) refused() uint64 {
	n := c.late
	c.late = 0
	return n
}

// turned returns and clears the turn.
func (c *clock) turned() turn {
	t := c.turn
	c.turn = goesOn
	return t
}
