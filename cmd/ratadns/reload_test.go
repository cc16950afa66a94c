package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratadns/report"
)

// growing is what a command has written so far.
type growing struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (g *growing) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(b)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
}

// await waits until text has been written.
func (g *growing) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(g.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q never came: %.2000s", text, g.String())
		}
	}
}

// A change is the last reducer of the next configuration, and what the log tells
// where that has an error.
type change struct{ last, refused string }

// hangup runs a command over input, and changes the last reducer meanwhile. It
// returns what it reports, its lines by type, and its log.
func hangup(t *testing.T, args []string, input []byte, last string, changes ...change) (reports []*report.Report, byType map[string][]string, log string) {
	t.Helper()
	dir := t.TempDir()
	const text = "server: s\noutput: stdout\nanonymize: {method: none}\nwindow: {duration: 1s}\nreducers: [PacketsPerSecond, %]\n"
	write := func(last string) string { return configFile(t, dir, strings.Replace(text, "%", last, 1)) }
	cmd := exec.Command(self(t), append(args, "--config", write(last))...)
	var stdout, stderr growing
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	in := bytes.NewReader(input)
	feed := func(n int64) {
		if _, err := io.CopyN(stdin, in, n); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	feed(int64(len(input) / 4))
	stdout.await(t, `"type":"PacketsPerSecond"`)
	reloaded := 0
	for _, c := range changes {
		write(c.last)
		cmd.Process.Signal(syscall.SIGHUP)
		if c.refused != "" {
			stderr.await(t, c.refused)
			continue
		}
		reloaded++
		for strings.Count(stderr.String(), "configuration reloaded") < reloaded && in.Len() > 0 {
			feed(int64(len(input) / 2000))
			time.Sleep(10 * time.Millisecond)
		}
		feed(int64(len(input) / 8))
	}
	if in.Len() == 0 {
		t.Errorf("all was read before the last change: %s", stderr.String())
	}
	feed(int64(in.Len()))
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if !strings.Contains(stderr.String(), "late=0") {
		t.Errorf("messages were late: %s", stderr.String())
	}
	byType = make(map[string][]string)
	for line := range strings.Lines(stdout.String()) {
		r, err := report.Parse([]byte(strings.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
		byType[r.Type] = append(byType[r.Type], line)
	}
	return reports, byType, stderr.String()
}

// TestHangupAtStart: a signal that comes while the command waits for the first
// octets of its source does not end it.
func TestHangupAtStart(t *testing.T) {
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	config := configFile(t, t.TempDir(), "server: s\noutput: stdout\nreducers: [PacketsPerSecond]\n")
	cmd := exec.Command(self(t), "monitor", "-r", "-", "--config", config)
	var stdout, stderr growing
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	stderr.await(t, "addresses are anonymised")
	cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(50 * time.Millisecond)
	if _, err := stdin.Write(pcap); err != nil {
		t.Errorf("%v", err)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil || !strings.Contains(stdout.String(), `"type":"PacketsPerSecond"`) {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
}

// TestHangup reloads the configuration in the middle of a stream. A reducer that
// stays reports what it would have. One that is turned on or off, or gets another
// window, begins where the last window with the one before ends, so that each
// message is in one report. An error in the file changes nothing.
func TestHangup(t *testing.T) {
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	frames, err := exec.Command(self(t), "speedy", "-r", samplePcap(t), "--anonymize", "none").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []struct {
		args  []string
		input []byte
	}{
		{[]string{"monitor", "-r", "-", "--workers", "2"}, pcap},
		{[]string{"fievel"}, frames},
	} {
		_, unchanged, _ := hangup(t, command.args, command.input, "TopN")
		for _, c := range []struct {
			name    string
			changes []change
			types   string // that the last reducer reports as, in their order
		}{
			{"another", []change{{"TopNn", `rata.yml:5:30: unknown reducer \"TopNn\"`}, {last: "Rcode"}}, "TopN Rcode"},
			{"off and on", []change{{last: "Null"}, {last: "TopN"}}, "TopN Null TopN"},
			{"window", []change{
				{last: "{use: TopN, window: {duration: 7s}}"},
				{"{use: TopN, window: {duration: 0s}}", "rata.yml:5:61: window.duration must be positive, got 0s"},
				{last: "{use: TopN, window: {messages: 100}}"},
			}, "TopN"},
			{"name", []change{{last: "{name: Mine, use: TopN, n: 3}"}}, "TopN Mine"},
		} {
			t.Run(command.args[0]+" "+c.name, func(t *testing.T) {
				t.Parallel()
				reports, byType, log := hangup(t, command.args, command.input, "TopN", c.changes...)
				if !slices.Equal(byType["PacketsPerSecond"], unchanged["PacketsPerSecond"]) {
					t.Error("the one that stays reports otherwise")
				}
				all, messages, end := uint64(0), uint64(0), int64(0)
				var types []string
				for _, r := range reports {
					if r.Type == "PacketsPerSecond" {
						all += r.Window.Messages
						continue
					}
					messages += r.Window.Messages
					if n := len(types); n == 0 || types[n-1] != r.Type {
						if types = append(types, r.Type); n > 0 && r.Window.Start != end {
							t.Errorf("%s begins at %d, the one before ended at %d", r.Type, r.Window.Start, end)
						}
					}
					end = r.Window.End
				}
				if got := strings.Join(types, " "); all == 0 || messages != all || got != c.types {
					t.Errorf("%s: %d messages of %d\n%s", got, messages, all, log)
				}
			})
		}
	}
}
