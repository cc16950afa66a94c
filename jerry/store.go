package jerry

import (
	"cmp"
	"container/heap"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"ratadns/report"
)

// Bounds of what reports can make Jerry remember, whoever sends them.
const (
	maxServers = 1000
	maxTypes   = 1000
)

// Why the store refuses a report that is well formed.
var (
	errRepeat  = errors.New("heard before")
	errOld     = errors.New("window is older than what is kept")
	errShape   = errors.New("type was heard with another shape")
	errServers = errors.New("too many servers")
	errTypes   = errors.New("too many types")
)

// A store holds the newest windows of each server and type. What it hands out
// is never changed afterwards.
type store struct {
	keep     int64
	maxBytes int64

	mu      sync.RWMutex
	servers map[string]*server
	types   map[string]*reportType
	oldest  seriesHeap // by their first window
	bytes   int64
	windows int
}

// A server is what is known of one server, over all types.
type server struct {
	name   string
	series map[string]*series // by type
	tally  map[windowID]*tally
	sums   map[kind]*tally // over the tally
	gaps   uint64
}

// A windowID tells the windows of a server apart: those of messages may begin
// and end at the same time.
type windowID struct {
	span
	seq int64
	kind
}

// A kind is the windows that follow one another at a server: those of one length
// of time. Windows of messages do not tell how many they want, so those of each
// type are of a kind.
type kind struct {
	length int64
	typ    string
}

// A span is a window's place in time.
type span struct{ start, end int64 }

// A tally counts what one window held. Each type tells it again, so the
// largest of what they tell counts.
type tally struct {
	messages, malformed, lost uint64
	refs                      int
}

type reportType struct {
	name    string
	shape   report.Shape
	nothing bool               // no report had data yet: the shape may be another
	series  map[string]*series // by server
}

// A series is one type at one server: windows by time.
type series struct {
	server  *server
	typ     *reportType
	windows []*kept
	at      int // place in the heap
}

// kept is one report; size is its octets on the wire.
type kept struct {
	report *report.Report
	server string
	size   int64
}

func (k *kept) window() *report.Window { return &k.report.Window }
func (k *kept) span() span             { return span{k.report.Window.Start, k.report.Window.End} }
func (k *kept) id() windowID           { return windowID{k.span(), k.report.Window.Seq, k.kind()} }

func (k *kept) kind() kind {
	if l := length(k.window()); l > 0 {
		return kind{length: l}
	}
	return kind{typ: k.report.Type}
}

func newStore(keep time.Duration, maxBytes Octets) *store {
	return &store{
		keep: int64(keep), maxBytes: int64(maxBytes),
		servers: make(map[string]*server), types: make(map[string]*reportType),
	}
}

// add keeps r, which is the store's from then on.
func (s *store) add(r *report.Report, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sr, err := s.open(r)
	if err != nil {
		return err
	}
	k := &kept{report: r, server: sr.server.name, size: int64(size)}
	i, found := slices.BinarySearchFunc(sr.windows, k, byTime)
	if found {
		return errRepeat
	}
	if n := len(sr.windows); n > 0 && r.Window.Start < sr.windows[n-1].window().Start-s.keep {
		return errOld
	}
	// The names are held once, not once for each window.
	r.ServerID, r.Type = sr.server.name, sr.typ.name
	sr.insert(i, k)
	s.bytes += k.size
	s.windows++
	if sr.at < 0 {
		heap.Push(&s.oldest, sr)
	} else if i == 0 {
		heap.Fix(&s.oldest, sr.at)
	}
	for sr.windows[0].window().Start < sr.newest().Start-s.keep {
		s.dropFirst(sr)
	}
	for s.bytes > s.maxBytes && s.windows > 1 {
		s.dropFirst(s.oldest[0])
	}
	return nil
}

// open finds or makes the series of r.
func (s *store) open(r *report.Report) (*series, error) {
	t, srv := s.types[r.Type], s.servers[r.ServerID]
	switch {
	case t != nil && t.shape != r.Shape && !t.nothing && !r.Nothing():
		return nil, errShape
	case t == nil && len(s.types) >= maxTypes:
		return nil, errTypes
	case srv == nil && len(s.servers) >= maxServers:
		return nil, errServers
	}
	if t == nil {
		t = &reportType{name: r.Type, shape: r.Shape, nothing: true, series: make(map[string]*series)}
		s.types[t.name] = t
	}
	if t.nothing && !r.Nothing() {
		t.shape, t.nothing = r.Shape, false
	}
	if srv == nil {
		srv = &server{name: r.ServerID, series: make(map[string]*series), tally: make(map[windowID]*tally), sums: make(map[kind]*tally)}
		s.servers[srv.name] = srv
	}
	sr := srv.series[t.name]
	if sr == nil {
		sr = &series{server: srv, typ: t, at: -1}
		srv.series[t.name], t.series[srv.name] = sr, sr
	}
	return sr, nil
}

// dropFirst forgets the oldest window of sr, and with the last one the series.
func (s *store) dropFirst(sr *series) {
	k := sr.windows[0]
	sr.server.gaps -= sr.gapsAround(0)
	sr.windows[0] = nil
	sr.windows = sr.windows[1:]
	sr.server.untell(k.id())
	s.bytes -= k.size
	s.windows--
	if len(sr.windows) > 0 {
		heap.Fix(&s.oldest, sr.at)
		return
	}
	heap.Remove(&s.oldest, sr.at)
	delete(sr.server.series, sr.typ.name)
	delete(sr.typ.series, sr.server.name)
	if len(sr.server.series) == 0 {
		delete(s.servers, sr.server.name)
	}
	if len(sr.typ.series) == 0 {
		delete(s.types, sr.typ.name)
	}
}

// byTime orders the windows of a series; equal ones are repeats.
func byTime(a, b *kept) int {
	x, y := a.window(), b.window()
	return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(x.End, y.End), cmp.Compare(x.Seq, y.Seq))
}

func (sr *series) newest() *report.Window { return sr.windows[len(sr.windows)-1].window() }

func (sr *series) insert(i int, k *kept) {
	if i > 0 && i < len(sr.windows) {
		sr.server.gaps -= missing(sr.windows[i-1].window(), sr.windows[i].window())
	}
	sr.windows = slices.Insert(sr.windows, i, k)
	sr.server.gaps += sr.gapsAround(i)
	sr.server.tell(k)
}

// gapsAround counts the windows that are missing beside the i-th.
func (sr *series) gapsAround(i int) (n uint64) {
	if i > 0 {
		n += missing(sr.windows[i-1].window(), sr.windows[i].window())
	}
	if i+1 < len(sr.windows) {
		n += missing(sr.windows[i].window(), sr.windows[i+1].window())
	}
	return n
}

// missing counts the windows between a and b that were numbered and never
// heard, without those that the monitor says it skipped.
func missing(a, b *report.Window) uint64 {
	if b.Seq <= a.Seq+1 || b.Start <= a.End {
		return 0
	}
	n := uint64(b.Seq-a.Seq) - 1
	la, lb := length(a), length(b)
	if (la > 0) != (lb > 0) { // one of them counts otherwise, or lies
		return 0
	}
	if la > 0 {
		if la != lb { // the length was changed, and the numbers with it
			return 0
		}
		n -= min(n, uint64(b.Gap/lb))
	}
	return min(n, math.MaxUint32)
}

// length is that of a window of time; 0 when w is of messages. The number of
// the former is its start ÷ length.
func length(w *report.Window) int64 {
	if d := w.End - w.Start; d > 0 && w.Start/d == w.Seq {
		return d
	}
	return 0
}

// tell adds a window to the server's tally.
func (s *server) tell(k *kept) {
	id := k.id()
	w, t, sum := k.window(), s.tally[id], s.sums[id.kind]
	if sum == nil {
		sum = &tally{}
		s.sums[id.kind] = sum
	}
	if t == nil {
		t = &tally{}
		s.tally[id] = t
		sum.refs++
	}
	t.refs++
	for _, c := range []struct {
		told, sum *uint64
		n         uint64
	}{
		{&t.messages, &sum.messages, w.Messages},
		{&t.malformed, &sum.malformed, w.Malformed},
		{&t.lost, &sum.lost, w.Lost},
	} {
		if c.n > *c.told {
			*c.sum += c.n - *c.told
			*c.told = c.n
		}
	}
}

// untell forgets one report of a window.
func (s *server) untell(id windowID) {
	t, sum := s.tally[id], s.sums[id.kind]
	if t.refs--; t.refs > 0 {
		return
	}
	delete(s.tally, id)
	sum.messages -= t.messages
	sum.malformed -= t.malformed
	sum.lost -= t.lost
	if sum.refs--; sum.refs == 0 {
		delete(s.sums, id.kind)
	}
}

// sum is what the windows kept held. Windows of several kinds tell of the same
// messages, so those of the kind that tells most count.
func (s *server) sum() (most tally) {
	for _, t := range s.sums {
		most.messages = max(most.messages, t.messages)
		most.malformed = max(most.malformed, t.malformed)
		most.lost = max(most.lost, t.lost)
	}
	return most
}

// newestEnd is the end of the server's newest window that does not end after
// limit; without one, the end of its oldest window.
func (s *server) newestEnd(limit int64) int64 {
	newest, first := int64(math.MinInt64), int64(math.MaxInt64)
	for _, sr := range s.series {
		first = min(first, sr.windows[0].window().End)
		for _, k := range slices.Backward(sr.windows) {
			if end := k.window().End; end <= limit {
				newest = max(newest, end)
				break
			}
		}
	}
	if newest == math.MinInt64 {
		return first
	}
	return newest
}

// A seriesHeap has the series with the oldest first window on top.
type seriesHeap []*series

func (h seriesHeap) Len() int           { return len(h) }
func (h seriesHeap) Less(i, j int) bool { return byTime(h[i].windows[0], h[j].windows[0]) < 0 }
func (h seriesHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *seriesHeap) Push(x any) {
	sr := x.(*series)
	sr.at = len(*h)
	*h = append(*h, sr)
}
func (h *seriesHeap) Pop() any {
	last := len(*h) - 1
	sr := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	sr.at = -1
	return sr
}
