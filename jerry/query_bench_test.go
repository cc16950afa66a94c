package jerry

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"ratadns/report"
)

// BenchmarkQuery is an hour of three servers, as the dashboard asks for it.
func BenchmarkQuery(b *testing.B) {
	j := New(DefaultConfig(), quiet, WithClock(testClock))
	var state strings.Builder
	for k := range 2000 {
		fmt.Fprintf(&state, `,"name%d.example.org.":%d`, k, k)
	}
	for i := range 360 {
		for _, s := range []string{"ns1", "ns2", "ns3"} {
			j.Ingest(line(s, "QueriesPerSecond", report.Rate, i, `{"qps":12.5}`, nil))
			j.Ingest(line(s, "Qtype", report.TableOf, i, `{"1":500,"1c":200,"f":50,"2":10,"5":3,"6":4,"10":7,"21":1,"41":70}`, nil))
			j.Ingest(line(s, "TopNQ", report.Top, i, `[["name1999.example.org.",1999]]`, func(r *report.Report) {
				r.State = []byte("{" + state.String()[1:] + "}")
			}))
		}
	}
	h := j.Handler(nil)
	for _, q := range []string{
		"QueriesPerSecond&step=10s", "QueriesPerSecond&step=10s&by=server", "Qtype&step=1m", "Qtype&step=10s&by=server",
		"TopNQ&top=20&from=-5m", "TopNQ&top=20",
	} {
		b.Run(q, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/query?type="+q, nil))
			}
		})
	}
}

func BenchmarkIngest(b *testing.B) {
	j := New(DefaultConfig(), quiet, WithClock(testClock))
	lines := make([][]byte, 10_000)
	for i := range lines {
		lines[i] = line(fmt.Sprint("ns", i/350), "Qtype", report.TableOf, i%350, `{"1":500,"1c":200,"f":50,"2":10,"5":3,"6":4,"10":7,"21":1,"41":70}`, nil)
	}
	i := 0
	for b.Loop() {
		j.Ingest(lines[i%len(lines)])
		i++
	}
}
