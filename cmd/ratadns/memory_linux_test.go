package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ratadns/capture"
	"ratadns/reduce"
)

// Bounds of resident memory at its greatest, in MiB. Go's collector lets the
// heap grow to twice what lives (GOGC=100).
const (
	// Of ordinary traffic some 20 are used: batches of packets, their
	// segments and JSON, and the program itself.
	ordinaryMiB = 100
	// packet.DefaultConfig has 100,000 flows of some 400 octets and 32 MiB that
	// wait; fragments hold 16 MiB and 4,096 datagrams of some 500 octets: 88
	// together, twice. JSON that waits (8 MiB, and 4 for the message that passes
	// it), again while it is merged, and as above: 48. And the program itself, with
	// what the collector is late by where the machine is busy: 32.
	attackMiB = 2*88 + 48 + 32
	// The same for messages that become megabytes each: JSON of one worker that
	// grows, with what it has grown out of, or of four and merged.
	bombMiB = 128
	// A monitor with the whole catalogue and up to four workers: its soft limit,
	// and what the collector is late by.
	monitorMiB = 512
)

// storm is an hour of capture time: a minute of all attacks at once, 100,000
// open flows that have sent a part of a message among them, and silence but for
// some queries; then as many minutes more.
func storm(minutes int) func(w io.Writer) (int, error) {
	return func(w io.Writer) (int, error) {
		a := newAttack(w)
		data := make([]byte, 800)
		for range minutes {
			flow := 0
			a.gap = int64(60e9) / 900_000
			for range 100_000 {
				a.begun(flow, data[:600]) // two packets
				flow++
				a.syn()
				a.fragment(1200)
				a.fragment(600)
				a.garbage()
				a.query(0)
				a.query(0)
				a.query(1000)
			}
			for round := range 4 {
				for i := range 10_000 {
					a.behind(flow-1-i, round, data)
				}
			}
			a.gap = 100e6
			for range 36_000 / minutes {
				a.query(1000)
			}
		}
		a.flush()
		return a.n, a.err
	}
}

// bomb completes 300 messages of megabytes at once.
func bomb(w io.Writer) (int, error) {
	a := newAttack(w)
	a.bomb(300)
	a.flush()
	return a.n, a.err
}

// sparse is a day that has less than one query in a window.
func sparse(w io.Writer) (int, error) {
	a := newAttack(w)
	a.gap = 15e9
	for range 5760 {
		a.query(1000)
	}
	a.flush()
	return a.n, a.err
}

// names asks for n names, each once and from any address, of so many in a window.
// A window of 200,000 goes over max_keys (20,000) ten times and over the lists'
// samples 200 times, over what interners keep, and over the queries that wait
// (100,000); the second window finds what the first has left.
func names(n, window int) func(w io.Writer) (int, error) {
	return func(w io.Writer) (int, error) {
		a := newAttack(w)
		a.gap = int64(10e9) / int64(window)
		for range n {
			a.query(0)
		}
		a.flush()
		return a.n, a.err
	}
}

// looped plays packets so many times, one after the other.
func looped(packets []capture.Packet, times int) func(w io.Writer) (int, error) {
	return func(w io.Writer) (int, error) {
		out, err := capture.NewWriter(w, packets[0].Link)
		span := packets[len(packets)-1].Time - packets[0].Time + 1e9
		for range times {
			for i := 0; i < len(packets) && err == nil; i += 500 {
				err = out.Write(packets[i:min(i+500, len(packets))]...)
			}
			for i := range packets {
				packets[i].Time += span
			}
		}
		return times * len(packets), err
	}
}

var hwm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak runs ratadns on the packets that write makes, and returns its greatest
// resident memory in MiB. It is read from the process itself: what wait tells
// includes the test's own at the fork.
func peak(t *testing.T, write func(w io.Writer) (int, error), args ...string) (mib float64) {
	t.Helper()
	cmd := exec.Command(self(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, seen := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := hwm.FindSubmatch(b); m != nil { // not when it has just ended
				kib, _ := strconv.ParseFloat(string(m[1]), 64)
				most = max(most, kib/1024)
			}
			select {
			case <-ended:
				seen <- most
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	n, werr := write(in)
	in.Close()
	err = cmd.Wait()
	close(ended)
	mib = <-seen
	if err != nil || werr != nil {
		t.Fatalf("%v, %v\n%s", err, werr, stderr.Bytes())
	}
	if !strings.Contains(stderr.String(), fmt.Sprintf("received=%d ", n)) {
		t.Errorf("%d packets were written:\n%s", n, stderr.Bytes())
	}
	return mib
}

// TestMemory measures the greatest resident memory of the program under
// ordinary traffic and under attack.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute or two")
	}
	config := filepath.Join(t.TempDir(), "all.yml")
	if err := os.WriteFile(config, []byte(everyReducer(geoFile(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(name string, bound float64, write func(w io.Writer) (int, error), args ...string) {
		t.Helper()
		mib := peak(t, write, args...)
		t.Logf("%s: %.0f MiB, bound %.0f", name, mib, bound)
		if mib > bound || mib < 5 {
			t.Errorf("%s: %.0f MiB at its greatest, bound %.0f", name, mib, bound)
		}
	}
	ordinary := packetsOf(t, samplePcap(t))
	f("sample, looped", ordinaryMiB, looped(ordinary, 10), "speedy")
	if dir := os.Getenv("RATADNS_SHARED"); dir != "" {
		root := packetsOf(t, filepath.Join(dir, "captures", "root-server.pcap.xz"))
		f("root server, looped", ordinaryMiB, looped(root, 24), "speedy")
		f("root server, looped, 8 workers", ordinaryMiB, looped(root, 24), "speedy", "--workers", "8")
	}
	f("storm", attackMiB, storm(2), "speedy", "--workers", "1")
	f("storm, 4 workers", attackMiB, storm(2), "speedy", "--workers", "4")
	f("bomb", bombMiB, bomb, "speedy", "--workers", "1")
	f("bomb, 4 workers", bombMiB, bomb, "speedy", "--workers", "4")
	f("bomb, monitor", bombMiB, bomb, "monitor", "--config", config)
	f("storm, monitor", monitorMiB, storm(1), "monitor", "--workers", "1", "--config", config)
	f("storm, monitor with 4 workers", monitorMiB, storm(1), "monitor", "--workers", "4", "--config", config)
	f("sparse, monitor with 4 workers", monitorMiB, sparse, "monitor", "--workers", "4", "--config", config)
	f("names, monitor with 4 workers", monitorMiB, names(400_000, 200_000), "monitor", "--workers", "4", "--config", config)
	f("10 million names, monitor", monitorMiB, names(10_000_000, 10_000_000), "monitor", "--workers", "2", "--config", config)
}

// everyReducer is a configuration with all of the catalogue.
func everyReducer(geo string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server: server1\ngeo: {country: %s, asn: %[1]s}\noutput: discard\nreducers:\n", geo)
	for i := range reduce.Catalog {
		fmt.Fprintf(&b, "  - %s\n", reduce.Catalog[i].Name)
	}
	return b.String()
}
