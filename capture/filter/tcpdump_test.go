package filter

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratadns/capture"
	"ratadns/capture/sample"
)

// expressions that tcpdump and we understand.
var expressions = []string{
	"udp port 53", "port 53", "tcp port 53", "udp", "tcp", "icmp", "icmp6", "sctp", "igmp", "arp", "rarp", "ip", "ip6",
	"udp port 53 and not host 192.0.2.1", "host 192.0.2.1 or host 192.0.2.2", "host 192.0.2.1 or 192.0.2.2",
	"src host 192.0.2.1", "dst 192.0.2.1", "src and dst host 192.0.2.1", "src or dst 192.0.2.9", "dst or src port 53",
	"ip host 192.0.2.1", "arp host 192.0.2.1", "rarp src host 192.0.2.1", "host (192.0.2.1 or 192.0.2.2)",
	"(src net 192.0.2.0/24 or dst net 198.51.100.0/24) and port 53", "net 192.0.2", "net 192.0.2.0", "net 10", "net 0.0.0.0/0",
	"net 192.0.2.0 mask 255.255.255.0", "src net 10 or 192.0", "ip net 192.0.2.0/25", "not net 192.0.2.0/24",
	"host 2001:db8::1", "ip6 host 2001:db8::1", "src host 2001:db8::1", "net 2001:db8::/32", "dst net 2001:db8::/33", "net 2001:db8::1", "net ::/0",
	"dst host 2001:db8::1 and udp dst port 53", "src net fe80::/10",
	"portrange 53-60", "udp portrange 60-53", "tcp src portrange 1024-65535", "portrange 53", "port 0x35", "port 035", "port domain",
	"src port 53", "udp dst port 53", "src and dst port 53", "port (53 or 853)", "port 53 or 853", "not port 53 or 853",
	"port 53 and not 853", "tcp and not src port 22", "not (udp port 53)", "!udp", "not not udp", "udp&&port 53", "udp||tcp",
	"port 53 or port 54 and udp", "udp and (port 53 or port 5353)", "udp or tcp and port 53", "ip or ip6 and udp",
	"ip proto 17", "proto 17", "proto 6 or 17", "ip6 proto 17", "proto \\udp", "ip proto \\tcp", "ip6 proto 44", "ip6 proto 0", "ip proto 1",
	"ether proto 0x800", "ether proto \\ip6", "ether proto \\arp",
	"len > 200", "len <= 100", "greater 100", "less 100", "200 < len", "len + 5 > 100", "len - 14 = 60", "len+5>100", "len != 60",
	"udp[8:2] = 0x1234", "udp[10] & 0x80 != 0", "udp[10] & 0x80 = 0", "tcp[13] & 2 != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
	"tcp[tcpflags] == tcp-syn", "ip[6:2] & 0x1fff != 0", "ip[6:2] & 0x3fff != 0 and udp", "not ip[6:2] & 0x1fff = 0",
	"ip[0] & 0xf > 5", "(ip[0] & 0xf) = 5", "((ip[0] & 0xf) << 2) = 20", "ip6[6] = 17", "ip6[40:2] = 53", "icmp6[0] = 135",
	"icmp[icmptype] = icmp-echo", "icmp[0] = 3 or icmp[0] = 11", "ether[0] & 1 = 1", "ether[12:2] = 0x800", "link[0] & 1 = 0", "arp[6:2] = 1",
	"udp[4:2] > 100", "ip[2:2] - 20 = udp[4:2]", "udp[4:2] = ip[2:2] - ((ip[0] & 0xf) << 2)", "tcp[((tcp[12] & 0xf0) >> 2):2] > 30",
	"ip[((ip[0] & 0xf) << 2):2] = 53", "udp[ip[0] & 0xf] = 1", "len / 2 * 2 = len", "0 = ip[10:2] & 1", "1 << 4 = 16", "not udp[8] = 1",
	"udp[len - 200] = 0", "ip[8] < ip[9]", "ip[12:4] = ip[16:4]", "-len > 1", "ip[0] - -1 = 0x46", "sctp[0:2] = 53", "igmp[0] = 0x16",
	"tcp[tcpflags] & (tcp-fin|tcp-rst|tcp-push|tcp-urg) != 0", "icmp[icmpcode] = 0", "icmp[icmptype] = icmp-echoreply",
	"icmp[icmptype] = icmp-unreach or icmp[icmptype] = icmp-timxceed", "icmp6[icmp6type] = 136", "icmp6[icmp6code] = 0",
	"ip[16:4] & 0xf0000000 = 0xe0000000", "ip[6:2] = 0x2000 and ip[9] = 17", "(udp and port 53) or (ip[6:2] & 0x1fff != 0)",
}

// onlyEthernet are expressions of what other links lack.
var onlyEthernet = []string{
	"vlan", "vlan 10", "vlan 10 and udp port 53", "vlan and ip6", "not vlan", "not vlan and udp", "udp or vlan and udp", "vlan and vlan 20",
	"vlan 10 and vlan 20 and udp", "udp port 53 or (vlan and udp port 53)", "vlan and host 192.0.2.1", "vlan and udp[8] = 7", "vlan and ether[0] = 2",
	"ether host 02:02:02:02:02:02", "ether src 2:2:2:2:2:2", "ether dst host 01-02-03-04-05-06", "vlan and ether src 2:2:2:2:2:2",
	"vlan and arp host 192.0.2.1", "vlan and tcp[13] & 2 != 0", "vlan 10 or udp",
}

// packets are of every kind that the expressions tell apart, cut at some length
// now and then, on Ethernet.
func packets(t testing.TB) []capture.Packet {
	all := synthetic()
	add := func(src capture.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		var b capture.Batch
		for n := 0; n < 12_000; {
			if err := src.Read(&b); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			for i, p := range b.Packets {
				if n++; n%6 < 2 {
					p.Data = bytes.Clone(p.Data)
					if i%7 == 0 { // a snap length that cuts ports off, or only what is behind them
						p.Data = p.Data[:min(len(p.Data), 14+i%80)]
					}
					all = append(all, p)
				}
			}
		}
	}
	log := slog.New(slog.DiscardHandler)
	add(capture.NewReader("sample", bytes.NewReader(sample.Pcap), log))
	if shared := os.Getenv("RATADNS_SHARED"); shared != "" {
		add(capture.Open([]string{shared + "/captures/root-server.pcap.xz"}, log))
	}
	return all
}

// synthetic makes what the captures lack.
func synthetic() (all []capture.Packet) {
	u16 := func(v ...uint16) (b []byte) {
		for _, x := range v {
			b = binary.BigEndian.AppendUint16(b, x)
		}
		return b
	}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	var network []struct {
		ethertype uint16
		data      []byte
	}
	add := func(ethertype uint16, data ...[]byte) {
		network = append(network, struct {
			ethertype uint16
			data      []byte
		}{ethertype, cat(data...)})
	}
	v4 := func(proto byte, frag uint16, options int, dst byte) []byte {
		h := cat([]byte{0x45 + byte(options), 0, 0, 60, 0, 1}, u16(frag), []byte{64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, dst})
		return append(h, make([]byte, 4*options)...)
	}
	v6 := func(next byte) []byte {
		return cat([]byte{0x60, 0, 0, 0, 0, 40, next, 64}, []byte{0x20, 1, 0xd, 0xb8}, make([]byte, 11), []byte{1}, []byte{0x20, 1, 0xd, 0xb8}, make([]byte, 11), []byte{2})
	}
	body := cat(u16(53, 40000, 30, 0, 0x1234, 0x8180), bytes.Repeat([]byte{7}, 30))
	for _, proto := range []byte{1, 2, 6, 17, 58, 132, 47} {
		for _, frag := range []uint16{0, 0x2000, 0x2001, 0x0010, 0x4000} {
			add(0x0800, v4(proto, frag, 0, 2), body)
			add(0x0800, v4(proto, frag, 3, 9), body)
		}
		add(0x86dd, v6(proto), body)
		add(0x86dd, v6(44), []byte{proto, 0, 0, 1, 0, 0, 0, 1}, body)
		add(0x86dd, v6(0), []byte{proto, 0, 1, 4, 0, 0, 0, 0}, body)
	}
	for _, p := range [][2]uint16{{53, 53}, {1024, 853}, {5353, 54}, {60, 60}, {65535, 22}, {0, 0}} {
		add(0x0800, v4(17, 0, 0, 2), u16(p[0], p[1]), body[4:])
		add(0x0800, v4(6, 0, 1, 2), u16(p[0], p[1]), body[4:])
		add(0x86dd, v6(6), u16(p[0], p[1]), body[4:])
	}
	for _, kind := range []uint16{0x0806, 0x8035} {
		add(kind, u16(1, 0x0800), []byte{6, 4}, u16(1), make([]byte, 6), []byte{192, 0, 2, 1}, make([]byte, 6), []byte{192, 0, 2, 9})
	}
	add(0x0800)
	add(0x0800, []byte{0x45})
	add(0x1234, body)
	add(38, body) // a length: LLC
	macs := [][]byte{bytes.Repeat([]byte{2}, 12), {1, 2, 3, 4, 5, 6, 2, 2, 2, 2, 2, 2}}
	for i, n := range network {
		for k, tags := range [][]byte{nil, u16(0x8100, 10), u16(0x88a8, 0x300a, 0x8100, 20), u16(0x9100, 20), u16(0x8100, 10, 0x8100, 20)} {
			data := cat(macs[(i+k)%2], tags, u16(n.ethertype), n.data)
			all = append(all, capture.Packet{Data: data, Wire: max(len(data), 60), Link: capture.LinkEthernet})
			cut := data[:min(len(data), 10+(i*7+k*3)%70)]
			all = append(all, capture.Packet{Data: cut, Wire: len(data), Link: capture.LinkEthernet})
		}
	}
	return all
}

// on gives a packet of Ethernet another link layer.
func on(link capture.LinkType, p capture.Packet) (capture.Packet, bool) {
	if len(p.Data) < 14 {
		return p, false
	}
	var head []byte
	rest := p.Data[14:]
	switch link {
	case capture.LinkEthernet:
		return p, true
	case capture.LinkSLL:
		head = append([]byte{0, 0, 0, 1, 0, 6}, p.Data[6:12]...)
		head = append(head, 0, 0)
		head = append(head, p.Data[12:14]...)
	case capture.LinkSLL2:
		head = append(bytes.Clone(p.Data[12:14]), 0, 0, 0, 0, 0, 3, 0, 1, 0, 6)
		head = append(append(head, p.Data[6:12]...), 0, 0)
	case capture.LinkIPv4, capture.LinkIPv6:
		version := byte(4)
		if link == capture.LinkIPv6 {
			version = 6
		}
		if len(rest) == 0 || rest[0]>>4 != version {
			return p, false
		}
	}
	p.Wire += len(head) - 14
	p.Data, p.Link = append(head, rest...), link
	return p, true
}

// pcap is a file of packets; their times are their places.
func pcap(link capture.LinkType, all []capture.Packet) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint32(b, 2|4<<16)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 262144)
	b = binary.LittleEndian.AppendUint32(b, uint32(link))
	for i, p := range all {
		for _, v := range []int{i, 0, len(p.Data), p.Wire} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(b, p.Data...)
	}
	return b
}

// needTcpdump fails under CI, and skips elsewhere, when the judge is missing.
func needTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil && os.Getenv("CI") == "" {
		t.Skip("tcpdump is missing; make deps installs it")
	}
}

// judge lets tcpdump select packets of a file. Its optimiser may leave out a
// load of octets that a cut packet lacks and that decide nothing; -O turns it
// off.
func judge(t *testing.T, file, expression string, n int, flags ...string) []bool {
	t.Helper()
	out, err := exec.Command("tcpdump", append(flags, "-r", file, "-w", "-", "--", expression)...).Output()
	selected := make([]bool, n)
	if e, ok := err.(*exec.ExitError); ok && strings.Contains(string(e.Stderr), "expression rejects all packets") {
		return selected
	} else if ok {
		t.Fatalf("tcpdump: %s: %v %s", expression, err, e.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	for at := 24; at < len(out); {
		selected[binary.LittleEndian.Uint32(out[at:])] = true
		at += 16 + int(binary.LittleEndian.Uint32(out[at+8:]))
	}
	return selected
}

// programOf is what tcpdump makes of an expression.
func programOf(t *testing.T, expression string) *Filter {
	t.Helper()
	out, err := exec.Command("tcpdump", "-O", "-y", "EN10MB", "-ddd", "--", expression).Output()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	f, err := New(string(out))
	if err != nil {
		t.Fatalf("%s: %v\n%s", expression, err, out)
	}
	return f
}

// compare holds a filter's choice against tcpdump's.
func compare(t *testing.T, f *Filter, expression string, all []capture.Packet, want []bool) {
	t.Helper()
	wrong := 0
	for i := range all {
		got, err := f.Match(&all[i])
		if err != nil {
			t.Fatal(err)
		}
		if got != want[i] {
			if wrong++; wrong <= 3 {
				t.Errorf("%s: packet %d of %d octets: got %v, want %v: %x", expression, i, all[i].Wire, got, want[i], all[i].Data[:min(len(all[i].Data), 100)])
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d packets are wrong", expression, wrong, len(all))
	}
}

// For every link type, every expression selects what tcpdump selects, and so
// does the program that tcpdump makes of it.
func TestAgainstTcpdump(t *testing.T) {
	needTcpdump(t)
	ethernet := packets(t)
	links := []capture.LinkType{capture.LinkEthernet, capture.LinkSLL, capture.LinkRaw, capture.LinkSLL2, capture.LinkIPv4, capture.LinkIPv6}
	if testing.Short() {
		links = links[:2]
	}
	for _, link := range links {
		var all []capture.Packet
		for _, p := range ethernet {
			if p, ok := on(link, p); ok {
				all = append(all, p)
			}
		}
		file := filepath.Join(t.TempDir(), "all.pcap")
		if err := os.WriteFile(file, pcap(link, all), 0o600); err != nil {
			t.Fatal(err)
		}
		list := expressions
		if link == capture.LinkEthernet {
			list = append(list[:len(list):len(list)], onlyEthernet...)
		}
		empty := 0
		for _, e := range list {
			f, err := New(e)
			if err != nil {
				t.Error(err)
				continue
			}
			want := judge(t, file, e, len(all), "-O")
			compare(t, f, e, all, want)
			for i, ok := range judge(t, file, e, len(all)) {
				if p := &all[i]; ok != want[i] && p.Wire == len(p.Data) && p.Wire >= 60 {
					t.Errorf("%s: tcpdump optimised it to something else, packet %d: %x", e, i, p.Data)
				}
			}
			if !slices.Contains(want, true) {
				empty++
			}
			if link == capture.LinkEthernet {
				compare(t, programOf(t, e), "program of "+e, all, want)
			}
		}
		t.Logf("link type %d: %d packets, %d expressions, of which %d select none", link, len(all), len(list), empty)
	}
}

// Expressions put together at random select what tcpdump's program selects.
func TestRandomExpressions(t *testing.T) {
	needTcpdump(t)
	all := packets(t)
	rnd := rand.New(rand.NewPCG(53, 2016))
	simple := append(expressions[:len(expressions):len(expressions)], onlyEthernet...)
	var make func(depth int) string
	make = func(depth int) string {
		if depth == 0 || rnd.IntN(4) == 0 {
			return simple[rnd.IntN(len(simple))]
		}
		a, b := make(depth-1), make(depth-1)
		switch rnd.IntN(6) {
		case 0:
			return "not (" + a + ")"
		case 1:
			return "(" + a + ") or " + b
		case 2:
			return a + " and (" + b + ")"
		case 3:
			return a + " or not (" + b + ")"
		case 4:
			return a + " and " + b
		}
		return a + " or " + b
	}
	n := 300
	if testing.Short() {
		n = 50
	}
	for range n {
		e := make(3)
		f, err := New(e)
		if err != nil {
			t.Error(err)
			continue
		}
		theirs := programOf(t, e)
		want := []bool{}
		for i := range all {
			ok, _ := theirs.Match(&all[i])
			want = append(want, ok)
		}
		compare(t, f, e, all, want)
	}
}
