package jerry

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"ratadns/report"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// t0 is where the windows of the tests begin; the clock stands an hour later.
var t0 = time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)

func testClock() time.Time { return t0.Add(time.Hour) }

func newTest(t *testing.T, change ...func(*Config)) *Jerry {
	t.Helper()
	cfg := DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return New(cfg, quiet, WithClock(testClock))
}

// window is the i-th of ten seconds after t0.
func window(i int) report.Window {
	start := t0.Add(time.Duration(i) * 10 * time.Second).UnixNano()
	return report.Window{Start: start, End: start + 10e9, Seq: start / 10e9}
}

// line is a report in the wire form; change may be nil.
func line(server, typ string, shape report.Shape, i int, data string, change func(*report.Report)) []byte {
	r := &report.Report{Type: typ, ServerID: server, Shape: shape, Data: json.RawMessage(data), Window: window(i)}
	r.Window.Messages = 100
	if change != nil {
		change(r)
	}
	return r.Append(nil)
}

// get asks the API and decodes the answer.
func get(t *testing.T, j *Jerry, url string, into any) {
	t.Helper()
	status, body := ask(t, j, url)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v in %s", url, err, body)
	}
}

func ask(t *testing.T, j *Jerry, url string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	j.Handler(nil).ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	return w.Code, w.Body.String()
}

// metric is what /metrics says.
func metric(t *testing.T, j *Jerry, name string) float64 {
	t.Helper()
	_, body := ask(t, j, "/metrics")
	for l := range strings.Lines(body) {
		if v, ok := strings.CutPrefix(l, "ratadns_jerry_"+name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func refusedFor(t *testing.T, j *Jerry, why string) float64 {
	t.Helper()
	return metric(t, j, fmt.Sprintf("reports_refused_total{reason=%q}", why))
}

func TestIngestRefuses(t *testing.T) {
	rate := func(change func(*report.Report)) string {
		return string(line("ns1", "QueriesPerSecond", report.Rate, 0, `{"qps":1}`, change))
	}
	at := func(start, end time.Time) string {
		return rate(func(r *report.Report) { r.Window.Start, r.Window.End = start.UnixNano(), end.UnixNano() })
	}
	f := func(why, line string) {
		t.Helper()
		j := newTest(t)
		j.Ingest([]byte(line))
		for _, r := range reasons {
			want := 0.0
			if r == why {
				want = 1
			}
			if got := refusedFor(t, j, r); got != want {
				t.Errorf("%.80s: refused{%s} is %g, want %g", line, r, got, want)
			}
		}
		if kept := j.store.windows; (kept == 0) != (why != "") {
			t.Errorf("%.80s: %d windows kept", line, kept)
		}
	}
	f("", rate(nil))
	f("json", "")
	f("json", "null")
	f("json", "{}")
	f("json", "hello")
	f("json", rate(nil)[:40])
	f("json", rate(nil)+"}")
	f("json", strings.Replace(rate(nil), "ns1", "", 1))
	f("json", strings.Replace(rate(nil), "ns1", strings.Repeat("n", 300), 1))
	f("json", strings.Replace(rate(nil), "ns1", "ns\xff", 1))
	f("json", strings.Replace(rate(nil), `"messages":100`, `"messages":-1`, 1))
	f("json", strings.Replace(rate(nil), `"messages":100`, `"messages":1e30`, 1))
	f("json", strings.Repeat("[", 100_000))
	f("size", `{"type":"`+strings.Repeat("x", report.MaxReport)+`"}`)
	f("shape", strings.Replace(rate(nil), `"shape":"rate"`, `"shape":"spiral"`, 1))
	f("shape", `{"type":"T","serverId":"s","data":1,"window":{"start":"2026-11-23T13:00:00Z","end":"2026-11-23T13:00:10Z"}}`)
	f("window", `{"type":"QueriesPerSecond","serverId":"server1","data":{"qps":426.3}}`) // of 2015
	f("window", at(t0, t0.Add(-time.Second)))
	f("window", at(time.Unix(-1, 0), t0))
	f("window", at(t0, t0.AddDate(2, 0, 0)))
	f("window", strings.Replace(rate(nil), "2026-11-23T13:00:10Z", "9999-01-01T00:00:00Z", 1))
	f("window", rate(func(r *report.Report) { r.Window.Malformed = 101 }))
	f("future", at(testClock().Add(24*time.Hour), testClock().Add(24*time.Hour+10*time.Second)))
	f("", at(testClock().Add(23*time.Hour), testClock().Add(23*time.Hour+10*time.Second)))
	f("data", string(line("ns1", "T", report.Rate, 0, `7`, nil)))
	f("data", string(line("ns1", "T", report.Rate, 0, `{"a":{"b":1}}`, nil)))
	f("data", string(line("ns1", "T", report.TableOf, 0, `{"a":"b"}`, nil)))
	f("data", string(line("ns1", "T", report.TableOf, 0, `{"a":1e999}`, nil)))
	f("data", string(line("ns1", "T", report.TableOf, 0, strings.Repeat(`{"a":`, 20)+`1`+strings.Repeat(`}`, 20), nil)))
	f("data", string(line("ns1", "T", report.Top, 0, `{"a":1}`, nil)))
	f("data", string(line("ns1", "T", report.Top, 0, `[["a"]]`, nil)))
	f("data", string(line("ns1", "T", report.Top, 0, `[]`, func(r *report.Report) { r.State = json.RawMessage(`5`) })))
	f("data", string(line("ns1", "T", report.ListOf, 0, `"x"`, nil)))
}

// TestIngestNothing: a report without a value is of any shape, as where a script
// failed that names none.
func TestIngestNothing(t *testing.T) {
	j := newTest(t)
	for i, data := range []string{`null`, `{"a":1}`, `null`, `{"a":2}`} {
		shape := report.TableOf
		if data == "null" {
			shape = report.Count
		}
		j.Ingest(line("ns1", "T", shape, i, data, nil))
	}
	if got := refusedFor(t, j, "shape"); got != 0 {
		t.Errorf("refused{shape} is %g, want 0", got)
	}
	if got := data(t, j, "T"); got != `{"a":3}` {
		t.Errorf("got %s", got)
	}
	j.Ingest(line("ns1", "T", report.Count, 4, `7`, nil))
	if got := refusedFor(t, j, "shape"); got != 1 {
		t.Errorf("refused{shape} is %g, want 1", got)
	}
}

func TestIngestOtherShape(t *testing.T) {
	j := newTest(t)
	j.Ingest(line("ns1", "T", report.TableOf, 0, `{"a":1}`, nil))
	j.Ingest(line("ns2", "T", report.Count, 0, `{"a":1}`, nil))
	if got := refusedFor(t, j, "shape"); got != 1 {
		t.Errorf("refused{shape} is %g, want 1", got)
	}
}

func TestIngestRepeat(t *testing.T) {
	j := newTest(t)
	for range 3 {
		j.Ingest(line("ns1", "T", report.Count, 0, `{"a":1}`, nil))
	}
	j.Ingest(line("ns2", "T", report.Count, 0, `{"a":1}`, nil))
	j.Ingest(line("ns1", "U", report.Count, 0, `{"a":1}`, nil))
	j.Ingest(line("ns1", "T", report.Count, 0, `{"a":1}`, func(r *report.Report) { r.Window.Seq++ }))
	if got := metric(t, j, "reports_repeated_total"); got != 2 {
		t.Errorf("%g repeats, want 2", got)
	}
	if j.store.windows != 4 {
		t.Errorf("%d windows, want 4", j.store.windows)
	}
}

// Every report leaves by a counted door.
func TestLedger(t *testing.T) {
	j := newTest(t)
	for i := range 20 {
		j.Ingest(line("ns1", "T", report.Count, i%15, `1`, nil))
		j.Ingest([]byte("x"))
	}
	doors := metric(t, j, "reports_repeated_total") + float64(j.store.windows)
	for _, r := range reasons {
		doors += refusedFor(t, j, r)
	}
	if received := metric(t, j, "reports_received_total"); received != 40 || doors != received {
		t.Errorf("received %g, of which %g kept, repeated or refused", received, doors)
	}
}

func TestServers(t *testing.T) {
	j := newTest(t)
	for i := range 3 {
		qps := fmt.Sprintf(`{"qps":%d.5}`, 5*i)
		told := func(r *report.Report) {
			r.Window.Messages, r.Window.Malformed, r.Window.Lost = uint64(100*(i+1)), 2, 3
			r.Window.Partial = i == 2
		}
		j.Ingest(line("ns1", "QueriesPerSecond", report.Rate, i, qps, told))
		// The same window, told by another type: once for all sums.
		j.Ingest(line("ns1", "AnswersPerSecond", report.Rate, i, `{"aps":7}`, told))
	}
	// Ahead of the clock, so not what lag is counted from.
	j.Ingest(line("ns2", "T", report.Count, 100, `1`, nil))
	j.Ingest(line("ns2", "T", report.Count, 368, `1`, nil))

	type rates struct{ Messages, Queries, Responses *float64 }
	type server struct {
		Server    string
		LastSeen  time.Time
		Lag       float64
		Rates     rates
		Lost      int
		Malformed int
		Gaps      int
		Partial   bool
	}
	var got struct{ Servers []server }
	get(t, j, "/api/v1/servers", &got)
	n := func(v float64) *float64 { return &v }
	want := []server{
		{"ns1", t0.Add(30 * time.Second), 3570, rates{n(20), n(5.5), n(7)}, 9, 6, 0, true},
		{"ns2", t0.Add(1010 * time.Second), 2590, rates{Messages: n(10)}, 0, 0, 267, false},
	}
	if diff := cmp.Diff(want, got.Servers); diff != "" {
		t.Error(diff)
	}
}

func TestReducers(t *testing.T) {
	j := newTest(t)
	j.Ingest(line("ns2", "Qtype", report.TableOf, 0, `{"1":5}`, nil))
	j.Ingest(line("ns1", "Qtype", report.TableOf, 0, `{"1":5}`, nil))
	j.Ingest(line("ns1", "Qtype", report.TableOf, 1, `{"1":5}`, nil))
	j.Ingest(line("ns1", "Null", report.Count, 0, `null`, nil))
	_, got := ask(t, j, "/api/v1/reducers")
	want := `{"reducers":[{"type":"Null","shape":"count","servers":["ns1"],"windows":1},` +
		`{"type":"Qtype","shape":"table","servers":["ns1","ns2"],"windows":3}]}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
