package jerry

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratadns/report"
)

// maxPoints bounds the elements of a series, maxTop the keys asked for.
const (
	maxPoints = 10_000
	maxTop    = 10_000
)

// A query says what to merge and how to show it.
type query struct {
	typ      string
	servers  []string // none: all
	from, to moment
	step     int64 // 0: no series
	top      int   // 0: all
	byServer bool
}

// A moment is a time, absolute or counted from the newest window.
type moment struct {
	set, relative bool
	ns            int64
}

func (m moment) resolve(newest int64) int64 {
	if m.relative {
		return newest + m.ns
	}
	return m.ns
}

// An apiError is the reader's mistake.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// A selection is the windows that a query is about, by time, then server.
type selection struct {
	windows  []*kept
	from, to int64
	newest   int64
}

// choose finds the windows of q. now is the clock.
func (s *store) choose(q *query, now time.Time) (*selection, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	chosen, err := s.seriesOf(q.typ, q.servers)
	if err != nil {
		return nil, err
	}
	sel := &selection{newest: newestOf(chosen, now), from: math.MinInt64, to: math.MaxInt64}
	if q.from.set {
		sel.from = q.from.resolve(sel.newest)
		if q.from.relative {
			sel.to = sel.newest
		}
	}
	if q.to.set {
		sel.to = q.to.resolve(sel.newest)
	}
	if q.from.set && q.to.set && sel.from >= sel.to {
		return nil, badRequest("from: must be before to, got %s and %s", timeText(sel.from), timeText(sel.to))
	}
	for _, sr := range chosen {
		i, j := sr.position(sel.from), sr.position(sel.to)
		if i < j {
			sel.windows = append(sel.windows, sr.windows[i:j]...)
		}
	}
	slices.SortStableFunc(sel.windows, func(a, b *kept) int {
		return cmp.Or(cmp.Compare(a.window().Start, b.window().Start), cmp.Compare(a.window().End, b.window().End), strings.Compare(a.server, b.server))
	})
	sel.narrow(q)
	return sel, nil
}

// position is that of the first window that starts at t or later.
func (sr *series) position(t int64) int {
	i, _ := slices.BinarySearchFunc(sr.windows, t, func(k *kept, t int64) int { return cmp.Compare(k.window().Start, t) })
	return i
}

// narrow replaces the ends that nobody asked for by those of the windows.
func (sel *selection) narrow(q *query) {
	first, last := sel.newest, sel.newest
	if q.from.set {
		last = sel.from
	}
	if len(sel.windows) > 0 {
		first = sel.windows[0].window().Start
		for _, k := range sel.windows {
			last = max(last, k.window().End)
		}
	}
	if sel.from == math.MinInt64 {
		sel.from = first
	}
	if sel.to == math.MaxInt64 {
		sel.to = last
	}
}

// seriesOf finds a type's series at some servers, or at all.
func (s *store) seriesOf(typ string, servers []string) ([]*series, error) {
	t := s.types[typ]
	if t == nil {
		return nil, notFound("type: %q has not been heard; heard are: %s", typ, listed(maps.Keys(s.types)))
	}
	if len(servers) == 0 {
		return slices.Collect(maps.Values(t.series)), nil
	}
	var chosen []*series
	for _, name := range servers {
		if s.servers[name] == nil {
			return nil, notFound("server: %q has not been heard; heard are: %s", name, listed(maps.Keys(s.servers)))
		}
		if sr := t.series[name]; sr != nil {
			chosen = append(chosen, sr)
		}
	}
	return chosen, nil
}

// newestOf is what relative times count from: the end of the newest window of
// the servers, of any type, that is not ahead of the clock. Where the windows of
// the type are longer, and so may have ended before, it is that of the type's.
// Without servers it is the clock.
func newestOf(chosen []*series, now time.Time) int64 {
	limit, newest := now.Add(maxSkew).UnixNano(), int64(math.MinInt64)
	for _, sr := range chosen {
		end := sr.server.newestEnd(limit)
		if k := sr.newestWhere(limit, func(*report.Window) bool { return true }); k != nil {
			if own := k.span(); end-own.end <= own.end-own.start {
				end = own.end
			}
		}
		newest = max(newest, end)
	}
	if newest == math.MinInt64 {
		return now.UnixNano()
	}
	return newest
}

// A part is what some windows add up to.
type part struct {
	value                     report.Value
	messages, malformed, lost uint64
	err, skipped              uint64
	covered                   int64 // nanoseconds, counting no time twice
	until                     int64 // where covered ends
	last                      *kept
}

// add merges a window. Windows must come by time, then server.
func (p *part) add(k *kept) {
	w := k.window()
	if err := p.value.Merge(k.report); err != nil {
		p.skipped++ // it merged when it came
	}
	var told report.Window
	if p.last != nil && p.last.server == k.server && p.last.id() == k.id() {
		told = *p.last.window() // another report of the same window
	}
	p.messages += more(w.Messages, told.Messages)
	p.malformed += more(w.Malformed, told.Malformed)
	p.lost += more(w.Lost, told.Lost)
	p.err += w.Error
	p.skipped += w.Skipped
	if from := max(w.Start, p.until); from < w.End {
		p.covered += w.End - from
		p.until = w.End
	}
	p.last = k
}

// bound is the error of any count. Sketches of different values merge into one
// whose error is its own and not the sum of theirs.
func (p *part) bound() uint64 {
	if p.value.Shape() == report.Distinct {
		return p.value.Error()
	}
	return p.err
}

func more(n, told uint64) uint64 { return n - min(n, told) }

// appendTotals appends the members that every part has, without braces.
func (p *part) appendTotals(dst []byte) []byte {
	dst = appendMember(dst, "messages", p.messages)
	dst = appendMember(append(dst, ','), "malformed", p.malformed)
	return appendMember(append(dst, ','), "lost", p.lost)
}

func (p *part) appendData(dst []byte, top int) []byte {
	return p.value.AppendData(append(dst, `,"data":`...), float64(p.covered)/1e9, top)
}

func appendMember(dst []byte, name string, n uint64) []byte {
	dst = append(append(append(dst, '"'), name...), `":`...)
	return strconv.AppendUint(dst, n, 10)
}

func appendMoment(dst []byte, name string, t int64) []byte {
	dst = append(append(append(dst, '"'), name...), `":"`...)
	return append(report.AppendTime(dst, t), '"')
}

// group is windows of one part, and of each server if that is asked for.
type group struct {
	all part
	by  map[string]*part
}

func (g *group) add(k *kept, byServer bool) {
	g.all.add(k)
	if !byServer {
		return
	}
	if g.by == nil {
		g.by = make(map[string]*part)
	}
	p := g.by[k.server]
	if p == nil {
		p = &part{}
		g.by[k.server] = p
	}
	p.add(k)
}

func (g *group) appendBy(dst []byte, top int) []byte {
	dst = append(dst, `,"by":{`...)
	for i, name := range slices.Sorted(maps.Keys(g.by)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(report.AppendString(dst, name), `:{`...)
		dst = g.by[name].appendTotals(dst)
		dst = append(g.by[name].appendData(dst, top), '}')
	}
	return append(dst, '}')
}

// answer appends what q asked for about the windows chosen.
func (sel *selection) answer(dst []byte, q *query, now time.Time) ([]byte, error) {
	buckets := sel.buckets(q.step)
	if len(buckets) > maxPoints {
		return nil, badRequest("step: makes %d points, must be at most %d; ask for a longer step or a shorter range", len(buckets), maxPoints)
	}
	var g group
	servers := make(map[string]bool)
	for _, k := range sel.windows {
		g.add(k, q.byServer)
		servers[k.server] = true
	}
	dst = report.AppendString(append(dst, `{"type":`...), q.typ)
	dst = appendMoment(append(dst, ','), "from", sel.from)
	dst = appendMoment(append(dst, ','), "to", sel.to)
	dst = append(dst, `,"servers":[`...)
	for i, name := range slices.Sorted(maps.Keys(servers)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = report.AppendString(dst, name)
	}
	dst = g.all.appendTotals(append(dst, `],`...))
	dst = appendMember(append(dst, ','), "error", g.all.bound())
	if n := g.all.skipped + g.all.value.Skipped(); n > 0 {
		dst = appendMember(append(dst, ','), "skipped", n)
	}
	dst = append(dst, `,"lag":`...)
	dst = appendSeconds(dst, now.UnixNano()-sel.newest)
	dst = g.all.appendData(dst, q.top)
	if q.step > 0 {
		dst = appendSeries(dst, buckets, q)
	}
	if q.byServer {
		dst = g.appendBy(dst, q.top)
	}
	return append(dst, '}'), nil
}

// appendSeconds appends ns as seconds, to the millisecond.
func appendSeconds(dst []byte, ns int64) []byte {
	return report.AppendNumber(dst, math.Round(float64(ns)/1e6)/1e3)
}

// A point is the windows of one element of a series.
type point struct {
	span
	windows []*kept
}

// buckets cuts the windows into steps aligned to the epoch; a window is in the
// step that holds its start. Windows longer than the step are points of their
// own.
func (sel *selection) buckets(step int64) (points []point) {
	if step <= 0 {
		return nil
	}
	for i := 0; i < len(sel.windows); {
		start := sel.windows[i].window().Start
		start -= start % step
		p := point{span: span{start, start + step}}
		longest := span{}
		j := i
		for ; j < len(sel.windows) && sel.windows[j].window().Start < p.end; j++ {
			if s := sel.windows[j].span(); s.end-s.start > longest.end-longest.start {
				longest = s
			}
		}
		p.windows = sel.windows[i:j]
		if longest.end-longest.start > step {
			p.span = longest
		}
		points = append(points, p)
		i = j
	}
	return points
}

func appendSeries(dst []byte, points []point, q *query) []byte {
	dst = append(dst, `,"series":[`...)
	for i, p := range points {
		if i > 0 {
			dst = append(dst, ',')
		}
		var g group
		for _, k := range p.windows {
			g.add(k, q.byServer)
		}
		dst = appendMoment(append(dst, '{'), "start", p.start)
		dst = appendMoment(append(dst, ','), "end", p.end)
		dst = g.all.appendTotals(append(dst, ','))
		dst = g.all.appendData(dst, q.top)
		if q.byServer {
			dst = g.appendBy(dst, q.top)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
