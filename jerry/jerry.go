// Package jerry hears the reports of all servers, remembers the newest of
// them, and answers what they add up to: over servers, over time, or both.
//
// A window is kept as it was reported, and merged when somebody asks, so that
// a late report, a report heard twice or a server that joins changes nothing
// but the next answer. Times are capture time throughout; the clock only tells
// how far behind it a server is.
//
// Reports come from a network and are not trusted: every one is kept, or
// refused and counted by reason, and what is kept has a bound. Start at
// [Jerry.Ingest] and [Jerry.Handler].
package jerry

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"ratadns/report"
)

const (
	// maxAhead is how far after the clock a window may end: a monitor's clock
	// may be wrong, and one wrong by more helps nobody.
	maxAhead = 24 * time.Hour
	// maxSkew is what a monitor's clock may be ahead for its newest window to
	// be what a relative time counts back from.
	maxSkew = time.Minute

	refusedLogInterval = 10 * time.Second
	shutdownTimeout    = 3 * time.Second
)

// Jerry merges reports. Its methods may be called from any goroutine.
type Jerry struct {
	log       *slog.Logger
	now       func() time.Time
	connected func() bool // nil without a bus that can be away
	store     *store
	live      *hub
	metrics   *metrics

	refusedMu sync.Mutex
	refused   uint64 // since the log told
	told      time.Time
}

// An Option changes how a Jerry works.
type Option func(*Jerry)

// WithConnected tells Jerry's health by whether it hears reports: connected
// says whether the bus is there.
func WithConnected(connected func() bool) Option {
	return func(j *Jerry) { j.connected = connected }
}

// WithClock replaces the clock that lag is counted by.
func WithClock(now func() time.Time) Option {
	return func(j *Jerry) { j.now = now }
}

// New returns a Jerry that has heard nothing yet. cfg must be valid.
func New(cfg Config, log *slog.Logger, opts ...Option) *Jerry {
	j := &Jerry{log: log, now: time.Now, store: newStore(cfg.Keep, cfg.MaxBytes)}
	j.live = newHub(j)
	for _, o := range opts {
		o(j)
	}
	j.metrics = newMetrics(j)
	return j
}

// Ingest takes one report, as it came from any bus; line is the caller's again
// when it returns.
func (j *Jerry) Ingest(line []byte) {
	j.metrics.received.Inc()
	r, err := j.accept(line)
	switch {
	case errors.Is(err, errRepeat):
		j.metrics.repeats.Inc()
	case err != nil:
		j.refuse(err)
	default:
		j.live.changed(bucket{r.Type, span{r.Window.Start, r.Window.End}})
	}
}

var errFuture = errors.New("window is more than a day after the clock")

// accept keeps the report if it is one that merges.
func (j *Jerry) accept(line []byte) (*report.Report, error) {
	r, err := report.Parse(line)
	if err != nil {
		return nil, err
	}
	if r.Window.End > j.now().Add(maxAhead).UnixNano() {
		return nil, errFuture
	}
	var v report.Value
	if err := v.Merge(r); err != nil {
		return nil, dataError{err}
	}
	return r, j.store.add(r, len(line))
}

// A dataError says that data do not merge.
type dataError struct{ error }

// reason is the label that a refusal is counted under.
func reason(err error) string {
	var data dataError
	switch {
	case errors.As(err, &data):
		return "data"
	case errors.Is(err, report.ErrTooBig):
		return "size"
	case errors.Is(err, report.ErrShape), errors.Is(err, errShape):
		return "shape"
	case errors.Is(err, report.ErrWindow):
		return "window"
	case errors.Is(err, errFuture):
		return "future"
	case errors.Is(err, errOld):
		return "old"
	case errors.Is(err, errServers):
		return "servers"
	case errors.Is(err, errTypes):
		return "types"
	}
	return "json"
}

// reasons are all that reason returns.
var reasons = []string{"data", "future", "json", "old", "servers", "shape", "size", "types", "window"}

// refuse counts, and tells the log now and then.
func (j *Jerry) refuse(err error) {
	j.metrics.refused.WithLabelValues(reason(err)).Inc()
	j.refusedMu.Lock()
	defer j.refusedMu.Unlock()
	j.refused++
	if now := time.Now(); now.Sub(j.told) >= refusedLogInterval {
		j.log.Warn("reports refused", "count", j.refused, "reason", reason(err), "err", err)
		j.refused, j.told = 0, now
	}
}

// Serve answers on l until ctx is done, then ends the event streams and waits
// a little for the answers under way.
func (j *Jerry) Serve(ctx context.Context, l net.Listener, page http.Handler) error {
	srv := &http.Server{
		Handler:           j.Handler(page),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(j.log.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(j.live.close)
	stopped := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
	})()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}
