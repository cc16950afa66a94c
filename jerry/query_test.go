package jerry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
)

// sixWindows has two servers and six windows of four shapes. In window i, ns1
// has i+1 of everything and ns2 ten times as much.
func sixWindows(t *testing.T) *Jerry {
	t.Helper()
	j := newTest(t)
	for i := range 6 {
		for s, server := range []string{"ns1", "ns2"} {
			n := i + 1
			if s == 1 {
				n *= 10
			}
			told := func(r *report.Report) {
				r.Window.Messages, r.Window.Malformed, r.Window.Lost = uint64(n), uint64(s), uint64(i)
			}
			ingest := func(typ string, shape report.Shape, format string, args ...any) {
				j.Ingest(line(server, typ, shape, i, fmt.Sprintf(format, args...), told))
			}
			ingest("QueriesPerSecond", report.Rate, `{"qps":%g}`, float64(n)/10)
			ingest("Qtype", report.TableOf, `{"1":%d,"1c":1}`, n)
			ingest("TopNQ", report.Top, `[["www.example.org.",%d],["%s.example.org.",2]]`, n, server)
			ingest("Identity", report.ListOf, `[{"id":"%d-%s"}]`, i, server)
			ingest("Transport", report.TableOf, `{"udp":{"1":%d},"tcp":{"1":1}}`, n)
		}
	}
	if j.store.windows != 2*6*5 {
		t.Fatalf("%d windows kept", j.store.windows)
	}
	return j
}

// data is what a query answers, by the members asked for.
func data(t *testing.T, j *Jerry, url string) string {
	t.Helper()
	var a struct{ Data json.RawMessage }
	get(t, j, "/api/v1/query?type="+url, &a)
	return string(a.Data)
}

func TestQueryMerges(t *testing.T) {
	j := sixWindows(t)
	f := func(url, want string) {
		t.Helper()
		if got := data(t, j, url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
	// 1+2+…+6 = 21 at ns1 and 210 at ns2, over 60 s.
	f("QueriesPerSecond", `{"qps":3.85}`)
	f("QueriesPerSecond&server=ns1", `{"qps":0.35}`)
	f("QueriesPerSecond&server=ns1,ns2", `{"qps":3.85}`)
	f("QueriesPerSecond&server=ns1&server=ns2", `{"qps":3.85}`)
	f("Qtype", `{"1":231,"1c":12}`)
	f("Qtype&server=ns2", `{"1":210,"1c":6}`)
	f("Qtype&top=1", `{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":12,"1":231}`)
	f("TopNQ", `[["www.example.org.",231],["ns1.example.org.",12],["ns2.example.org.",12]]`)
	f("TopNQ&top=3", `[["www.example.org.",231],["ns1.example.org.",12],["ns2.example.org.",12]]`)
	f("TopNQ&top=1", `[["www.example.org.",231]]`)
	f("Transport", `{"tcp":{"1":12},"udp":{"1":231}}`)
	f("Identity&from=-20s", `[{"id":"4-ns1"},{"id":"4-ns2"},{"id":"5-ns1"},{"id":"5-ns2"}]`)

	// A window belongs to the range that holds its start.
	f("Qtype&from=2026-11-23T13:00:10Z&to=2026-11-23T13:00:30Z", `{"1":55,"1c":4}`)
	f("Qtype&from=2026-11-23T13:00:09Z&to=2026-11-23T13:00:21Z", `{"1":55,"1c":4}`)
	f("Qtype&from=2026-11-23T13:00:11Z&to=2026-11-23T13:00:20.000000001Z", `{"1":33,"1c":2}`)
	f("Qtype&from=1795438810&to=1795438820.5", `{"1":55,"1c":4}`)
	f("Qtype&from=-30s", `{"1":165,"1c":6}`)
	f("Qtype&from=-1m&to=-30s", `{"1":66,"1c":6}`)
	f("Qtype&to=-30s", `{"1":66,"1c":6}`)
	f("Qtype&from=2026-11-23T15:00:00Z", `null`)
	f("QueriesPerSecond&from=-10s", `{"qps":6.6}`)
}

func TestQueryAnswer(t *testing.T) {
	j := sixWindows(t)
	f := func(url, want string) {
		t.Helper()
		_, got := ask(t, j, "/api/v1/query?type="+url)
		if diff := cmp.Diff(want+"\n", got); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
	}
	f("Qtype", `{"type":"Qtype","from":"2026-11-23T13:00:00Z","to":"2026-11-23T13:01:00Z","servers":["ns1","ns2"],`+
		`"messages":231,"malformed":6,"lost":30,"error":0,"lag":3540,"data":{"1":231,"1c":12}}`)
	f("QueriesPerSecond&from=-20s&step=10s&by=server", `{"type":"QueriesPerSecond","from":"2026-11-23T13:00:40Z","to":"2026-11-23T13:01:00Z","servers":["ns1","ns2"],`+
		`"messages":121,"malformed":2,"lost":18,"error":0,"lag":3540,"data":{"qps":6.05},"series":[`+
		`{"start":"2026-11-23T13:00:40Z","end":"2026-11-23T13:00:50Z","messages":55,"malformed":1,"lost":8,"data":{"qps":5.5},`+
		`"by":{"ns1":{"messages":5,"malformed":0,"lost":4,"data":{"qps":0.5}},"ns2":{"messages":50,"malformed":1,"lost":4,"data":{"qps":5}}}},`+
		`{"start":"2026-11-23T13:00:50Z","end":"2026-11-23T13:01:00Z","messages":66,"malformed":1,"lost":10,"data":{"qps":6.6},`+
		`"by":{"ns1":{"messages":6,"malformed":0,"lost":5,"data":{"qps":0.6}},"ns2":{"messages":60,"malformed":1,"lost":5,"data":{"qps":6}}}}],`+
		`"by":{"ns1":{"messages":11,"malformed":0,"lost":9,"data":{"qps":0.55}},"ns2":{"messages":110,"malformed":2,"lost":9,"data":{"qps":5.5}}}}`)
	f("Qtype&from=2026-11-23T15:00:00Z&step=10s&by=server", `{"type":"Qtype","from":"2026-11-23T15:00:00Z","to":"2026-11-23T15:00:00Z","servers":[],`+
		`"messages":0,"malformed":0,"lost":0,"error":0,"lag":3540,"data":null,"series":[],"by":{}}`)
}

func TestQuerySeries(t *testing.T) {
	j := sixWindows(t)
	f := func(url string, want ...string) {
		t.Helper()
		var a struct {
			Series []struct {
				Start, End string
				Data       json.RawMessage
			}
		}
		get(t, j, "/api/v1/query?type="+url, &a)
		var got []string
		for _, p := range a.Series {
			got = append(got, p.Start[11:19]+" "+p.End[11:19]+" "+string(p.Data))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
	}
	f("QueriesPerSecond&step=20s",
		`13:00:00 13:00:20 {"qps":1.65}`, `13:00:20 13:00:40 {"qps":3.85}`, `13:00:40 13:01:00 {"qps":6.05}`)
	f("QueriesPerSecond&step=1m&server=ns1", `13:00:00 13:01:00 {"qps":0.35}`)
	f("QueriesPerSecond&step=40s", // aligned to the epoch, not to the first window
		`13:00:00 13:00:40 {"qps":2.75}`, `13:00:40 13:01:20 {"qps":6.05}`)
	// A step smaller than the windows gives the windows themselves.
	f("QueriesPerSecond&step=1s&from=-20s", `13:00:40 13:00:50 {"qps":5.5}`, `13:00:50 13:01:00 {"qps":6.6}`)
	// Steps without reports are absent.
	j.Ingest(line("ns1", "QueriesPerSecond", report.Rate, 20, `{"qps":1}`, nil))
	f("QueriesPerSecond&step=10s&from=-160s", `13:00:50 13:01:00 {"qps":6.6}`, `13:03:20 13:03:30 {"qps":1}`)
}

// Windows of different lengths and places: the time that they cover counts
// once.
func TestQueryUnequalWindows(t *testing.T) {
	j := newTest(t)
	at := func(server string, from, to int64, qps string) {
		j.Ingest(line(server, "Q", report.Rate, 0, `{"qps":`+qps+`}`, func(r *report.Report) {
			r.Window.Start, r.Window.End = t0.UnixNano()+from*1e9, t0.UnixNano()+to*1e9
		}))
	}
	at("ns1", 0, 10, "3")
	at("ns1", 10, 40, "1")
	if got := data(t, j, "Q"); got != `{"qps":1.5}` { // 60 in 40 s
		t.Error(got)
	}
	at("ns2", 5, 15, "4")
	if got := data(t, j, "Q"); got != `{"qps":2.5}` { // 100 in the same 40 s
		t.Error(got)
	}
	at("ns2", 50, 60, "0")
	if got := data(t, j, "Q"); got != `{"qps":2}` { // 100 in 50 s
		t.Error(got)
	}
	at("ns3", 70, 70, "null")
	if got := data(t, j, "Q&server=ns3"); got != `{"qps":null}` {
		t.Error(got)
	}
}

// A report that comes late, or twice, in any order, changes nothing but what it
// adds.
func TestQueryLate(t *testing.T) {
	want := ""
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 2, 3, 1, 1, 0}} {
		j := newTest(t)
		for _, i := range order {
			j.Ingest(line("ns1", "L", report.ListOf, i, fmt.Sprintf(`[%d]`, i), nil))
		}
		_, got := ask(t, j, "/api/v1/query?type=L&step=10s")
		if want == "" {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if !strings.Contains(want, `"data":[0,1,2,3]`) {
		t.Error(want)
	}
}

// Windows of messages may begin and end at one moment; seq tells them apart.
func TestQueryWindowsOfOneMoment(t *testing.T) {
	j := newTest(t)
	for seq := range 3 {
		j.Ingest(line("ns1", "T", report.Count, 0, `1`, func(r *report.Report) { r.Window.Seq = int64(seq) }))
	}
	var a struct{ Messages, Data int }
	get(t, j, "/api/v1/query?type=T", &a)
	if a.Messages != 300 || a.Data != 3 {
		t.Errorf("messages %d, data %d, want 300 and 3", a.Messages, a.Data)
	}
}

func TestQueryRelativeIgnoresTheFuture(t *testing.T) {
	j := sixWindows(t)
	j.Ingest(line("ns1", "Other", report.Count, 1000, `1`, nil)) // two hours ahead of the clock
	if got := data(t, j, "Qtype&from=-10s"); got != `{"1":66,"1c":2}` {
		t.Error(got)
	}
}

func TestQuerySkippedAndError(t *testing.T) {
	j := newTest(t)
	for i := range 3 {
		j.Ingest(line("ns1", "T", report.TableOf, i, `{"a":1,"-:SKIPPED:-":2,"-:SKIPPED_SUM:-":5}`, func(r *report.Report) {
			r.Window.Error, r.Window.Skipped = 4, 7
		}))
	}
	var a struct {
		Error, Skipped int
		Data           map[string]int
	}
	get(t, j, "/api/v1/query?type=T", &a)
	if a.Error != 12 || a.Skipped != 21 || a.Data[report.SkippedSumKey] != 15 {
		t.Errorf("%+v", a)
	}
}

func TestQueryMistakes(t *testing.T) {
	j := sixWindows(t)
	f := func(path string, status int, want string) {
		t.Helper()
		got, body := ask(t, j, "/api/v1/"+path)
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || got != status || !strings.Contains(e.Error, want) {
			t.Errorf("%s: %d %s, want %d and %q", path, got, body, status, want)
		}
	}
	f("query", 400, "type: is missing")
	f("query?type=", 400, "type: is empty")
	f("query?type=Qtype&type=TopNQ", 400, "type: must be given once")
	f("query?type=Nothing", 404, `type: "Nothing" has not been heard; heard are: Identity, Qtype,`)
	f("query?type=Qtype&server=ns9", 404, `server: "ns9" has not been heard; heard are: ns1, ns2`)
	f("query?type=Qtype&server=", 400, "server: has an empty item")
	f("query?type=Qtype&step=x", 400, `step: must be a positive duration such as 10s, got "x"`)
	f("query?type=Qtype&step=-1s", 400, "step:")
	f("query?type=Qtype&step=10", 400, "step:")
	f("query?type=Qtype&top=0", 400, "top: must be 1 to 10000")
	f("query?type=Qtype&top=10001", 400, "top:")
	f("query?type=Qtype&by=type", 400, "by: must be server")
	f("query?type=Qtype&from=yesterday", 400, "from: must be RFC 3339")
	f("query?type=Qtype&from=15m", 400, "from:")
	f("query?type=Qtype&from=NaN", 400, "from:")
	f("query?type=Qtype&from=1e300", 400, "from:")
	f("query?type=Qtype&to=9999-01-01T00:00:00Z", 400, "to:")
	f("query?type=Qtype&from=-1m&to=-2m", 400, "from: must be before to")
	f("query?type=Qtype&steps=1", 400, "steps: no such parameter; there are type, server, from, to, step, top, by")
	f("query?type=Qtype;x=1", 400, "query:")
	f("servers?x=1", 400, "x: no such parameter")
	f("reducers?x=1", 400, "x: no such parameter")
	f("live?speed=2", 400, "speed: needs at")
	f("live?at=-1m&speed=0", 400, "speed: must be")
	f("live?at=-1m&speed=NaN", 400, "speed: must be")
	f("live?from=-1m", 400, "from: no such parameter")
	f("nothing", 404, `path: "/api/v1/nothing"`)
}

func TestQueryTooManyPoints(t *testing.T) {
	j := newTest(t, func(c *Config) { c.Keep = 100 * 3600 * 1e9 })
	for i := range maxPoints + 1 {
		j.Ingest(line("ns1", "T", report.Count, 0, `1`, func(r *report.Report) {
			r.Window.Start = t0.UnixNano() - int64(i)*1e9
			r.Window.End = r.Window.Start + 1e9
		}))
	}
	if status, body := ask(t, j, "/api/v1/query?type=T&step=1s"); status != 400 || !strings.Contains(body, "step: makes 10001 points") {
		t.Errorf("%d %.200s", status, body)
	}
	if status, _ := ask(t, j, "/api/v1/query?type=T&step=2s"); status != 200 {
		t.Error(status)
	}
}

func TestConfigOctets(t *testing.T) {
	f := func(text string, want Octets) {
		t.Helper()
		var o Octets
		err := o.UnmarshalText([]byte(text))
		if o != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d, %v, want %d", text, o, err, want)
		}
	}
	f("256MiB", 256<<20)
	f("1 GiB", 1<<30)
	f("10B", 10)
	f("", 0)
	f("256", 0)
	f("-1MiB", 0)
	f("99999999999GiB", 0)
	f("1.5MiB", 0)
	if got := DefaultConfig().MaxBytes.String(); got != "256MiB" {
		t.Error(got)
	}
}

func TestConfigValidate(t *testing.T) {
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if (want == "") != (err == nil) || err != nil && err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(*Config) {})
	f("", func(c *Config) { c.Listen = "[::1]:0" })
	f(`listen must be like 127.0.0.1:8053, got "8053"`, func(c *Config) { c.Listen = "8053" })
	f(`listen: port must be 0 to 65535, got "99999"`, func(c *Config) { c.Listen = "localhost:99999" })
	f("keep must be positive, got 0s", func(c *Config) { c.Keep = 0 })
	f("max_bytes must be at least 8MiB, got 1KiB", func(c *Config) { c.MaxBytes = 1024 })
}
