package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
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

// TestHangup reloads the configuration in the middle of a stream: a reducer that
// stays counts every message, one that is new reports from its first window on,
// and an error in the file changes nothing.
func TestHangup(t *testing.T) {
	ratadns := self(t)
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	frames, err := exec.Command(ratadns, "speedy", "-r", samplePcap(t), "--anonymize", "none").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		input []byte
	}{
		{[]string{"monitor", "-r", "-", "--workers", "2"}, pcap},
		{[]string{"fievel"}, frames},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			dir := t.TempDir()
			const text = "server: s\noutput: stdout\nanonymize: {method: none}\nwindow: {duration: 1s}\nreducers: [PacketsPerSecond, %]\n"
			write := func(last string) string { return configFile(t, dir, strings.Replace(text, "%", last, 1)) }
			config := write("TopN")
			cmd := exec.Command(ratadns, append(c.args, "--config", config)...)
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
			in := bytes.NewReader(c.input)
			feed := func(n int64) {
				if _, err := io.CopyN(stdin, in, n); err != nil && err != io.EOF {
					t.Fatal(err)
				}
			}
			third := int64(len(c.input) / 3)
			feed(third)
			stdout.await(t, `"type":"TopN"`)

			write("TopNn")
			cmd.Process.Signal(syscall.SIGHUP)
			stderr.await(t, `rata.yml:5:30: unknown reducer \"TopNn\"`)

			write("Rcode")
			cmd.Process.Signal(syscall.SIGHUP)
			for !strings.Contains(stderr.String(), "configuration reloaded") && in.Len() > int(third) {
				feed(third / 100)
				time.Sleep(10 * time.Millisecond)
			}
			feed(int64(in.Len()))
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			messages := make(map[string]uint64)
			ends := make(map[string]int64)
			starts := make(map[string]int64)
			for line := range strings.Lines(stdout.String()) {
				r, err := report.Parse([]byte(strings.TrimSpace(line)))
				if err != nil {
					t.Fatal(err)
				}
				messages[r.Type] += r.Window.Messages
				ends[r.Type] = r.Window.End
				if starts[r.Type] == 0 {
					starts[r.Type] = r.Window.Start
				}
			}
			all := messages["PacketsPerSecond"]
			if all == 0 || messages["TopN"]+messages["Rcode"] != all || messages["TopN"] == 0 || messages["Rcode"] == 0 {
				t.Errorf("messages: %v\n%s", messages, stderr.String())
			}
			if ends["TopN"] != starts["Rcode"] {
				t.Errorf("TopN ends at %d, Rcode begins at %d", ends["TopN"], starts["Rcode"])
			}
			if !strings.Contains(stderr.String(), "late=0") {
				t.Errorf("messages were late: %s", stderr.String())
			}
		})
	}
}
