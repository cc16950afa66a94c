package archive

import (
	"testing"
	"time"
)

// Keeping a batch allocates nothing once a file is open.
func TestWriteAllocations(t *testing.T) {
	a, err := New(config(t.TempDir()), silent)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	batch := packets(hour, 2000, time.Microsecond)
	for range 50 { // some frames
		a.Write(batch)
	}
	n := testing.AllocsPerRun(100, func() {
		if err := a.Write(batch); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations per batch", n)
	}
}

// One iteration is a batch of 2,000 packets.
func BenchmarkWrite(b *testing.B) {
	a, err := New(config(b.TempDir()), silent)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	batch := packets(hour, 2000, time.Microsecond)
	size := int64(0)
	for i := range batch {
		size += record(&batch[i])
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Write(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/packet")
}
