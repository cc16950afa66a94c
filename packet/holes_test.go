package packet

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
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

// What waits when a stream ends is read all the same: at the end of the capture
// in its order, at the place and time of each stream's last segment.
func TestHoleAtTheEnd(t *testing.T) {
	m := [][]byte{msg(1, 40), msg(2, 60), msg(3, 50)}
	b := frame(m...) // messages at 0-42, 42-104, 104-156
	var got []Segment
	c := newConn(DefaultConfig())
	c.emit = func(s *Segment) { got = append(got, *s) }
	add := func(port uint16, place uint64, flags uint8, from, to int) {
		c.Add(&Segment{Time: int64(place) * 1e9, Place: place, Source: client4, Dest: server4, SourcePort: port, DestPort: 53,
			TCP: true, Flags: flags, Seq: isn + 1 + uint32(from), Size: to - from, Payload: slices.Clone(b[max(from, 0):max(to, 0)])})
	}
	for port := uint16(1); port <= 3; port++ {
		add(port, uint64(port), flagSYN, -1, -1)
	}
	add(1, 10, 0, 104, 156)
	add(2, 11, 0, 42, 104)
	add(3, 12, 0, 104, 156)
	add(3, 13, flagRST, 156, 156)
	add(1, 14, 0, 0, 42) // before the hole
	add(2, 15, 0, 104, 156)
	c.Close()
	type seen struct {
		port  uint16
		place uint64
		time  int64
	}
	var list []seen
	for _, s := range got {
		list = append(list, seen{s.SourcePort, s.Place, s.Time})
	}
	want := []seen{{3, 13, 12e9}, {1, 14, 14e9}, {1, 10, 10e9}, {2, 15, 15e9}, {2, 15, 15e9}}
	if diff := gocmp.Diff(want, list, gocmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
	if c.Stats.Incomplete != 3 || c.Stats.Lost != 0 || c.Stats.Used != 9 {
		t.Errorf("%+v", c.Stats)
	}
}

// A capture that ends with very much behind holes is not handed out at once.
func TestHolesAtTheEnd(t *testing.T) {
	c := newConn(Config{MaxFlows: 1000, MaxWaiting: 80 << 10, MaxHeld: 32000, IdleNS: 60e9})
	b := frame(msg(1, 40), msg(2, 400))
	for port := range uint16(10) {
		c.port = port
		c.syn()
		c.send(0, b, 42, len(b))
	}
	c.balance(t)
	if len(c.got) != 2 || c.Stats.Lost != 8 {
		t.Errorf("%d messages, %+v", len(c.got), c.Stats)
	}
}

// A message that an acknowledgement completes has its sender's address and the
// acknowledgement's time and place.
func TestAcknowledgedSegment(t *testing.T) {
	var got []Segment
	c := newConn(DefaultConfig())
	c.emit = func(s *Segment) { got = append(got, *s) }
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
