package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// keyed is a report of that shape with a sketch of values for each key.
func keyed(shape Shape, keys map[string][]uint64) *Report {
	var members []string
	for k, values := range keys {
		s := shape.NewSketch()
		for _, v := range values {
			addTo(s, v)
		}
		members = append(members, fmt.Sprintf("%q:%s", k, AppendSketch(nil, s)))
	}
	return withState(of(shape, "null"), "{"+strings.Join(members, ",")+"}")
}

func TestMergeSketched(t *testing.T) {
	f := func(want string, top int, reports ...*Report) {
		t.Helper()
		if got := string(merged(t, reports...).AppendData(nil, 10, top)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	single := func(shape Shape, values ...uint64) *Report {
		s := shape.NewSketch()
		for _, v := range values {
			addTo(s, v)
		}
		return withState(of(shape, "null"), string(AppendSketch(nil, s)))
	}
	f("0", 0, single(Distinct))
	f("null", 0, single(Quantiles))
	f("3", 0, single(Distinct, 1<<40, 2<<40), single(Distinct, 2<<40, 3<<40), single(Distinct))
	f(`{"p50":20,"p90":30,"p99":30,"p999":30}`, 1, single(Quantiles, 10, 20), single(Quantiles, 30))
	// By key; the state counts the keys that it left out.
	a := map[string][]uint64{"a": {1 << 40, 2 << 40}, "b": {1 << 40}}
	b := map[string][]uint64{"a": {2 << 40}, "c": {5 << 40, 6 << 40, 7 << 40}}
	f(`{"a":2,"b":1,"c":3}`, 0, keyed(Distinct, a), keyed(Distinct, b))
	f(`{"-:SKIPPED:-":1,"a":2,"c":3}`, 2, keyed(Distinct, a), keyed(Distinct, b))
	left := withState(of(Distinct, "{}"), strings.Replace(string(keyed(Distinct, b).State), "{", `{"-:SKIPPED:-":4,`, 1))
	f(`{"-:SKIPPED:-":8,"a":1,"c":3}`, 0, left, left)
	f(`{"-:SKIPPED:-":9,"c":3}`, 1, left, left)
	// The keys with most numbers stay, not those with the highest.
	f(`{"-:SKIPPED:-":1,"b":{"p50":2,"p90":3,"p99":3,"p999":3}}`, 1, keyed(Quantiles, map[string][]uint64{"a": {9, 9}, "b": {1, 2, 3}}))
	f(`{}`, 0, keyed(Distinct, nil))
	nested := withState(of(Distinct, `{"x":{"y":0}}`), `{"x":{"y":"AQ==","-:SKIPPED:-":2}}`)
	f(`{"x":{"-:SKIPPED:-":4,"y":0}}`, 0, nested, nested)
}

func TestMergeSketchedRefuses(t *testing.T) {
	long := `{"k":"AQ=="`
	for i := range MaxState {
		long += fmt.Sprintf(`,"k%d":"AQ=="`, i)
	}
	for _, shape := range []Shape{Distinct, Quantiles} {
		for _, state := range []string{
			``, `null`, `5`, `[]`, `["AQ=="]`, `{"a":5}`, `{"a":null}`, `{"a":["AQ=="]}`, `{"-:SKIPPED:-":"AQ=="}`,
			`""`, `"AQ"`, `"AQ=A"`, `"AR=="`, `"\u0041Q=="`, `"AQ== "`, `"!"`, `"AA=="`, `true`, `{"a":"AQ=="`, long + "}",
			strings.Repeat(`{"a":`, 18) + `"AQ=="` + strings.Repeat("}", 18),
		} {
			var v Value
			if err := v.Merge(withState(of(shape, "null"), state)); err == nil {
				t.Errorf("%s: state %.40s merged", shape, state)
			}
		}
		for _, data := range []string{`"x"`, `[1]`, `{"a":"AQ=="}`, ``} {
			var v Value
			if err := v.Merge(withState(of(shape, data), `"AQ=="`)); err == nil {
				t.Errorf("%s: data %s merged", shape, data)
			}
		}
		if err := new(Value).Merge(of(shape, "5")); err == nil {
			t.Errorf("%s without a state merged", shape)
		}
	}
	// Two forms of one type: the first stays.
	v := merged(t, withState(of(Distinct, "0"), `"AQ=="`), keyed(Distinct, map[string][]uint64{"a": {1}}))
	if got := string(v.AppendData(nil, 10, 0)); got != "0" || v.Skipped() != 1 {
		t.Errorf("%s, %d skipped", got, v.Skipped())
	}
}

// TestMergeSketchesBound: a merged value has room for so many sketches.
func TestMergeSketchesBound(t *testing.T) {
	var v Value
	for i := range 5 {
		keys := make(map[string][]uint64)
		for j := range 1000 {
			keys[fmt.Sprint(i*1000+j)] = []uint64{1}
		}
		if err := v.Merge(keyed(Distinct, keys)); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.root.sketchCount(); n != maxSketches || v.Skipped() != 5000-maxSketches {
		t.Errorf("%d sketches, %d skipped", n, v.Skipped())
	}
}

// TestValueError: the error is that of the merged sketch, not a sum.
func TestValueError(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var c Cardinality
	for range 10_000 {
		c.AddHash(rng.Uint64())
	}
	r := withState(of(Distinct, "0"), string(AppendSketch(nil, &c)))
	v := merged(t, r, r, r)
	if got := v.Error(); got != c.Error() || got < 200 || got > 300 {
		t.Errorf("error is %d, of one report %d", got, c.Error())
	}
	if got := merged(t, of(Count, "1")).Error() + new(Value).Error(); got != 0 {
		t.Errorf("error of a count is %d", got)
	}
}
