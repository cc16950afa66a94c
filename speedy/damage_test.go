package speedy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"ratadns/capture"
	"ratadns/capture/cases"
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
		if testing.Short() && name != "cases" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := read(t)
			for how, damage := range cases.Damages {
				t.Run(how, func(t *testing.T) { survive(t, damage(rand.New(rand.NewPCG(1, 2)), packets)) })
			}
			t.Run("all", func(t *testing.T) {
				survive(t, cases.All(rand.New(rand.NewPCG(3, 4)), packets))
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
