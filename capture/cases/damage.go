// Package cases holds captures made by hand, one for each thing that packets of
// DNS can do, with the tests that make them, and ways to damage captures. It is
// for the tests of other packages; the program does not have it.
package cases

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"ratadns/capture"
)

// Damages are what can happen to packets between the network and us. Each
// returns packets of its own.
var Damages = map[string]func(r *rand.Rand, packets []capture.Packet) []capture.Packet{
	"bits": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 3, func(p *capture.Packet) {
			for range 1 + r.IntN(8) {
				if len(p.Data) > 0 {
					p.Data[r.IntN(len(p.Data))] ^= 1 << r.IntN(8)
				}
			}
		})
	},
	"headers": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 2, func(p *capture.Packet) {
			if n := min(len(p.Data), 70); n > 0 {
				p.Data[r.IntN(n)] = byte(r.Uint32())
			}
		})
	},
	"cut by the capture": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 2, func(p *capture.Packet) { p.Data = p.Data[:r.IntN(len(p.Data)+1)] })
	},
	"cut on the wire": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 2, func(p *capture.Packet) { p.Data = p.Data[:r.IntN(len(p.Data)+1)]; p.Wire = len(p.Data) })
	},
	"longer": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 2, func(p *capture.Packet) { p.Data = append(p.Data, garbage(r, 64)...); p.Wire = len(p.Data) })
	},
	"dropped": func(r *rand.Rand, packets []capture.Packet) (out []capture.Packet) {
		for _, p := range packets {
			if r.IntN(4) > 0 {
				out = append(out, p)
			}
		}
		return out
	},
	"duplicated": func(r *rand.Rand, packets []capture.Packet) (out []capture.Packet) {
		for i, p := range packets {
			out = append(out, p)
			if r.IntN(3) == 0 { // itself, or one from before
				out = append(out, packets[max(0, i-r.IntN(20))])
			}
		}
		return out
	},
	"reordered": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		out := slices.Clone(packets)
		for i := range out {
			j := min(len(out)-1, i+r.IntN(10))
			out[i], out[j] = out[j], out[i]
		}
		return out
	},
	"garbage": func(r *rand.Rand, packets []capture.Packet) (out []capture.Packet) {
		for _, p := range packets {
			if out = append(out, p); r.IntN(3) == 0 {
				p.Data = garbage(r, 200)
				p.Wire = len(p.Data)
				out = append(out, p)
			}
		}
		return out
	},
	"link types": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		types := []capture.LinkType{0, 1, 12, 14, 101, 108, 113, 147, 228, 229, 276}
		return some(r, packets, 3, func(p *capture.Packet) { p.Link = types[r.IntN(len(types))] })
	},
	"times": func(r *rand.Rand, packets []capture.Packet) []capture.Packet {
		return some(r, packets, 50, func(p *capture.Packet) {
			switch r.IntN(3) {
			case 0: // any
				p.Time = int64(r.Uint64() >> 2)
			case 1: // none
				p.Time = 0
			case 2: // some minutes off
				p.Time += int64(r.NormFloat64() * 300e9)
			}
		})
	},
}

// some changes one packet in n, the others stay.
func some(r *rand.Rand, packets []capture.Packet, n int, change func(p *capture.Packet)) []capture.Packet {
	out := slices.Clone(packets)
	for i := range out {
		if r.IntN(n) == 0 {
			out[i].Data = bytes.Clone(out[i].Data)
			change(&out[i])
		}
	}
	return out
}

// garbage is up to so many octets of anything.
func garbage(r *rand.Rand, n int) []byte {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// All damages packets in every way, one after the other, but for those ways.
func All(r *rand.Rand, packets []capture.Packet, but ...string) []capture.Packet {
	for _, how := range []string{"dropped", "duplicated", "reordered", "bits", "garbage", "longer", "link types", "cut by the capture", "times"} {
		if !slices.Contains(but, how) {
			packets = Damages[how](r, packets)
		}
	}
	return packets
}

// File is a pcapng of packets of any link types, with an interface for each type.
func File(packets []capture.Packet) (b []byte) {
	le := binary.LittleEndian
	block := func(kind uint32, body []byte) {
		n := uint32(12 + (len(body)+3)&^3)
		b = append(le.AppendUint32(le.AppendUint32(b, kind), n), body...)
		b = le.AppendUint32(append(b, make([]byte, -len(body)&3)...), n)
	}
	block(0x0a0d0d0a, []byte("\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	ifaces := map[capture.LinkType]uint32{}
	for i := range packets {
		p := &packets[i]
		id, ok := ifaces[p.Link]
		if !ok {
			id = uint32(len(ifaces))
			ifaces[p.Link] = id
			// Nanoseconds, by the one option.
			block(1, append(le.AppendUint32(le.AppendUint32(nil, uint32(p.Link)), 0), 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0))
		}
		body := le.AppendUint32(nil, id)
		body = le.AppendUint32(le.AppendUint32(body, uint32(uint64(p.Time)>>32)), uint32(p.Time))
		body = le.AppendUint32(le.AppendUint32(body, uint32(len(p.Data))), uint32(p.Wire))
		block(6, append(body, p.Data...))
	}
	return b
}
