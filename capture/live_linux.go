package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gopacket/gopacket/afpacket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// OpenLive listens on interfaces. It needs the capability CAP_NET_RAW and
// nothing else.
func OpenLive(cfg Live) (*LiveSource, error) {
	l := &LiveSource{
		batches: make(chan *Batch, 4*len(cfg.Interfaces)), free: make(chan *Batch, 4*len(cfg.Interfaces)+1),
		errs: make(chan error, len(cfg.Interfaces)), stop: make(chan struct{}),
	}
	for range cap(l.batches) {
		l.free <- new(Batch)
	}
	var taps []*tap
	for _, name := range cfg.Interfaces {
		t, err := openTap(name, cfg)
		if err != nil {
			for _, t := range taps {
				t.ring.Close()
			}
			return nil, err
		}
		taps = append(taps, t)
	}
	l.stats = func() (s LiveStats) {
		for _, t := range taps {
			s.Dropped += t.drops()
		}
		return s
	}
	var running sync.WaitGroup
	for _, t := range taps {
		running.Go(func() {
			if err := t.run(l); err != nil {
				l.errs <- fmt.Errorf("%s: %w", t.name, err)
			}
		})
	}
	go func() { // what was in the rings has been handed on by then
		running.Wait()
		for _, t := range taps {
			t.drops()
			t.ring.Close()
		}
		l.errs <- io.EOF
	}()
	return l, nil
}

// Close stops listening. Packets that the kernel still holds are read first;
// Read gives them, and then io.EOF.
func (l *LiveSource) Close() error {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	return nil
}

// A tap is one interface.
type tap struct {
	name   string
	link   LinkType
	ring   *afpacket.TPacket
	mu     sync.Mutex
	closed uint64 // drops
}

const ringBlock = 512 << 10

func openTap(name string, cfg Live) (*tap, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("-i %s: no such interface; there is %s", name, interfaces())
	}
	link, err := linkType(name)
	if err != nil {
		return nil, err
	}
	ring, err := afpacket.NewTPacket(
		afpacket.OptInterface(name), afpacket.TPacketVersion3, afpacket.OptAddVLANHeader(true),
		afpacket.OptBlockSize(ringBlock), afpacket.OptNumBlocks(max(cfg.Ring/ringBlock, 4)), afpacket.OptFrameSize(2048),
		afpacket.OptBlockTimeout(liveTick/4), afpacket.OptPollTimeout(liveTick),
	)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("-i %s: listening needs the capability CAP_NET_RAW: run as root, or: setcap cap_net_raw+ep ratadns", name)
	}
	if err != nil {
		return nil, fmt.Errorf("-i %s: %w", name, err)
	}
	t := &tap{name: name, link: link, ring: ring}
	if iface.Flags&net.FlagLoopback != 0 {
		err = ring.SetBPF(incoming)
	}
	if err == nil && cfg.Promiscuous {
		err = ring.SetPromiscuous(true)
	}
	if err != nil {
		ring.Close()
		return nil, fmt.Errorf("-i %s: %w", name, err)
	}
	return t, nil
}

// incoming lets through what is not sent from here: on the loopback interface
// every packet passes twice, out and in.
var incoming = func() []bpf.RawInstruction {
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: MaxSnap},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		panic(err) // the program above is wrong
	}
	return raw
}()

// linkType asks the kernel for the interface's ARP hardware type.
func linkType(name string) (LinkType, error) {
	b, err := os.ReadFile("/sys/class/net/" + name + "/type")
	if err != nil {
		return LinkEthernet, nil // no sysfs here; nearly all are
	}
	var arp int
	fmt.Sscan(string(b), &arp)
	switch arp {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return LinkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_PPP, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT, unix.ARPHRD_IPGRE:
		return LinkRaw, nil
	}
	return 0, fmt.Errorf("-i %s: link type %d cannot be read", name, arp)
}

// interfaces lists the names that there are.
func interfaces() (list []string) {
	all, _ := net.Interfaces()
	for _, i := range all {
		list = append(list, i.Name)
	}
	return list
}

// drops reads and keeps what the kernel dropped.
func (t *tap) drops() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, v3, err := t.ring.SocketStats(); err == nil {
		t.closed = uint64(v3.Drops())
	}
	return t.closed
}

// run hands batches on until the source is closed and the ring is empty, or
// holds only what came later.
func (t *tap) run(l *LiveSource) error {
	end := int64(0) // when the source was closed
	for {
		b := <-l.free
		err := t.fill(b)
		if n := len(b.Packets); n > 0 {
			late := end > 0 && b.Packets[n-1].Time > end
			l.batches <- b
			if late {
				return nil
			}
		} else {
			l.free <- b
		}
		switch {
		case errors.Is(err, afpacket.ErrTimeout):
			if end > 0 {
				return nil
			}
		case err != nil:
			return err
		}
		select {
		case <-l.stop:
			if end == 0 {
				end = time.Now().UnixNano()
			}
		default:
		}
	}
}

// fill reads until the batch is full, spans a tick, or the ring is empty for now.
func (t *tap) fill(b *Batch) error {
	b.Reset()
	for !b.full() {
		data, ci, err := t.ring.ZeroCopyReadPacketData()
		if err != nil {
			return err
		}
		b.Append(&Packet{Time: ci.Timestamp.UnixNano(), Data: data, Wire: ci.Length, Link: t.link})
		if b.Packets[len(b.Packets)-1].Time-b.Packets[0].Time > int64(liveTick) {
			return nil
		}
	}
	return nil
}
