package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func TestPcapMagics(t *testing.T) {
	want := packets(second, 3000)
	for i := range want {
		want[i].Time -= want[i].Time % 1000 // what microseconds can say
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, unit := range []int64{1, 1000} {
			t.Run(fmt.Sprint(order, unit), func(t *testing.T) {
				got, err := parse(pcapOf(order, unit, want), quiet(t))
				if err != nil {
					t.Fatal(err)
				}
				wantPackets(t, got, want)
			})
		}
	}
}

func TestWriterRoundTrip(t *testing.T) {
	want := packets(second, 100)
	want[3].Wire = 9000 // cut when it was captured
	for i := range want {
		want[i].Link = LinkSLL2
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, LinkSLL2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(want...); err != nil {
		t.Fatal(err)
	}
	got, err := parse(b.Bytes(), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, want)
}

// Times that classic pcap cannot say become the nearest that it can.
func TestWriterClampsTimes(t *testing.T) {
	var b bytes.Buffer
	w, _ := NewWriter(&b, LinkRaw)
	w.Write(Packet{Time: -1}, Packet{Time: 1 << 62})
	got, err := parse(b.Bytes(), quiet(t))
	if err != nil || len(got) != 2 || got[0].Time != 0 || got[1].Time != (1<<32)*1e9-1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestPcapSnapCut(t *testing.T) {
	want := packets(second, 10)
	for i := range want {
		want[i].Data, want[i].Wire = want[i].Data[:20], 1500
	}
	got, err := parse(nanoPcap(want), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, want)
}

// A capture cut anywhere gives the packets before the cut and one warning with
// the offset of the record that is not whole.
func TestPcapCut(t *testing.T) {
	all := packets(second, 12)
	whole := nanoPcap(all)
	ends := []int{pcapHeaderLen} // of the records
	for _, p := range all {
		ends = append(ends, ends[len(ends)-1]+pcapRecordLen+len(p.Data))
	}
	n := 0
	for cut := pcapHeaderLen; cut <= len(whole); cut++ {
		if n+1 < len(ends) && cut == ends[n+1] {
			n++
		}
		log, logged := logTo()
		got, err := parse(whole[:cut], log)
		if err != nil || len(got) != n {
			t.Fatalf("cut at %d: %d packets, want %d; %v", cut, len(got), n, err)
		}
		want := fmt.Sprintf("path=t.pcap offset=%d\n", ends[n])
		if cut == ends[n] {
			want = ""
		}
		if s := logged.String(); (want == "") != (s == "") || !strings.HasSuffix(s, want) {
			t.Fatalf("cut at %d: logged %q, want %q", cut, s, want)
		}
	}
}

func TestPcapAbsurdRecord(t *testing.T) {
	all := packets(second, 5)
	b := nanoPcap(all)
	offset := len(b)
	b = append(b, nanoPcap(all[:1])[pcapHeaderLen:]...)
	binary.LittleEndian.PutUint32(b[offset+8:], 0x7fffffff)
	got, err := parse(b, quiet(t))
	wantPackets(t, got, all)
	want := fmt.Sprintf("t.pcap: offset %d: record of 2147483647 octets, more than the capture's limit of 262144", offset)
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// A record longer than the block, and what follows it in the block that it made
// grow, which is itself longer than a fresh batch.
func TestPcapLongRecords(t *testing.T) {
	var all []Packet
	for i, n := range []int{100, 3 << 20, 50, 700_000, 600_000, 800_000, 900_000, 500_000, 60} {
		all = append(all, Packet{Time: second + int64(i), Data: bytes.Repeat([]byte{byte(i + 1)}, n), Wire: n, Link: LinkEthernet})
	}
	b := nanoPcap(all)
	binary.LittleEndian.PutUint32(b[16:], 8<<20) // snap length
	src, err := NewReader("t.pcap", bytes.NewReader(b), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []Packet
	for { // each batch is a new one
		var batch Batch
		if err := src.Read(&batch); err != nil {
			break
		}
		got = append(got, batch.Packets...)
	}
	if len(got) != len(all) {
		t.Fatalf("%d packets, want %d", len(got), len(all))
	}
	for i := range got {
		if !bytes.Equal(got[i].Data, all[i].Data) {
			t.Errorf("packet %d differs", i)
		}
	}
}

func TestNotACapture(t *testing.T) {
	bad := func(content, want string) {
		t.Helper()
		_, err := parse([]byte(content), quiet(t))
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v\nwant %s", content, err, want)
		}
	}
	bad("", "t.pcap: not a capture: empty")
	bad("hello, world\n", `t.pcap: not a capture: starts with "hello, world\n"`)
	bad("x", `t.pcap: not a capture: starts with "x"`)
	bad("\x7fELF\x02\x01\x01\x00 and much more of it here", "t.pcap: not a capture: starts with 7f 45 4c 46 02 01 01 00 20 61 6e 64 20 6d 75 63")
	bad(string(nanoPcap(nil)[:23]), "t.pcap: cut inside its header")
	bad("snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04", "t.pcap: not a capture but a snoop file, which editcap turns into one")
	bad("PK\x03\x04\x14\x00", "t.pcap: not a capture but a zip archive: unpack it first")
}

func TestPcapWithoutPackets(t *testing.T) {
	got, err := parse(nanoPcap(nil), quiet(t))
	if err != nil || len(got) != 0 {
		t.Errorf("got %d packets, %v", len(got), err)
	}
}
