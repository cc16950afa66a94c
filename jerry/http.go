package jerry

import (
	"cmp"
	_ "embed"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"ratadns/report"
)

// openAPI describes the paths below; a test compares.
//
//go:embed openapi.json
var openAPI []byte

// answerTimeout is for a reader to take an answer.
const answerTimeout = time.Minute

// A route is one path of the API.
type route struct {
	path   string
	handle http.HandlerFunc
}

func (j *Jerry) routes() []route {
	return []route{
		{"/api/v1/servers", j.json(j.answerServers)},
		{"/api/v1/reducers", j.json(j.answerReducers)},
		{"/api/v1/query", j.json(j.answerQuery)},
		{"/api/v1/live", j.serveLive},
		{"/api/v1/openapi.json", j.json(func(*http.Request) ([]byte, error) { return openAPI, nil })},
		{"/metrics", j.metrics.handler().ServeHTTP},
		{"/healthz", j.serveHealth},
	}
}

// Handler serves the API, and page for every path that is none of its own;
// page may be nil.
func (j *Jerry) Handler(page http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, r := range j.routes() {
		mux.HandleFunc("GET "+r.path, r.handle)
		mux.HandleFunc(r.path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, &apiError{http.StatusMethodNotAllowed, "method: must be GET or HEAD"})
		})
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, notFound("path: %q is not of the API; see /api/v1/openapi.json", r.URL.Path))
	})
	if page != nil {
		mux.Handle("/", page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// json serves what answer returns, compressed if that is worth it.
func (j *Jerry) json(answer func(*http.Request) ([]byte, error)) http.HandlerFunc {
	return gzhttp.GzipHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := answer(r)
		if err != nil {
			writeError(w, err)
			return
		}
		// Not every writer has deadlines; those of a server do.
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(append(body, '\n'))
	}))
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var api *apiError
	if errors.As(err, &api) {
		status = api.status
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(report.AppendString([]byte(`{"error":`), err.Error()), "}\n"...))
}

func (j *Jerry) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if j.connected != nil && !j.connected() {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("redis is not connected\n"))
		return
	}
	w.Write([]byte("ok\n"))
}

func (j *Jerry) answerQuery(r *http.Request) ([]byte, error) {
	p := readParams(r.URL, "type", "server", "from", "to", "step", "top", "by")
	q := &query{
		typ: p.one("type"), servers: p.list("server"),
		from: p.moment("from"), to: p.moment("to"),
		step: p.step(), top: p.top(), byServer: p.byServer(),
	}
	if q.typ == "" {
		p.fail("type: is missing; /api/v1/reducers lists what has been heard")
	}
	if p.err != nil {
		return nil, p.err
	}
	now := j.now()
	sel, err := j.store.choose(q, now)
	if err != nil {
		return nil, err
	}
	return sel.answer(nil, q, now)
}

func (j *Jerry) answerReducers(r *http.Request) ([]byte, error) {
	if p := readParams(r.URL); p.err != nil {
		return nil, p.err
	}
	j.store.mu.RLock()
	defer j.store.mu.RUnlock()
	dst := []byte(`{"reducers":[`)
	for i, name := range sortedKeys(j.store.types) {
		t := j.store.types[name]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = report.AppendString(append(dst, `{"type":`...), name)
		dst = report.AppendString(append(dst, `,"shape":`...), string(t.shape))
		dst = append(dst, `,"servers":[`...)
		windows := 0
		for i, server := range sortedKeys(t.series) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = report.AppendString(dst, server)
			windows += len(t.series[server].windows)
		}
		dst = append(appendMember(append(dst, `],`...), "windows", uint64(windows)), '}')
	}
	return append(dst, `]}`...), nil
}

func (j *Jerry) answerServers(r *http.Request) ([]byte, error) {
	if p := readParams(r.URL); p.err != nil {
		return nil, p.err
	}
	now := j.now()
	j.store.mu.RLock()
	defer j.store.mu.RUnlock()
	dst := []byte(`{"servers":[`)
	for i, name := range sortedKeys(j.store.servers) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = j.store.servers[name].append(dst, now)
	}
	return append(dst, `]}`...), nil
}

func (s *server) append(dst []byte, now time.Time) []byte {
	seen := s.newestEnd(now.Add(maxSkew).UnixNano())
	dst = report.AppendString(append(dst, `{"server":`...), s.name)
	dst = appendMoment(append(dst, ','), "lastSeen", seen)
	dst = appendSeconds(append(dst, `,"lag":`...), now.UnixNano()-seen)
	dst = s.appendRates(append(dst, `,"rates":`...), seen)
	sum := s.sum()
	dst = appendMember(append(dst, ','), "lost", sum.lost)
	dst = appendMember(append(dst, ','), "malformed", sum.malformed)
	dst = appendMember(append(dst, ','), "gaps", s.gaps)
	newest := s.newestWhere(seen, func(*report.Window) bool { return true })
	return append(strconv.AppendBool(append(dst, `,"partial":`...), newest != nil && newest.window().Partial), '}')
}

// newestWhere is the newest window of any type that ends by limit and is wanted;
// of those that end together, the shortest.
func (s *server) newestWhere(limit int64, wanted func(*report.Window) bool) (newest *kept) {
	for _, sr := range s.series {
		k := sr.newestWhere(limit, wanted)
		if k != nil && (newest == nil || cmp.Or(cmp.Compare(k.span().end, newest.span().end), cmp.Compare(k.span().start, newest.span().start)) > 0) {
			newest = k
		}
	}
	return newest
}

// newestWhere is the newest window that ends by limit and is wanted.
func (sr *series) newestWhere(limit int64, wanted func(*report.Window) bool) *kept {
	for _, k := range slices.Backward(sr.windows) {
		if w := k.window(); w.End <= limit && wanted(w) {
			return k
		}
	}
	return nil
}

func complete(w *report.Window) bool { return !w.Partial && w.End > w.Start }

// appendRates appends messages per second, and those of queries and responses
// if a reducer of the catalogue tells them, of the newest complete windows.
func (s *server) appendRates(dst []byte, limit int64) []byte {
	dst = append(dst, '{')
	comma := false
	member := func(name string, v float64) {
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(report.AppendString(dst, name), ':')
		dst = report.AppendNumber(dst, v)
	}
	if newest := s.newestWhere(limit, complete); newest != nil {
		member("messages", math.Round(float64(s.tally[newest.id()].messages)/newest.window().Seconds()*1e3)/1e3)
	}
	for _, m := range []struct{ name, typ, member string }{
		{"queries", "QueriesPerSecond", "qps"},
		{"responses", "AnswersPerSecond", "aps"},
	} {
		sr := s.series[m.typ]
		if sr == nil {
			continue
		}
		if k := sr.newestWhere(limit, complete); k != nil {
			if v, ok := number(k.report.Data, m.member); ok {
				member(m.name, v)
			}
		}
	}
	return append(dst, '}')
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
