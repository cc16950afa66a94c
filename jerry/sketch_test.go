package jerry

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ratadns/report"
)

// sketch is the state of values.
func sketch(shape report.Shape, values ...uint64) json.RawMessage {
	s := shape.NewSketch()
	for _, v := range values {
		switch s := s.(type) {
		case *report.Cardinality:
			s.AddHash(v)
		case *report.Distribution:
			s.Add(v)
		}
	}
	return report.AppendSketch(nil, s)
}

// TestSketches: over servers and windows, what is at several counts once, and
// quantiles are of all numbers; in queries and series.
func TestSketches(t *testing.T) {
	j := newTest(t)
	for i := range 3 {
		for s, server := range []string{"ns1", "ns2"} {
			for typ, r := range map[string]struct {
				shape report.Shape
				data  string
				state json.RawMessage
			}{
				"DistinctClients":       {report.Distinct, "2", sketch(report.Distinct, 7<<40, uint64(i+1)<<50)},
				"ResponseSizeQuantiles": {report.Quantiles, `{"p50":1}`, sketch(report.Quantiles, uint64(10*i), uint64(100*s))},
				"NamesByType": {report.Distinct, `{"1":1}`, json.RawMessage(`{"-:SKIPPED:-":2,"1":` + string(sketch(report.Distinct, uint64(i)<<50)) +
					`,"1c":` + string(sketch(report.Distinct, 5<<50)) + `}`)},
			} {
				j.Ingest(line(server, typ, r.shape, i, r.data, func(w *report.Report) { w.State, w.Window.Error = r.state, 1 }))
			}
		}
	}
	f := func(url, want string) {
		t.Helper()
		if got := data(t, j, url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
	f("DistinctClients", "4")
	f("DistinctClients&server=ns2&from=-20s", "3")
	f("NamesByType", `{"-:SKIPPED:-":12,"1":3,"1c":1}`)
	f("NamesByType&top=1", `{"-:SKIPPED:-":13,"1":3}`)
	// 0, 0, 0, 0, 10, 10, 20, 20 and, at ns2, 100 three times.
	f("ResponseSizeQuantiles", `{"p50":10,"p90":100,"p99":100,"p999":100}`)
	f("ResponseSizeQuantiles&server=ns1", `{"p50":0,"p90":20,"p99":20,"p999":20}`)
	_, got := ask(t, j, "/api/v1/query?type=DistinctClients&step=20s&by=server")
	for _, want := range []string{
		`"error":0,`, // the reports tell one each, the merged sketch is exact
		`"data":3,"by":{"ns1":{"messages":200,"malformed":0,"lost":0,"data":3},"ns2":{`,
		`"data":2,"by":{"ns1":{`,
		`}],"by":{"ns1":{"messages":300,"malformed":0,"lost":0,"data":4}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// TestSketchesLive: so do events.
func TestSketchesLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		b := open(t, j, "type=DistinctClients", "")
		defer b.close()
		for _, server := range []string{"ns1", "ns2"} {
			j.Ingest(line(server, "DistinctClients", report.Distinct, 3, "1", func(w *report.Report) { w.State = sketch(report.Distinct, 9<<40) }))
		}
		time.Sleep(time.Second)
		if got := b.read(); !strings.Contains(got, `"data":1}`) {
			t.Errorf("event: %s", got)
		}
	})
}
