package archive

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratadns/capture"
)

// TestMain lets the test's own program be an archive in another process, which
// can be killed or run out of room.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ARCHIVE_DIR"); dir != "" {
		os.Exit(archiveStdin(dir))
	}
	os.Exit(m.Run())
}

func archiveStdin(dir string) int {
	if n, err := strconv.ParseUint(os.Getenv("ARCHIVE_ROOM"), 10, 64); err == nil {
		// No file may grow longer: writing fails as on a full disk.
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	cfg := config(dir)
	cfg.Flush = 10 * time.Millisecond
	a, err := New(cfg, slog.Default())
	if err != nil {
		panic(err)
	}
	err = a.Run(context.Background(), func() (capture.Source, error) {
		return capture.NewReader("stdin", os.Stdin, slog.Default())
	})
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	s := a.Stats()
	fmt.Printf("%d received, %d written, %d lost: %v\n", s.Received, s.Written, s.Lost, err)
	if err != nil {
		return 1
	}
	return 0
}

func helper(dir string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "ARCHIVE_DIR="+dir), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// A writer that is killed leaves a file that can be read; the next one gives
// it a name.
func TestKilled(t *testing.T) {
	program(t, "zstdcat")
	dir := t.TempDir()
	cmd := helper(dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all := packets(hour, 100_000, time.Millisecond)
	if _, err := in.Write(pcap(all)); err != nil {
		t.Fatal(err)
	}
	// All but what is in memory comes to the disk while the pipe is silent.
	left := filepath.Join(dir, "20161006T130000Z-000.pcap.zst.partial")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		out, err := exec.Command("zstdcat", "--format=zstd", left).Output()
		if err == nil && len(out) == len(pcap(all)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d octets on disk, want %d; %v", len(out), len(pcap(all)), err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	wantNames(t, dir, filepath.Base(left))
	more := packets(hour, 10, time.Second)
	keep(t, config(dir), more)
	wantNames(t, dir, "20161006T130000Z-000.pcap.zst", "20161006T130000Z-001.pcap.zst")
	wantPackets(t, read(t, dir, "20161006T130000Z-000.pcap.zst"), all)
	wantPackets(t, read(t, dir, "20161006T130000Z-001.pcap.zst"), more)
}

// When the disk is full, what was written is kept and complete, what was not is
// counted, and the error names the file.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	all := packets(hour, 1_000_000, time.Millisecond)
	const room = 3 << 20
	cmd := helper(dir, fmt.Sprint("ARCHIVE_ROOM=", room))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		in.Write(pcap(all)) // the process ends before all is taken
		in.Close()
	}()
	out, err := cmd.Output()
	if err == nil {
		t.Fatalf("no error: %s", out)
	}
	var received, written, lost int
	if _, err := fmt.Sscanf(string(out), "%d received, %d written, %d lost", &received, &written, &lost); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	file := "20161006T130000Z-000.pcap.zst"
	if received != written+lost || lost == 0 || !strings.Contains(string(out), filepath.Join(dir, file)+": file too large") {
		t.Errorf("%s", out)
	}
	wantNames(t, dir, file)
	got := read(t, dir, file)
	if len(got) != written || written == 0 {
		t.Errorf("%d packets, want %d", len(got), written)
	}
	wantPackets(t, got, all[:len(got)])
}
