package packet

import (
	"slices"
	"testing"
)

// ack is a segment of the server that acknowledges up to position at.
func (c *conn) ack(flags uint8, at int) {
	c.time += 1e6
	c.Add(&Segment{
		Time: c.time, Place: 77, Source: server4, Dest: client4, SourcePort: 53, DestPort: c.port, TCP: true,
		Flags: flags | flagACK, Seq: 9000, Ack: c.isn + 1 + uint32(at),
	})
}

// What the receiver has had and the capture has not is lost as soon as the
// receiver says so; what waits behind it is read then.
func TestAcknowledgedHole(t *testing.T) {
	m := [][]byte{msg(1, 40), msg(2, 60), msg(3, 50), msg(4, 30), msg(5, 70)}
	b := frame(m...) // messages at 0-42, 42-104, 104-156, 156-188, 188-260
	f := func(name string, want []int, incomplete uint64, do func(c *conn)) {
		t.Helper()
		c := newConn(DefaultConfig())
		c.syn()
		c.send(0, b, 0, 42)
		do(c)
		c.balance(t)
		var list [][]byte
		for _, i := range want {
			list = append(list, m[i-1])
		}
		wantMessages(t, name, c.got, list)
		if c.Stats.Incomplete != incomplete {
			t.Errorf("%s: %+v", name, c.Stats)
		}
	}
	behind := func(c *conn) { c.send(0, b, 104, 156); c.send(0, b, 156, 188) }
	f("acknowledged", []int{1, 3, 4, 5}, 1, func(c *conn) { behind(c); c.ack(0, 188); c.send(0, b, 188, 260) })
	f("not yet", []int{1, 2, 3, 4}, 0, func(c *conn) { behind(c); c.ack(0, 42); c.ack(0, 104); c.send(0, b, 42, 104) })
	f("in part", []int{1, 3, 4}, 1, func(c *conn) { behind(c); c.ack(0, 110) })
	f("two holes", []int{1, 3, 5}, 2, func(c *conn) { c.send(0, b, 104, 156); c.send(0, b, 188, 260); c.ack(0, 260) })
	f("the second is open", []int{1, 3, 4, 5}, 1, func(c *conn) {
		c.send(0, b, 104, 156)
		c.send(0, b, 188, 260)
		c.ack(0, 156)
		c.send(0, b, 156, 188)
	})
	f("with the end behind it", []int{1, 3}, 1, func(c *conn) {
		c.send(flagFIN, b, 104, 156)
		c.ack(flagFIN, 157)
		c.send(0, b, 104, 156) // again
	})
	f("reset", []int{1, 3, 4}, 1, func(c *conn) { behind(c); c.ack(flagRST, 188) })
	f("inside a message", []int{1, 4, 5}, 1, func(c *conn) {
		c.send(0, b, 42, 60)
		c.send(0, b, 110, 156) // the rest of the third
		c.send(0, b, 156, 260)
		c.ack(0, 260)
	})
}

// A message that an acknowledgement completes has its sender's address and the
// acknowledgement's time and place.
func TestAcknowledgedSegment(t *testing.T) {
	var got []Segment
	c := newConn(DefaultConfig())
	c.emit = func(p *Payload) { got = append(got, *p.Segment) }
	b := frame(msg(1, 40), msg(2, 60))
	c.syn()
	c.send(0, b, 42, 104)
	c.ack(0, 104)
	want := func(s Segment) bool {
		return s.Source == client4 && s.Dest == server4 && s.SourcePort == c.port && s.DestPort == 53 && s.Time == c.time && s.Place == 77
	}
	if len(got) != 1 || !want(got[0]) {
		t.Errorf("%+v", got)
	}
}

// A segment whose number is far from all that may come is of another connection.
func TestFarAway(t *testing.T) {
	m := [][]byte{msg(1, 40), msg(2, 60), msg(3, 50)}
	for _, away := range []uint32{maxAway + 100, 1 << 31, ^uint32(maxAway + 100)} {
		c := newConn(DefaultConfig())
		c.syn()
		c.send(0, frame(m[0]), 0, 42)
		c.isn += away
		c.send(0, frame(m[1]), 0, 62)
		c.send(0, frame(m[1:]...), 62, 114)
		c.balance(t)
		wantMessages(t, "far away", c.got, slices.Clone(m))
	}
}

// The longest message is read also when its first segment comes last.
func TestLongestReversed(t *testing.T) {
	b := frame(msg(1, 65535), msg(2, 40))
	for _, size := range []int{536, 1400, 9000} {
		c := newConn(DefaultConfig())
		c.syn()
		for at := (len(b) - 1) / size * size; at >= 0; at -= size {
			c.send(0, b, at, min(at+size, len(b)))
		}
		c.balance(t)
		wantMessages(t, "reversed", c.got, [][]byte{msg(1, 65535), msg(2, 40)})
	}
}
