package filter

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"ratadns/capture"
	"ratadns/capture/sample"
)

// What is not understood is refused, with the place named, and not guessed.
func TestRefused(t *testing.T) {
	for e, want := range map[string]string{
		"prot 53":                     `--filter "prot 53": "prot" is not understood here`,
		"host ns1.example.org":        `"ns1.example.org" is no address; names are not looked up`,
		"port":                        "the end stands where a value for port is missing",
		"udp port 53 and":             "the end is not understood here",
		"(udp port 53":                "the end stands where a ) is missing",
		"udp port 53)":                `")" is not understood here`,
		"udp port 65536":              `"65536" is no port`,
		"port 53-60":                  `"53-60" is no port`,
		"host 192.0.2.0/24":           `"/" is not understood here`,
		"net 192.0.2.1/24":            "the end follows a network with bits behind its prefix",
		"net 2001:db8::1/32":          "the end follows a network with bits behind its prefix",
		"ip host 2001:db8::1":         `"2001:db8::1" is an address of IPv6, not of ip`,
		"ip6 host 192.0.2.1":          `"192.0.2.1" is an address of IPv4, not of ip6`,
		"tcp host 192.0.2.1":          `"192.0.2.1" is an address of IPv4, not of tcp`,
		"icmp port 53":                `"53" is a port, and icmp has none`,
		"vlan 4096":                   `"4096" stands where a number up to 4095 is missing`,
		"ip[6:3] = 0":                 `"]" follows a size that is not 1, 2 or 4`,
		"ip[0]":                       "the end stands where a comparison is missing",
		"len / 0 = 1":                 `"=" follows an operation that means nothing`,
		"multicast":                   `"multicast" is not understood here`,
		"mpls 5":                      `"mpls" is not understood here`,
		"ip protochain 6":             `"protochain"`,
		"ether proto 17":              `"17" is no type of Ethernet`,
		"ether":                       "the end stands where a [ is missing",
		"ip and 53":                   "the end stands where a comparison is missing",
		"(port 53) or 54":             "the end stands where a comparison is missing",
		"len > 5 or 54":               "comparison",
		"udp port 53 ; reboot":        `"; reboot" is not understood`,
		"TCP":                         `"TCP" is not understood here`,
		"":                            "the end is not understood here",
		"1\n6 0 0":                    `instruction 0, "6 0 0", is not four numbers`,
		"2\n6 0 0 0":                  "a program of 2 instructions has 1",
		"1,40 0 0 12":                 "must end with",
		"2,5 0 0 9,6 0 0 1":           "jump",
		"2,255 0 0 0,6 0 0 1":         "instruction 0, code 255, is unknown",
		"2,33 0 0 0,6 0 0 1":          "instruction 0, code 33, is unknown",
		"2,2 0 0 16,6 0 0 1":          "unknown",
		"2,52 0 0 0,6 0 0 1":          "divide by zero",
		"2,48 0 0 4294963248,6 0 0 1": "asks the kernel",
	} {
		if _, err := New(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", e, err, want)
		}
	}
	f, err := New("udp port 53")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Match(&capture.Packet{Link: capture.LinkNull}); err == nil || !strings.Contains(err.Error(), "link type 0") {
		t.Error(err)
	}
	if _, err := f.Match(&capture.Packet{Link: capture.LinkDnstap}); err == nil || !strings.Contains(err.Error(), "dnstap has none") {
		t.Error(err)
	}
	if f, err = New("1,6 0 0 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Match(&capture.Packet{Link: capture.LinkRaw}); err == nil || !strings.Contains(err.Error(), "link type 101") {
		t.Error(err)
	}
}

// A list of addresses as long as the kernel takes works, however far its jumps;
// a longer one is refused.
func TestLong(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(" or ")
			}
			b.WriteString("ip host 198.51." + []string{"100", "101", "102", "103"}[i/250%4] + "." + []string{"1", "2", "3"}[i%3])
		}
		return b.String() + " or udp port 53"
	}
	f, err := New(list(500))
	if err != nil {
		t.Fatal(err)
	}
	udp, _ := New("udp port 53")
	for _, p := range packets(t) {
		want, _ := udp.Match(&p)
		got, _ := f.Match(&p)
		if got != want && !bytes.Contains(p.Data, []byte{198, 51}) {
			t.Fatalf("%x: %v", p.Data, got)
		}
	}
	if _, err := New(list(5000)); err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Error(err)
	}
}

// A source gives the selected packets in their order and counts the others.
func TestSource(t *testing.T) {
	src, err := capture.NewReader("sample", bytes.NewReader(sample.Pcap), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f, err := New("tcp port 53")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSource(src, f)
	n := uint64(0)
	var b capture.Batch
	for err = s.Read(&b); err == nil; err = s.Read(&b) {
		if len(b.Packets) == 0 {
			t.Fatal("an empty batch")
		}
		n += uint64(len(b.Packets))
	}
	if err != io.EOF || n == 0 || n+s.LeftOut() != 52041 {
		t.Errorf("%d, %d left out, %v", n, s.LeftOut(), err)
	}
}

// FuzzProgram: what is accepted runs to its end as on the VM of x/net.
func FuzzProgram(f *testing.F) {
	for _, e := range expressions {
		p, err := compile(e, capture.LinkEthernet)
		if err != nil {
			f.Fatal(err)
		}
		var code []byte
		for _, in := range p {
			code = binary.LittleEndian.AppendUint16(code, in.Op)
			code = append(code, in.Jt, in.Jf)
			code = binary.LittleEndian.AppendUint32(code, in.K)
		}
		f.Add(code, synthetic()[0].Data)
	}
	f.Fuzz(func(t *testing.T, code, data []byte) {
		var p Program
		for ; len(code) >= 8; code = code[8:] {
			p = append(p, bpf.RawInstruction{Op: binary.LittleEndian.Uint16(code), Jt: code[2], Jf: code[3], K: binary.LittleEndian.Uint32(code[4:])})
		}
		if p.check() != nil {
			return
		}
		all, _ := bpf.Disassemble(p)
		vm, err := bpf.NewVM(all)
		if err != nil {
			t.Fatal(err)
		}
		want, err := vm.Run(data)
		if err != nil { // it has no negation
			p.Match(data, len(data))
			return
		}
		if got := p.Match(data, len(data)); got != (want != 0) {
			t.Errorf("got %v, want %d: %v", got, want, all)
		}
	})
}

// FuzzExpression: whatever is typed is refused or makes a program.
func FuzzExpression(f *testing.F) {
	for _, e := range append(expressions, onlyEthernet...) {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, e string) {
		for _, link := range []capture.LinkType{capture.LinkEthernet, capture.LinkRaw, capture.LinkIPv4, capture.LinkSLL2} {
			if p, err := compile(e, link); err == nil {
				p.Match(make([]byte, 100), 100)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	all := packets(b)
	for _, e := range []string{"udp port 53", "port 53", "udp port 53 and not net 192.0.2.0/24", "vlan and udp"} {
		b.Run(strings.ReplaceAll(e, "/", "_"), func(b *testing.B) {
			p, err := compile(e, capture.LinkEthernet)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q := &all[i%len(all)]
				p.Match(q.Data, q.Wire)
			}
		})
	}
}
