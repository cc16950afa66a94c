package fievel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
	"ratadns/speedy"
)

// seconds writes a time as seconds after base.
func seconds(ns int64) string {
	return strings.TrimSuffix(fmt.Sprint(time.Duration(ns-base).Seconds()), ".0")
}

// windows writes each report's window on a line: server, [start,end), seq less
// that of base, messages, and what else is told.
func windows(list []*report.Report, baseSeq int64) (lines []string) {
	for _, r := range list {
		w := r.Window
		s := fmt.Sprintf("%s [%s,%s) #%d %d", r.ServerID, seconds(w.Start), seconds(w.End), w.Seq-baseSeq, w.Messages)
		if w.Lost > 0 {
			s += fmt.Sprintf(" lost %d", w.Lost)
		}
		if w.Partial {
			s += " partial"
		}
		if w.Gap > 0 {
			s += fmt.Sprintf(" gap %g", float64(w.Gap)/1e9)
		}
		lines = append(lines, s)
	}
	return lines
}

func TestWindowsOfTime(t *testing.T) {
	const day = 24 * 3600
	for _, c := range []struct {
		name string
		msgs []*speedy.Message
		want []string
		late uint64
	}{
		{"nothing", nil, nil, 0},
		{"one message", queries(3), []string{"server1 [0,10) #0 1 partial"}, 0},
		{"half-open", queries(0, 9.999999999, 10, 19.999999999, 20), []string{
			"server1 [0,10) #0 2 partial", "server1 [10,20) #1 2", "server1 [20,30) #2 1 partial",
		}, 0},
		{"first and last are partial", queries(5, 15, 25, 35), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 1", "server1 [30,40) #3 1 partial",
		}, 0},
		{"out of order in time", queries(9, 10.5, 9.5, 10.999999999, 9.6), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 2 partial",
		}, 0},
		{"late", queries(9, 10.5, 11, 9.5, 12), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 3 lost 1 partial",
		}, 1},
		{"late, told in the report after", queries(5, 15, 21, 14, 13, 25, 31), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 2 lost 2", "server1 [30,40) #3 1 partial",
		}, 2},
		{"empty windows", queries(5, 45), []string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 0", "server1 [20,30) #2 0", "server1 [30,40) #3 0",
			"server1 [40,50) #4 1 partial",
		}, 0},
		{"before base", queries(-0.5, 0.5), []string{
			"server1 [-10,0) #-1 1 partial", "server1 [0,10) #0 1 partial",
		}, 0},

		// A packet from 1970, and others that nobody confirms.
		{"1970 first", before(1, queries(1, 2, 3), 0), []string{"server1 [0,10) #0 3 partial"}, 1},
		{"1970 second", before(1, queries(1, 2, 3, 4), 1), []string{"server1 [0,10) #0 4 partial"}, 1},
		{"1970 third", before(1, queries(1, 2, 3, 4, 5), 2), []string{"server1 [0,10) #0 5 partial"}, 1},
		{"1970 in the middle", before(1, queries(1, 2, 3, 11, 12), 3), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 2 partial",
		}, 1},
		{"1970 last", before(1, queries(1, 2, 3), 3), []string{"server1 [0,10) #0 3 partial"}, 1},
		{"1970 among two", before(1, queries(1, 2), 1), []string{"server1 [0,10) #0 2 partial"}, 1},
		{"1970 and one", before(1, queries(1), 0), []string{"server1 [0,10) #0 1 partial"}, 1},
		{"two from the future", queries(1, 2, 3, 2*day, 2*day+1, 4), []string{"server1 [0,10) #0 4 partial"}, 2},
		{"two from the future at the end", queries(1, 2, 3, 2*day, 2*day+1), []string{"server1 [0,10) #0 3 partial"}, 2},
		{"three that do not agree", queries(1, 2, 3, 2*day, 9*day, 16*day, 4), []string{"server1 [0,10) #0 4 partial"}, 3},

		// Times before 1970 are never right.
		{"long ago", times(-1, -2, -3), nil, 3},
		{"long ago first", slices.Concat(times(-1, -2, -1<<62, -1<<63), queries(1, 2, 3)), []string{"server1 [0,10) #0 3 partial"}, 4},
		{"far away", slices.Concat(queries(1, 2, 3), times(1<<63-1, 1<<63-1, 1<<63-1)), []string{"server1 [0,10) #0 3 partial"}, 3},
		{"long ago in the middle", slices.Concat(queries(1, 2, 3), times(-5, -5, -5), queries(11)), []string{
			"server1 [0,10) #0 3 partial", "server1 [10,20) #1 1 partial",
		}, 3},
		{"at 1970", times(0, 1, 999_999_999), nil, 0}, // checked below
	} {
		t.Run(c.name, func(t *testing.T) {
			s, st := run(t, config(nil), heartbeat, c.msgs)
			got := windows(s.reports(), tens)
			if c.name == "at 1970" {
				got = windows(s.reports(), 0)
				c.want = []string{fmt.Sprintf("server1 [%s,%s) #0 3 partial", seconds(0), seconds(10e9))}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if st.Late != c.late {
				t.Errorf("late %d, want %d", st.Late, c.late)
			}
		})
	}
}

// times are messages at absolute times in nanoseconds.
func times(at ...int64) (msgs []*speedy.Message) {
	for _, a := range at {
		msgs = append(msgs, message(a, ns1, "www.example.org.", 0x0100))
	}
	return msgs
}

// before puts one message of that absolute time into msgs.
func before(at int64, msgs []*speedy.Message, i int) []*speedy.Message {
	return slices.Insert(msgs, i, times(at)...)
}

func TestJumps(t *testing.T) {
	const day = 24 * 3600
	t.Run("forward", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 2, 3, 2*day+1, 2*day+2, 2*day+3, 2*day+11))
		got := windows(s.reports(), tens)
		n := 1 + maxQuiet + 2
		if len(got) != n || st.Late != 0 {
			t.Fatalf("%d reports, %d late, want %d, 0", len(got), st.Late, n)
		}
		for i, want := range map[int]string{
			0: "server1 [0,10) #0 3 partial", 1: "server1 [10,20) #1 0", maxQuiet: "server1 [3600,3610) #360 0",
			n - 2: fmt.Sprintf("server1 [172800,172810) #17280 3 gap %d", 172800-3610),
			n - 1: "server1 [172810,172820) #17281 1 partial",
		} {
			if got[i] != want {
				t.Errorf("report %d: got %s, want %s", i, got[i], want)
			}
		}
	})
	t.Run("backward", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 12, 25, -2*day+1, -2*day+2, -2*day+3, -2*day+11, -2*day+30))
		if diff := cmp.Diff([]string{
			"server1 [0,10) #0 1 partial", "server1 [10,20) #1 1", "server1 [20,30) #2 1 partial",
			"server1 [-172800,-172790) #-17280 3 partial", "server1 [-172790,-172780) #-17279 1",
			"server1 [-172780,-172770) #-17278 0", "server1 [-172770,-172760) #-17277 1 partial",
		}, windows(s.reports(), tens)); diff != "" || st.Late != 0 {
			t.Error(diff, st)
		}
	})
	t.Run("just under a day", func(t *testing.T) {
		s, st := run(t, config(nil), heartbeat, queries(1, 2, 3, day+2))
		if n := len(s.lines); n != 1+maxQuiet+1 || st.Late != 0 {
			t.Errorf("%d reports, %+v", n, st)
		}
	})
	t.Run("a late message does not turn back time", func(t *testing.T) {
		const hour = 3600
		_, st := run(t, config(nil), heartbeat, queries(0, 0, 0, 23*hour, 2*hour, 46*hour))
		if st.Late != 1 {
			t.Errorf("%+v", st)
		}
	})
	t.Run("queries that wait end with their time", func(t *testing.T) {
		s, _ := run(t, config(nil), []string{"AlonePackets"}, queries(1, 2, 3, -2*day+1, -2*day+2, -2*day+3))
		var got []string
		for _, r := range s.reports() {
			n := strings.Count(string(r.Data), `"flags"`)
			got = append(got, fmt.Sprint(n))
		}
		// All six are one transaction, sent again: alone once in each time.
		if diff := cmp.Diff([]string{"1", "1"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		gap  float64 // seconds
		n    int
		last string
	}{
		// At most 360 empty windows in a row.
		{3610, 1 + 360 + 1, "server1 [3610,3620) #361 1 partial"},
		{3620, 1 + 360 + 1, "server1 [3620,3630) #362 1 partial gap 10"},
		{7200, 1 + 360 + 1, "server1 [7200,7210) #720 1 partial gap 3590"},
	} {
		s, _ := run(t, config(nil), heartbeat, queries(0, 0, 0, c.gap))
		got := windows(s.reports(), tens)
		if len(got) != c.n || got[len(got)-1] != c.last {
			t.Errorf("after %g s: %d reports, the last %s, want %d, %s", c.gap, len(got), got[len(got)-1], c.n, c.last)
		}
	}
	// A busy time between two quiet ones begins the count again.
	s, _ := run(t, config(nil), heartbeat, queries(0, 0, 0, 3600, 7200))
	for _, w := range windows(s.reports(), tens) {
		if strings.Contains(w, "gap") {
			t.Errorf("gap after 359 empty windows: %s", w)
		}
	}
}

func TestLateness(t *testing.T) {
	for _, c := range []struct {
		lateness time.Duration
		want     string
	}{
		{0, "1 late"}, {500 * time.Millisecond, "1 late"}, {501 * time.Millisecond, "0 late"}, {time.Hour, "0 late"},
	} {
		_, st := run(t, config(func(cfg *Config) { cfg.Window.Lateness = c.lateness }), heartbeat, queries(9, 9, 9, 10.5, 9.5))
		if got := fmt.Sprintf("%d late", st.Late); got != c.want {
			t.Errorf("lateness %s: %s, want %s", c.lateness, got, c.want)
		}
	}
}

func TestWindowsOfMessages(t *testing.T) {
	cfg := config(func(c *Config) { c.Window = Window{Messages: 3} })
	for _, c := range []struct {
		name string
		cfg  Config
		msgs []*speedy.Message
		want []string
		data []string
	}{
		{"nothing", cfg, nil, nil, nil},
		{"cut exactly", cfg, queries(1, 2, 3, 5, 6, 7), []string{
			"server1 [1,3) #0 3", "server1 [3,7) #1 3",
		}, []string{`{"pps":1.5}`, `{"pps":0.75}`}},
		{"the last is partial", cfg, queries(1, 2, 3, 5), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`}},
		{"over no time", cfg, queries(1, 1, 1, 1), []string{
			"server1 [1,1) #0 3", "server1 [1,1) #1 1 partial",
		}, []string{`{"pps":null}`, `{"pps":null}`}},
		{"one message", cfg, queries(1), []string{"server1 [1,1) #0 1 partial"}, []string{`{"pps":null}`}},
		{"out of order", cfg, queries(1, 3, 2, 2.5, 2.6, 2.7), []string{
			"server1 [1,3) #0 3", "server1 [3,3) #1 3",
		}, []string{`{"pps":1.5}`, `{"pps":null}`}},
		{"1970", cfg, before(1, queries(1, 2, 3, 5), 2), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`}},
		{"time begins anew", cfg, queries(1, 2, 3, 5, -200_000, -199_999, -199_998, -199_996), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial",
			"server1 [-200000,-199998) #2 3", "server1 [-199998,-199996) #3 1 partial",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`, `{"pps":1.5}`, `{"pps":0.5}`}},
		{"years later", cfg, queries(1, 2, 3, 5, 60_000_005, 60_000_006, 60_000_007), []string{
			"server1 [1,3) #0 3", "server1 [3,5) #1 1 partial", "server1 [6.0000005e+07,6.0000007e+07) #2 3 gap 6e+07",
		}, []string{`{"pps":1.5}`, `{"pps":0.5}`, `{"pps":1.5}`}},
		{"several servers", config(func(c *Config) { c.Window = Window{Messages: 2}; c.Servers = two; c.Server = "rest" }), []*speedy.Message{
			query(1, ns1, "a."), query(2, ns2, "a."), query(3, ns1v6, "a."), query(4, other, "a."), query(5, ns1, "a."), query(6, ns2, "a."), query(6, ns1, "a."),
		}, []string{
			"ns1 [1,3) #0 2", "ns2 [2,6) #0 2", "ns1 [3,6) #1 2", "rest [4,4) #0 1 partial",
		}, []string{`{"pps":1}`, `{"pps":0.5}`, `{"pps":0.6666666666666666}`, `{"pps":null}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, st := run(t, c.cfg, []string{"PacketsPerSecond"}, c.msgs)
			var data []string
			for _, r := range s.reports() {
				data = append(data, string(r.Data))
			}
			if diff := cmp.Diff(c.want, windows(s.reports(), 0)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.data, data); diff != "" || st.Late != uint64(strings.Count(c.name, "1970")) {
				t.Error(diff, st)
			}
		})
	}
}

// TestAloneAtTheEnd: queries that wait when the input ends are told, also where
// the last window was full or has been closed by the clock.
func TestAloneAtTheEnd(t *testing.T) {
	msgs := []*speedy.Message{query(1, ns1, "a."), query(2, ns1, "b."), query(2.5, ns1, "c.")}
	for _, c := range []struct {
		name string
		cfg  Config
		tick int64
		seq  int64
		want []string
	}{
		{"full", config(func(c *Config) { c.Window = Window{Messages: 3} }), 0, 0, []string{
			"server1 [1,2.5) #0 3", "server1 [2.5,2.5) #1 0 partial",
		}},
		{"closed", config(func(c *Config) { c.Window = Window{Duration: time.Second, Lateness: time.Second} }), 5e9, base / 1e9, []string{
			"server1 [1,2) #1 1 partial", "server1 [2,3) #2 2", "server1 [3,4) #3 0", "server1 [4,5) #4 0 partial",
		}},
	} {
		s := &sink{t: t}
		f := New(c.cfg, reducers(t, s.output(), "AlonePackets"), plain(t))
		for _, m := range msgs {
			f.Message(m)
		}
		f.Tick(time.Unix(0, base+c.tick))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, windows(s.reports(), c.seq)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		told := 0
		for _, r := range s.reports() {
			told += strings.Count(string(r.Data), `"source"`)
		}
		if told != len(msgs) {
			t.Errorf("%s: %d queries told to be alone, want %d", c.name, told, len(msgs))
		}
	}
}

func TestLostInWindowsOfMessages(t *testing.T) {
	s := &sink{t: t}
	f := New(config(func(c *Config) { c.Window = Window{Messages: 3} }), reducers(t, s.output(), "Null"), plain(t))
	for i, m := range queries(1, 2, 3, 4, 5, 6, 7) {
		if i == 4 {
			f.Lost(client, ns1, 1)
		}
		f.Message(m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"server1 [1,3) #0 3", "server1 [3,6) #1 3 lost 1", "server1 [6,7) #2 1 partial"}, windows(s.reports(), 0)); diff != "" {
		t.Error(diff)
	}
}
