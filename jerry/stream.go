package jerry

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	heartbeat = 15 * time.Second
	// writeTimeout is for a reader to take what is sent, before it is cut off.
	writeTimeout = 10 * time.Second

	minSpeed, maxSpeed = 0.001, 1e6
	// playAhead is how many buckets are looked up at once when the past plays.
	playAhead = 1000
)

// serveLive is the event stream: what changes from now on, or the past again.
func (j *Jerry) serveLive(w http.ResponseWriter, r *http.Request) {
	p := readParams(r.URL, "type", "server", "by", "at", "speed")
	s := stream{
		jerry: j, types: p.list("type"), servers: p.list("server"), byServer: p.byServer(),
		w: w, control: http.NewResponseController(w),
	}
	at, speed := p.moment("at"), p.speed()
	if p.values.Has("speed") && !at.set {
		p.fail("speed: needs at, the time to play from")
	}
	if p.err != nil {
		writeError(w, p.err)
		return
	}
	// Not a number is what a browser never sends; it is then as if absent.
	since, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	if at.set {
		since = 0
	}
	s.reader = &reader{types: s.types, wakeOnly: at.set}
	if err := j.live.join(s.reader, since); err != nil {
		writeError(w, err)
		return
	}
	defer j.live.leave(s.reader)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.comment()
	if at.set {
		s.play(r.Context(), at, speed)
	} else {
		s.follow(r.Context())
	}
}

// A stream writes events to one reader. After an error it writes no more.
type stream struct {
	jerry    *Jerry
	reader   *reader
	types    []string
	servers  []string
	byServer bool
	w        http.ResponseWriter
	control  *http.ResponseController
	err      error
}

func (s *stream) write(b []byte) {
	if s.err == nil {
		s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, s.err = s.w.Write(b)
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

// comment is what keeps proxies from closing a quiet stream.
func (s *stream) comment() {
	s.write([]byte(":\n\n"))
	s.flush()
}

// event writes one event; id 0 is none.
func (s *stream) event(id uint64, data []byte) {
	if data == nil {
		return
	}
	b := make([]byte, 0, len(data)+64)
	if id > 0 {
		b = append(strconv.AppendUint(append(b, "id: "...), id, 10), '\n')
	}
	b = append(append(b, "event: window\ndata: "...), data...)
	s.write(append(b, "\n\n"...))
}

// follow sends what changes until the reader goes.
func (s *stream) follow(ctx context.Context) {
	for s.err == nil {
		events, ok := s.jerry.live.take(s.reader)
		if !ok {
			return
		}
		for _, e := range events {
			s.event(e.id, s.jerry.live.render(e, s.servers, s.byServer))
		}
		if len(events) > 0 {
			s.flush()
		}
		if !s.wait(ctx, -1) {
			return
		}
	}
}

// wait returns true when the time is over (unless negative) or something has
// changed, and writes heartbeats meanwhile; false when the stream ends.
func (s *stream) wait(ctx context.Context, d time.Duration) bool {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var over <-chan time.Time
	changed := s.reader.wake
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over, changed = timer.C, nil
	}
	for s.err == nil {
		select {
		case <-ctx.Done():
			return false
		case <-s.jerry.live.closed:
			return false
		case <-changed:
			return true
		case <-over:
			return true
		case <-beat.C:
			s.comment()
		}
	}
	return false
}

// play sends what is kept from a time on, as fast as it happened times speed,
// without the silence before its first window; then what comes.
func (s *stream) play(ctx context.Context, at moment, speed float64) {
	from := at.resolve(s.jerry.store.newest(s.servers, s.jerry.now()))
	last := bucket{span: span{start: from, end: from}}
	var began time.Time
	for s.err == nil {
		next := s.jerry.store.after(last, from, s.types, s.servers)
		if began.IsZero() && len(next) > 0 {
			began, from = time.Now(), next[0].start
		}
		for _, b := range next {
			due := time.Duration(min(float64(b.end-from)/speed, math.MaxInt64/2))
			if d := due - time.Since(began); d > 0 {
				s.flush()
				if !s.wait(ctx, d) {
					return
				}
			}
			s.event(0, s.jerry.answerBucket(b, s.servers, s.byServer))
			last = b
		}
		s.flush()
		if len(next) == 0 && !s.wait(ctx, -1) {
			return
		}
	}
}

// newest is what relative times count from.
func (s *store) newest(servers []string, now time.Time) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	newest := int64(math.MinInt64)
	for _, srv := range s.servers {
		if len(servers) == 0 || slices.Contains(servers, srv.name) {
			newest = max(newest, srv.newestEnd(now.Add(maxSkew).UnixNano()))
		}
	}
	if newest == math.MinInt64 {
		return now.UnixNano()
	}
	return newest
}

// after lists the first buckets after last, in the order they closed, of those
// that start at from or later.
func (s *store) after(last bucket, from int64, types, servers []string) []bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[bucket]bool)
	for _, t := range s.types {
		if len(types) > 0 && !slices.Contains(types, t.name) {
			continue
		}
		for _, sr := range t.series {
			if len(servers) > 0 && !slices.Contains(servers, sr.server.name) {
				continue
			}
			n := 0
			for _, k := range sr.windows[sr.position(from):] {
				if b := (bucket{t.name, k.span()}); byEnd(b, last) > 0 {
					found[b] = true
					if n++; n == playAhead {
						break
					}
				}
			}
		}
	}
	buckets := make([]bucket, 0, len(found))
	for b := range found {
		buckets = append(buckets, b)
	}
	slices.SortFunc(buckets, byEnd)
	return buckets[:min(len(buckets), playAhead)]
}

// answerBucket is the answer of a query for one bucket, on one line; nil when
// the servers have nothing of it.
func (j *Jerry) answerBucket(b bucket, servers []string, byServer bool) []byte {
	q := &query{typ: b.typ, servers: servers, byServer: byServer}
	now := j.now()
	sel := j.store.bucket(b, servers, now)
	if len(sel.windows) == 0 {
		return nil
	}
	data, err := sel.answer(nil, q, now)
	if err != nil {
		return nil
	}
	// White space between tokens is as it was reported, and a line end would
	// end the event's data.
	for i, c := range data {
		if c == '\n' || c == '\r' {
			data[i] = ' '
		}
	}
	return data
}

// bucket finds the windows of one bucket.
func (s *store) bucket(b bucket, servers []string, now time.Time) *selection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sel := &selection{from: b.start, to: b.end}
	t := s.types[b.typ]
	if t == nil {
		return sel
	}
	var chosen []*series
	for _, name := range sortedKeys(t.series) {
		if len(servers) > 0 && !slices.Contains(servers, name) {
			continue
		}
		sr := t.series[name]
		chosen = append(chosen, sr)
		for _, k := range sr.windows[sr.position(b.start):] {
			if k.window().Start != b.start {
				break
			}
			if k.window().End == b.end {
				sel.windows = append(sel.windows, k)
			}
		}
	}
	sel.newest = newestOf(chosen, now)
	return sel
}
