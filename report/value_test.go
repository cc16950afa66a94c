package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// of is a report of ten seconds, or of as many as given.
func of(shape Shape, data string, seconds ...int64) *Report {
	r := &Report{Type: "T", ServerID: "s", Shape: shape, Data: json.RawMessage(data), Window: Window{End: 10e9}}
	if len(seconds) > 0 {
		r.Window.End = seconds[0] * 1e9
	}
	return r
}

func withState(r *Report, state string) *Report {
	r.State = json.RawMessage(state)
	return r
}

func merged(t *testing.T, reports ...*Report) *Value {
	t.Helper()
	var v Value
	for _, r := range reports {
		if err := v.Merge(r); err != nil {
			t.Fatalf("%s: %v", r.Data, err)
		}
	}
	return &v
}

func TestMerge(t *testing.T) {
	f := func(want string, seconds float64, top int, reports ...*Report) {
		t.Helper()
		if got := string(merged(t, reports...).AppendData(nil, seconds, top)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("null", 10, 0)

	f("3", 10, 0, of(Count, "1"), of(Count, "2"))
	f(`{"a":3,"b":5}`, 10, 0, of(Count, `{"a":1}`), of(Count, `{"a":2,"b":5}`))
	f("null", 10, 0, of(Count, "null"), of(Count, "null"))
	f("4", 10, 0, of(Count, "null"), of(Count, "4"), of(Count, "null"))

	// A rate's state is its count: the division comes last.
	f(`{"qps":3}`, 10, 0, of(Rate, `{"qps":1}`), of(Rate, `{"qps":2}`))
	f(`{"qps":1.5}`, 20, 0, of(Rate, `{"qps":1}`), of(Rate, `{"qps":2}`))
	f(`{"qps":2.8}`, 50, 0, of(Rate, `{"qps":4}`, 20), of(Rate, `{"qps":2}`, 30))
	f(`{"aps":0.5,"qps":1}`, 10, 0, of(Rate, `{"qps":1,"aps":0.5}`))
	f(`{"qps":0.333333}`, 3e6, 0, of(Rate, `{"qps":0.333333}`, 3e6))
	f(`{"qps":null}`, 0, 0, of(Rate, `{"qps":null}`, 0))
	f(`{"qps":null}`, 0, 0, of(Rate, `{"qps":5}`))
	f(`{"qps":5}`, 10, 0, of(Rate, `{"qps":null}`, 0), of(Rate, `{"qps":5}`))

	f(`{"a":3,"b":4}`, 10, 0, of(TableOf, `{"a":1}`), of(TableOf, `{"b":4,"a":2}`))
	f(`{"tcp":{"1":1},"udp":{"1":3,"1c":1}}`, 10, 0, of(TableOf, `{"udp":{"1":1,"1c":1}}`), of(TableOf, `{"udp":{"1":2},"tcp":{"1":1}}`))
	f(`{}`, 10, 0, of(TableOf, `{}`), of(TableOf, `{}`))
	f(`{"-:SKIPPED:-":2,"-:SKIPPED_SUM:-":3,"c":3}`, 10, 1, of(TableOf, `{"a":1,"b":2,"c":3}`))
	// Equal counts are in the order of their keys.
	f(`{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":1,"a":1,"b":1}`, 10, 2, of(TableOf, `{"c":1,"b":1,"a":1}`))
	// What was left out before is added to what is left out now, and is no key.
	f(`{"-:SKIPPED:-":9,"-:SKIPPED_SUM:-":22,"c":3}`, 10, 1, of(TableOf, `{"a":1,"b":1,"c":3,"-:SKIPPED:-":7,"-:SKIPPED_SUM:-":20}`))
	f(`{"-:SKIPPED:-":7,"-:SKIPPED_SUM:-":20,"c":3}`, 10, 1, of(TableOf, `{"c":3,"-:SKIPPED:-":7,"-:SKIPPED_SUM:-":20}`))
	// Outer keys are ranked by what is under them.
	f(`{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":3,"x":{"-:SKIPPED:-":1,"-:SKIPPED_SUM:-":2,"a":4}}`, 10, 1, of(TableOf, `{"x":{"a":4,"b":2},"y":{"c":3}}`))

	f(`[["b.",4],["a.",3]]`, 10, 0, of(Top, `[["a.",3],["b.",1]]`), of(Top, `[["b.",3]]`))
	f(`[["a.",2],["b.",2]]`, 10, 0, of(Top, `[["b.",2],["a.",2]]`))
	f(`[["a.",3]]`, 10, 1, of(Top, `[["a.",3],["b.",1]]`))
	// Lists that leave nothing out do not tell how long the merged one may be.
	f(`[["a.",3],["b.",2],["c.",1]]`, 10, 0, of(Top, `[["a.",3]]`), of(Top, `[["b.",2]]`), of(Top, `[["c.",1]]`))
	f(`[["a.",5],["b.",2]]`, 10, 0, withState(of(Top, `[["a.",3],["b.",2]]`), `{"a.":3,"b.":2,"c.":1}`), of(Top, `[["a.",2],["c.",1],["d.",1]]`))
	f(`[]`, 10, 0, of(Top, `[]`))
	f(`[]`, 10, 0, of(Top, `null`))
	// The state has what the data cut; the longest of such data say how many are shown.
	f(`[["c.",6]]`, 10, 0,
		withState(of(Top, `[["a.",5]]`), `{"a.":5,"c.":3}`), withState(of(Top, `[["b.",4]]`), `{"b.":4,"c.":3}`))
	f(`[["c.",6],["a.",5],["b.",4]]`, 10, 3,
		withState(of(Top, `[["a.",5]]`), `{"a.":5,"c.":3}`), withState(of(Top, `[["b.",4]]`), `{"b.":4,"c.":3,"-:SKIPPED:-":99}`))

	f("-1", 10, 0, of(Min, "3"), of(Min, "-1"), of(Min, "2"))
	f("3", 10, 0, of(Max, "-3"), of(Max, "3"), of(Max, "null"))
	f(`{"a":1,"b":2}`, 10, 0, of(Min, `{"a":1}`), of(Min, `{"a":5,"b":2}`))
	f(`{"a":5,"b":2}`, 10, 0, of(Max, `{"a":1}`), of(Max, `{"a":5,"b":2}`))

	f(`[1,{"x":2},"3"]`, 10, 1, of(ListOf, `[1,{"x":2}]`), of(ListOf, `["3"]`))
	f(`{"a":[1,2],"b":[3]}`, 10, 0, of(ListOf, `{"a":[1]}`), of(ListOf, `{"a":[2],"b":[3]}`))
	f(`{"list":[1,2],"queries":5}`, 10, 0, of(ListOf, `{"queries":2,"list":[1]}`), of(ListOf, `{"queries":3,"list":[2]}`))
	f(`{"BE347435":{"1":["a.","b."],"1c":["c."]}}`, 10, 0, of(ListOf, `{"BE347435":{"1":["a."]}}`), of(ListOf, `{"BE347435":{"1":["b."],"1c":["c."]}}`))
}

// Any order and any grouping by window of the same reports gives the same.
func TestMergeOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, shape := range []Shape{Count, Rate, TableOf, Top, Min, Max} {
		var reports []*Report
		for range 20 {
			data := fmt.Sprintf(`{"a":%d,"b":%d,"k%d":1}`, rnd.IntN(100), rnd.IntN(100), rnd.IntN(30))
			if shape == Top {
				data = fmt.Sprintf(`[["a",%d],["k%d",1]]`, rnd.IntN(100), rnd.IntN(30))
			}
			reports = append(reports, of(shape, data))
		}
		want := string(merged(t, reports...).AppendData(nil, 200, 0))
		for range 10 {
			rnd.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
			if got := string(merged(t, reports...).AppendData(nil, 200, 0)); got != want {
				t.Errorf("%s: got %s, want %s", shape, got, want)
			}
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	f := func(r *Report) {
		t.Helper()
		v := merged(t, of(r.Shape, `null`))
		before := string(v.AppendData(nil, 10, 0))
		if err := v.Merge(r); err == nil {
			t.Errorf("%s %.80s merged", r.Shape, r.Data)
		}
		if after := string(v.AppendData(nil, 10, 0)); after != before {
			t.Errorf("%s %.80s: the value was %s and is %s", r.Shape, r.Data, before, after)
		}
	}
	for _, s := range []Shape{Count, Rate, TableOf, Min, Max} {
		for _, data := range []string{`"x"`, `true`, `[1]`, `{"a":[1]}`, `{"a":"1"}`, `{"a":1e999}`, ``, `{"a":`, strings.Repeat(`{"a":`, 17) + `1` + strings.Repeat(`}`, 17)} {
			f(of(s, data))
			f(withState(of(s, `{}`), data))
		}
	}
	f(of(Rate, `5`))
	f(of(Rate, `{"a":{"b":1}}`))
	for _, data := range []string{`{"a":1}`, `5`, `[["a"]]`, `[[1,2]]`, `[["a","b"]]`, `["a"]`, `[["a",[1]]]`} {
		f(of(Top, data))
	}
	for _, state := range []string{`5`, `[]`, `{"a":"b"}`, `{"a":[1]}`, `{`} {
		f(withState(of(Top, `[]`), state))
	}
	for _, data := range []string{`"x"`, `{"a":"x"}`, `[1`, `true`} {
		f(of(ListOf, data))
	}
}

func TestMergeOtherShape(t *testing.T) {
	v := merged(t, of(Count, "1"))
	if err := v.Merge(of(Max, "1")); !errors.Is(err, ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
	if v.Shape() != Count {
		t.Errorf("shape is %s", v.Shape())
	}
}

// Reports of one type that disagree on its form: the first wins, the other is
// told as skipped.
func TestMergeOtherForm(t *testing.T) {
	v := merged(t, of(TableOf, `{"a":1,"b":1}`), of(TableOf, `{"a":{"x":5},"b":1}`), of(TableOf, `7`))
	if got := string(v.AppendData(nil, 10, 0)); got != `{"a":1,"b":2}` || v.Skipped() != 2 {
		t.Errorf("%s, %d skipped", got, v.Skipped())
	}
}

func TestMergeBounds(t *testing.T) {
	var list, table strings.Builder
	for i := range maxItems {
		fmt.Fprintf(&list, ",%d", i)
	}
	for i := range maxKeys {
		fmt.Fprintf(&table, `,"k%d":1`, i)
	}
	v := merged(t, of(ListOf, "["+list.String()[1:]+"]"), of(ListOf, `["newest","of all"]`))
	var items []any
	if err := json.Unmarshal(v.AppendData(nil, 10, 0), &items); err != nil {
		t.Fatal(err)
	}
	if len(items) != maxItems || items[0] != 2.0 || items[maxItems-1] != "of all" || v.Skipped() != 2 {
		t.Errorf("%d items from %v to %v, %d skipped", len(items), items[0], items[len(items)-1], v.Skipped())
	}
	v = merged(t, of(TableOf, "{"+table.String()[1:]+"}"), of(TableOf, `{"k5":1,"new":1,"newer":1}`))
	var keys map[string]int
	if err := json.Unmarshal(v.AppendData(nil, 10, 0), &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys) != maxKeys || keys["k5"] != 2 || v.Skipped() != 2 {
		t.Errorf("%d keys, %d skipped", len(keys), v.Skipped())
	}
}

// Numbers that no window has are refused, so that sums stay what they are.
func TestMergeAbsurdNumbers(t *testing.T) {
	for _, r := range []*Report{
		of(Count, "1e308"), of(Count, "-1e16"), of(TableOf, `{"a":{"b":2e15}}`), of(Top, `[["a",1e300]]`), of(Rate, `{"qps":1e17}`), of(ListOf, `{"cnt":1e99}`),
	} {
		var v Value
		if err := v.Merge(r); !errors.Is(err, errForm) {
			t.Errorf("%s %s: %v", r.Shape, r.Data, err)
		}
	}
}

// Over no time a rate is null; its counts are in the state and add up.
func TestMergeRateOverNoTime(t *testing.T) {
	r := of(Rate, `{"qps":null}`)
	r.Window.End, r.State = r.Window.Start, json.RawMessage(`{"qps":6}`)
	v := merged(t, r, of(Rate, `{"qps":0.4}`)) // of ten seconds
	if got := string(v.AppendData(nil, 10, 0)); got != `{"qps":1}` {
		t.Error(got)
	}
}

// Merging one report changes nothing, also where it shows more keys than a
// state may hold.
func TestMergeLongTop(t *testing.T) {
	var pairs, members []string
	for i := range 3000 {
		pairs = append(pairs, fmt.Sprintf(`["%05d.",%d]`, i, 5000-i))
		if i < 2046 {
			members = append(members, fmt.Sprintf(`"%05d.":%d`, i, 5000-i))
		}
	}
	rest := 0
	for i := 2046; i < 4000; i++ {
		rest += 5000 - i
	}
	r := &Report{
		Shape: Top, Data: json.RawMessage("[" + strings.Join(pairs, ",") + "]"),
		State: json.RawMessage(fmt.Sprintf(`{"-:SKIPPED:-":1954,"-:SKIPPED_SUM:-":%d,%s}`, rest, strings.Join(members, ","))),
	}
	var v Value
	if err := v.Merge(r); err != nil {
		t.Fatal(err)
	}
	if got := string(v.AppendData(nil, 10, 0)); got != string(r.Data) {
		t.Errorf("merged to %.100s…", got)
	}
	// 4,000 keys in all: what is not shown is told.
	want := 0
	for i := 3000; i < 4000; i++ {
		want += 5000 - i
	}
	if n := v.root.members[SkippedKey].num; n != 1000 {
		t.Errorf("%g keys skipped", n)
	}
	if n := v.root.members[SkippedSumKey].num; int(n) != want {
		t.Errorf("sum skipped is %g, want %d", n, want)
	}
}
