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

func BenchmarkCounter(b *testing.B) {
	var keys [][]byte
	for _, m := range traffic(b, 1, 10_000) {
		if len(m.Questions) > 0 {
			event := NewEvent(plain(b))
			event.Set(m)
			keys = append(keys, append([]byte(nil), event.Qname()...))
		}
	}
	for _, c := range []struct {
		name string
		max  int
	}{{"exact", DefaultMaxKeys}, {"sketch", 100}} {
		b.Run(c.name, func(b *testing.B) {
			counter := NewCounter(c.max)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				counter.Add(keys[i%len(keys)])
				i++
			}
		})
	}
}
