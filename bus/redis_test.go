package bus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A server is a redis-server of the test's own, without persistence.
type server struct {
	t    *testing.T
	port string
	cmd  *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	s := &server{t: t, port: port}
	t.Cleanup(s.kill)
	return s
}

func (s *server) url() string { return "redis://127.0.0.1:" + s.port }

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", "--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.t.TempDir())
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// do gives the server one command.
func (s *server) do(args ...any) {
	s.t.Helper()
	client, err := newClient(s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	if err := client.Do(context.Background(), args...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen within 15 s")
		}
	}
}

// A logBuffer is a log that tests read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// A listener records what a subscriber hears.
type listener struct {
	sub   *Subscriber
	mu    sync.Mutex
	lines []string
}

func listen(t *testing.T, s *server, log *slog.Logger, channels ...string) *listener {
	t.Helper()
	sub, err := NewSubscriber(s.url(), channels, log)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{sub: sub}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- sub.Run(ctx, func(channel string, payload []byte) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.lines = append(l.lines, channel+" "+string(payload))
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

func numbered(from, to int) (want []string) {
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprintf("Qtype report %d", i))
	}
	return want
}

func publishNumbers(r *Redis, from, to int) {
	for i := from; i < to; i++ {
		r.Publish("Qtype", []byte("report "), fmt.Append(nil, i))
	}
}

func TestRedisKeepsOrder(t *testing.T) {
	s := newServer(t)
	s.start()
	l := listen(t, s, quiet, "Qtype")
	eventually(t, l.sub.Connected)
	r, err := NewRedis(s.url(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	publishNumbers(r, 0, n)
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(l.heard()) == n })
	if diff := cmp.Diff(numbered(0, n), l.heard()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(RedisStats{Sent: n}, r.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestRedisAwayAtStart(t *testing.T) {
	s := newServer(t)
	var buf logBuffer
	log := slog.New(slog.NewTextHandler(&buf, nil))
	l := listen(t, s, quiet, "Qtype")
	r, err := NewRedis(s.url(), log)
	if err != nil {
		t.Fatal(err)
	}
	publishNumbers(r, 0, 3)
	eventually(t, func() bool { return buf.count("redis is away") == 1 })
	if l.sub.Connected() {
		t.Error("connected to a server that is away")
	}
	// Pub/Sub forgets what nobody hears: the subscriber must be first.
	s.start()
	eventually(t, func() bool { return r.Stats().Sent == 3 && l.sub.Connected() })
	publishNumbers(r, 3, 6)
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { h := l.heard(); return len(h) > 0 && h[len(h)-1] == "Qtype report 5" })
	if away, back := buf.count("redis is away"), buf.count("redis is back"); away != 1 || back != 1 {
		t.Errorf("log says away %d and back %d times, want 1 and 1", away, back)
	}
}

func TestRedisKilledInTheMiddle(t *testing.T) {
	s := newServer(t)
	s.start()
	var buf logBuffer
	l := listen(t, s, slog.New(slog.NewTextHandler(&buf, nil)), "Q*")
	eventually(t, l.sub.Connected)
	r, err := NewRedis(s.url(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	publishNumbers(r, 0, 100)
	eventually(t, func() bool { return len(l.heard()) == 100 })

	s.kill()
	eventually(t, func() bool { return !l.sub.Connected() })
	s.start()
	eventually(t, l.sub.Connected)
	publishNumbers(r, 100, 200)
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(l.heard()) == 200 })
	if diff := cmp.Diff(numbered(0, 200), l.heard()); diff != "" {
		t.Error(diff)
	}
	if away, back := buf.count("redis is away"), buf.count("redis is back"); away != 1 || back != 1 {
		t.Errorf("log says away %d and back %d times, want 1 and 1", away, back)
	}
}

// Killed while reports are under way, again and again: what is heard is in
// order, and what is not heard is what was published while nobody listened.
func TestRedisKilledUnderLoad(t *testing.T) {
	s := newServer(t)
	s.start()
	r, err := NewRedis(s.url(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	for i := range 4 {
		publishNumbers(r, i*n/4, (i+1)*n/4)
		s.kill()
		s.start()
	}
	if err := r.Close(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(RedisStats{Sent: n}, r.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestRedisBacklogOverflow(t *testing.T) {
	f := func(maxBytes, maxReports int) {
		t.Helper()
		s := newServer(t)
		var buf logBuffer
		r, err := newRedis(s.url(), slog.New(slog.NewTextHandler(&buf, nil)), maxBytes, maxReports)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return buf.count("redis is away") == 1 })
		const n, kept = 1000, 10
		publishNumbers(r, 0, n) // "report 999" has 10 octets
		// What is under way at the end was not in the backlog when it was cut.
		eventually(t, func() bool { return r.Stats().Backlog == kept })
		if got := r.Stats(); got.Dropped != n-kept || got.Sent != 0 {
			t.Errorf("stats %+v, want %d dropped and none sent", got, n-kept)
		}
		if lines := buf.count("reports dropped"); lines != 1 {
			t.Errorf("%d log lines about dropped reports, want 1", lines)
		}
		err = r.Close(50 * time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "10 reports dropped") {
			t.Errorf("Close: %v, want an error that says 10 reports dropped", err)
		}
		if got := r.Stats(); got.Dropped != n || got.Backlog != 0 {
			t.Errorf("stats after Close %+v, want %d dropped", got, n)
		}
	}
	f(1<<20, 10)
	f(100, 1000)
}

func TestRedisOldestAreDropped(t *testing.T) {
	s := newServer(t)
	r, err := newRedis(s.url(), quiet, 1<<20, 10)
	if err != nil {
		t.Fatal(err)
	}
	publishNumbers(r, 0, 50)
	var waiting []string
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.inFlight > 0 || len(r.backlog) != 10 {
			return false // an attempt is being made
		}
		for _, p := range r.backlog {
			waiting = append(waiting, p.channel+" "+string(p.line))
		}
		return true
	})
	if diff := cmp.Diff(numbered(40, 50), waiting); diff != "" {
		t.Error(diff)
	}
	s.start()
	if err := r.Close(20 * time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestRedisRefusedIsDropped(t *testing.T) {
	s := newServer(t)
	s.start()
	s.do("ACL", "SETUSER", "monitor", "on", ">secret", "resetchannels", "&Qtype", "+@all")
	r, err := NewRedis("redis://monitor:secret@127.0.0.1:"+s.port, quiet)
	if err != nil {
		t.Fatal(err)
	}
	r.Publish("Rcode", []byte("x"))
	eventually(t, func() bool { return r.Stats() == RedisStats{Dropped: 1} })
	r.Publish("Rcode", []byte("x"))
	r.Publish("Qtype", []byte("x"))
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(RedisStats{Sent: 1, Dropped: 2}, r.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestRedisWrongPasswordWaits(t *testing.T) {
	s := newServer(t)
	s.start()
	s.do("CONFIG", "SET", "requirepass", "right")
	var buf logBuffer
	r, err := NewRedis("redis://:wrong@127.0.0.1:"+s.port, slog.New(slog.NewTextHandler(&buf, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.Publish("Qtype", []byte("x"))
	eventually(t, func() bool { return buf.count("redis is away") == 1 })
	if err := r.Close(300 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "1 reports dropped") {
		t.Errorf("Close: %v", err)
	}
	if buf.count("WRONGPASS") == 0 {
		t.Error("the log does not say why")
	}
}

func TestRedisBadURL(t *testing.T) {
	for _, url := range []string{"", "localhost:6379", "http://localhost", "redis://localhost/x", "redis://[::1"} {
		if _, err := NewRedis(url, quiet); err == nil {
			t.Errorf("NewRedis(%q) succeeded", url)
		}
		if _, err := NewSubscriber(url, []string{"*"}, quiet); err == nil {
			t.Errorf("NewSubscriber(%q) succeeded", url)
		}
	}
}

func TestSubscriberNamesAndPatterns(t *testing.T) {
	s := newServer(t)
	s.start()
	l := listen(t, s, quiet, "Qtype", "Q*", "Rcode")
	eventually(t, l.sub.Connected)
	r, err := NewRedis(s.url(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"Qtype", "Rcode", "Opcode", "Qname"} {
		out := r.Channel(c)
		out.Send([]byte("x"))
	}
	if err := r.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	want := []string{"Qtype x", "Qtype x", "Rcode x", "Qname x"} // Qtype by both ways
	eventually(t, func() bool { return len(l.heard()) == len(want) })
	if diff := cmp.Diff(want, l.heard()); diff != "" {
		t.Error(diff)
	}
}
