package fievel

import (
	"slices"
	"time"

	"ratadns/speedy"
)

// maxJump is how far time moves on one packet's word; further takes agreement.
const maxJump = 24 * time.Hour

// agreement is how many packets must agree about a jump, or about the first
// time of all: one packet from 1970 changes nothing.
const agreement = 3

// A clock decides which times are believed. Its time is the latest of a message.
type clock struct {
	far       int64 // maxJump
	set       bool
	now       int64
	restarted bool  // time begins here, for the first time or anew
	closed    int64 // windows before this seq are closed
	begun     bool  // a window has been reported since time began
	doubtful  []*speedy.Message
	late      uint64
	ready     []*speedy.Message
}

// take takes the next message and returns those whose time is believed, in
// order. They are valid until the next call.
func (c *clock) take(m *speedy.Message) []*speedy.Message {
	c.ready = c.ready[:0]
	if c.set && near(c.now, m.Time, c.far) {
		c.doubt()
		c.now = max(c.now, m.Time)
		return append(c.ready, m)
	}
	c.doubtful = append(c.doubtful, clone(m))
	n := len(c.doubtful)
	if n < agreement {
		return nil
	}
	last := c.doubtful[n-agreement:]
	for _, d := range last[:agreement-1] {
		if !near(d.Time, m.Time, c.far) {
			// The oldest had its chance.
			c.doubtful = c.doubtful[1:]
			c.late++
			return nil
		}
	}
	return c.believe(agreement)
}

// believe starts time with the last n doubtful messages.
func (c *clock) believe(n int) []*speedy.Message {
	c.late += uint64(len(c.doubtful) - n)
	c.ready = append(c.ready[:0], c.doubtful[len(c.doubtful)-n:]...)
	c.doubtful = nil
	first := c.ready[0].Time
	// Going back means to begin anew, and so does the very first time;
	// going on is only a long gap.
	if !c.set || first < c.now {
		c.restarted = true
		c.now = first
	}
	c.set = true
	for _, m := range c.ready {
		c.now = max(c.now, m.Time)
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
func (c *clock) rest() []*speedy.Message {
	if c.set || len(c.doubtful) == 0 {
		c.doubt()
		return nil
	}
	latest := slices.MaxFunc(c.doubtful, func(a, b *speedy.Message) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	all := len(c.doubtful)
	c.doubtful = slices.DeleteFunc(c.doubtful, func(m *speedy.Message) bool { return !near(m.Time, latest.Time, c.far) })
	c.late += uint64(all - len(c.doubtful))
	return c.believe(len(c.doubtful))
}

// refused returns and clears the number of messages not believed.
func (c *clock) refused() uint64 {
	n := c.late
	c.late = 0
	return n
}

func near(a, b, far int64) bool { return a-b <= far && b-a <= far }

// clone copies a message and all it aliases.
func clone(m *speedy.Message) *speedy.Message {
	c := *m
	c.Wire = slices.Clone(m.Wire)
	c.Questions = slices.Clone(m.Questions)
	c.Records = slices.Clone(m.Records)
	return &c
}
