package packet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// transfer is a zone transfer of n messages, each with some records whose names
// are compressed; only the first has a question (RFC 5936 §2.2.1).
func transfer(r *rand.Rand, n int) (all [][]byte) {
	for i := range n {
		records := 5 + r.IntN(100)
		b := []byte{0, 77, 0x84, 0, 0, 0, 0, byte(records), 0, 0, 0, 0}
		if i == 0 {
			b[5] = 1
			b = append(b, "\x07example\x03org\x00\x00\xfc\x00\x01"...)
		}
		at := len(b)
		for k := range records {
			if k == 0 {
				b = append(b, "\x07example\x03org\x00"...)
			} else {
				b = be.AppendUint16(fmt.Appendf(b, "\x04h%03d", r.IntN(1000)), 0xc000|uint16(at))
			}
			// A, and TXT with as many octets as there may be, of which many look like codes.
			if r.IntN(3) > 0 {
				b = append(b, "\x00\x01\x00\x01\x00\x01\x51\x80\x00\x04\xc0\x00\x02\x01"...)
				continue
			}
			text := r.IntN(200)
			b = append(b, "\x00\x10\x00\x01\x00\x01\x51\x80"...)
			b = append(be.AppendUint16(b, uint16(text+1)), byte(text))
			for range text {
				b = append(b, "\x00\x00\x00\x01\x01\x0c\x10y"[r.IntN(8)])
			}
		}
		all = append(all, b)
	}
	return all
}

// wantTail checks that got is the end of want but for its first few messages.
func wantTail(t *testing.T, name string, got, want [][]byte, few int) {
	t.Helper()
	if len(got) > len(want) || len(got) < len(want)-few {
		t.Errorf("%s: %d messages of %d", name, len(got), len(want))
		return
	}
	wantMessages(t, name, got, want[len(want)-len(got):])
}

// A capture that begins inside a zone transfer gives the messages from the
// second boundary on at the latest, and nothing else.
func TestTransferStartsInside(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	messages := transfer(r, 30)
	b := frame(messages...)
	for range 2000 {
		start := r.IntN(len(b) / 2)
		c := newConn(DefaultConfig())
		for at := start; at < len(b); at += 1460 {
			c.send(0, b, at, min(at+1460, len(b)))
		}
		c.balance(t)
		whole := 0 // of those that begin in the capture
		for at, i := len(b), len(messages)-1; i >= 0; i-- {
			if at -= 2 + len(messages[i]); at >= start {
				whole++
			}
		}
		// The first may begin at the end of a segment, where too little of it is seen.
		wantTail(t, fmt.Sprint("from ", start), c.got, messages[len(messages)-whole:], 1)
		if t.Failed() {
			return
		}
	}
}

// A segment that never comes costs the messages that it had octets of, and one
// more.
func TestTransferHole(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	messages := transfer(r, 60)
	b := frame(messages...)
	for hole := 1460; hole < len(b)/2; hole += 1460 {
		c := newConn(DefaultConfig())
		c.syn()
		before := 0
		for at := 0; at < len(b); at += 1460 {
			if at == hole {
				before = len(c.got)
				continue
			}
			c.send(0, b, at, min(at+1460, len(b)))
		}
		if c.balance(t); c.Stats.Incomplete == 0 {
			t.Errorf("hole at %d is not told: %+v", hole, c.Stats)
		}
		wantMessages(t, fmt.Sprint("before ", hole), c.got[:before], messages[:before])
		wantTail(t, fmt.Sprint("behind ", hole), c.got[before:], messages[before:], 6)
		if t.Failed() {
			return
		}
	}
}

// What was taken for a message and is none is not handed on.
func TestTransferMistaken(t *testing.T) {
	// A length and a header, and then octets that are no records.
	false1 := append([]byte("\x00\x50\x00\x07\x84\x00\x00\x01\x00\x02\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"), bytes.Repeat([]byte{'y'}, 100)...)
	query := []byte("\x00\x09\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")
	stream := append(false1, frame(query, query)...)
	for cut := 2; cut < len(stream); cut++ {
		if cut == 2+0x50 {
			continue // it fits the segment, so it is a malformed message
		}
		c := newConn(DefaultConfig())
		c.send(0, stream, 0, cut)
		c.send(0, stream, cut, len(stream))
		c.send(0, frame(query), 0, 0) // an acknowledgement
		c.balance(t)
		for _, m := range c.got {
			if !bytes.Equal(m, query) {
				t.Fatalf("cut at %d: %x", cut, m)
			}
		}
		if len(c.got) == 0 {
			t.Errorf("cut at %d: nothing found", cut)
		}
	}
}

// Whatever octets come, looking at them neither fails nor finds what is not there.
func FuzzFindMessage(f *testing.F) {
	f.Add(frame(msg(1, 40), msg(2, 300)))
	f.Add(bytes.Repeat([]byte{0}, 100))
	f.Add(frame(transfer(rand.New(rand.NewPCG(1, 1)), 2)...)[7:])
	f.Fuzz(func(t *testing.T, b []byte) {
		off, sure := findMessage(b, len(b))
		if off < 0 {
			return
		}
		if l := look(b[off:]); l == unlike && !sure || off > 0 && l < alike {
			t.Errorf("at %d: %d, %t", off, l, sure)
		}
	})
}
