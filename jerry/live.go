package jerry

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// flushAfter is how long changes of a window are collected: the servers'
	// reports of one window come close together.
	flushAfter = 200 * time.Millisecond
	// maxEvents is how far back a reader that was away can continue.
	maxEvents = 8192
	// maxQueue is how far a reader may be behind before it is cut off.
	maxQueue   = 2 * maxEvents
	maxReaders = 1000
	// maxRendered bounds the octets of events kept for other readers that want
	// them in the same form.
	maxRendered = 8 << 20
)

// A bucket is what an event is about: one type over one window, at all servers.
type bucket struct {
	typ string
	span
}

func byEnd(a, b bucket) int {
	return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start), strings.Compare(a.typ, b.typ))
}

// An event says that a bucket changed; id is Jerry's ordinal.
type event struct {
	id uint64
	bucket
}

// A hub tells readers which buckets changed. It never waits for a reader.
type hub struct {
	jerry *Jerry

	mu      sync.Mutex
	dirty   map[bucket]bool
	id      uint64
	events  []event // the newest
	readers map[*reader]bool
	closed  chan struct{}

	renderedMu sync.Mutex
	rendered   map[renderKey][]byte
	octets     int
}

// A reader has events waiting. The hub's lock guards queue and cut.
type reader struct {
	types []string // none: all
	queue []event
	cut   bool
	wake  chan struct{}
	// wakeOnly readers look up themselves what changed.
	wakeOnly bool
}

func newHub(j *Jerry) *hub {
	return &hub{
		jerry: j, dirty: make(map[bucket]bool), readers: make(map[*reader]bool),
		closed: make(chan struct{}), rendered: make(map[renderKey][]byte),
	}
}

// changed notes that a bucket has something new.
func (h *hub) changed(b bucket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.dirty) == 0 {
		time.AfterFunc(flushAfter, h.flush)
	}
	h.dirty[b] = true
}

// flush makes an event of each bucket that changed.
func (h *hub) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	buckets := make([]bucket, 0, len(h.dirty))
	for b := range h.dirty {
		buckets = append(buckets, b)
	}
	clear(h.dirty)
	slices.SortFunc(buckets, byEnd)
	for _, b := range buckets {
		h.id++
		e := event{h.id, b}
		h.events = append(h.events, e)
		for r := range h.readers {
			h.push(r, e)
		}
	}
	if over := len(h.events) - maxEvents; over > 0 {
		h.events = h.events[over:]
	}
	for r := range h.readers {
		r.notify()
	}
}

// push queues an event; a reader too far behind is cut off.
func (h *hub) push(r *reader, e event) {
	if r.wakeOnly || len(r.types) > 0 && !slices.Contains(r.types, e.typ) {
		return
	}
	if len(r.queue) >= maxQueue {
		h.jerry.metrics.cut.Inc()
		r.cut, r.queue = true, nil
		delete(h.readers, r)
		r.notify()
		return
	}
	r.queue = append(r.queue, e)
}

func (r *reader) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// join adds a reader. It gets what happened after the event with id since, as
// far as that is kept; 0, or an id that this Jerry has not given, is now.
func (h *hub) join(r *reader, since uint64) error {
	r.wake = make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) >= maxReaders {
		return &apiError{http.StatusServiceUnavailable, "live: has 1000 readers, which is the most"}
	}
	if since > 0 && since <= h.id {
		newest := make(map[bucket]uint64)
		for _, e := range h.events {
			newest[e.bucket] = e.id
		}
		for _, e := range h.events {
			if e.id > since && newest[e.bucket] == e.id {
				h.push(r, e)
			}
		}
		r.notify()
	}
	h.readers[r] = true
	return nil
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
}

// take empties a reader's queue; ok is false when it was cut off.
func (h *hub) take(r *reader) (events []event, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	events, r.queue = r.queue, nil
	return events, !r.cut
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers)
}

// close ends every reader.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
}

// A renderKey is an event in the form that some readers want.
type renderKey struct {
	id       uint64
	servers  string
	byServer bool
}

// render returns the data of an event, once for all readers that want the
// same; nil when nothing of it is left.
func (h *hub) render(e event, servers []string, byServer bool) []byte {
	key := renderKey{e.id, strings.Join(servers, ","), byServer}
	h.renderedMu.Lock()
	data, ok := h.rendered[key]
	h.renderedMu.Unlock()
	if ok {
		return data
	}
	data = h.jerry.answerBucket(e.bucket, servers, byServer)
	h.renderedMu.Lock()
	defer h.renderedMu.Unlock()
	if h.octets += len(data); h.octets > maxRendered {
		clear(h.rendered)
		h.octets = len(data)
	}
	h.rendered[key] = data
	return data
}
