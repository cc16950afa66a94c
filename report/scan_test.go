package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzScan: what the scanner takes means what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":{"c":-2.5e3,"d":null}}`, `[1,"x",{"y":[true]}]`, ` { "a\"\\\u00e9" : [ "]", "}" , 1 ] , "b":[]} `,
		`null`, `-0`, `{"":{}}`, `{"a":1,"a":2}`, `["\\"]`, `{"a":1 }`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := parseNode(raw)
		if err != nil || !utf8.Valid(raw) {
			return
		}
		out := n.append(nil, 0)
		if diff := cmp.Diff(anyJSON(t, raw), anyJSON(t, out)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// anyJSON is what the standard library reads, with a number that float64 has no
// room for as it is written: items of lists are kept, not read.
func anyJSON(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return floats(v)
}

func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}
