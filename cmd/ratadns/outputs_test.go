package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratadns/capture"
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

// TestSlowOutput: nobody reads standard output of a live monitor; its file is
// complete all the same.
func TestSlowOutput(t *testing.T) {
	packets, err := capture.Open([]string{samplePcap(t)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	dir := t.TempDir()
	reports := filepath.Join(dir, "reports.jsonl")
	cfg, err := loadConfig(configFile(t, dir, "server: s\nreducers:\n- Identity\n- {use: QueriesPerSecond, output: {file: "+reports+"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	fc, err := cfg.fievel()
	if err != nil {
		t.Fatal(err)
	}
	cfg.live = true
	_, stuck := io.Pipe()
	plain, _ := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	f, outputs, err := newFievel(cfg, fc, &env{rawStdout: stuck, log: quiet}, plain)
	if err != nil {
		t.Fatal(err)
	}
	live := &dropping{Source: packets}
	src := &source{Source: live, live: live, ports: []uint16{53}}
	if err := src.reduce(t.Context(), quiet, f); err != nil {
		t.Fatal(err)
	}
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
