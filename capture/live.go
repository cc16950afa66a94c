package capture

import (
	"errors"
	"sync/atomic"
	"time"
)

// Live says which network interfaces to listen on, and how.
type Live struct {
	Interfaces  []string
	Promiscuous bool
	// Ring is how many octets of packets the kernel keeps for each interface
	// until they are read.
	Ring int
}

// DefaultLive keeps 64 MiB, at 100,000 packets a second some two seconds.
func DefaultLive(interfaces ...string) Live {
	return Live{Interfaces: interfaces, Ring: 64 << 20}
}

// LiveStats count packets at all interfaces together: Received is what came to
// Read, Dropped what the kernel had no room for.
type LiveStats struct{ Received, Dropped uint64 }

// A LiveSource gives the packets of network interfaces as they come. It never
// makes the network wait: what is not read in time is dropped and counted.
type LiveSource struct {
	batches  chan *Batch // filled
	free     chan *Batch
	errs     chan error
	stop     chan struct{}
	stats    func() LiveStats
	received atomic.Uint64
}

// ErrNoLive says that this system has no live capture.
var ErrNoLive = errors.New("listening on interfaces needs Linux; elsewhere: tcpdump -i IFACE -U -w - | ratadns …")

// liveTick is how often interfaces are asked whether to stop, and the longest
// that a packet stays in the kernel's ring on a quiet network.
const liveTick = 100 * time.Millisecond

// Read implements [Source].
func (l *LiveSource) Read(b *Batch) error {
	b.Packets = b.Packets[:0]
	select {
	case full := <-l.batches:
		*b, *full = *full, *b
		full.Reset()
		l.free <- full
		l.received.Add(uint64(len(b.Packets)))
		return nil
	case err := <-l.errs:
		return err
	}
}

// Stats counts what has passed.
func (l *LiveSource) Stats() LiveStats {
	s := l.stats()
	s.Received = l.received.Load()
	return s
}
