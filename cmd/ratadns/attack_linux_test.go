package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// An attack writes hostile traffic as a capture: classic pcap of raw IP. It
// makes packets faster than they are read, and keeps none.
type attack struct {
	w    io.Writer
	r    *rand.Rand
	time int64 // nanoseconds of capture
	gap  int64 // between packets
	buf  []byte
	n    int // packets
	err  error
}

var be, le = binary.BigEndian, binary.LittleEndian

func newAttack(w io.Writer) *attack {
	a := &attack{w: w, r: rand.New(rand.NewPCG(1, 2)), time: 1475762100e9, gap: 1e6}
	a.buf = le.AppendUint32(a.buf, 0xa1b23c4d)
	a.buf = append(a.buf, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0)
	return a
}

// flush passes on what was made.
func (a *attack) flush() {
	if a.err == nil {
		_, a.err = a.w.Write(a.buf)
	}
	a.buf = a.buf[:0]
}

// packet begins a packet and returns its octets to be filled.
func (a *attack) packet(n int) []byte {
	if len(a.buf) > 1<<18 {
		a.flush()
	}
	a.n++
	a.time += a.gap
	a.buf = le.AppendUint32(a.buf, uint32(a.time/1e9))
	a.buf = le.AppendUint32(a.buf, uint32(a.time%1e9))
	a.buf = le.AppendUint32(a.buf, uint32(n))
	a.buf = le.AppendUint32(a.buf, uint32(n))
	at := len(a.buf)
	a.buf = append(a.buf, make([]byte, n)...)
	return a.buf[at:]
}

// source is one of so many addresses; 0 is any.
func (a *attack) source(of uint32) uint32 {
	if of == 0 {
		return a.r.Uint32()
	}
	return 0x0a000000 + a.r.Uint32N(of)
}

const victim = 0xc6336435 // 198.51.100.53

// ipv4 begins a packet to the victim and returns its payload.
func (a *attack) ipv4(source uint32, proto byte, n int) (header, payload []byte) {
	b := a.packet(20 + n)
	b[0], b[8], b[9] = 0x45, 64, proto
	be.PutUint16(b[2:], uint16(20+n))
	be.PutUint32(b[12:], source)
	be.PutUint32(b[16:], victim)
	return b[:20], b[20:]
}

// segment is one of TCP to port 53.
func (a *attack) segment(source uint32, port uint16, seq uint32, flags byte, data []byte) {
	_, b := a.ipv4(source, 6, 20+len(data))
	be.PutUint16(b, port)
	be.PutUint16(b[2:], 53)
	be.PutUint32(b[4:], seq)
	b[12], b[13] = 5<<4, flags
	copy(b[20:], data)
}

// syn is one of a flood: any source, never again.
func (a *attack) syn() { a.segment(a.source(0), uint16(a.r.Uint32()), a.r.Uint32(), 2, nil) }

// begun opens flow i with the beginning of a long message.
func (a *attack) begun(i int, data []byte) {
	source, port := 0x0b000000+uint32(i>>4), uint16(1024+i&15)
	a.segment(source, port, 999, 2, nil)
	be.PutUint16(data, 65535)
	a.segment(source, port, 1000, 16, data)
}

// behind sends a segment of flow i behind a hole.
func (a *attack) behind(i, round int, data []byte) {
	a.segment(0x0b000000+uint32(i>>4), uint16(1024+i&15), uint32(5000+round*1000), 16, data)
}

// fragment is the first of a datagram, or a later one, of IPv4 or IPv6.
func (a *attack) fragment(n int) {
	later, dns := a.r.IntN(2) == 0, a.r.IntN(2) == 0
	var b []byte
	if a.r.IntN(2) == 0 {
		var h []byte
		h, b = a.ipv4(a.source(0), 17, n)
		be.PutUint16(h[4:], uint16(a.r.Uint32()))
		be.PutUint16(h[6:], 0x2000)
		if later {
			be.PutUint16(h[6:], 0x2000|uint16(n/8))
		}
	} else {
		h := a.packet(48 + n)
		h[0], h[6], h[7] = 0x60, 44, 64
		be.PutUint16(h[4:], uint16(8+n))
		be.PutUint64(h[8:], 0x20010db8<<32)
		be.PutUint64(h[16:], a.r.Uint64())
		be.PutUint64(h[24:], 0x20010db8<<32|53)
		h[40] = 17
		be.PutUint32(h[44:], a.r.Uint32())
		h[43] = 1
		if later {
			be.PutUint16(h[42:], uint16(n)|1)
		}
		b = h[48:]
	}
	if !later {
		be.PutUint16(b, uint16(1024+a.r.IntN(60000)))
		if dns {
			be.PutUint16(b[2:], 53)
		}
		be.PutUint16(b[4:], uint16(3*n))
	}
}

// garbage is a packet of anything, sometimes with the first octet of IP.
func (a *attack) garbage() {
	b := a.packet(a.r.IntN(400))
	for i := range b {
		b[i] = byte(a.r.Uint32())
	}
	if len(b) > 40 && a.r.IntN(2) == 0 {
		b[0], b[6], b[9], b[22], b[23] = 0x45, 0, 17, 0, 53
	}
}

// query asks for a random name below a zone, over UDP, and gets no response. It
// comes from one of so many sources.
func (a *attack) query(of uint32) {
	const labels = "\x03zzz\x07example\x03org\x00\x00\x01\x00\x01"
	_, b := a.ipv4(a.source(of), 17, 8+12+13+len(labels))
	be.PutUint16(b, uint16(1024+a.r.IntN(60000)))
	be.PutUint16(b[2:], 53)
	be.PutUint16(b[4:], uint16(len(b)))
	m := b[8:]
	be.PutUint16(m, uint16(a.r.Uint32()))
	be.PutUint32(m[2:], 0x01000001)
	copy(m[12:], fmt.Appendf(nil, "\x0c%012x", a.r.Uint64()>>16))
	copy(m[25:], labels)
}

// bomb completes n messages at once, each of which becomes megabytes of JSON:
// its questions are pointers to one long name. They lack an octet until then.
func (a *attack) bomb(n int) {
	name := make([]byte, 0, 255)
	for range 3 {
		name = append(append(name, 63), make([]byte, 63)...) // \000 is four characters, five in JSON
	}
	name = append(name, 0, 0, 1, 0, 1)
	const questions = 3000
	m := be.AppendUint16(nil, 0)
	m = append(m, 0, 1, 0, 0, questions>>8, questions&255, 0, 0, 0, 0, 0, 0)
	m = append(m, name...)
	for range questions - 1 {
		m = append(m, 0xc0, 12, 0, 1, 0, 1)
	}
	be.PutUint16(m, uint16(len(m)-2))
	for i := range n {
		source := 0x0c000000 + uint32(i)
		a.segment(source, 4000, 999, 2, nil)
		seq := uint32(1000)
		for b := m[:len(m)-1]; len(b) > 0; {
			k := min(16000, len(b))
			a.segment(source, 4000, seq, 16, b[:k])
			b, seq = b[k:], seq+uint32(k)
		}
	}
	for i := range n {
		a.segment(0x0c000000+uint32(i), 4000, uint32(1000+len(m)-1), 16, m[len(m)-1:])
	}
}
