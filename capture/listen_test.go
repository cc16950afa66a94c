package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	framestream "github.com/farsightsec/golang-framestream"
)

// lines is a log that several goroutines write to.
type lines struct {
	mu  sync.Mutex
	b   bytes.Buffer
	new chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.new <- struct{}{}:
	default:
	}
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wait returns once the log has the text.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.new:
		case <-timeout:
			t.Fatalf("the log lacks %q:\n%s", text, l)
		}
	}
}

// listen opens a source at those addresses.
func listen(t *testing.T, addresses ...string) (*DnstapSource, *lines) {
	t.Helper()
	l := &lines{new: make(chan struct{}, 1)}
	s, err := ListenDnstap(addresses, slog.New(slog.NewTextHandler(l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, l
}

func dial(t *testing.T, s *DnstapSource, i int) net.Conn {
	t.Helper()
	a := s.listeners[i].Addr()
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// send sends frames as the senders' library does, to the end of the stream.
func send(c net.Conn, bidirectional bool, ps []Packet) error {
	defer c.Close()
	w, err := framestream.NewWriter(c, &framestream.WriterOptions{
		ContentTypes: [][]byte{dnstapContent}, Bidirectional: bidirectional, Timeout: time.Minute,
	})
	for i := range ps {
		if err == nil {
			_, err = w.WriteFrame(ps[i].Data)
		}
	}
	if err == nil {
		err = w.Close() // which waits for FINISH
	}
	return err
}

// take reads n frames.
func take(t *testing.T, s Source, n int) (got []Packet) {
	t.Helper()
	var b Batch
	for len(got) < n {
		if err := s.Read(&b); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			got = append(got, p)
		}
	}
	return got
}

// Several senders at once, over both kinds of sockets, with and without answers.
func TestListenDnstap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap.sock")
	s, log := listen(t, path, "tcp:127.0.0.1:0", "localhost:0")
	const each = 2000
	var wg sync.WaitGroup
	for i := range 12 {
		c, ps := dial(t, s, i%3), taps(t, second+int64(i)*3600e9, each)
		wg.Go(func() {
			if err := send(c, i%2 == 0, ps); err != nil {
				t.Error(i, err)
			}
		})
	}
	got := take(t, s, 12*each)
	wg.Wait()
	for i := range 12 { // each sender's frames keep their order
		var own []Packet
		start := second + int64(i)*3600e9
		for _, p := range got {
			if p.Time >= start && p.Time < start+3600e9 {
				own = append(own, p)
			}
		}
		if !slices.EqualFunc(own, taps(t, start, each), func(a, b Packet) bool {
			return a.Time == b.Time && a.Wire == b.Wire && a.Link == b.Link && bytes.Equal(a.Data, b.Data)
		}) {
			t.Errorf("sender %d: %d other frames", i, len(own))
		}
	}
	if st := s.Stats(); st != (LiveStats{Received: 12 * each}) {
		t.Errorf("%+v", st)
	}
	log.wait(t, "dnstap sender gone")
	if strings.Contains(log.String(), "WARN") {
		t.Error(log)
	}
}

// Whoever is no sender of dnstap gets one line, and holds up nobody.
func TestListenDnstapRefused(t *testing.T) {
	s, log := listen(t, "127.0.0.1:0")
	dial(t, s, 0)         // idle
	dial(t, s, 0).Close() // gone without a word
	half := dial(t, s, 0)
	half.Write([]byte("\x00\x00\x00\x00\x00\x00"))
	io.WriteString(dial(t, s, 0), "GET / HTTP/1.1\r\n\r\n")
	log.wait(t, `err="does not begin as Frame Streams do"`)
	for _, bidirectional := range []bool{true, false} {
		c := dial(t, s, 0)
		w, err := framestream.NewWriter(c, &framestream.WriterOptions{
			ContentTypes: [][]byte{[]byte("protobuf:other")}, Bidirectional: bidirectional, Timeout: time.Minute,
		})
		if bidirectional { // the library waits for ACCEPT
			if err == nil {
				t.Error("another content was accepted")
			}
			continue
		}
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("it was not hung up on")
		}
	}
	log.wait(t, `err="frame stream of \"protobuf:other\", not of protobuf:dnstap.Dnstap"`)
	c := dial(t, s, 0)
	c.Write(fstrmOf(t, nil)[:12+8+len(dnstapContent)])
	c.Write([]byte("\xff\xff\xff\xff"))
	log.wait(t, "frame of 4294967295 octets, more than the limit of 262144")

	ps := taps(t, second, 3)
	if err := send(dial(t, s, 0), true, ps); err != nil {
		t.Error(err)
	}
	if got := take(t, s, 3); len(got) != 3 {
		t.Error(got)
	}
	// On a slow machine the time of the silent ones is over as well.
	if n := strings.Count(log.String(), "WARN") - strings.Count(log.String(), "timeout"); n != 4 {
		t.Errorf("%d warnings:\n%s", n, log)
	}
}

// A sender that goes inside a frame is one that breaks, and as little able to
// fill the log as others; the frames before are used.
func TestListenDnstapBrokenOff(t *testing.T) {
	s, log := listen(t, "127.0.0.1:0")
	stream := fstrmOf(t, taps(t, second, 2))
	const senders = 2 * maxLines
	for i := range senders {
		c := dial(t, s, 0)
		c.Write(stream[:len(stream)-12-1-i]) // without STOP and the end of the frame before
		c.Close()
		if i == 0 {
			log.wait(t, fmt.Sprintf(`level=WARN msg="dnstap sender gone" sender=%s err="broke off inside a frame"`, c.LocalAddr()))
		}
	}
	take(t, s, senders)
	s.Close()
	if _, err := readAll(s); err != nil { // so that all have gone
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n"); n > maxLines {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// A frame without a time has the time when it came.
func TestListenDnstapArrival(t *testing.T) {
	s, _ := listen(t, "127.0.0.1:0")
	before := time.Now().UnixNano()
	if err := send(dial(t, s, 0), false, []Packet{{Data: tapped(t, 0, 12)}, {Data: []byte("\xff")}}); err != nil {
		t.Error(err)
	}
	for _, p := range take(t, s, 2) {
		if p.Time < before || p.Time > time.Now().UnixNano() {
			t.Error(p.Time)
		}
	}
}

// What nobody reads is dropped and counted; the sender is never made to wait.
func TestListenDnstapDrops(t *testing.T) {
	s, _ := listen(t, "127.0.0.1:0")
	s.queue.limit = 300_000
	ps := taps(t, second, 20_000)
	if err := send(dial(t, s, 0), true, ps); err != nil { // FINISH came, so all was read
		t.Fatal(err)
	}
	s.Close()
	got, err := readAll(s)
	if err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Received != uint64(len(got)) || st.Received+st.Dropped != uint64(len(ps)) || st.Dropped == 0 || len(got) == 0 {
		t.Errorf("%d read, %+v", len(got), st)
	}
	held := 0
	for _, p := range got {
		held += len(p.Data) + packetCost
	}
	if held > s.queue.limit || s.queue.held != 0 {
		t.Errorf("%d octets were held, %d still", held, s.queue.held)
	}
}

// Close takes what was sent before it, from senders that stay as well.
func TestListenDnstapClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap.sock")
	s, log := listen(t, "unix:"+path)
	c := dial(t, s, 0)
	ps := taps(t, second, 100)
	stream := fstrmOf(t, ps)
	c.Write(stream[:len(stream)-12]) // without STOP
	dial(t, s, 0)                    // says nothing
	log.wait(t, "dnstap sender connected")
	s.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	got, err := readAll(s)
	if err != nil || len(got) != len(ps) {
		t.Errorf("%d frames, %v", len(got), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "WARN") {
		t.Error(log)
	}
}

// There is a bound to the connections, and leaving makes room.
func TestListenDnstapBound(t *testing.T) {
	s, log := listen(t, "127.0.0.1:0")
	var all []net.Conn
	for range maxSenders + 1 {
		all = append(all, dial(t, s, 0))
	}
	log.wait(t, fmt.Sprintf(`err="there are %d already"`, maxSenders))
	all[0].Close()
	for { // until the place is free
		if err := send(dial(t, s, 0), true, taps(t, second, 1)); err == nil {
			break
		}
	}
	if got := take(t, s, 1); len(got) != 1 {
		t.Error(got)
	}
}

func TestListenDnstapAddresses(t *testing.T) {
	dir := t.TempDir()
	live, _ := listen(t, dir+"/live.sock")
	if info, err := os.Stat(dir + "/live.sock"); err != nil || info.Mode().Perm() != 0o660 {
		t.Error(info.Mode(), err)
	}
	if err := os.WriteFile(dir+"/file", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/stale.sock"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()

	f := func(address, want string) {
		t.Helper()
		s, err := ListenDnstap([]string{address}, quiet(t))
		if err == nil {
			s.Close()
			err = errors.New("")
		}
		if want != "" {
			want = "--dnstap " + address + ": " + want
		}
		if err.Error() != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	f(dir+"/live.sock", "another program listens there")
	f(dir+"/file", "is there already, and is no socket")
	f("unix://"+dir+"/stale.sock", "")
	f("tcp://127.0.0.1:0", "")
	f(dir+"/none/x.sock", "bind: no such file or directory")
	f("localhost", ErrDnstapAddress.Error())
	f("tcp:/run/x", ErrDnstapAddress.Error())
	if b, err := os.ReadFile(dir + "/file"); string(b) != "precious" {
		t.Error(err)
	}
	if err := send(dial(t, live, 0), true, taps(t, second, 1)); err != nil {
		t.Error(err)
	}
}

// Whoever can connect cannot fill the log.
func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Unix(1475762100, 0)
	said := 0
	for range 100 {
		if _, ok := l.take(now); ok {
			said++
		}
	}
	if said != maxLines {
		t.Errorf("%d lines", said)
	}
	if unsaid, ok := l.take(now.Add(linesPeriod)); !ok || unsaid != 100-maxLines {
		t.Errorf("%d unsaid, %t", unsaid, ok)
	}
}
