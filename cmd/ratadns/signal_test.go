package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCtrlC interrupts commands whose standard input stays open: before it gave
// anything, inside the first header, and after some packets or a message. They
// end with status 0 and everything flushed.
func TestCtrlC(t *testing.T) {
	ratadns := self(t)
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	frames, err := exec.Command(ratadns, "speedy", "-r", samplePcap(t), "--anonymize", "none").Output()
	if err != nil {
		t.Fatal(err)
	}
	config := stdoutConfig(t)
	for _, c := range []struct {
		name  string
		args  []string
		input []byte
		want  string // on standard output
	}{
		{"speedy, nothing", []string{"speedy"}, nil, ""},
		{"speedy, half a header", []string{"speedy"}, pcap[:10], ""},
		{"speedy, packets", []string{"speedy"}, pcap[:10000], `"qname"`},
		{"monitor, nothing", []string{"monitor", "--config", config}, nil, ""},
		{"monitor, packets", []string{"monitor", "--config", config}, pcap[:10000], `"partial":true`},
		{"up, nothing", []string{"up", "-r", "-", "--listen", "127.0.0.1:0"}, nil, ""},
		{"up, packets", []string{"up", "-r", "-", "--listen", "127.0.0.1:0"}, pcap[:10000], ""},
		{"fievel, nothing", []string{"fievel", "--config", config}, nil, ""},
		{"fievel, messages", []string{"fievel", "--config", config}, frames[:10000], `"partial":true`},
		{"archive, nothing", []string{"archive", "-r", "-", "--dir", t.TempDir()}, nil, ""},
		{"replay, nothing", []string{"replay", "-r", "-", "-w", "-"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(ratadns, c.args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(stdin, bytes.NewReader(c.input)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // until it waits for more
			cmd.Process.Signal(syscall.SIGINT)
			timeout := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
			defer timeout.Stop()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, stderr.String())
			}
			if !strings.Contains(stdout.String(), c.want) {
				t.Errorf("standard output lacks %q: %.300q", c.want, stdout.String())
			}
		})
	}
}

// The writer of a named pipe flushes after the Ctrl-C, as that of standard input
// does, and what it flushes is used.
func TestCtrlCNamedPipe(t *testing.T) {
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(self(t), "speedy", "-r", pipe)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(pcap[:200_000]); err != nil { // more than a pipe holds, so that it reads
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGINT)
	time.Sleep(100 * time.Millisecond)
	_, err = w.Write(pcap[200_000:300_000])
	w.Close()
	if werr := cmd.Wait(); err != nil || werr != nil {
		t.Fatalf("%v, %v\n%s", err, werr, stderr.String())
	}
	cut, err := exec.Command("sh", "-c", `head -c 300000 "$2" | "$1" speedy 2>&1 >/dev/null`, "sh", self(t), samplePcap(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	received := regexp.MustCompile(`received=\d+`)
	if got, want := received.FindString(stderr.String()), received.FindString(string(cut)); got != want || got == "" {
		t.Errorf("%s, want %s", got, want)
	}
}

// A signal that comes twice at once, as timeout(1) sends it, ends a command in
// order as well.
func TestSignalEcho(t *testing.T) {
	pcap, err := os.ReadFile(samplePcap(t))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self(t), "monitor", "--config", stdoutConfig(t))
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close() // after the end: for a second it waits for more
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write(pcap[:200_000]); err != nil { // more than a pipe holds, so that it reads
		t.Fatal(err)
	}
	first := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(20 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGTERM)
	slow := time.Since(first) > echoTime
	err = cmd.Wait()
	if slow {
		t.Skip("the machine took too long between the two")
	}
	if err != nil || !strings.Contains(stdout.String(), `"partial":true`) {
		t.Errorf("%v, standard output %.300q", err, stdout.String())
	}
}

// A command that waits for a reader who reads nothing ends with the second
// Ctrl-C.
func TestCtrlCTwice(t *testing.T) {
	cmd := exec.Command(self(t), "speedy", "-r", samplePcap(t), "--fields", "all")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := cmd.Process.Wait(); ended <- err }()
	timeout := time.After(30 * time.Second)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			return
		case <-again.C:
			cmd.Process.Signal(syscall.SIGINT)
		case <-timeout:
			cmd.Process.Kill()
			t.Fatal("it does not end")
		}
	}
}
