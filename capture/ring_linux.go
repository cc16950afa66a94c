package capture

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A ring is a packet socket and the memory it shares with the kernel
// (TPACKET_V3, Documentation/networking/packet_mmap.rst): blocks that the
// kernel fills and hands over when they are full or their time is over.
type ring struct {
	fd    int
	mem   []byte
	block int    // the block that is read, or comes next
	left  uint32 // packets in it that were not read, if it is ours
	at    uint32 // where in it the next one is
	ours  bool

	mu      sync.Mutex
	dropped uint64
}

// ringBlock holds any frame, also those of 64 KiB and more that the kernel puts
// together for the network card (GRO).
const ringBlock = 256 << 10

// blockTimeout is how long the kernel waits for a block to become full. It
// looks only as often as that, so a packet may take twice as long.
const blockTimeout = 20 * time.Millisecond

// Offsets in the header of a block, struct tpacket_block_desc: x/sys has it as
// octets.
const (
	blockStatus = 8
	blockCount  = 12
	blockFirst  = 16
)

// newRing opens a socket that hears nothing yet.
func newRing(octets int) (*ring, error) {
	// Protocol 0 is none; bind names it when everything is set up.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r := &ring{fd: fd}
	blocks := uint32(max(octets/ringBlock, 4))
	req := unix.TpacketReq3{
		Block_size: ringBlock, Block_nr: blocks,
		Frame_size: 2048, Frame_nr: blocks * (ringBlock / 2048), // no meaning in V3, but checked
		Retire_blk_tov: uint32(blockTimeout / time.Millisecond),
	}
	err = errors.Join(
		os.NewSyscallError("PACKET_VERSION", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)),
		os.NewSyscallError("PACKET_RX_RING", unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)),
	)
	if err == nil {
		r.mem, err = unix.Mmap(fd, 0, int(blocks)*ringBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// filter lets the kernel pass on what prog accepts, from the next packet on.
func (r *ring) filter(prog []bpf.RawInstruction) error {
	return unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0])), // the same 8 octets
	})
}

// bind starts listening.
func (r *ring) bind(iface int, promiscuous bool) error {
	all := uint16(unix.ETH_P_ALL)
	err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: iface})
	if err == nil && promiscuous {
		err = unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(iface), Type: unix.PACKET_MR_PROMISC})
	}
	return err
}

// lead makes a group of rings of which each flow has one, and returns its
// number. The kernel chooses one that nobody has: with a number of our own,
// two programs that chose the same would take packets from each other.
func (r *ring) lead() (int, error) {
	arg := (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg); err != nil {
		return 0, err
	}
	group, err := unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return group & 0xffff, err
}

// join becomes a member of the group.
func (r *ring) join(group int) error {
	return unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group|unix.PACKET_FANOUT_HASH<<16)
}

// next gives the next packet, with data that are valid until next is called
// again, or nil when the kernel has handed over none.
func (r *ring) next() (*unix.Tpacket3Hdr, []byte) {
	base := r.mem[r.block*ringBlock:][:ringBlock:ringBlock]
	status := (*uint32)(unsafe.Pointer(&base[blockStatus]))
	for r.left == 0 {
		if r.ours {
			atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
			r.ours = false
			if r.block++; r.block*ringBlock == len(r.mem) {
				r.block = 0
			}
			base = r.mem[r.block*ringBlock:][:ringBlock:ringBlock]
			status = (*uint32)(unsafe.Pointer(&base[blockStatus]))
		}
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			return nil, nil
		}
		r.ours = true
		r.left = *(*uint32)(unsafe.Pointer(&base[blockCount]))
		r.at = *(*uint32)(unsafe.Pointer(&base[blockFirst]))
	}
	h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&base[r.at]))
	data := base[r.at+uint32(h.Mac):][:h.Snaplen]
	r.left--
	r.at += h.Next_offset
	return h, data
}

// wait returns when there may be a packet or the time is over. Its error is
// why the socket hears nothing any more.
func (r *ring) wait(timeout time.Duration) error {
	set := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(set, int(timeout/time.Millisecond))
	if err == unix.EINTR || err == nil && (n == 0 || set[0].Revents == unix.POLLIN) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("poll", err)
	}
	code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// drops counts what the kernel had no room for. It forgets the number when it
// has told it.
func (r *ring) drops() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd >= 0 {
		if s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			r.dropped += uint64(s.Drops)
		}
	}
	return r.dropped
}

func (r *ring) close() {
	r.drops()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem != nil {
		unix.Munmap(r.mem)
	}
	unix.Close(r.fd)
	r.fd, r.mem = -1, nil
}
