package reduce

import (
	"testing"

	"ratadns/report"
	"ratadns/speedy"
)

func BenchmarkReducers(b *testing.B) {
	msgs := traffic(b, 1, 2000)
	for _, e := range Catalog {
		b.Run(e.Name, func(b *testing.B) {
			w := NewGroup([]Use{{Entry: &e}}, 1).NewWindow()
			batch := testBatch(b)
			b.ReportAllocs()
			for b.Loop() {
				w.addAll(batch, msgs)
				rep := report.Report{Window: report.Window{Start: base, End: base + 20e9}}
				w.Close(batch.Single(), rep.Window.End, true)
				w.Report(0, &rep)
				w.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/message")
		})
	}
}

// addAll adds messages by full batches.
func (w *Window) addAll(b *Batch, msgs []*speedy.Message) {
	for _, m := range msgs {
		if b.Full() {
			w.AddBatch(b)
			b.Clear()
		}
		b.take(m)
	}
	w.AddBatch(b)
	b.Clear()
}
