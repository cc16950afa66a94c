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

// The quietest flow goes when there are too many.
func TestStreamsMaxFlows(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxFlows = 4
	c := newConn(cfg)
	b := frame(msg(1, 50))
	for port := range uint16(4) {
		c.port = port
		c.syn()
		c.send(0, b, 0, 20)
	}
	c.port = 0 // not the quietest any more; that is 1 now
	c.send(0, b, 20, 30)
	c.port = 4
	c.syn()
	if len(c.flows) != 4 || c.Stats.Incomplete != 1 {
		t.Errorf("%d flows, %+v", len(c.flows), c.Stats)
	}
	for _, port := range []uint16{0, 2, 3} {
		c.port = port
		c.send(0, b, 30-10*int(min(port, 1)), 52)
	}
	if len(c.got) != 3 {
		t.Errorf("%d messages", len(c.got))
	}
	c.balance(t)
}

// Whoever opens many connections and leaves holes in them gets no more than
// the configured memory, and silence frees it.
func TestStreamsMemory(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxHeld = 4 << 20
	c := newConn(cfg)
	b := make([]byte, 1<<16)
	be.PutUint16(b, 65000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 3000 {
		c.port = uint16(i)
		c.isn = 0
		if i%2 == 0 {
			c.syn()
		}
		c.send(0, b, 0, 30000+i) // a message never completed
		if i%3 == 0 {
			c.send(0, b, 40000, 65536) // behind a hole
		}
		if c.held > cfg.MaxHeld {
			t.Fatalf("%d octets held", c.held)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > int64(cfg.MaxHeld)+2<<20 {
		t.Errorf("%d octets on the heap, %d counted", got, c.held)
	}
	c.Add(&Segment{Sweep: true, Time: 2 * cfg.IdleNS})
	if len(c.flows) == 0 {
		t.Error("swept too early")
	}
	c.Add(&Segment{Sweep: true, Time: 2*cfg.IdleNS + 1})
	if len(c.flows) != 0 || c.held != 0 {
		t.Errorf("%d flows and %d octets after a silence", len(c.flows), c.held)
	}
	c.balance(t)
}
