package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// OpenLive listens on interfaces. It needs the capability CAP_NET_RAW and
// nothing else.
//
// Fragments of a datagram come as they are: the kernel could join them before
// it divides packets among rings, but it does so for IPv4 only, throws away in
// silence what never becomes complete, and would make the live run differ from
// its replay. Package packet joins both versions and counts what is missing; in
// which ring a fragment was does not matter to it, as rings are merged by time.
func OpenLive(cfg Live) (*LiveSource, error) {
	if len(cfg.Interfaces) > maxLive {
		return nil, fmt.Errorf("%d interfaces, there can be %d", len(cfg.Interfaces), maxLive)
	}
	var taps []*tap
	news := make(chan struct{}, 1)
	for i, name := range cfg.Interfaces {
		t, err := openTaps(name, cfg, news)
		if err != nil {
			for _, t := range taps {
				t.ring.close()
			}
			return nil, err
		}
		for _, t := range t {
			t.iface = uint8(i)
		}
		taps = append(taps, t...)
	}
	l := &LiveSource{stop: make(chan struct{}), names: cfg.Interfaces}
	l.drops = func(iface int) (n uint64) {
		for _, t := range taps {
			if int(t.iface) == iface {
				n += t.ring.drops()
			}
		}
		return n
	}
	var running sync.WaitGroup
	if len(taps) == 1 { // nothing to merge: its batches are those of the source
		taps[0].news, taps[0].pause = nil, loneTick
		l.batches, l.free = taps[0].full, taps[0].free
	} else {
		merged := newLane(nil)
		l.batches, l.free = merged.full, merged.free
		var lanes []*lane
		for _, t := range taps {
			lanes = append(lanes, t.lane)
		}
		running.Go(func() { mergeLanes(lanes, news, l.free, l.batches) })
	}
	errs := make([]error, len(taps))
	for i, t := range taps {
		running.Go(func() {
			if errs[i] = t.run(l.stop); errs[i] != nil {
				l.Close() // what the others have is still read
			}
			t.done()
		})
	}
	go func() {
		running.Wait()
		for _, t := range taps {
			t.ring.close()
		}
		l.err = io.EOF
		for _, err := range errs {
			if err != nil {
				l.err = err
				break
			}
		}
		close(l.batches)
	}()
	return l, nil
}

// A tap reads one ring of an interface.
type tap struct {
	*lane
	ring   *ring
	name   string
	link   LinkType
	iface  uint8
	filter LiveFilter
	pause  time.Duration // how long it waits for packets before it looks around
}

// loneTick is how often an interface alone is asked whether to stop.
const loneTick = 100 * time.Millisecond

// settle is how long after its capture a packet is surely in a block that was
// handed over: twice the timeout of a block, and some more for the kernel to
// look.
const settle = 5 * blockTimeout / 2

func openTaps(name string, cfg Live, news chan<- struct{}) (taps []*tap, err error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("-i %s: no such interface; there is %s", name, interfaces())
	}
	if iface.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("-i %s: the interface is down; bring it up with: ip link set %s up", name, name)
	}
	link, err := linkType(name)
	if err != nil {
		return nil, err
	}
	prog, err := cfg.program(iface, link)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, t := range taps {
				t.ring.close()
			}
			taps = nil
			if errors.Is(err, os.ErrPermission) {
				err = errors.New("listening needs the capability CAP_NET_RAW: run as root, or: setcap cap_net_raw+ep ratadns")
			}
			err = fmt.Errorf("-i %s: %w", name, err)
		}
	}()
	group := 0
	for i := range max(cfg.Rings, 1) {
		r, err := newRing(cfg.Ring / max(cfg.Rings, 1))
		if err != nil {
			return taps, err
		}
		taps = append(taps, &tap{ring: r, name: name, link: link, filter: cfg.Filter, lane: newLane(news), pause: blockTimeout})
		// Until all are in the group each would take every packet.
		if err = r.filter(nothing); err == nil {
			err = r.bind(iface.Index, cfg.Promiscuous)
		}
		switch {
		case err != nil || cfg.Rings <= 1:
		case i == 0:
			group, err = r.lead()
		default:
			err = r.join(group)
		}
		if err != nil {
			return taps, err
		}
	}
	for _, t := range taps {
		if err := t.ring.filter(prog); err != nil {
			return taps, fmt.Errorf("the kernel refuses the filter: %w", err)
		}
	}
	return taps, nil
}

// program is what the kernel runs over each packet.
func (cfg *Live) program(iface *net.Interface, link LinkType) (prog []bpf.RawInstruction, err error) {
	if iface.Flags&net.FlagLoopback != 0 {
		prog = append(prog, incoming...)
	}
	if cfg.Filter == nil {
		return append(prog, everything...), nil
	}
	if link == LinkEthernet {
		prog = append(prog, untagged...)
	}
	chosen, err := cfg.Filter.Program(link)
	return append(prog, chosen...), err
}

// Programs of the kernel. The first two fall through to what follows them.
var (
	// incoming turns away what is sent from here: on the loopback interface
	// every packet passes twice, out and in.
	incoming = assemble(
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	)
	// untagged takes every packet whose VLAN tag the kernel has put aside: its
	// octets are not those of the wire. The filter is applied when the tag is
	// back in its place, so that it selects what it would from a file.
	untagged = assemble(
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: MaxSnap},
	)
	everything = assemble(bpf.RetConstant{Val: MaxSnap})
	nothing    = assemble(bpf.RetConstant{Val: 0})
)

func assemble(prog ...bpf.Instruction) []bpf.RawInstruction {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		panic(err) // a program above is wrong
	}
	return raw
}

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

// run hands batches on until stop is closed, or nothing more comes to the
// ring, and the ring is empty or holds only what came later.
func (t *tap) run(stop <-chan struct{}) error {
	var ending time.Time // since when it is to end
	var failed error
	b := <-t.free
	b.Reset()
	for {
		now := time.Now()
		empty := t.fill(b)
		late := false
		if n := len(b.Packets); n > 0 {
			late = !ending.IsZero() && b.Packets[n-1].Time > ending.UnixNano()
			t.put(b)
			b = <-t.free
			b.Reset()
		}
		if late || empty && !ending.IsZero() && now.Sub(ending) > settle {
			return failed
		}
		if empty {
			t.promise(now.Add(-settle).UnixNano())
			if err := t.ring.wait(t.pause); err != nil {
				if failed != nil {
					return failed
				}
				failed = fmt.Errorf("-i %s: %w", t.name, t.gone(err))
				ending = time.Now()
			}
		}
		select {
		case <-stop:
			if ending.IsZero() {
				ending = time.Now()
				// What comes later is not dropped, however long the rest takes.
				t.ring.filter(nothing)
			}
		default:
		}
	}
}

// gone says what happened to the interface.
func (t *tap) gone(err error) error {
	switch {
	case err != unix.ENETDOWN:
		return err
	case !slices.Contains(interfaces(), t.name):
		return errors.New("the interface is gone")
	}
	return errors.New("the interface went down")
}

// fill copies packets out of the ring until the batch is full, or, and then it
// returns true, the ring is empty for now.
func (t *tap) fill(b *Batch) bool {
	for !b.full() {
		h, data := t.ring.next()
		if h == nil {
			return true
		}
		p := Packet{Time: int64(h.Sec)*1e9 + int64(h.Nsec), Wire: int(h.Len), Link: t.link, Interface: t.iface}
		if h.Status&unix.TP_STATUS_VLAN_VALID == 0 || t.link != LinkEthernet || len(data) < macs {
			p.Data = data
			b.Append(&p)
			continue
		}
		packets, octets := len(b.Packets), len(b.buf)
		b.appendTagged(&p, data, h)
		if t.filter != nil && !t.matches(&b.Packets[packets]) {
			b.Packets, b.buf = b.Packets[:packets], b.buf[:octets]
		}
	}
	return false
}

// matches applies the filter to what the kernel took unseen. A filter that the
// kernel has a program of cannot fail.
func (t *tap) matches(p *Packet) bool {
	ok, err := t.filter.Match(p)
	return ok || err != nil
}

// macs is the length of the two addresses before an Ethernet tag or type.
const macs = 12

// appendTagged appends p with the data of a frame and the tag that belongs
// into it.
func (b *Batch) appendTagged(p *Packet, data []byte, h *unix.Tpacket3Hdr) {
	tpid := uint16(unix.ETH_P_8021Q)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	n := len(b.buf)
	b.buf = append(b.buf, data[:macs]...)
	b.buf = append(b.buf, byte(tpid>>8), byte(tpid), byte(h.Hv1.Vlan_tci>>8), byte(h.Hv1.Vlan_tci))
	b.buf = append(b.buf, data[macs:]...)
	p.Data, p.Wire = b.buf[n:len(b.buf):len(b.buf)], p.Wire+4
	b.Packets = append(b.Packets, *p)
}
