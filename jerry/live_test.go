package jerry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratadns/report"
)

// A browser reads a stream. It is an http.ResponseWriter itself, so that
// synctest sees what waits for what.
type browser struct {
	mu      sync.Mutex
	header  http.Header
	status  int
	text    string
	blocked chan struct{} // when not nil, writes wait for it to close
	leave   context.CancelFunc
	done    chan struct{}
}

func (b *browser) Header() http.Header { return b.header }
func (b *browser) WriteHeader(s int)   { b.status = s }
func (b *browser) Flush()              {}
func (b *browser) Write(p []byte) (int, error) {
	if b.blocked != nil {
		<-b.blocked
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text += string(p)
	return len(p), nil
}

// read returns what came since the last time.
func (b *browser) read() string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.text
	b.text = ""
	return text
}

func open(t *testing.T, j *Jerry, query, lastEventID string) *browser {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	b := &browser{header: make(http.Header), leave: leave, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/live?"+query, nil)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	go func() {
		defer close(b.done)
		j.Handler(nil).ServeHTTP(b, r)
	}()
	synctest.Wait()
	return b
}

func (b *browser) close() {
	b.leave()
	<-b.done
}

// events are what a stream said, without heartbeats: id, type, start, messages.
func events(t *testing.T, text string) (list []string) {
	t.Helper()
	for block := range strings.SplitSeq(text, "\n\n") {
		if block == "" || strings.HasPrefix(block, ":") {
			continue
		}
		id := "-"
		var a struct {
			Type     string
			From     time.Time
			Messages int
			Servers  []string
			By       map[string]any
		}
		named := false
		for l := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(l, ": ")
			switch name {
			case "id":
				id = value
			case "event":
				named = value == "window"
			case "data":
				if err := json.Unmarshal([]byte(value), &a); err != nil {
					t.Fatalf("%v in %q", err, value)
				}
			default:
				t.Fatalf("a line that is none of an event: %q", l)
			}
		}
		if !named {
			t.Errorf("not an event named window: %q", block)
		}
		s := fmt.Sprintf("%s %s %s %d %s", id, a.Type, a.From.Format("04:05"), a.Messages, strings.Join(a.Servers, ","))
		if a.By != nil {
			s += fmt.Sprintf(" by %d", len(a.By))
		}
		list = append(list, s)
	}
	return list
}

func want(t *testing.T, b *browser, list ...string) {
	t.Helper()
	if diff := cmp.Diff(list, events(t, b.read())); diff != "" {
		t.Error(diff)
	}
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		j.Ingest(line("ns1", "T", report.Count, 0, `1`, nil)) // before anybody reads
		time.Sleep(time.Second)
		all, one := open(t, j, "", ""), open(t, j, "type=T&type=V&server=ns2&by=server", "")
		defer all.close()
		defer one.close()
		if got := all.read(); got != ":\n\n" {
			t.Errorf("on connect: %q", got)
		}
		if got := all.header.Get("Content-Type"); got != "text/event-stream" {
			t.Error(got)
		}

		// The servers of one window come together in one event.
		began := time.Now()
		j.Ingest(line("ns1", "T", report.Count, 1, `1`, nil))
		time.Sleep(100 * time.Millisecond)
		j.Ingest(line("ns2", "T", report.Count, 1, `1`, nil))
		j.Ingest(line("ns2", "U", report.Count, 1, `1`, nil))
		for all.read() == "" {
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(began); d > 250*time.Millisecond {
			t.Errorf("an event took %s", d)
		}
		want(t, one, "2 T 00:10 100 ns2 by 1")

		// A late report changes the window: it is sent again.
		j.Ingest(line("ns3", "T", report.Count, 1, `1`, nil))
		time.Sleep(flushAfter)
		want(t, all, "4 T 00:10 300 ns1,ns2,ns3")
		want(t, one, "4 T 00:10 100 ns2 by 1")

		// A repeat does not.
		j.Ingest(line("ns3", "T", report.Count, 1, `1`, nil))
		time.Sleep(flushAfter)
		want(t, all)
	})
}

func TestLiveContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		for i := range 4 {
			j.Ingest(line("ns1", "T", report.Count, i, `1`, nil))
			time.Sleep(time.Second)
		}
		j.Ingest(line("ns2", "T", report.Count, 2, `1`, nil)) // again, as event 5
		time.Sleep(time.Second)
		f := func(last string, list ...string) {
			t.Helper()
			b := open(t, j, "", last)
			defer b.close()
			want(t, b, list...)
		}
		f("")
		f("5")
		f("3", "4 T 00:30 100 ns1", "5 T 00:20 200 ns1,ns2")
		f("1", "2 T 00:10 100 ns1", "4 T 00:30 100 ns1", "5 T 00:20 200 ns1,ns2")
		f("6") // of a Jerry before this one
		f("x")
		f("-1")
	})
}

func TestLiveHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		b := open(t, j, "", "")
		defer b.close()
		time.Sleep(46 * time.Second)
		if got := b.read(); got != strings.Repeat(":\n\n", 4) {
			t.Errorf("%q, want four comments: at once and each 15 s", got)
		}
	})
}

// Reports are data: nothing in one ends an event or begins another.
func TestLiveKeepsToOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		b := open(t, j, "", "")
		defer b.close()
		j.Ingest(line("ns1", "T", report.ListOf, 0, "[{\"a\":\r\n\n 1},\n\n2]", nil))
		j.Ingest(line("ns1", "U", report.ListOf, 0, `["\n\nevent: x"]`, nil))
		j.Ingest(line("ns1\n\ndata: y", "V\n\n", report.TableOf, 0, `{"\n\ndata: x":1}`, nil))
		time.Sleep(time.Second)
		// A name with line ends in it is refused; data may have them.
		if got := events(t, b.read()); len(got) != 2 {
			t.Errorf("%q", got)
		}
	})
}

func TestLiveSlowReaderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t, func(c *Config) { c.Keep = 1000 * time.Hour })
		slow, quick := open(t, j, "", ""), open(t, j, "type=U", "")
		slow.mu.Lock()
		slow.blocked = make(chan struct{})
		slow.mu.Unlock()
		for i := range maxQueue + 10 {
			j.Ingest(line("ns1", "T", report.Count, 0, `1`, func(r *report.Report) {
				r.Window.Start = t0.UnixNano() - int64(i)*1e9
				r.Window.End = r.Window.Start + 1e9
			}))
			if i == 0 {
				time.Sleep(time.Second) // the first event blocks it
			}
		}
		time.Sleep(time.Second)
		if got := metric(t, j, "live_readers_cut_total"); got != 1 {
			t.Errorf("%g readers cut, want 1", got)
		}
		if got := metric(t, j, "live_readers"); got != 1 {
			t.Errorf("%g readers, want 1", got)
		}
		close(slow.blocked)
		<-slow.done
		quick.close()
		if got := metric(t, j, "live_readers"); got != 0 {
			t.Errorf("%g readers, want 0", got)
		}
	})
}

func TestLiveTooManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		for range maxReaders {
			if err := j.live.join(&reader{}, 0); err != nil {
				t.Fatal(err)
			}
		}
		b := open(t, j, "", "")
		defer b.close()
		if got := b.read(); b.status != 503 || !strings.HasPrefix(got, `{"error":"live: `) {
			t.Errorf("%d %q", b.status, got)
		}
	})
}

func TestLiveEndsWithJerry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		a, b := open(t, j, "", ""), open(t, j, "at=-1m", "")
		j.live.close()
		j.live.close()
		<-a.done
		<-b.done
	})
}

func TestLivePlays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newTest(t)
		for i := range 6 {
			for _, s := range []string{"ns1", "ns2"} {
				j.Ingest(line(s, "T", report.Count, i, `1`, nil))
			}
		}
		time.Sleep(time.Second)
		// From 13:00:20, ten times as fast: a window each second.
		b := open(t, j, "at=2026-11-23T13:00:20Z&speed=10", "")
		defer b.close()
		late := open(t, j, "at=-10s&server=ns1", "") // once as fast
		defer late.close()
		time.Sleep(900 * time.Millisecond)
		want(t, b)
		time.Sleep(200 * time.Millisecond)
		want(t, b, "- T 00:20 200 ns1,ns2")
		time.Sleep(time.Second)
		want(t, b, "- T 00:30 200 ns1,ns2")
		time.Sleep(2 * time.Second)
		want(t, b, "- T 00:40 200 ns1,ns2", "- T 00:50 200 ns1,ns2")
		want(t, late)
		time.Sleep(6 * time.Second)
		want(t, late, "- T 00:50 100 ns1")

		// When it has caught up, it goes on with what comes.
		j.Ingest(line("ns1", "T", report.Count, 6, `1`, nil))
		time.Sleep(time.Second)
		want(t, b, "- T 01:00 100 ns1")
		// The silence before the first window is not played.
		first := open(t, j, "at=0&speed=1000", "")
		defer first.close()
		time.Sleep(100 * time.Millisecond)
		if got := events(t, first.read()); len(got) != 7 {
			t.Errorf("%q", got)
		}
	})
}
