package capture

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// openAll reads captures of those names.
func openAll(t *testing.T, names ...string) ([]Packet, error) {
	t.Helper()
	src, err := Open(names, quiet(t))
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return readAll(src)
}

// Files are taken in the order of their first packets, whatever order they are
// named in; where they overlap they are merged by time.
func TestOpenMerges(t *testing.T) {
	all := packets(second, 9000)
	var odd, even []Packet
	for i, p := range all[3000:6000] {
		if i%2 == 0 {
			even = append(even, p)
		} else {
			odd = append(odd, p)
		}
	}
	names := []string{
		write(t, "last.pcap", nanoPcap(all[6000:])),
		write(t, "odd.pcap", nanoPcap(odd)),
		write(t, "empty.pcap", nanoPcap(nil)),
		write(t, "first.pcap", nanoPcap(all[:3000])),
		write(t, "even.pcap.gz", packers[1].pack(t, nanoPcap(even))),
	}
	for range len(names) {
		names = append(names[1:], names[0])
		got, err := openAll(t, names...)
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, all)
	}
}

// Packets out of order inside a file stay as they were captured, and those of
// equal times are in the order of the files.
func TestOpenKeepsOrder(t *testing.T) {
	one := packets(second, 10)
	one[4].Time, one[5].Time = one[5].Time, one[4].Time
	got, err := openAll(t, write(t, "one.pcap", nanoPcap(one)), write(t, "later.pcap", nanoPcap(packets(second+1e9, 3))))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, append(one, packets(second+1e9, 3)...))

	a, b := packets(second, 1), packets(second, 1)
	a[0].Data[0], b[0].Data[0] = 'a', 'b'
	got, err = openAll(t, write(t, "a.pcap", nanoPcap(a)), write(t, "b.pcap", nanoPcap(b)))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, append(a, b...))
}

// Standard input keeps its place between the files.
func TestOpenStdin(t *testing.T) {
	early, middle, late := packets(second, 10), packets(second+1e9, 20), packets(second+2e9, 30)
	in, err := os.Open(write(t, "stdin", nanoPcap(late)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	old := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = old }()
	e, m := write(t, "early.pcap", nanoPcap(early)), write(t, "middle.pcap", nanoPcap(middle))
	got, err := openAll(t, m, "-", e)
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, slices.Concat(middle, late, early))
}

// A pipe that is named, as <(...) names one, can be read only once.
func TestOpenPipes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/fd")
	}
	early, late := packets(second, 100), packets(second+1e9, 100)
	pipe := func(ps []Packet) string {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		go func() {
			w.Write(nanoPcap(ps))
			w.Close()
		}()
		return fmt.Sprintf("/dev/fd/%d", r.Fd())
	}
	got, err := openAll(t, pipe(late), pipe(nil), pipe(early))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, slices.Concat(early, late))
}

// What is wrong with one of several files is told, at the end, and all else is
// given.
func TestOpenErrors(t *testing.T) {
	good := write(t, "good.pcap", nanoPcap(packets(second, 10)))
	if _, err := openAll(t, good, "no-such-file.pcap"); err == nil || !strings.Contains(err.Error(), "no-such-file.pcap") {
		t.Errorf("got %v", err)
	}
	bad := nanoPcap(packets(second+1e9, 3))
	got, err := openAll(t, write(t, "bad.pcap", append(bad, "0123456789abcdef"...)), good)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("bad.pcap: offset %d: record of", len(bad))) {
		t.Errorf("got %v", err)
	}
	wantPackets(t, got, append(packets(second, 10), packets(second+1e9, 3)...))

	// Between others, in its first record, and twice.
	log, logged := logTo()
	src, err := Open([]string{
		write(t, "begin.pcap", append(nanoPcap(nil), "0123456789abcdef"...)), good,
		write(t, "middle.pcap", append(nanoPcap(packets(second+1e9, 3)), "0123456789abcdef"...)),
		write(t, "good2.pcap", nanoPcap(packets(second+2e9, 2000))),
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	got, err = readAll(src)
	wantPackets(t, got, slices.Concat(packets(second, 10), packets(second+1e9, 3), packets(second+2e9, 2000)))
	for _, text := range []string{fmt.Sprint(err), logged.String()} {
		if strings.Count(text, "begin.pcap: offset 24") != 1 || strings.Count(text, "middle.pcap: offset ") != 1 {
			t.Errorf("told %q", text)
		}
	}

	for _, cut := range []int{1, 17} { // inside the last record, and before the first ends
		b := nanoPcap(packets(second, 1))
		log, logged := logTo()
		src, err := Open([]string{good, write(t, "cut.pcap", b[:len(b)-cut])}, log)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(src)
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, packets(second, 10))
		if s := logged.String(); strings.Count(s, "capture ends inside a record") != 1 {
			t.Errorf("logged %q", s)
		}
	}
}

func TestOpenNothing(t *testing.T) {
	got, err := openAll(t)
	if err != nil || len(got) != 0 {
		t.Errorf("%d packets, %v", len(got), err)
	}
}
