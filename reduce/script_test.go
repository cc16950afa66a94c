package reduce

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// script compiles the text of a script.
func script(t testing.TB, src string) *Script {
	t.Helper()
	s, err := NewScript("mine.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runScript gives messages to a script and returns its report and what it logged.
func runScript(t testing.TB, src string, p Params, msgs []*speedy.Message) (report.Report, string) {
	t.Helper()
	s := script(t, src)
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	w := NewGroup([]Use{{Entry: s.Entry("Mine"), Params: p}}, 1).NewWindow()
	event := NewEvent(plain(t))
	for i, m := range msgs {
		m.Place = uint64(i)
		event.Set(m)
		w.Add(event)
	}
	rep := report.Report{Type: "Mine", ServerID: "server1", Window: report.Window{Start: base, End: base + 10e9}}
	w.Close(event, rep.Window.End, true)
	w.Report(0, &rep)
	if _, err := report.Parse(rep.Append(nil)); err != nil {
		t.Errorf("%s: report does not parse: %v", src, err)
	}
	if err := new(report.Value).Merge(&rep); err != nil {
		t.Errorf("%s: report does not merge: %v", src, err)
	}
	return rep, log.String()
}

// TestScriptErrors: what cannot run is said before anything starts, and where.
func TestScriptErrors(t *testing.T) {
	const add, rep = "def add(m): pass\n", "def report(): pass\n"
	for _, c := range []struct{ src, want string }{
		{"", "mine.star:1:1: add(m) is missing"},
		{add, "mine.star:1:1: report() is missing"},
		{rep, "mine.star:1:1: add(m) is missing"},
		{add + rep + "merge = 1\n", "merge(other) must be a function, not a int"},
		{"def add(): pass\n" + rep, "mine.star:1:1: add takes 0 parameters, want add(m)"},
		{add + "def report(x): pass\n", "mine.star:2:1: report takes 1 parameters"},
		{"def add(m)\n  pass\n", "mine.star:2:1: got newline, want ':'"},
		{"def add(m):\n  x = 1 +\n" + rep, "mine.star:2:10: got newline"},
		{"def add(m):\n  cuonts = nothing\n" + rep, "mine.star:2:12: undefined: nothing"},
		{"def add(m):\n  return m.qnam\n" + rep, "mine.star:2:12: messages have no qnam, see: ratadns reducers --dimensions"},
		{"load('x.star', 'y')\n" + add + rep, "mine.star:1:1: load is not offered"},
		{"x = 1 // 0\n" + add + rep, "mine.star:1:7: floored division by zero"},
		{"x = 'a' + 1\n" + add + rep, "mine.star:1:9: unknown binary op: string + int"},
		{"while True: pass\n" + add + rep, "mine.star:1:1: Starlark computation cancelled: too many steps"},
		{"shape = 'tabel'\n" + add + rep, `shape must be one of count, rate, table, top, min, max, list, got "tabel"`},
		{"shape = 'distinct'\n" + add + rep, "shape must be one of"},
		{"of = 'query'\n" + add + rep, `of must be "queries"`},
		{"of = 1\n" + add + rep, `of must be a string, got a int`},
		{strings.Repeat("#", maxScript+1), "at most 65536 octets"},
	} {
		_, err := NewScript("mine.star", []byte(c.src))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %s", c.src, err, c.want)
		}
	}
}

// TestScripts: what report() gives back, by shape.
func TestScripts(t *testing.T) {
	msgs := traffic(t, 1, 100)
	for _, m := range msgs {
		m.Questions = m.Questions[:min(1, len(m.Questions))]
	}
	const none = "def add(m): pass\n"
	for _, c := range []struct {
		src   string
		shape report.Shape
		data  string
	}{
		{"n = [0]\ndef add(m): n[0] += 1\ndef report(): return n[0]", report.Count, "100"},
		{"n = {'a': 0}\ndef add(m):\n  n['a'] += m.size - m.size + 1\ndef report(): return n", report.TableOf, `{"a":100}`},
		{none + "def report(): return None", report.Count, "null"},
		{none + "def report(): return {'b': 1, 'a': {'x': 1.5}}", report.TableOf, `{"a":{"x":1.5},"b":1}`},
		{none + "def report(): return [1, 'a\"', True, None, (1, 2)]", report.ListOf, `[1,"a\"",true,null,[1,2]]`},
		{none + "def report(): return {'a': [1]}", report.ListOf, `{"a":[1]}`},
		{"shape = 'max'\n" + none + "def report(): return 7", report.Max, "7"},
		{"shape = 'rate'\n" + none + "def report(): return {'qps': 25}", report.Rate, `{"qps":2.5}`},
		{"shape = 'top'\n" + none + "def report(): return {'a': 1, 'b': 3, 'c': 3}", report.Top, `[["b",3],["c",3]]`},
		{"shape = 'top'\n" + none + "def report(): return [['b', 3]]", report.Top, `[["b",3]]`},
		{none + "x = []\ndef f(a, b=2, *c, **d): return a + b + len(c) + len(d)\nx += [f(1)]\nx[0] *= 4\nx.extend([1, 2])\ndef report(): return [x[1:], x[0], '%s-%d' % ('a', 1), 'a,b'.split(','), '{}'.format(3), [i for i in range(3)], sorted([2, 1]), 'x' * 3]",
			report.ListOf, `[[1,2],12,"a-1",["a","b"],"3",[0,1,2],[1,2],"xxx"]`},
	} {
		rep, log := runScript(t, c.src, Params{Top: 2}, msgs)
		if rep.Shape != c.shape || string(rep.Data) != c.data || log != "" {
			t.Errorf("%s:\n%s %s, want %s %s %s", c.src, rep.Shape, rep.Data, c.shape, c.data, log)
		}
	}
}

// TestScriptHostile: scripts that fail cost their own counts and nothing else,
// and a line of the log.
func TestScriptHostile(t *testing.T) {
	msgs := traffic(t, 1, 3000)
	const rep = "\ndef report(): return s[0]"
	for _, c := range []struct {
		name, src, data string
		skipped         uint64
		log             string
	}{
		{"endless loop", "s=[0]\ndef add(m):\n  s[0] += 1\n  while True: pass" + rep, "1", 3000, "add takes more than 20000 steps"},
		{"recursion", "s=[0]\ndef f(n): return f(n+1)\ndef add(m): f(0)" + rep, "0", 3000, "mine.star:2:18: function f called recursively"},
		{"on the 1000th message", "s=[0]\ndef add(m):\n  s[0] += 1\n  1 // (s[0] - 1000)" + rep, "3000", 1, "mine.star:4:5: floored division by zero"},
		{"report fails", "s=[0]\ndef add(m): s[0] += 1\ndef report(): return s[1]", "null", 0, "mine.star:3:23: list index 1 out of range"},
		{"report does not end", "s=[0]\ndef add(m): s[0] += 1\ndef report():\n  while True: pass", "null", 0, "report takes more than 20000000 steps"},
		{"string doubles", "s=[0, 'x']\ndef add(m):\n  for i in range(100): s[1] += s[1]" + rep, "0", 3000, "a string has at most 65536 octets"},
		{"string is repeated", "s=[0]\ndef add(m):\n  'x' * (1 << 40)" + rep, "0", 3000, "1 items 1099511627776 times"},
		{"string is replaced", "s=[0]\ndef add(m):\n  x = 'x' * 60000\n  x.replace('x', x)" + rep, "0", 3000, "mine.star:4:12: a string has at most"},
		{"string is joined", "s=[0]\ndef add(m):\n  x = 'x' * 60000\n  x.join(['a'] * 1000)" + rep, "0", 3000, "a string has at most"},
		{"string is formatted", "s=[0]\ndef add(m):\n  x = 'x' * 60000\n  '%s%s' % (x, x)" + rep, "0", 3000, "a string has at most"},
		{"method is kept", "s=[0]\ndef add(m):\n  f = 'x'.replace\n  f('x', 'y')" + rep, "0", 3000, "method replace is to be called at once"},
		{"integer doubles", "s=[2]\ndef add(m):\n  s[0] = s[0] * s[0]" + "\ndef report(): return 0", "0", 2989, "an integer has at most 4096 bits"},
		{"list doubles", "s=[0, [1]]\ndef add(m):\n  s[1].extend(s[1])" + rep, "0", 2986, "mine.star"},
		{"range", "s=[0]\ndef add(m): list(range(1 << 40))" + rep, "0", 3000, "a range has at most"},
		{"list in lists written out", "s=[0]\ndef add(m):\n  a = []\n  for i in range(60): a = [a, a]\n  str(a)" + rep, "0", 3000, "a string has at most"},
		{"message is kept", "s=[0]\nk = []\ndef add(m): k.append(m)\ndef report(): return k[0].qname", "null", 0, "m is only good while add(m) runs"},
		{"print", "s=[0]\ndef add(m): print(m.qname)" + rep, "0", 3000, "print is not offered"},
		{"no number", "s=[0]\ndef add(m): pass\ndef report(): return float('inf')", "null", 0, "not finite"},
		{"in itself", "s=[0]\ndef add(m): pass\ndef report():\n  s[0] = s\n  return s", "null", 0, "list in itself"},
		{"keys", "s=[0]\ndef add(m): pass\ndef report(): return {1: 2}", "null", 0, "keys are strings, got a int"},
		{"function", "s=[0]\ndef add(m): pass\ndef report(): return add", "null", 0, "a function cannot be reported"},
		{"too much", "s=[0]\ndef add(m): pass\ndef report():\n  x = 'x' * 60000\n  return [x] * 1000", "null", 0, "of data"},
		{"not of its shape", "shape='table'\ndef add(m): pass\ndef report(): return ['a']", "null", 0, "data do not have the form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, log := runScript(t, c.src, Params{}, msgs)
			if string(rep.Data) != c.data || rep.Window.Skipped != c.skipped {
				t.Errorf("data %.100s, skipped %d; want %s, %d", rep.Data, rep.Window.Skipped, c.data, c.skipped)
			}
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, c.log) {
				t.Errorf("log: %s\nwant one line with %s", log, c.log)
			}
		})
	}
}

// TestScriptState: a script that keeps too much rests until the window's end.
func TestScriptState(t *testing.T) {
	msgs := traffic(t, 1, 3000)
	for _, grow := range []string{
		"s['n'] += 1\n  for i in range(200): s[str(s['n']) + '-' + str(i)] = i",
		"s['n'] += 1\n  s[s['n']] = 'x' * 50000",
		"s['n'] += 1\n  s[s['n']] = list(range(10000))",
	} {
		rep, log := runScript(t, "s={'n': 0}\ndef add(m):\n  "+grow+"\ndef report(): return s['n']", Params{}, msgs)
		if rep.Window.Skipped == 0 || !strings.Contains(log, "keeps more than 64 MiB") {
			t.Errorf("%s: skipped %d of %s, log %q", grow, rep.Window.Skipped, rep.Data, log)
		}
	}
}

// TestScriptWindows: each window begins with the top level's state.
func TestScriptWindows(t *testing.T) {
	s := script(t, "n = [0]\ndef add(m): n[0] += 1\ndef report(): return n[0]")
	w := NewGroup([]Use{{Entry: s.Entry("Mine")}}, 1).NewWindow()
	event := NewEvent(plain(t))
	for _, want := range []string{"5", "5", "5"} {
		for _, m := range traffic(t, 1, 5) {
			event.Set(m)
			w.Add(event)
		}
		var rep report.Report
		w.Report(0, &rep)
		if string(rep.Data) != want {
			t.Errorf("%s, want %s", rep.Data, want)
		}
		w.Reset()
	}
}

const countByName = `
counts = {}
def add(m):
    counts[m.qname] = counts.get(m.qname, 0) + 1
def report():
    return {k: n for k, n in counts.items() if k}
def merge(other):
    for k, n in other.counts.items():
        counts[k] = counts.get(k, 0) + n
`

// TestScriptWorkers: with merge, the report is the same for any number of
// workers, and that of the catalogue.
func TestScriptWorkers(t *testing.T) {
	names, _ := Find("NameCounter")
	msgs := traffic(t, 1, 3000)
	want := shared(t, []Use{{Entry: names}}, 1, msgs)
	entry := script(t, countByName).Entry("NameCounter")
	for _, workers := range []int{1, 2, 5} {
		got := shared(t, []Use{{Entry: entry}}, workers, msgs)
		for i := range want {
			a, _ := report.Parse([]byte(want[i]))
			b, _ := report.Parse([]byte(got[i]))
			if !bytes.Equal(a.Data, b.Data) {
				t.Errorf("%d workers: %.200s, want %.200s", workers, b.Data, a.Data)
			}
		}
	}
}

const countThenFail = `
n = [0]
def add(m):
    n[0] += 1
    fail("after it has counted")
def report():
    return n[0]
def merge(other):
    n[0] += other.n[0]
`

// TestScriptWorkersThatFail: what add changed before it failed stays, also where
// every message of a worker failed.
func TestScriptWorkersThatFail(t *testing.T) {
	msgs := traffic(t, 1, 3000)
	entry := script(t, countThenFail).Entry("Mine")
	want := shared(t, []Use{{Entry: entry}}, 1, msgs)
	if !strings.Contains(strings.Join(want, ""), `"skipped":`) {
		t.Fatalf("nothing failed: %s", want)
	}
	for _, workers := range []int{2, 5} {
		if diff := cmp.Diff(want, shared(t, []Use{{Entry: entry}}, workers, msgs)); diff != "" {
			t.Errorf("%d workers: %s", workers, diff)
		}
	}
}

// FuzzScript: no script ends the program, whatever it is.
func FuzzScript(f *testing.F) {
	f.Add(countByName)
	f.Add("s=[0]\ndef add(m):\n  s[0] += 1\n  s[:] \ndef report(): return {'a': (1, 2), 'b': s * 3}")
	f.Add("def add(m): [m.client, m.qtype, m.rd, m.latency, m.malformed]\ndef report(): return '%s' % {1: [2]}")
	msgs := traffic(f, 1, 20)
	f.Fuzz(func(t *testing.T, src string) {
		s, err := NewScript("mine.star", []byte(src))
		if err != nil {
			return
		}
		w := NewGroup([]Use{{Entry: s.Entry("Mine")}}, 1).NewWindow()
		event := NewEvent(plain(t))
		for _, m := range msgs {
			event.Set(m)
			w.Add(event)
		}
		rep := report.Report{Type: "Mine", ServerID: "s", Window: report.Window{Start: base, End: base + 1e9}}
		w.Report(0, &rep)
		if _, err := report.Parse(rep.Append(nil)); err != nil {
			t.Errorf("%q: %v", src, err)
		}
	})
}

func BenchmarkScript(b *testing.B) {
	msgs := traffic(b, 1, 2000)
	for _, c := range []struct{ name, src string }{
		{"nothing", "def add(m): pass\ndef report(): return 0"},
		{"by qname", countByName},
		{"by qtype and rcode", "counts = {}\ndef add(m):\n  if m.rcode == 'NOERROR':\n    k = (m.qtype, m.rcode)\n    counts[k] = counts.get(k, 0) + 1\ndef report(): return len(counts)"},
		{"sum by client", "sums = {}\ndef add(m):\n  sums[m.client] = sums.get(m.client, 0) + m.size\ndef report(): return sums"},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := NewGroup([]Use{{Entry: script(b, c.src).Entry("Mine")}}, 1).NewWindow()
			batch := testBatch(b)
			b.ReportAllocs()
			for b.Loop() {
				w.addAll(batch, msgs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/message")
			if s := w.reducers[0].(*scripted); s.failures > 0 {
				b.Fatal(s.first)
			}
		})
	}
}
