package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespaced runs the rest of a test in a network namespace of its own, with a
// veth pair "in" and "out" that is up: it starts the test anew there, and
// returns false in the process that did.
func namespaced(t *testing.T) bool {
	t.Helper()
	if os.Getenv("RATADNS_NAMESPACE") == t.Name() {
		// Without IPv6 addresses of their own the ends stay silent.
		run(t, "PATH=$PATH:/usr/sbin:/sbin; sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true")
		run(t, "ip link set lo up; ip link add in type veth peer name out; ip link set in up mtu 65535; ip link set out up mtu 65535")
		return true
	}
	for _, program := range []string{"unshare", "ip"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
			t.Skipf("%s is missing; make deps installs it", program)
		}
	}
	args := []string{"--net", "--", os.Args[0], "-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=2m"}
	if os.Getuid() != 0 { // a namespace of one's own needs a user of one's own
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), "RATADNS_NAMESPACE="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func run(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// frame is an Ethernet frame of that type and payload.
func frame(ethertype uint16, payload ...[]byte) []byte {
	f := append(bytes.Repeat([]byte{2}, 12), byte(ethertype>>8), byte(ethertype))
	return append(f, bytes.Join(payload, nil)...)
}

// ip4 is a header without options; fragment is its fifth 16 bits.
func ip4(client byte, protocol byte, fragment uint16, length int) []byte {
	h := []byte{0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0, 192, 0, 2, client, 192, 0, 2, 200}
	binary.BigEndian.PutUint16(h[2:], uint16(20+length))
	binary.BigEndian.PutUint16(h[6:], fragment)
	sum := uint32(0)
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum+sum>>16)) // the kernel joins only what has the right sum
	return h
}

// udp is a header with the payload behind it.
func udp(source, dest uint16, payload ...byte) []byte {
	h := binary.BigEndian.AppendUint16(nil, source)
	h = binary.BigEndian.AppendUint16(h, dest)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	return append(append(h, 0, 0), payload...)
}

// inject sends frames out of an interface.
func inject(t *testing.T, name string, frames ...[]byte) {
	t.Helper()
	iface, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, f := range frames {
		err := unix.ENOBUFS
		for err == unix.ENOBUFS { // the device is behind
			err, _ = unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: iface.Index}).(unix.Errno)
		}
		if err != 0 {
			t.Fatal(err)
		}
	}
}

// listenLive opens interfaces and reads in the background. What it returns closes
// the source and gives its packets and error.
func listenLive(t *testing.T, cfg Live) (src *LiveSource, rest func() ([]Packet, error)) {
	t.Helper()
	src, err := OpenLive(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all []Packet
	ended := make(chan error)
	go func() {
		var b Batch
		for {
			err := src.Read(&b)
			if err != nil {
				ended <- err
				return
			}
			for _, p := range b.Packets {
				p.Data = bytes.Clone(p.Data)
				all = append(all, p)
			}
		}
	}()
	return src, func() ([]Packet, error) {
		err := <-ended
		if n := src.Stats(); n.Received != uint64(len(all)) {
			t.Errorf("%+v, but %d were read", n, len(all))
		}
		return all, err
	}
}

// Every packet of many flows comes once, those of a flow in their order, over
// several rings of two interfaces, and none that was sent before.
func TestLiveRings(t *testing.T) {
	if !namespaced(t) {
		return
	}
	run(t, "ip link add in2 type veth peer name out2; ip link set in2 up; ip link set out2 up")
	for _, rings := range []int{1, 3, 4} {
		cfg := DefaultLive("out", "out2", "lo")
		cfg.Rings = rings
		inject(t, "in", frame(0x0800, ip4(255, 17, 0, 0)))
		src, rest := listenLive(t, cfg)
		const flows, each = 100, 200
		var frames [2][][]byte
		for i := range each {
			for f := range flows {
				d := udp(uint16(1000+f), 53, byte(f), byte(i), byte(f%2))
				frames[f%2] = append(frames[f%2], frame(0x0800, ip4(byte(f), 17, 0, len(d)), d))
			}
		}
		inject(t, "in", frames[0]...)
		inject(t, "in2", frames[1]...)
		inject(t, "lo", frames[0][:flows/2]...)
		src.Close()
		all, err := rest()
		if err != io.EOF {
			t.Fatal(err)
		}
		// The loopback interface carries the same again, each once, later.
		if want := flows*each + flows/2; len(all) != want {
			t.Errorf("%d rings: %d packets, want %d", rings, len(all), want)
		}
		next := make(map[byte]byte)
		disorder := 0
		for i, p := range all {
			f, n := p.Data[42], p.Data[43]
			if n != next[f] && next[f] != each {
				t.Fatalf("%d rings: flow %d: packet %d comes when %d should", rings, f, n, next[f])
			}
			if next[f] != each {
				next[f]++
			}
			if i > 0 && p.Time < all[i-1].Time {
				disorder++
			}
		}
		t.Logf("%d rings: %d packets out of order by time, %d dropped", rings, disorder, src.Stats().Dropped)
	}
}

// Rings do not share packets with those of another program, as groups that
// choose the same number do.
func TestLiveTwice(t *testing.T) {
	if !namespaced(t) {
		return
	}
	cfg := DefaultLive("out")
	cfg.Rings = 4
	one, restOne := listenLive(t, cfg)
	two, restTwo := listenLive(t, cfg)
	var frames [][]byte
	for i := range 100 {
		frames = append(frames, frame(0x0800, ip4(byte(i), 17, 0, 8), udp(uint16(i), 53)))
	}
	inject(t, "in", frames...)
	one.Close()
	two.Close()
	for _, rest := range []func() ([]Packet, error){restOne, restTwo} {
		if all, err := rest(); len(all) != len(frames) || err != io.EOF {
			t.Errorf("%d packets, %v", len(all), err)
		}
	}
}

// What comes is what the wire carried: fragments of both versions as they were,
// a frame as long as there is, and a VLAN tag in its place.
func TestLiveFrames(t *testing.T) {
	if !namespaced(t) {
		return
	}
	long := udp(53, 1000, make([]byte, 65_400)...)
	v6 := func(next byte, offset uint16, payload []byte) []byte {
		h := append([]byte{0x60, 0, 0, 0, 0, 0, 44, 64}, bytes.Repeat([]byte{0x20}, 32)...)
		binary.BigEndian.PutUint16(h[4:], uint16(8+len(payload)))
		return append(append(h, next, 0, byte(offset>>8), byte(offset), 0, 0, 0, 9), payload...)
	}
	datagram := udp(53, 1000, bytes.Repeat([]byte{7}, 2000)...)
	frames := [][]byte{
		frame(0x0800, ip4(1, 17, 0, len(long)), long),
		frame(0x0800, ip4(1, 17, 0x2000, 1000), datagram[:1000]),
		frame(0x0800, ip4(1, 17, 125, 1008), datagram[1000:]),
		frame(0x86dd, v6(17, 1, datagram[:1000])),
		frame(0x86dd, v6(17, 1000, datagram[1000:])),
		frame(0x8100, []byte{0, 10, 8, 0}, ip4(1, 17, 0, 8), udp(1, 53)),
		frame(0x88a8, []byte{0, 10, 0x81, 0, 0, 20, 8, 0}, ip4(1, 17, 0, 8), udp(1, 53)),
		frame(0x0800, ip4(2, 17, 0x2000, 1000), datagram[:1000]), // never complete
	}
	for _, rings := range []int{1, 3} {
		cfg := DefaultLive("out")
		cfg.Rings = rings
		src, rest := listenLive(t, cfg)
		for _, f := range frames { // one by one: each its own time
			inject(t, "in", f)
		}
		src.Close()
		all, err := rest()
		if err != io.EOF || len(all) != len(frames) {
			t.Fatalf("%d rings: %d packets, %v", rings, len(all), err)
		}
		for i, f := range frames {
			if p := all[i]; !bytes.Equal(p.Data, f) || p.Wire != len(f) {
				t.Errorf("%d rings: frame %d: %d octets of %d, want %d: %x", rings, i, len(p.Data), p.Wire, len(f), p.Data[:min(len(p.Data), 64)])
			}
		}
	}
}

// An interface that goes away while it is heard is an error with its name, after
// all that came before; so is one that is down from the beginning.
func TestLiveGone(t *testing.T) {
	if !namespaced(t) {
		return
	}
	for _, c := range []struct{ happens, want string }{
		{"ip link set out down", "-i out: the interface went down"},
		{"ip link del out", "-i out: the interface is gone"},
	} {
		for _, rings := range []int{1, 3} {
			run(t, "ip link del out 2>/dev/null; ip link add in type veth peer name out; ip link set in up; ip link set out up")
			cfg := DefaultLive("out", "lo")
			cfg.Rings = rings
			if rings == 1 {
				cfg.Interfaces = cfg.Interfaces[:1]
			}
			_, rest := listenLive(t, cfg)
			inject(t, "in", frame(0x0800, ip4(1, 17, 0, 8), udp(1, 53)))
			run(t, c.happens)
			all, err := rest()
			if len(all) != 1 || err == nil || err.Error() != c.want {
				t.Errorf("%s, %d rings: %d packets, %v", c.happens, rings, len(all), err)
			}
		}
	}
	run(t, "ip link add in type veth peer name out")
	for name, want := range map[string]string{
		"out": "-i out: the interface is down; bring it up with: ip link set out up", "none": "-i none: no such interface; there is",
	} {
		if _, err := OpenLive(DefaultLive(name)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Error(err)
		}
	}
}

// Read returns the same error for ever, and Close is harmless afterwards.
func TestLiveClosed(t *testing.T) {
	if !namespaced(t) {
		return
	}
	src, err := OpenLive(DefaultLive("out"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(0, func() { src.Close() })
	var b Batch
	for range 3 {
		if err := src.Read(&b); !errors.Is(err, io.EOF) || len(b.Packets) != 0 {
			t.Error(err)
		}
	}
	src.Close()
	src.Stats()
}
