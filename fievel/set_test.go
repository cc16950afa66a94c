package fievel

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/bus"
	"ratadns/reduce"
)

// TestReload changes the reducers at any message: those that stay report what
// they would have, also of transactions that were open; each of the others
// reports whole windows, and the old and the new share none.
func TestReload(t *testing.T) {
	stay := []string{"QueriesPerSecond", "AlonePackets", "TopN"}
	before := append(slices.Clone(stay), "NameCounter", "TopNQ")
	after := append(slices.Clone(stay), "Rcode", "TopNQ")
	all := append(slices.Clone(before), "Rcode")
	msgs := traffic(3, 3000)
	for _, cfg := range []Config{
		config(nil),
		config(func(c *Config) { c.Servers = two }),
		config(func(c *Config) { c.Servers = two; c.Window = Window{Messages: 100} }),
	} {
		of := func(lines []string, types ...string) (list []string) {
			for _, l := range lines {
				if slices.ContainsFunc(types, func(n string) bool { return strings.HasPrefix(l, `{"type":"`+n+`"`) }) {
					list = append(list, l)
				}
			}
			return list
		}
		want, _ := run(t, cfg, all, msgs)
		for _, at := range []int{0, 1, 2, 500, 1499, 2999} {
			s := &sink{t: t}
			f := New(cfg, reducers(t, s.output(), before...), plain(t))
			for i, m := range msgs {
				if i == at {
					f.Reload(reducers(t, s.output(), after...))
				}
				f.Message(m)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if f.Stats.Found != uint64(len(msgs)) || f.Stats.Reduced+f.Stats.Late != f.Stats.Found {
				t.Errorf("at %d: %+v", at, f.Stats)
			}
			stayed := append(stay, "TopNQ")
			if diff := cmp.Diff(of(want.lines, stayed...), of(s.lines, stayed...)); diff != "" {
				t.Errorf("at %d: those that stay:\n%s", at, diff)
			}
			old, fresh := of(s.lines, "NameCounter"), of(s.lines, "Rcode")
			if n := len(of(want.lines, "NameCounter")); len(old)+len(fresh) != n {
				t.Errorf("at %d: %d and %d windows of %d", at, len(old), len(fresh), n)
			}
			for _, l := range append(old, fresh...) {
				if !slices.Contains(want.lines, l) {
					t.Errorf("at %d: not a whole window: %s", at, l)
				}
			}
		}
	}
}

// TestReloadExpression: a reducer that keeps its name reports by its new
// expression, its new fields or its new scope from the next window on, and never
// of a window that began before.
func TestReloadExpression(t *testing.T) {
	declared := func(of, by, where string, out bus.Output) Reducer {
		e, err := reduce.Declare(reduce.Declaration{Name: "Mine", Of: of, By: []string{by}})
		if err != nil {
			t.Fatal(err)
		}
		w, err := reduce.CompileWhere(where)
		if err != nil {
			t.Fatal(err)
		}
		return Reducer{Type: "Mine", Entry: e, Params: reduce.Params{Where: w}, Output: out}
	}
	msgs := traffic(3, 3000)
	const at = 1500
	runs := func(before, after func(out bus.Output) Reducer) []string {
		s := &sink{t: t}
		f := New(config(nil), []Reducer{before(s.output())}, plain(t))
		for i, m := range msgs {
			if i == at {
				f.Reload([]Reducer{after(s.output())})
			}
			f.Message(m)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return s.lines
	}
	old := func(out bus.Output) Reducer { return declared("queries", "qtype", "size > 0", out) }
	before := runs(old, old)
	for _, c := range [][3]string{
		{"queries", "qtype", "size > 60000"},
		{"queries", "qname", "size > 0"},
		{"responses", "qtype", "size > 0"},
	} {
		fresh := func(out bus.Output) Reducer { return declared(c[0], c[1], c[2], out) }
		after, got := runs(fresh, fresh), runs(old, fresh)
		if len(got) != len(before) || len(got) != len(after) {
			t.Fatalf("%v: %d windows, want %d", c, len(got), len(before))
		}
		turn := 0
		for turn < len(got) && got[turn] == before[turn] {
			turn++
		}
		if turn == 0 || turn == len(got) {
			t.Errorf("%v: changed at window %d of %d", c, turn, len(got))
		}
		if diff := cmp.Diff(after[turn:], got[turn:]); diff != "" {
			t.Errorf("%v: after the change:\n%s", c, diff)
		}
	}
}
