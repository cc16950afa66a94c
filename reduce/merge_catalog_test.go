package reduce

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
	"ratadns/capture/sample"
	"ratadns/report"
	"ratadns/speedy"
)

// A collector keeps the messages of an engine.
type collector struct {
	dec  *speedy.Decoder
	msgs []*speedy.Message
}

func (k *collector) Order(*speedy.Load) {}

func (k *collector) Work(l *speedy.Load, _ int) {
	for _, s := range l.Found {
		own := *s
		own.Payload = slices.Clone(s.Payload)
		m := *k.dec.Decode(&own)
		m.Questions, m.Records = slices.Clone(m.Questions), slices.Clone(m.Records)
		k.msgs = append(k.msgs, &m)
	}
}

func (k *collector) Flush(*speedy.Load) error { return nil }

// sampleTraffic is a minute of the sample capture, some 8,000 messages, with its
// times moved to begin at base.
func sampleTraffic(t testing.TB) []*speedy.Message {
	src, err := capture.NewReader("sample", bytes.NewReader(sample.Pcap), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	k := &collector{dec: speedy.NewDecoder(speedy.NewSides([]uint16{53}, nil), false)}
	if err := speedy.NewEngine(speedy.DefaultConfig(), k).Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	first := k.msgs[0].Time
	end := slices.IndexFunc(k.msgs, func(m *speedy.Message) bool { return m.Time >= first+60e9 })
	for _, m := range k.msgs[:end] {
		m.Time += base - first
	}
	return k.msgs[:end]
}

// TestMergeCatalog: however messages are divided among windows and servers, the
// merged reports of every reducer say what one report of all would, in whatever
// order they are merged. Only what is new depends on what was asked before, and
// of whom: NewDomains tells a domain in the first window alone, and each server
// tells its own.
func TestMergeCatalog(t *testing.T) {
	msgs := sampleTraffic(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range Catalog {
		e := &Catalog[i]
		p := Params{Samples: 100_000}
		anew := func() *bench { return newBench(t, e.Name, p) }
		b := anew()
		w := b.make()
		for _, m := range msgs {
			b.add(w, m)
		}
		whole := b.report(t, w, 0, 60, true)
		want := merged(t, e.Name, p, 60, whole)
		list := whole.Shape == report.ListOf
		if e.Name == "NewDomains" {
			continue
		}

		// Windows of one server, of which lists are joined in the order of time.
		b = anew()
		ends := []float64{0, 7, 13, 40, 60}
		var reports []*report.Report
		n := 0
		for i, end := range ends[1:] {
			w := b.make()
			for ; n < len(msgs) && msgs[n].Time < base+int64(end*1e9); n++ {
				b.add(w, msgs[n])
			}
			reports = append(reports, b.report(t, w, ends[i], end, end == 60))
		}
		if !list {
			rng.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		}
		if got := merged(t, e.Name, p, 60, reports...); got != want {
			t.Errorf("%s, windows: %s", e.Name, cmp.Diff(want, got))
		}

		// Servers, each flow at one of them.
		reports = reports[:0]
		for s := range 3 {
			b := anew()
			w := b.make()
			for _, m := range msgs {
				if c := m.Client().As16(); (int(c[15])+int(m.ID))%3 == s {
					b.add(w, m)
				}
			}
			reports = append(reports, b.report(t, w, 0, 60, true))
		}
		rng.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		if got := merged(t, e.Name, p, 60, reports...); got != want && !list {
			t.Errorf("%s, servers: %s", e.Name, cmp.Diff(want, got))
		}
	}
}
