package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Bounds of a publisher.
const (
	// maxBacklog is what waits while Redis is away: ten minutes of a busy
	// monitor's reports, and a small part of any machine's memory.
	maxBacklog        = 64 << 20 // octets
	maxBacklogReports = 1 << 16

	// A batch is what is on its way without an answer, and so what may arrive
	// twice when the connection breaks.
	maxBatch        = 1 << 20 // octets, unless one report is bigger
	maxBatchReports = 256

	// dropLogInterval keeps a full backlog from filling the log too.
	dropLogInterval = 5 * time.Second
)

// Between two attempts to reach Redis.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 15 * time.Second
)

// Redis publishes reports on Pub/Sub channels. Publish never blocks: reports
// wait in a bounded backlog, from which the oldest are dropped and counted.
//
// Reports arrive in the order of Publish. When a connection breaks, those that
// Redis had not answered yet are sent again, since nothing tells whether they
// arrived: a reader may see up to a batch of them twice, never one less.
type Redis struct {
	client *redis.Client
	log    *slog.Logger
	ctx    context.Context // done when Close stops waiting
	cancel context.CancelFunc
	done   chan struct{} // closed when the sender has returned

	maxBytes, maxReports int

	mu       sync.Mutex
	changed  sync.Cond // a report came, or Close
	backlog  []publication
	bytes    int // octets in backlog
	inFlight int // reports taken from backlog, not answered yet
	closed   bool
	sent     uint64
	dropped  uint64
	untold   uint64 // dropped, not logged yet
	lastTold time.Time
}

type publication struct {
	channel string
	line    []byte
}

// RedisStats is the state of a publisher. What was published is the sum of its
// members.
type RedisStats struct{ Sent, Dropped, Backlog uint64 }

// NewRedis starts a publisher. A URL that is none is an error; a server that is
// away is not, it is waited for.
func NewRedis(url string, log *slog.Logger) (*Redis, error) {
	return newRedis(url, log, maxBacklog, maxBacklogReports)
}

func newRedis(url string, log *slog.Logger, maxBytes, maxReports int) (*Redis, error) {
	client, err := newClient(url)
	if err != nil {
		return nil, err
	}
	r := &Redis{
		client: client, log: log,
		done:     make(chan struct{}),
		maxBytes: maxBytes, maxReports: maxReports,
	}
	r.changed.L = &r.mu
	r.ctx, r.cancel = context.WithCancel(context.Background())
	go r.run()
	return r, nil
}

// newClient makes a client that tries once and says so: when to try again is
// decided here, where the order of reports is known.
func newClient(url string) (*redis.Client, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	opt, _ := redis.ParseURL(url)
	logging.Disable() // its lines are not ours; errors come back to us anyhow
	opt.MaxRetries = -1
	opt.DialerRetries = 1
	opt.PoolSize = 1
	opt.PipelinePoolSize = -1 // one connection keeps the order
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opt), nil
}

// CheckURL says what is wrong with a URL, without connecting.
func CheckURL(url string) error {
	_, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("must be like redis://localhost:6379/0: %w", err)
	}
	return nil
}

// Publish queues one report for a channel; line is the caller's again when it
// returns. After Close it drops.
func (r *Redis) Publish(channel string, line ...[]byte) {
	whole := slices.Concat(line...)
	r.mu.Lock()
	if r.closed {
		r.dropped++
		r.mu.Unlock()
		return
	}
	r.backlog = append(r.backlog, publication{channel, whole})
	r.bytes += len(whole)
	told := r.trim()
	r.changed.Signal()
	r.mu.Unlock()
	r.tell(told)
}

// trim drops the oldest reports beyond the bounds and returns how many the log
// should tell of now.
func (r *Redis) trim() (told uint64) {
	for len(r.backlog) > 1 && (r.bytes > r.maxBytes || len(r.backlog) > r.maxReports) {
		r.bytes -= len(r.backlog[0].line)
		r.backlog[0] = publication{}
		r.backlog = r.backlog[1:]
		r.dropped++
		r.untold++
	}
	if r.untold > 0 && time.Since(r.lastTold) >= dropLogInterval {
		told, r.untold, r.lastTold = r.untold, 0, time.Now()
	}
	return told
}

func (r *Redis) tell(dropped uint64) {
	if dropped > 0 {
		r.log.Warn("reports dropped: the backlog for redis is full", "count", dropped)
	}
}

// Stats is safe to call at any time.
func (r *Redis) Stats() RedisStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RedisStats{Sent: r.sent, Dropped: r.dropped, Backlog: uint64(len(r.backlog) + r.inFlight)}
}

// Close sends what waits, for as long as timeout, and returns an error that
// says how many reports are dropped after that.
func (r *Redis) Close(timeout time.Duration) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	untold := r.untold
	r.untold = 0
	r.changed.Signal()
	r.mu.Unlock()
	r.tell(untold)

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
	r.cancel()
	r.client.Close() // also ends a read that the sender waits in
	<-r.done

	r.mu.Lock()
	defer r.mu.Unlock()
	left := len(r.backlog) + r.inFlight
	r.backlog, r.bytes, r.inFlight = nil, 0, 0
	r.dropped += uint64(left)
	if left > 0 {
		return fmt.Errorf("redis %s: %d reports dropped: not sent within %s", r.client.Options().Addr, left, timeout)
	}
	return nil
}

// run sends until Close. It alone talks to Redis.
func (r *Redis) run() {
	defer close(r.done)
	link := newLink(r.log, r.client.Options().Addr)
	// Known from the start rather than at the first report.
	link.reached(r.client.Ping(r.ctx).Err())
	for r.waitForReports() {
		err := r.sendBatch()
		if r.ctx.Err() != nil {
			return
		}
		link.reached(err)
		if err != nil && !link.pause(r.ctx) {
			return
		}
	}
}

// waitForReports returns false when there are none and will be none.
func (r *Redis) waitForReports() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.backlog) == 0 && !r.closed {
		r.changed.Wait()
	}
	return len(r.backlog) > 0
}

// sendBatch publishes the oldest reports. After an error those that may not
// have arrived are the oldest of the backlog again.
func (r *Redis) sendBatch() error {
	batch := r.take()
	pipe := r.client.Pipeline()
	cmds := make([]*redis.IntCmd, len(batch))
	for i, p := range batch {
		cmds[i] = pipe.Publish(r.ctx, p.channel, p.line)
	}
	_, err := pipe.Exec(r.ctx)
	sent, refused, refusal := 0, 0, error(nil)
	for _, cmd := range cmds {
		if cmd.Err() == nil {
			sent++
		} else if isReply(cmd.Err()) {
			refused, refusal = refused+1, cmd.Err()
		} else {
			break
		}
	}
	if err != nil && sent == len(batch) {
		// Redis refused the connection (a wrong password, too many clients):
		// go-redis then says so of the whole, and of each command nothing.
		sent = 0
	}
	if refused > 0 {
		r.log.Warn("reports refused by redis", "count", refused, "err", refusal)
	}
	if rest := batch[sent+refused:]; len(rest) > 0 {
		r.settle(rest, sent, refused)
		return err
	}
	r.settle(nil, sent, refused)
	return nil
}

// isReply tells an error that Redis answered from one of the network.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// take removes a batch from the backlog.
func (r *Redis) take() []publication {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, octets := 0, 0
	for n < len(r.backlog) && n < maxBatchReports {
		octets += len(r.backlog[n].line)
		if n > 0 && octets > maxBatch {
			octets -= len(r.backlog[n].line)
			break
		}
		n++
	}
	batch := slices.Clone(r.backlog[:n])
	clear(r.backlog[:n])
	r.backlog = r.backlog[n:]
	r.bytes -= octets
	r.inFlight = n
	return batch
}

// settle ends a batch: what was answered is counted, the rest is put back.
func (r *Redis) settle(rest []publication, sent, refused int) {
	r.mu.Lock()
	r.inFlight = 0
	r.sent += uint64(sent)
	r.dropped += uint64(refused)
	r.backlog = slices.Insert(r.backlog, 0, rest...)
	for _, p := range rest {
		r.bytes += len(p.line)
	}
	told := r.trim()
	r.mu.Unlock()
	r.tell(told)
}

// Channel returns an output that publishes on one channel. Closing it leaves
// the publisher open.
func (r *Redis) Channel(name string) Output { return channelOutput{r, name} }

type channelOutput struct {
	redis *Redis
	name  string
}

func (c channelOutput) Send(line ...[]byte) error { c.redis.Publish(c.name, line...); return nil }
func (channelOutput) Flush() error                { return nil }
func (channelOutput) Close() error                { return nil }

// A link remembers whether Redis could be reached, says in the log when that
// changes, and waits longer after each failure.
type link struct {
	log     *slog.Logger
	addr    string
	backoff func(attempt int) time.Duration
	failed  int // attempts since it was last reached
}

func newLink(log *slog.Logger, addr string) *link {
	return &link{log: log, addr: addr, backoff: redis.DialRetryBackoffExponential(minBackoff, maxBackoff)}
}

// reached takes the outcome of an attempt.
func (l *link) reached(err error) {
	switch {
	case err != nil && l.failed == 0:
		l.log.Warn("redis is away", "addr", l.addr, "err", err)
	case err == nil && l.failed > 0:
		l.log.Info("redis is back", "addr", l.addr)
	}
	if err == nil {
		l.failed = 0
	} else {
		l.failed++
	}
}

// pause waits before the next attempt; it returns false when ctx is done.
func (l *link) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(l.backoff(l.failed - 1)):
		return true
	}
}
