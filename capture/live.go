package capture

import (
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/net/bpf"
)

// Live says which network interfaces to listen on, and how.
type Live struct {
	Interfaces  []string
	Promiscuous bool
	// Ring is how many octets of packets the kernel keeps for each interface
	// until they are read, and Rings into how many rings it divides them by
	// flow, each copied by a goroutine of its own.
	Ring, Rings int
	Filter      LiveFilter // or nil
}

// A LiveFilter selects packets.
type LiveFilter interface {
	// Program is for the kernel.
	Program(LinkType) ([]bpf.RawInstruction, error)
	// Match is the same here, for what the kernel cannot judge.
	Match(*Packet) (bool, error)
}

// DefaultLive keeps 64 MiB, at 100,000 packets a second some two seconds.
func DefaultLive(interfaces ...string) Live {
	return Live{Interfaces: interfaces, Ring: 64 << 20, Rings: 1}
}

// LiveStats count packets at all interfaces together: Received is what came to
// Read, Dropped what the kernel had no room for.
type LiveStats struct{ Received, Dropped uint64 }

// maxLive is what Packet.Interface can tell apart.
const maxLive = 256

// A LiveSource gives the packets of network interfaces as they come, those of
// several in the order of their times. It never makes the network wait: what is
// not read in time is dropped and counted.
type LiveSource struct {
	batches  chan *Batch // filled; closed after the last
	free     chan *Batch
	err      error // once batches is closed
	stop     chan struct{}
	stopping sync.Once
	drops    func(iface int) uint64
	names    []string
	received atomic.Uint64
}

// ErrNoLive says that this system has no live capture.
var ErrNoLive = errors.New("listening on interfaces needs Linux; elsewhere: tcpdump -i IFACE -U -w - | ratadns …")

// Read implements [Source].
func (l *LiveSource) Read(b *Batch) error {
	b.Packets = b.Packets[:0]
	full, ok := <-l.batches
	if !ok {
		return l.err
	}
	*b, *full = *full, *b
	l.free <- full
	l.received.Add(uint64(len(b.Packets)))
	return nil
}

// Close stops listening. Packets that the kernel still holds are read first;
// Read gives them, and then io.EOF.
func (l *LiveSource) Close() error {
	l.stopping.Do(func() { close(l.stop) })
	return nil
}

// Stats counts what has passed.
func (l *LiveSource) Stats() LiveStats {
	s := LiveStats{Received: l.received.Load()}
	for i := range l.names {
		s.Dropped += l.drops(i)
	}
	return s
}

// Interfaces are the names that Packet.Interface stands for.
func (l *LiveSource) Interfaces() []string { return l.names }

// Drops is what the kernel had no room for at one of them.
func (l *LiveSource) Drops(iface int) uint64 { return l.drops(iface) }
