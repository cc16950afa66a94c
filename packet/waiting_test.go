package packet

import (
	"runtime"
	"testing"
)

// Holes that have been filled leave nothing behind, however many small pieces
// waited for it.
func TestStreamsFilledHoles(t *testing.T) {
	c := newConn(DefaultConfig())
	b := frame(msg(1, 2000))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 300 {
		c.port = uint16(i)
		c.syn()
		for at := 1; at < 1000; at++ {
			c.send(0, b, at, at+1)
		}
		c.send(0, b, 0, 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > int64(c.held)+1<<20 {
		t.Errorf("%d octets on the heap, %d counted", got, c.held)
	}
	if c.Close(); c.Stats.Incomplete != 300 || c.Stats.Lost != 0 {
		t.Errorf("%+v", c.Stats)
	}
}
