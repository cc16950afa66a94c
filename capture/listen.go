package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A DnstapSource gives the dnstap frames that name servers send to its sockets,
// as packets of [LinkDnstap], in the order they come. It never makes a sender
// wait: what is not read in time is dropped and counted.
type DnstapSource struct {
	log       *slog.Logger
	queue     *queue
	listeners []net.Listener
	running   sync.WaitGroup // those who accept, and the senders
	mu        sync.Mutex
	senders   map[net.Conn]bool
	closed    bool
	lines     limiter
}

const (
	// dnstapQueue is how many octets wait for Read: as many as an interface's
	// ring has by default.
	dnstapQueue = 64 << 20

	// maxSenders bounds the connections, each of which takes some 130 KiB, and
	// two or three of its frames where those are longer. A name server has one,
	// or one for each thread.
	maxSenders = 256

	// helloTime is how long a sender has for the handshake. After it a sender
	// may be silent for ever; the keep-alive of TCP ends those that are gone.
	helloTime = 10 * time.Second

	// drainTime is how long a sender is still read after Close: what it has
	// sent is here already, or nearly.
	drainTime = 500 * time.Millisecond
)

// errBrokenOff is that a sender has gone without the rest of what it was sending.
var errBrokenOff = errors.New("broke off inside a frame")

// ErrDnstapAddress is that an address is of neither form that ListenDnstap takes.
var ErrDnstapAddress = errors.New("neither a path with a / in it, for a Unix socket, nor HOST:PORT")

// ListenDnstap listens on each address: a path, which has a / or begins with
// unix:, is a Unix socket, and HOST:PORT, perhaps behind tcp:, is TCP.
func ListenDnstap(addresses []string, log *slog.Logger) (*DnstapSource, error) {
	s := &DnstapSource{log: log, queue: newQueue(dnstapQueue), senders: make(map[net.Conn]bool)}
	for _, address := range addresses {
		l, err := listenDnstap(address)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("--dnstap %s: %w", address, err)
		}
		s.listeners = append(s.listeners, l)
	}
	for _, l := range s.listeners {
		s.running.Go(func() { s.accept(l) })
	}
	return s, nil
}

func listenDnstap(address string) (net.Listener, error) {
	// CoreDNS and others write two slashes behind the word.
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(strings.TrimPrefix(path, "//"))
	}
	host, tcp := strings.CutPrefix(address, "tcp:")
	if !tcp && strings.Contains(address, "/") {
		return listenUnix(address)
	}
	host = strings.TrimPrefix(host, "//")
	_, port, err := net.SplitHostPort(host)
	if err != nil || port == "" {
		return nil, ErrDnstapAddress
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return nil, ErrDnstapAddress
	}
	return plain(net.Listen("tcp", host))
}

// listenUnix listens on a socket at path, which its owner and group may write
// to. A socket that a killed program left there is removed, and nothing else.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, errors.New("is there already, and is no socket")
		}
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			c.Close()
			return nil, errors.New("another program listens there")
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := plain(net.Listen("unix", path))
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// plain takes off an error what the caller says as well.
func plain(l net.Listener, err error) (net.Listener, error) {
	var op *net.OpError
	if errors.As(err, &op) {
		return nil, op.Err
	}
	return l, err
}

// Addresses are where the source listens.
func (s *DnstapSource) Addresses() (list []string) {
	for _, l := range s.listeners {
		list = append(list, l.Addr().String())
	}
	return list
}

// Read implements [Source].
func (s *DnstapSource) Read(b *Batch) error { return s.queue.take(b) }

// Stats counts frames: Dropped are those for which the queue had no room.
func (s *DnstapSource) Stats() LiveStats {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.stats
}

// Close stops listening and removes the Unix sockets. What senders have sent
// is read first; Read gives it, and then io.EOF.
func (s *DnstapSource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	for _, l := range s.listeners {
		err = errors.Join(err, l.Close())
	}
	for c := range s.senders {
		c.SetReadDeadline(time.Now().Add(drainTime))
	}
	go func() {
		s.running.Wait()
		s.queue.end()
	}()
	return err
}

// accept takes senders until the listener is closed.
func (s *DnstapSource) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many open files, say
			s.say(slog.LevelWarn, "dnstap sender refused", "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		name := c.RemoteAddr().String()
		if c.RemoteAddr().Network() == "unix" {
			name = l.Addr().String() // senders' ends have no name
		}
		if err := s.enter(c); err != nil {
			c.Close()
			s.say(slog.LevelWarn, "dnstap sender refused", "sender", name, "err", err)
			continue
		}
		s.running.Go(func() {
			defer s.leave(c)
			s.serve(c, name)
		})
	}
}

// enter takes c among the senders and gives it time for its handshake.
func (s *DnstapSource) enter(c net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case len(s.senders) == maxSenders:
		return fmt.Errorf("there are %d already", maxSenders)
	}
	s.senders[c] = true
	return c.SetDeadline(time.Now().Add(helloTime))
}

// greeted lets c be as slow as it likes.
func (s *DnstapSource) greeted(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		c.SetDeadline(time.Time{})
	}
}

func (s *DnstapSource) leave(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.senders, c)
}

// serve reads one sender to its end.
func (s *DnstapSource) serve(c net.Conn, name string) {
	r := bufio.NewReaderSize(c, 1024) // the handshake's; what follows is read past it
	answers, err := handshake(r, c)
	if err == io.EOF { // it said nothing: somebody looked whether we are here
		return
	}
	if err != nil {
		s.say(slog.LevelWarn, "dnstap sender refused", "sender", name, "err", err)
		return
	}
	s.greeted(c)
	s.say(slog.LevelInfo, "dnstap sender connected", "sender", name)
	f := &file{name: name, r: r, format: &fstrm{once: true, arrival: true, started: true}, cut: errBrokenOff, log: s.log}
	for b := new(Batch); err == nil; {
		if err = f.Read(b); err == nil {
			s.queue.add(b.Packets)
		}
	}
	if errors.Is(err, errStop) {
		err = io.EOF
		if answers {
			c.SetWriteDeadline(time.Now().Add(helloTime))
			finish(c) // a sender that does not wait for it has all it wants
		}
	}
	if err == io.EOF {
		s.say(slog.LevelInfo, "dnstap sender gone", "sender", name)
		return
	}
	s.say(slog.LevelWarn, "dnstap sender gone", "sender", name, "err", err)
}

// say logs a line, if there are not too many. What becomes of senders after
// Close is no news.
func (s *DnstapSource) say(level slog.Level, msg string, args ...any) {
	s.mu.Lock()
	unsaid, ok := s.lines.take(time.Now())
	ok = ok && !s.closed
	s.mu.Unlock()
	if !ok {
		return
	}
	if unsaid > 0 {
		args = append(args, "unsaid", unsaid)
	}
	s.log.Log(context.Background(), level, msg, args...)
}

// A limiter lets through so many lines in a period, for whoever can connect can
// make lines.
type limiter struct {
	since          time.Time
	lines, refused int
}

const linesPeriod, maxLines = 10 * time.Second, 20

// take reports whether one more line may be, and how many were not since the
// last period.
func (l *limiter) take(now time.Time) (unsaid int, ok bool) {
	if now.Sub(l.since) >= linesPeriod {
		unsaid = l.refused
		*l = limiter{since: now}
	}
	if l.lines == maxLines {
		l.refused++
		return 0, false
	}
	l.lines++
	return unsaid, true
}
