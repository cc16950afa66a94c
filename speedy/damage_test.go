package speedy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"ratadns/capture"
)

// packetsOf reads a whole capture into memory.
func packetsOf(t testing.TB, src capture.Source) (all []capture.Packet) {
	t.Helper()
	defer src.Close()
	var b capture.Batch
	for {
		if err := src.Read(&b); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
	}
}

// damages are what can happen to packets between the network and us. Each
// returns packets of its own.
var damages = map[string]func(r *rand.Rand, packets []capture.Packet) []capture.Packet{
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

// TestDamage damages captures in every way: the doors add up, every message
// found is written, and the octets are the same for any number of workers.
func TestDamage(t *testing.T) {
	captures := map[string]func(t *testing.T) []capture.Packet{
		"cases": func(t *testing.T) (all []capture.Packet) {
			for range 5 { // they are small, so that damage misses most of them
				for _, path := range caseFiles(t) {
					all = append(all, packetsOf(t, open(t, path))...)
				}
			}
			return all
		},
		"sample": func(t *testing.T) []capture.Packet { return packetsOf(t, openPcap(t, sampleCapture(t))) },
		"root":   func(t *testing.T) []capture.Packet { return packetsOf(t, openPcap(t, rootCapture(t))) },
	}
	for name, read := range captures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := read(t)
			for how, damage := range damages {
				t.Run(how, func(t *testing.T) { survive(t, damage(rand.New(rand.NewPCG(1, 2)), packets)) })
			}
			t.Run("all", func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				for _, how := range []string{"dropped", "duplicated", "reordered", "bits", "garbage", "link types", "cut by the capture", "times"} {
					packets = damages[how](r, packets)
				}
				survive(t, packets)
			})
		})
	}
}

// survive runs packets through Speedy and checks the counters.
func survive(t *testing.T, packets []capture.Packet) {
	t.Helper()
	want, stats := written(t, &slice{packets: packets, size: 1000}, 1, FieldsDefault)
	if stats.Received != uint64(len(packets)) {
		t.Errorf("%d packets received of %d", stats.Received, len(packets))
	}
	if n := bytes.Count(want, []byte(`{"source":"`)); uint64(n) != stats.Streams.Messages {
		t.Errorf("%d messages written, %d found", n, stats.Streams.Messages)
	}
	if stats.Streams.Messages == 0 {
		t.Error("no message is left")
	}
	if got, s := written(t, &slice{packets: packets, size: 333}, 3, FieldsDefault); !bytes.Equal(got, want) || s != stats {
		t.Errorf("3 workers: %d octets, otherwise %d\n%+v\n%+v", len(got), len(want), s, stats)
	}
}

// TestDamagedFiles flips bits of captures' files, and cuts them. What is before
// the damage is used; what is behind it may be.
func TestDamagedFiles(t *testing.T) {
	errors := 0
	for _, path := range caseFiles(t) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(5, uint64(len(file))))
		for i := range 40 {
			b := bytes.Clone(file)
			if i%4 == 0 {
				b = b[:r.IntN(len(b))]
			} else {
				for range i % 4 {
					b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				}
			}
			src, err := capture.NewReader(path, bytes.NewReader(b), quiet)
			if err != nil {
				errors++
				continue
			}
			var out bytes.Buffer
			s, err := Write(t.Context(), src, &out, DefaultConfig(), 1+i%3, FieldsAll, anonymizer(t, None, Key{}))
			if err != nil {
				errors++
			}
			ledger(t, s)
			if all, _ := objects(t, out.Bytes()); uint64(len(all)) != s.Streams.Messages {
				t.Errorf("%s, damage %d: %d messages written, %d found", path, i, len(all), s.Streams.Messages)
			}
		}
	}
	if errors == 0 || errors > 40*len(caseFiles(t))/2 {
		t.Errorf("%d files could not be read to their end", errors)
	}
}
