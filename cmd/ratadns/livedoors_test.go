package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"ratadns/capture"
	"ratadns/capture/cases"
	"ratadns/speedy"
)

// pairScript makes the pair, wide enough for every packet.
const pairScript = `
set -eu
ratadns=$1 pcap=$2 config=$3
ip link add in mtu 65535 type veth peer name out mtu 65535
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
ip link set in up
ip link set out up
`

// heardScript waits until the command in the background listens.
const heardScript = `
listener=$!
until grep -q listening monitor.log; do
	kill -0 $listener
	sleep 0.1
done
`

// vethScript makes the pair, and begins to listen.
const vethScript = pairScript + `
"$ratadns" monitor -i out --config "$config" >reports.jsonl 2>monitor.log &
` + heardScript

// damageScript replays what tcpreplay can send of the capture.
const damageScript = vethScript + `
tcpreplay -i in --topspeed "$pcap" >tcpreplay.log 2>&1 || true
sleep 1
kill -INT $listener
wait $listener
`

// stopScript stops the listener while tcpreplay sends more than the kernel's ring
// holds. It goes on with a Ctrl-C waiting for it.
const stopScript = `
kill -STOP $listener
tcpreplay -i in --topspeed --loop=25 "$pcap" >tcpreplay.log 2>&1
kill -INT $listener
kill -CONT $listener
wait $listener
`

const dropScript = vethScript + stopScript

// slowScript has a reader of Speedy's messages that takes some seconds for them:
// at the Ctrl-C most packets are still in the kernel's ring.
const slowScript = pairScript + `
mkfifo pipe
(while dd iflag=fullblock bs=400000 count=1 of=some 2>dd.log && [ -s some ]; do
	cat some >>reports.jsonl
	sleep 0.1
done) <pipe &
"$ratadns" speedy -i out >pipe 2>monitor.log &
` + heardScript + `
tcpreplay -i in --topspeed "$pcap" >tcpreplay.log 2>&1
kill -INT $listener
wait
`

var successful = regexp.MustCompile(`Successful packets: +(\d+)`)

// live runs such a script and returns what tcpreplay sent, the monitor's log and
// its reports.
func live(t *testing.T, script string, packets []capture.Packet) (sent uint64, log, reports []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "live.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := capture.NewWriter(f, capture.LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(packets...); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	dir := inNamespace(t, script, self(t), path)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	replay := read("tcpreplay.log")
	// tcpreplay tells once before and once after what it still sends at the end.
	all := successful.FindAllSubmatch(replay, -1)
	if len(all) == 0 {
		t.Fatalf("tcpreplay does not say what it sent:\n%s", replay)
	}
	if sent, err = strconv.ParseUint(string(all[len(all)-1][1]), 10, 64); err != nil {
		t.Fatal(err)
	}
	if t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s%s", bytes.TrimSpace(replay), read("monitor.log"))
		}
	}); sent == 0 {
		t.Fatal("nothing was sent")
	}
	return sent, read("monitor.log"), read("reports.jsonl")
}

// TestLiveDoors listens while a damaged capture is replayed: every packet that
// tcpreplay could send has left by a door.
func TestLiveDoors(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	packets := cases.All(r, packetsOf(t, samplePcap(t)), "link types", "times", "cut by the capture")
	packets = cases.Damages["cut on the wire"](r, packets)
	// At one without octets tcpreplay ends.
	packets = slices.DeleteFunc(packets, func(p capture.Packet) bool { return len(p.Data) == 0 })
	sent, log, reports := live(t, damageScript, packets)
	received, dropped, _ := doors(t, log, reports)
	if received != sent || sent < uint64(len(packets))/2 {
		t.Errorf("received %d, %d of them dropped; sent %d of %d", received, dropped, sent, len(packets))
	}
}

// TestLiveDrops makes the kernel drop packets: the log and the reports tell of
// them.
func TestLiveDrops(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a hundred megabytes")
	}
	packets := packetsOf(t, samplePcap(t))
	sent, log, reports := live(t, dropScript, packets)
	received, dropped, lost := doors(t, log, reports)
	if received != sent || dropped == 0 {
		t.Errorf("received %d, %d of them dropped; sent %d", received, dropped, sent)
	}
	if lost < dropped {
		t.Errorf("the reports tell of %d lost packets, the kernel dropped %d", lost, dropped)
	}
}

// reportDropScript is the same with a question about the interface, without
// windows.
const reportDropScript = pairScript + `
"$ratadns" report -i out --use PcapStats --format json >reports.jsonl 2>monitor.log &
` + heardScript + stopScript

// TestReportDrops asks a question while the kernel drops packets: the answer and
// the log tell of them.
func TestReportDrops(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a hundred megabytes")
	}
	sent, log, answer := live(t, reportDropScript, packetsOf(t, samplePcap(t)))
	var got map[string]struct{ Received, Dropped uint64 }
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if out := got["out"]; out.Received+out.Dropped != sent || out.Dropped == 0 {
		t.Errorf("%s of %d packets", answer, sent)
	}
	if want := fmt.Sprintf(`msg="packets or messages lost" count=%d`, got["out"].Dropped); !bytes.Contains(log, []byte(want)) {
		t.Errorf("the log lacks %s", want)
	}
}

// TestLiveSlow ends a capture whose output waits: what the kernel has is read all
// the same.
func TestLiveSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("waits some seconds")
	}
	sent, log, messages := live(t, slowScript, packetsOf(t, samplePcap(t)))
	if want := fmt.Sprintf("received=%d ", sent); !bytes.Contains(log, []byte(want)) || !bytes.Contains(log, []byte("dropped=0")) {
		t.Errorf("want %s and none dropped", want)
	}
	if n := bytes.Count(messages, []byte(`"time":`)); n < 40_000 {
		t.Errorf("%d messages", n)
	}
}

// dropping is a source of a network interface whose kernel drops packets when
// nothing ticks any more.
type dropping struct {
	capture.Source
	dropped uint64
}

func (d *dropping) Read(b *capture.Batch) error {
	err := d.Source.Read(b)
	if err != nil {
		d.dropped = 7
	}
	return err
}

func (d *dropping) Stats() capture.LiveStats { return capture.LiveStats{Dropped: d.dropped} }

// TestLastDrops looks for drops after the last tick in the last window.
func TestLastDrops(t *testing.T) {
	packets, err := capture.Open([]string{samplePcap(t)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	cfg, err := loadConfig(stdoutConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	var reports bytes.Buffer
	plain, _ := speedy.NewAnonymizer(speedy.None, speedy.Key{})
	fc, err := cfg.fievel()
	if err != nil {
		t.Fatal(err)
	}
	f, outputs, err := newFievel(cfg, fc, &env{stdout: &reports, log: quiet}, plain)
	if err != nil {
		t.Fatal(err)
	}
	live := &dropping{Source: packets}
	src := &source{Source: live, live: live, ports: []uint16{53}}
	err = first(src.reduce(t.Context(), quiet, f), outputs.Close(quiet))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(reports.Bytes()), []byte("\n"))
	if last := lines[len(lines)-1]; !bytes.Contains(last, []byte(`"lost":7`)) {
		t.Errorf("the last window: %s", last)
	}
}
