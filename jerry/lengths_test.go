package jerry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ratadns/report"
)

// TestWindowsOfSeveralLengths: one type has windows of ten seconds, one of a
// minute, and two of so many messages, over the same messages of two servers.
func TestWindowsOfSeveralLengths(t *testing.T) {
	j := newTest(t)
	tell := func(server, typ string, shape report.Shape, start, end int, data string) {
		j.Ingest(line(server, typ, shape, 0, data, func(r *report.Report) {
			w, length := &r.Window, int64(end-start)*1e9
			w.Start = t0.UnixNano() + int64(start)*1e9
			w.End, w.Seq = w.Start+length, w.Start/length
			w.Messages, w.Malformed, w.Lost = uint64(end-start), uint64(end-start)/10, uint64(end-start)/5
			w.Partial = start == 0
			if shape == report.ListOf { // of so many messages
				w.Seq = int64(start/(end-start)) + 1
			}
		}))
	}
	for _, server := range []string{"ns1", "ns2"} {
		for s := 0; s < 180; s += 10 {
			tell(server, "QueriesPerSecond", report.Rate, s, s+10, `{"qps":0.5}`)
			if s%60 == 50 {
				tell(server, "Minute", report.Count, s-50, s+10, "30")
			}
			tell(server, "Tens", report.ListOf, s, s+10, "[]")
			if s%20 == 10 {
				tell(server, "Twenties", report.ListOf, s-10, s+10, "[]")
			}
		}
		// Half a minute on, while the long one has not ended.
		for s := 180; s < 210; s += 10 {
			tell(server, "QueriesPerSecond", report.Rate, s, s+10, `{"qps":0.5}`)
		}
	}
	checkStore(t, j.store)
	// What is told of both lengths is counted once.
	_, got := ask(t, j, "/api/v1/servers")
	want := `"lastSeen":"2026-11-23T13:03:30Z","lag":3390,"rates":{"messages":1,"queries":0.5},"lost":42,"malformed":21,"gaps":0,"partial":false}`
	if strings.Count(got, want) != 2 {
		t.Errorf("servers: %s, want two with %s", got, want)
	}
	// The newest minute, though the newest window of any type ended since.
	for _, c := range []struct{ url, want string }{
		{"type=Minute&from=-1m", `"from":"2026-11-23T13:02:00Z","to":"2026-11-23T13:03:00Z","servers":["ns1","ns2"],"messages":120,"malformed":12,"lost":24,"error":0,"lag":3420,"data":60`},
		{"type=Minute&from=-2m&server=ns1", `"from":"2026-11-23T13:01:00Z","to":"2026-11-23T13:03:00Z","servers":["ns1"],"messages":120,"malformed":12,"lost":24,"error":0,"lag":3420,"data":60`},
		{"type=QueriesPerSecond&from=-1m&server=ns1", `"from":"2026-11-23T13:02:30Z","to":"2026-11-23T13:03:30Z","servers":["ns1"],"messages":60,"malformed":6,"lost":12,"error":0,"lag":3390,"data":{"qps":0.5}`},
	} {
		if _, got := ask(t, j, "/api/v1/query?"+c.url); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.url, got, c.want)
		}
	}
	// A series in steps shorter than the windows has the windows themselves.
	var series struct {
		Series []struct{ Start, End time.Time }
	}
	for url, want := range map[string]int{"type=Minute&step=10s": 3, "type=QueriesPerSecond&step=60s": 4, "type=QueriesPerSecond&step=10s": 21} {
		get(t, j, "/api/v1/query?"+url, &series)
		if len(series.Series) != want {
			t.Errorf("%s: %d elements, want %d", url, len(series.Series), want)
		}
	}
	// The past plays in the order in which windows end.
	var order []string
	last := bucket{}
	for _, b := range j.store.after(last, t0.UnixNano(), []string{"Minute", "QueriesPerSecond"}, nil) {
		order = append(order, fmt.Sprintf("%s %d-%d", b.typ[:1], (b.start-t0.UnixNano())/1e9, (b.end-t0.UnixNano())/1e9))
	}
	if got, want := strings.Join(order[:8], ", "), "Q 0-10, Q 10-20, Q 20-30, Q 30-40, Q 40-50, M 0-60, Q 50-60, Q 60-70"; got != want {
		t.Errorf("played %s, want %s", got, want)
	}
	// What is no longer kept leaves the sums.
	small := newStore(time.Minute, 1<<20)
	for _, sr := range j.store.oldest {
		for _, k := range sr.windows {
			r := *k.report
			if err := small.add(&r, int(k.size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkStore(t, small)
}
