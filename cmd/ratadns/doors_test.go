package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ratadns/capture"
	"ratadns/capture/cases"
)

// packetsOf reads captures into memory, one after the other.
func packetsOf(t *testing.T, names ...string) (all []capture.Packet) {
	t.Helper()
	for _, name := range names {
		src, err := capture.Open([]string{name}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		var b capture.Batch
		for err = src.Read(&b); err == nil; err = src.Read(&b) {
			for _, p := range b.Packets {
				p.Data = bytes.Clone(p.Data)
				all = append(all, p)
			}
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		src.Close()
	}
	return all
}

// counters are what a command's log says of one kind of thing.
func counters(t *testing.T, log []byte, msg string) map[string]uint64 {
	t.Helper()
	c := map[string]uint64{}
	for line := range strings.Lines(string(log)) {
		if _, after, ok := strings.Cut(line, " msg="+msg+" "); ok {
			for _, pair := range strings.Fields(after) {
				key, value, _ := strings.Cut(pair, "=")
				n, err := strconv.ParseUint(value, 10, 64)
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				c[key] = n
			}
			return c
		}
	}
	t.Fatalf("no line of %s:\n%s", msg, log)
	return nil
}

// doors checks a monitor's two ledgers by its log and reports, and returns the
// packets received, dropped ones among them, and what the reports say is lost.
func doors(t *testing.T, log, reports []byte) (received, dropped, lost uint64) {
	t.Helper()
	p, m, r := counters(t, log, "packets"), counters(t, log, "messages"), counters(t, log, "reduced")
	sum := uint64(0)
	for key, n := range p {
		if key != "received" {
			sum += n
		}
	}
	if len(p) != 8 || p["received"] != sum {
		t.Errorf("received is not the sum of the doors: %v", p)
	}
	if m["found"] != r["found"] || r["found"] != r["reduced"]+r["late"] {
		t.Errorf("messages do not add up: %v, %v", m, r)
	}
	var windows struct{ messages, malformed uint64 }
	for line := range bytes.Lines(reports) {
		var report struct {
			Window struct{ Messages, Malformed, Lost uint64 }
		}
		if err := json.Unmarshal(line, &report); err != nil {
			t.Fatal(err)
		}
		windows.messages += report.Window.Messages
		windows.malformed += report.Window.Malformed
		lost += report.Window.Lost
	}
	if windows.messages != r["reduced"] || windows.malformed != r["malformed"] {
		t.Errorf("the windows have %+v, the log %v", windows, r)
	}
	return p["received"], p["dropped"], lost
}

// TestDoors has monitor read captures that are damaged in every way.
func TestDoors(t *testing.T) {
	ratadns, config := self(t), stdoutConfig(t)
	small, err := filepath.Glob("../../capture/cases/*.pcap*")
	if err != nil || len(small) < 100 {
		t.Fatalf("%d captures, %v", len(small), err)
	}
	captures := map[string][]capture.Packet{
		"sample": packetsOf(t, samplePcap(t)), "cases": packetsOf(t, small...),
	}
	if dir := os.Getenv("RATADNS_SHARED"); dir != "" {
		captures["root"] = packetsOf(t, filepath.Join(dir, "captures", "root-server.pcap.xz"))
	}
	for name, packets := range captures {
		t.Run(name, func(t *testing.T) {
			for how, damage := range cases.Damages {
				damaged := damage(rand.New(rand.NewPCG(7, 8)), packets)
				t.Run(how, func(t *testing.T) { monitorDoors(t, ratadns, config, damaged, 0) })
			}
			damaged := cases.All(rand.New(rand.NewPCG(9, 10)), packets)
			t.Run("all", func(t *testing.T) { monitorDoors(t, ratadns, config, damaged, 0) })
			t.Run("file cut", func(t *testing.T) { monitorDoors(t, ratadns, config, packets, 7) })
		})
	}
}

// monitorDoors runs a monitor over packets in a file, which lacks so many
// octets at its end.
func monitorDoors(t *testing.T, ratadns, config string, packets []capture.Packet, cut int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged.pcapng")
	file := cases.File(packets)
	if err := os.WriteFile(path, file[:len(file)-cut], 0o600); err != nil {
		t.Fatal(err)
	}
	want := uint64(len(packets))
	if cut > 0 {
		want--
	}
	var first []byte
	for _, workers := range []string{"1", "3"} {
		cmd := exec.Command(ratadns, "monitor", "-r", path, "--config", config, "--workers", workers)
		var log bytes.Buffer
		cmd.Stderr = &log
		reports, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, log.Bytes())
		}
		if received, dropped, _ := doors(t, log.Bytes(), reports); received != want || dropped != 0 {
			t.Errorf("%s workers: received %d, dropped %d of %d packets", workers, received, dropped, want)
		}
		if first == nil {
			first = reports
		} else if !bytes.Equal(reports, first) {
			t.Errorf("%s workers report otherwise than one", workers)
		}
	}
}
