package reduce

import (
	"testing"

	"ratadns/report"
)

func BenchmarkReducers(b *testing.B) {
	msgs := traffic(b, 1, 2000)
	for _, e := range Catalog {
		b.Run(e.Name, func(b *testing.B) {
			w := NewGroup([]Use{{Entry: &e}}, 1).NewWindow()
			event := NewEvent(plain(b))
			b.ReportAllocs()
			for b.Loop() {
				for _, m := range msgs {
					event.Set(m)
					w.Add(event)
				}
				rep := report.Report{Window: report.Window{Start: base, End: base + 20e9}}
				w.Close(event, rep.Window.End, true)
				w.Report(0, &rep)
				w.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/message")
		})
	}
}
