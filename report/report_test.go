package report

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// documented is the report that the documentation prints.
const documented = `{"type":"QueriesPerSecond","serverId":"server1","data":{"qps":426.3},"window":{"start":"2016-10-06T13:55:00Z","end":"2016-10-06T13:55:10Z","seq":147576210,"messages":8521,"malformed":1,"lost":0},"shape":"rate"}`

func documentedReport() *Report {
	start := time.Date(2016, 10, 6, 13, 55, 0, 0, time.UTC).UnixNano()
	return &Report{
		Type: "QueriesPerSecond", ServerID: "server1", Data: json.RawMessage(`{"qps":426.3}`), Shape: Rate,
		Window: Window{Start: start, End: start + 10e9, Seq: 147576210, Messages: 8521, Malformed: 1},
	}
}

func parse(t *testing.T, line string) *Report {
	t.Helper()
	r, err := Parse([]byte(line))
	if err != nil {
		t.Fatalf("%v: %.200s", err, line)
	}
	return r
}

func TestDocumented(t *testing.T) {
	if got := string(documentedReport().Append(nil)); got != documented {
		t.Errorf("got  %s\nwant %s", got, documented)
	}
	if diff := cmp.Diff(documentedReport(), parse(t, documented)); diff != "" {
		t.Error(diff)
	}
	seed := `{"type":"QueriesPerSecond","serverId":"server1","data":{"qps":426.3}}`
	parts, _ := documentedReport().AppendSeedParts(nil, nil)
	if got := string(slices.Concat(parts...)); got != seed {
		t.Errorf("got %s, want %s", got, seed)
	}
}

func TestRoundTrip(t *testing.T) {
	f := func(change func(*Report), has string) {
		t.Helper()
		r := documentedReport()
		change(r)
		line := string(r.Append([]byte("before ")))
		line, ok := strings.CutPrefix(line, "before ")
		if !ok || !strings.Contains(line, has) {
			t.Errorf("%s does not have %s", line, has)
		}
		if diff := cmp.Diff(r, parse(t, line)); diff != "" {
			t.Error(diff)
		}
	}
	f(func(*Report) {}, `"lost":0},"shape"`)
	f(func(r *Report) { r.Window.Partial = true }, `"lost":0,"partial":true},`)
	f(func(r *Report) { r.Window.Gap = 3600e9 }, `"lost":0,"gap":3600},`)
	f(func(r *Report) { r.Window.Gap = 1500e6 }, `"gap":1.5}`)
	f(func(r *Report) { r.Window.Error, r.Window.Skipped, r.Window.Keyless = 1, 2, 3 }, `"lost":0,"error":1,"skipped":2,"keyless":3}`)
	f(func(r *Report) { r.Window.Lost = 1e15 }, `"lost":1000000000000000`)
	f(func(r *Report) { r.Window.Start, r.Window.End = 1, 123456789 }, `"start":"1970-01-01T00:00:00.000000001Z","end":"1970-01-01T00:00:00.123456789Z"`)
	f(func(r *Report) { r.State = json.RawMessage(`{"a":1}`) }, `"shape":"rate","state":{"a":1}}`)
	f(func(r *Report) { r.Data = json.RawMessage(`null`) }, `"data":null`)
	f(func(r *Report) { r.Type, r.ServerID = "<&>\u2028é", "\"\\" }, `"type":"<&>`+"\u2028"+`é","serverId":"\"\\"`)
	for _, s := range Shapes {
		f(func(r *Report) { r.Shape = s }, `"shape":"`+string(s)+`"`)
	}
}

// A reader takes what others write: white space, other members, other order.
func TestParseTolerates(t *testing.T) {
	r := parse(t, ` { "shape" : "rate", "new": [1], "window": {"seq":147576210,"messages":8521,"malformed":1,"lost":0,"other":null,
		"start":"2016-10-06T15:55:00+02:00","end":"2016-10-06T13:55:10.000Z"}, "state": null, "data": {"qps":426.3},
		"serverId":"server1", "type":"QueriesPerSecond" }`)
	if diff := cmp.Diff(documentedReport(), r); diff != "" {
		t.Error(diff)
	}
}

func TestParseAliasesNothing(t *testing.T) {
	line := []byte(documented)
	r, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	clear(line)
	if diff := cmp.Diff(documentedReport(), r); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	anything := errors.New("anything")
	f := func(want error, old, new string) {
		t.Helper()
		if !strings.Contains(documented, old) {
			t.Fatalf("the test replaces what is not there: %s", old)
		}
		line := strings.Replace(documented, old, new, 1)
		r, err := Parse([]byte(line))
		if err == nil || want != anything && !errors.Is(err, want) {
			t.Errorf("%.300s: got %v, %v, want error %v", line, r, err, want)
		}
	}
	f(anything, documented, ``)
	f(anything, documented, `[]`)
	f(anything, documented, `null`)
	f(anything, documented, documented+documented)
	f(anything, documented, strings.Repeat(`{"data":`, 50_000))
	f(anything, `"QueriesPerSecond"`, `""`)
	f(anything, `"QueriesPerSecond"`, `5`)
	f(anything, `"QueriesPerSecond"`, `"`+strings.Repeat("x", 256)+`"`)
	f(anything, `"server1"`, `null`)
	f(anything, `server1`, "server\xff")
	f(anything, `"data":{"qps":426.3},`, ``)
	f(anything, `2016-10-06T13:55:10Z`, `tomorrow`)
	f(anything, `"seq":147576210`, `"seq":1e40`)
	f(anything, `"lost":0`, `"lost":-1`)
	f(anything, `"lost":0`, `"lost":0.5`)
	f(ErrTooBig, documented, strings.Repeat(" ", MaxReport+1))
	f(ErrShape, `"rate"`, `"circle"`)
	f(ErrShape, `,"shape":"rate"`, ``)
	f(ErrWindow, `"window":{`, `"door":{`)
	f(ErrWindow, `"start":"2016-10-06T13:55:00Z",`, ``)
	f(ErrWindow, `2016-10-06T13:55:10Z`, `2016-10-06T13:54:59Z`)
	f(ErrWindow, `2016-10-06T13:55:10Z`, `2018-10-06T13:55:10Z`)
	f(ErrWindow, `2016-10-06T13:55:00Z`, `1969-12-31T23:59:59Z`)
	f(ErrWindow, `2016-10-06T13:55:10Z`, `9999-12-31T23:59:59Z`)
	f(ErrWindow, `"seq":147576210`, `"seq":-1`)
	f(ErrWindow, `"malformed":1`, `"malformed":8522`)
	f(ErrWindow, `"lost":0`, `"lost":0,"gap":-1`)
	f(ErrWindow, `"lost":0`, `"lost":0,"gap":1e300`)
}

func TestAppendNumber(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := string(AppendNumber(nil, v)); got != want {
			t.Errorf("%g: got %s, want %s", v, got, want)
		}
	}
	f(0, "0")
	f(426.3, "426.3")
	f(1e21, "1000000000000000000000")
	f(1e-7, "0.0000001")
	f(-5, "-5")
	f(math.NaN(), "null")
	f(math.Inf(1), "null")
	f(math.Inf(-1), "null")
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "www.example.org.", `a"b\c`, "\x00\x1f\x20\x7f", "é\u2028😀", "<&>'", "a\xffb\xc3"} {
		got := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%q: %v in %s", s, err, got)
		}
		if want := strings.ToValidUTF8(strings.ReplaceAll(s, "\xff", "\ufffd"), "\ufffd"); back != want {
			t.Errorf("%q reads back as %q", s, back)
		}
	}
}

// FuzzParse: nothing panics, and what parses, appended and parsed again, is
// the same report and the same octets.
func FuzzParse(f *testing.F) {
	f.Add([]byte(documented))
	for _, data := range []string{`[["a.",5],["b.",2]]`, `{"a":{"b":1},"c":{}}`, `{"k":[{"x":1},"y",null]}`, `7`, `null`} {
		for _, s := range Shapes {
			r := documentedReport()
			r.Shape, r.Data = s, json.RawMessage(data)
			r.Window.Gap, r.Window.Partial, r.Window.Error = 1, true, 9
			f.Add(r.Append(nil))
			for _, state := range []string{`{"a.":5,"-:SKIPPED:-":3}`, `{"a":{"b":"AQUC"},"-:SKIPPED:-":3}`, `"AQ=="`} {
				r.State = json.RawMessage(state)
				f.Add(r.Append(nil))
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := Parse(line)
		if err != nil {
			return
		}
		again := r.Append(nil)
		if !json.Valid(again) {
			t.Fatalf("not JSON: %s", again)
		}
		r2, err := Parse(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if diff := cmp.Diff(r, r2); diff != "" {
			t.Fatal(diff)
		}
		// Twice the same merges, or fails without a trace.
		var v Value
		if err := v.Merge(r); err != nil {
			if got := string(v.AppendData(nil, 1, 0)); got != "null" || v.Shape() != "" {
				t.Fatalf("a failed merge left %s", got)
			}
			return
		}
		if err := v.Merge(r); err != nil {
			t.Fatalf("merges once and not twice: %v", err)
		}
		for _, top := range []int{0, 1} {
			if out := v.AppendData(nil, r.Window.Seconds(), top); !json.Valid(out) {
				t.Fatalf("not JSON: %s", out)
			}
		}
	})
}
