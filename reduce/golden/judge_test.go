package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/reduce"
	"ratadns/report"
)

// A judge says what a reducer has to report of traffic with those parameters.
type judge func(c *capt, p reduce.Params) verdict

// A verdict is what a report has to be: its data, or what that has to fulfil. A
// sketch states an error; nothing else may.
type verdict struct {
	data             any
	check            func(data any) error
	sketch           func(data any, stated uint64) error
	keyless, skipped uint64
}

// judges are those of all reducers of the catalogue, by its parts.
func judges() map[string]judge {
	all := make(map[string]judge)
	for _, part := range []map[string]judge{originals, datasets, novelties} {
		maps.Copy(all, part)
	}
	return all
}

// scope says which messages count.
type scope func(m *message) bool

func messages(*message) bool      { return true }
func queries(m *message) bool     { return !m.response() }
func responses(m *message) bool   { return m.response() }
func (s scope) and(f scope) scope { return func(m *message) bool { return s(m) && f(m) } }

// listen has tshark read the capture, once for all judges.
func (c *capt) listen(t testing.TB) {
	t.Helper()
	c.run(t)
	c.judged.Do(func() {
		path := filepath.Join(t.TempDir(), "capture.pcap")
		if err := os.WriteFile(path, c.pcap, 0o600); err != nil {
			t.Fatal(err)
		}
		c.traffic = listen(t, path)
	})
	if c.traffic == nil {
		missing(t, "tshark has not read "+c.name)
	}
}

// TestJudge compares each report, as its golden file has it and whole, with what
// a judge says of what tshark reads.
func TestJudge(t *testing.T) {
	all := judges()
	for name := range all {
		if _, err := reduce.Find(name); err != nil {
			t.Error(err)
		}
	}
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			c.listen(t)
			if diff := cmp.Diff(c.known, c.traffic.known); diff != "" {
				t.Errorf("what tshark reads otherwise (-want +got):\n%s", diff)
			}
			for _, e := range reduce.Catalog {
				t.Run(e.Name, func(t *testing.T) {
					j := all[e.Name]
					if j == nil {
						t.Fatal("no judge: add one to its part of the catalogue")
					}
					compare(t, j(c, defaults(&e, narrowed[e.Name])), c.reports[e.Name], c.traffic)
					compare(t, j(c, whole), c.reports["whole "+e.Name], c.traffic)
					compareState(t, c.reports[e.Name], c.reports["whole "+e.Name])
				})
			}
		})
	}
}

// defaults are parameters with the catalogue's for those that are zero.
func defaults(e *reduce.Entry, p reduce.Params) reduce.Params {
	if p.Top == 0 {
		p.Top = e.Top
	}
	switch e.Name {
	case "TopSlow", "RandomSubdomains", "Tunnels", "Reflection":
		p.Top = max(p.Top, 10)
	case "QueriesWithUnderscoredName", "PacketHasUnderscore":
		if p.Samples == 0 {
			p.Samples = 100
		}
	}
	if p.Samples == 0 {
		p.Samples = 1000
	}
	if p.MaxKeys == 0 {
		p.MaxKeys = 20_000
	}
	return p
}

func compare(t *testing.T, want verdict, rep *report.Report, tr *traffic) {
	t.Helper()
	got, err := decode(rep.Data)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case want.check != nil:
		err = want.check(got)
	case want.sketch != nil:
		err = want.sketch(got, rep.Window.Error)
	default:
		var data any
		if data, err = plain(want.data); err == nil {
			err = same(data, got)
		}
	}
	if err != nil {
		t.Errorf("%s: %v", rep.Type, err)
	}
	if want.sketch == nil && rep.Window.Error != 0 {
		t.Errorf("%s: an error of %d in what is exact", rep.Type, rep.Window.Error)
	}
	malformed := uint64(0)
	for _, m := range tr.messages {
		if m.malformed {
			malformed++
		}
	}
	w := rep.Window
	if w.Messages != uint64(len(tr.messages)) || w.Malformed != malformed || w.Keyless != want.keyless || w.Skipped != want.skipped || w.Lost != 0 {
		t.Errorf("%s: messages %d, malformed %d, keyless %d, skipped %d, lost %d; want %d, %d, %d, %d, 0",
			rep.Type, w.Messages, w.Malformed, w.Keyless, w.Skipped, w.Lost, len(tr.messages), malformed, want.keyless, want.skipped)
	}
}

// compareState: what merges a table that was cut has the sum of the whole one.
func compareState(t *testing.T, cut, whole *report.Report) {
	t.Helper()
	state, err := decode(cut.State)
	if _, ok := state.(object); err != nil || !ok {
		return // nothing was cut, or it is a sketch
	}
	all, err := decode(whole.Data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sumOf(state), sumOf(all); got != want {
		t.Errorf("%s: state adds up to %d, want %d", cut.Type, got, want)
	}
}

// sumOf adds up all numbers but those of keys.
func sumOf(v any) (sum int64) {
	switch v := v.(type) {
	case object:
		for key, v := range v {
			if key != report.SkippedKey {
				sum += sumOf(v)
			}
		}
	case []any:
		for _, v := range v {
			sum += sumOf(v)
		}
	case json.Number:
		sum, _ = v.Int64()
	}
	return sum
}

// decode reads JSON and leaves numbers as they are written.
func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// same compares two values of JSON.
func same(want, got any) error {
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return fmt.Errorf("(-want +got):\n%.5000s", cmp.Diff(want, got))
}
