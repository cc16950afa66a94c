package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	dnstap "github.com/dnstap/golang-dnstap"
	framestream "github.com/farsightsec/golang-framestream"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
)

// tapped is a dnstap frame as the senders' own library writes it: a query to a
// resolver at time ns, with n octets of message. 0 is no time.
func tapped(t testing.TB, ns int64, n int) []byte {
	t.Helper()
	m := &dnstap.Message{
		Type: dnstap.Message_CLIENT_QUERY.Enum(), SocketProtocol: dnstap.SocketProtocol_DOT.Enum(),
		QueryAddress: []byte("\xc0\x00\x02\x07"), QueryMessage: bytes.Repeat([]byte{byte(n)}, n),
	}
	if ns != 0 {
		m.QueryTimeSec, m.QueryTimeNsec = proto.Uint64(uint64(ns/1e9)), proto.Uint32(uint32(ns%1e9))
	}
	b, err := proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum(), Message: m})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// taps are n frames, a millisecond and a nanosecond apart.
func taps(t testing.TB, start int64, n int) (out []Packet) {
	for i := range n {
		b := tapped(t, start+int64(i)*1000001, 12+i%300)
		out = append(out, Packet{Time: start + int64(i)*1000001, Data: b, Wire: len(b), Link: LinkDnstap})
	}
	return out
}

// streamOf writes a Frame Stream with the library that senders use.
func streamOf(t testing.TB, content string, ps []Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := framestream.NewWriter(&b, &framestream.WriterOptions{ContentTypes: [][]byte{[]byte(content)}})
	for i := range ps {
		if err == nil {
			_, err = w.WriteFrame(ps[i].Data)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fstrmOf(t testing.TB, ps []Packet) []byte { return streamOf(t, string(dnstapContent), ps) }

// A frame's time is its message's, or the other's, or that of the frame before.
func TestDnstapTime(t *testing.T) {
	f := func(name string, kind dnstap.Message_Type, query, response, want int64) {
		t.Helper()
		m := &dnstap.Message{Type: &kind, QueryTimeSec: proto.Uint64(uint64(query)), QueryTimeNsec: proto.Uint32(1)}
		if response != 0 {
			m.ResponseTimeSec, m.ResponseTimeNsec = proto.Uint64(uint64(response)), proto.Uint32(2)
		}
		b, err := proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum(), Message: m})
		if err != nil {
			t.Fatal(err)
		}
		var d Dnstap
		if !d.Unpack(b) {
			t.Fatal("refused")
		}
		if got := d.time(7); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	f("query", dnstap.Message_AUTH_QUERY, 100, 200, 100e9+1)
	f("response", dnstap.Message_AUTH_RESPONSE, 100, 200, 200e9+2)
	f("response without its time", dnstap.Message_AUTH_RESPONSE, 100, 0, 100e9+1)
	f("query without its time", dnstap.Message_AUTH_QUERY, 0, 200, 200e9+2)
	f("neither", dnstap.Message_AUTH_QUERY, 0, 0, 7)
	f("absurd", dnstap.Message_AUTH_QUERY, -1, 0, maxSeconds*1e9+1)
}

func TestFstrm(t *testing.T) {
	ps := taps(t, second, 3000)
	for _, p := range packers {
		t.Run(p.name, func(t *testing.T) {
			log, logged := logTo()
			src, err := NewReader("x", bytes.NewReader(p.pack(t, fstrmOf(t, ps))), log)
			if err != nil {
				t.Fatal(err)
			}
			if got := all(t, src); !reflect.DeepEqual(ps, got) {
				t.Errorf("%d other packets", len(got))
			}
			if logged.String() != "" {
				t.Error(logged)
			}
		})
	}
}

// A sender that was recorded with its handshake has READY first and FINISH last.
func TestFstrmHandshake(t *testing.T) {
	ps := taps(t, second, 3)
	ready := []byte("\x00\x00\x00\x00\x00\x00\x00\x22\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x16" + string(dnstapContent))
	finish := []byte("\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x05")
	src, err := NewReader("x", bytes.NewReader(slices.Concat(ready, fstrmOf(t, ps), finish)), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, src); !reflect.DeepEqual(ps, got) {
		t.Errorf("%d other packets", len(got))
	}
}

// A frame without a time, or one that is none, has the time of the one before.
func TestFstrmUntimed(t *testing.T) {
	ps := []Packet{{Data: tapped(t, 0, 20)}, {Data: tapped(t, second, 20)}, {Data: tapped(t, 0, 20)}, {Data: []byte("\xff")}, {Data: tapped(t, second+1, 20)}}
	src, err := NewReader("x", bytes.NewReader(fstrmOf(t, ps)), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, p := range all(t, src) {
		got = append(got, p.Time)
	}
	if diff := cmp.Diff([]int64{0, second, second, second, second + 1}, got); diff != "" {
		t.Error(diff)
	}
}

// A stream that is cut anywhere is good up to there; one that was cut inside a
// frame says so.
func TestFstrmCut(t *testing.T) {
	ps := taps(t, second, 5)
	whole := fstrmOf(t, ps)
	ends := map[int]bool{} // where nothing is missing but STOP
	at := 12 + 8 + len(dnstapContent)
	ends[at] = true
	for _, p := range ps {
		at += 4 + len(p.Data)
		ends[at] = true
	}
	ends[len(whole)] = true
	for n := controlLen; n <= len(whole); n++ {
		log, logged := logTo()
		src, err := NewReader("x", bytes.NewReader(whole[:n]), log)
		if err != nil {
			t.Fatal(n, err)
		}
		got := all(t, src)
		if diff := cmp.Diff(ps[:len(got)], got, cmp.Comparer(func(a, b []Packet) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) })); diff != "" {
			t.Fatalf("cut at %d: %s", n, diff)
		}
		if warned := strings.Contains(logged.String(), "capture ends inside a record"); warned == ends[n] {
			t.Fatalf("cut at %d: %q", n, logged)
		}
	}
}

func TestFstrmDamaged(t *testing.T) {
	ps := taps(t, second, 3)
	whole := fstrmOf(t, ps)
	start := whole[:12+8+len(dnstapContent)]
	u32 := func(v ...uint32) (b []byte) {
		for _, n := range v {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	f := func(name string, b []byte, packets int, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "x.fstrm")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := Open([]string{path}, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		var batch Batch
		n := 0
		for err == nil {
			if err = src.Read(&batch); err == nil {
				n += len(batch.Packets)
			}
		}
		if n != packets || !strings.Contains(err.Error(), "x.fstrm: "+want) && err != io.EOF || (err == io.EOF) != (want == "") {
			t.Errorf("%s: %d packets, %v", name, n, err)
		}
	}
	f("two streams, as after cat", bytes.Join([][]byte{whole, whole}, nil), 6, "")
	f("a long frame", append(bytes.Clone(start), u32(maxFrame+1)...), 0, "offset 42: frame of 262145 octets, more than the limit of 262144")
	f("the longest length", append(bytes.Clone(start), u32(1<<32-1)...), 0, "offset 42: frame of 4294967295 octets")
	f("a frame behind the end", append(bytes.Clone(whole), u32(1, 0)...), 3, "offset ")
	f("a second beginning", append(bytes.Clone(start), start...), 0, "offset 42: control frame of type 2, which does not belong here")
	f("what only sockets have", append(bytes.Clone(start), u32(0, 4, 4)...), 0, "offset 42: control frame of type 4")
	f("a long control frame", append(bytes.Clone(start), u32(0, 513)...), 0, "offset 42: control frame of 513 octets")
	f("a short control frame", append(bytes.Clone(start), u32(0, 3)...), 0, "offset 42: control frame of 3 octets")
	f("a field that is cut", append(bytes.Clone(start), u32(0, 8, 2, 1)...), 0, "offset 42: control frame: ")
	f("another content", streamOf(t, "protobuf:other", ps), 0, `offset 0: frame stream of "protobuf:other", not of protobuf:dnstap.Dnstap`)
}

// The longest frame, which is longer than a block, between others.
func TestFstrmLong(t *testing.T) {
	long := tapped(t, second, maxFrame-100)
	ps := taps(t, second, 2)
	ps = []Packet{ps[0], {Time: second, Data: long, Wire: len(long), Link: LinkDnstap}, ps[1]}
	src, err := NewReader("x", bytes.NewReader(fstrmOf(t, ps)), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, src); !reflect.DeepEqual(ps, got) {
		t.Errorf("%d packets", len(got))
	}
}

// dnstap and pcap files are merged by time as any two.
func TestFstrmMerged(t *testing.T) {
	dir := t.TempDir()
	a, b := taps(t, second, 10), packets(second+500, 10)
	if err := os.WriteFile(dir+"/a.fstrm", fstrmOf(t, a), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/b.pcap", nanoPcap(b), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := Open([]string{dir + "/b.pcap", dir + "/a.fstrm"}, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	var want []Packet
	for i := range a {
		want = append(want, a[i], b[i])
	}
	if diff := cmp.Diff(want, all(t, src)); diff != "" {
		t.Error(diff)
	}
}

// all reads src to its end.
func all(t *testing.T, src Source) []Packet {
	t.Helper()
	ps, err := readAll(src)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestFstrmAllocs(t *testing.T) {
	stream := fstrmOf(t, taps(t, second, 1000))
	stream = stream[12+8+len(dnstapContent) : len(stream)-controlLen]
	f, b := &fstrm{started: true}, new(Batch)
	if n := testing.AllocsPerRun(10, func() {
		b.Packets = b.Packets[:0]
		if used, err := f.parse(stream, b); used != len(stream) || err != nil || len(b.Packets) != 1000 {
			t.Fatal(used, len(b.Packets), err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 1000 frames", n)
	}
}
