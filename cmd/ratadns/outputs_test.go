package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratadns/capture"
	"ratadns/fievel"
	"ratadns/speedy"
)

// configFile writes a configuration.
func configFile(t *testing.T, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "rata.yml")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// liveReports is a monitor's of the sample as if it were live, over a
// configuration. Standard output is stdout.
func liveReports(t *testing.T, config string, stdout io.Writer, log *slog.Logger) (*fievel.Fievel, *outputs) {
	t.Helper()
	packets, err := capture.Open([]string{samplePcap(t)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	cfg, err := loadConfig(configFile(t, t.TempDir(), config))
	if err != nil {
		t.Fatal(err)
	}
	fc, err := cfg.fievel()
	if err != nil {
		t.Fatal(err)
	}
	cfg.live = true
	plain, _ := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	f, outputs, err := newFievel(cfg, fc, &env{rawStdout: stdout, log: log}, plain)
	if err != nil {
		t.Fatal(err)
	}
	live := &dropping{Source: packets}
	src := &source{Source: live, live: live, ports: []uint16{53}}
	if err := src.reduce(t.Context(), quiet, f); err != nil {
		t.Fatal(err)
	}
	return f, outputs
}

// TestBrokenOutputs: a full disk, named pipes that nobody opens, that somebody
// opens and does not read, or leaves, and a Redis that is away delay nobody, and
// end nothing. What they do not take is counted and told.
func TestBrokenOutputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"nobody", "idle", "left"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	defer open("idle").Close()
	left := open("left")
	left.Close()
	var log growing
	var stdout bytes.Buffer
	f, outputs := liveReports(t, `server: s
redis: {url: "redis://127.0.0.1:`+freePort(t)+`/0"}
window: {duration: 1s}
reducers:
- {name: Good, use: OnlyQueries, output: {file: `+dir+`/good}}
- {name: Full, use: OnlyQueries, output: {file: /dev/full}}
- {name: Nobody, use: OnlyQueries, output: {file: `+dir+`/nobody}}
- {name: Idle, use: OnlyQueries, output: {file: `+dir+`/idle}}
- {name: Left, use: OnlyQueries, output: {file: `+dir+`/left}}
- {name: Away, use: OnlyQueries, output: {redis: {}}}
- {name: Stdout, use: OnlyQueries}
- {name: Gone, use: OnlyQueries, output: discard}
`, &stdout, slog.New(slog.NewTextHandler(&log, nil)))
	sent := f.Stats.Reports / 8
	if err := outputs.Close(slog.New(slog.NewTextHandler(&log, nil))); err == nil {
		t.Error("closed without an error")
	}
	good, err := os.ReadFile(filepath.Join(dir, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"Good": good, "Stdout": stdout.Bytes()} {
		if n := uint64(bytes.Count(b, []byte(`{"type":"`+name+`"`))); n != sent || sent < 50 || n != uint64(bytes.Count(b, []byte("\n"))) {
			t.Errorf("%s: %d reports, want %d", name, n, sent)
		}
	}
	for _, q := range outputs.queues {
		s := q.Stats()
		name := filepath.Base(q.name)
		bad := name != "good" && name != "stdout"
		if s.Sent+s.Dropped != sent || (s.Dropped > 0) != bad || name != "idle" && bad && s.Sent > 0 {
			t.Errorf("%s: %+v of %d", q.name, s, sent)
		}
		if told := "output=" + q.name + " count="; name != "idle" && strings.Contains(log.String(), told) != bad {
			t.Errorf("%s: told %v: %s", q.name, !bad, log.String())
		}
		if told := fmt.Sprintf("output=%s sent=%d dropped=%d", q.name, s.Sent, s.Dropped); !strings.Contains(log.String(), told) {
			t.Errorf("not told: %s: %s", told, log.String())
		}
	}
	for _, told := range []string{"redis is away", fmt.Sprintf("msg=redis sent=0 dropped=%d", sent)} {
		if !strings.Contains(log.String(), told) {
			t.Errorf("not told: %s: %s", told, log.String())
		}
	}
}

// TestSlowOutput: nobody reads standard output of a live monitor; its file is
// complete all the same.
func TestSlowOutput(t *testing.T) {
	t.Parallel()
	reports := filepath.Join(t.TempDir(), "reports.jsonl")
	_, stuck := io.Pipe()
	f, outputs := liveReports(t, "server: s\nreducers:\n- Identity\n- {use: QueriesPerSecond, output: {file: "+reports+"}}\n", stuck, quiet)
	sent := f.Stats.Reports / 2
	if err := outputs.Close(quiet); err == nil || !strings.HasPrefix(err.Error(), "stdout: ") {
		t.Errorf("closed with %v", err)
	}
	s := outputs.queues[0].Stats()
	if s.Sent != 0 || s.Dropped != sent {
		t.Errorf("standard output: %+v of %d", s, sent)
	}
	b, err := os.ReadFile(reports)
	if n := bytes.Count(b, []byte("\n")); err != nil || uint64(n) != sent {
		t.Errorf("%d reports in the file, want %d: %v", n, sent, err)
	}
}

// TestRotationKilled ends a monitor with SIGKILL while it writes: files with their
// own names are complete, and the next start completes the one that was left.
func TestRotationKilled(t *testing.T) {
	ratadns, dir := self(t), t.TempDir()
	config := configFile(t, dir, "server: s\nwindow: {duration: 1s}\noutput: {file: "+dir+"/r.jsonl, rotate: {size: 20KiB}}\nreducers: [OnlyQueries, QueriesPerSecond]\n")
	cmd := exec.Command(ratadns, "monitor", "-r", "-", "--config", config)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = stdin.Write(pcap[:len(pcap)/2])
	if err != nil {
		t.Fatal(err)
	}
	complete := func() []string {
		list, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		return list
	}
	for deadline := time.Now().Add(30 * time.Second); len(complete()) < 3 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Kill()
	_ = cmd.Wait()
	before := complete()
	if len(before) < 3 {
		t.Fatalf("only %d files", len(before))
	}
	// Half a line, as a machine that lost its power leaves.
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) == 1 {
		f, err := os.OpenFile(parts[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(`{"type":"Qu`)
		f.Close()
	}
	if out, err := exec.Command(ratadns, "monitor", "-r", samplePcap(t), "--config", config).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left: %q", parts)
	}
	if len(complete()) <= len(before) {
		t.Errorf("%d files after %d", len(complete()), len(before))
	}
	for _, name := range complete() {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.HasSuffix(b, []byte("}\n")) {
			t.Errorf("%s: %v, ends in %q", name, err, b[max(0, len(b)-20):])
		}
		for line := range bytes.Lines(b) {
			if !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.HasSuffix(line, []byte("}\n")) {
				t.Errorf("%s: %.60q", name, line)
			}
		}
	}
}
