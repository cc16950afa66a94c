package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ratadns/capture"
)

// liveScript replays a capture onto one end of a veth pair and watches the
// other, in a network namespace of its own that ends with it. Its arguments
// are the program, the capture and Fievel's configuration.
const liveScript = `
set -eu
ratadns=$1 pcap=$2 config=$3
ip link add in type veth peer name out
# Without IPv6 addresses of their own the ends stay silent.
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
ip link set in up
ip link set out up
mkfifo packets
tcpdump -i out -U -B 16384 -w packets port 53 2>tcpdump.log &
tcpdump=$!
"$ratadns" speedy <packets 2>speedy.log | "$ratadns" fievel --config "$config" >reports.jsonl 2>fievel.log &
chain=$!
until grep -q 'listening on' tcpdump.log; do
	kill -0 $tcpdump
	sleep 0.1
done
tcpreplay -q -i in --multiplier=10 "$pcap" >tcpreplay.log 2>&1
# All packets have passed when tcpreplay ends; tcpdump still reads the ring.
sleep 1
kill -INT $tcpdump
wait $tcpdump
wait $chain
`

// TestLive replays the sample capture with tcpreplay, ten times as fast, onto a
// veth pair with tcpdump, Speedy and Fievel at its other end: the counts are
// those of the file.
func TestLive(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	ratadns, pcap := self(t), samplePcap(t)
	dir := inNamespace(t, liveScript, ratadns, pcap)

	// The same capture from the file; port 53 is all that tcpdump let through.
	filtered := exec.Command("sh", "-c", `tcpdump -r "$1" -w - port 53 2>/dev/null | "$2" monitor --config "$3"`,
		"sh", pcap, ratadns, stdoutConfig(t))
	file, err := filtered.Output()
	if err != nil {
		t.Fatal(err)
	}
	live, err := os.ReadFile(dir + "/reports.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want, got := totals(t, file), totals(t, live)
	if want.Messages < 40_000 {
		t.Fatalf("only %d messages in the file", want.Messages)
	}
	if got != want {
		log, _ := os.ReadFile(dir + "/tcpdump.log")
		t.Errorf("live %+v, file %+v\n%s", got, want, log)
	}
	log, err := os.ReadFile(dir + "/speedy.log")
	if err != nil || !strings.Contains(string(log), "msg=messages") {
		t.Errorf("speedy did not end in order: %v\n%s", err, log)
	}
}

// inNamespace runs a script in a network namespace of its own and in a folder of
// its own, which it returns. Its arguments are the program, the capture and
// Fievel's configuration.
func inNamespace(t *testing.T, script, ratadns, pcap string) (dir string) {
	t.Helper()
	require(t, "tcpdump", "tcpreplay", "ip", "unshare")
	dir = t.TempDir()
	args := []string{"--net", "--", "sh", "-c", script, "sh", ratadns, pcap, stdoutConfig(t)}
	if os.Getuid() != 0 { // a namespace of one's own needs a user of one's own
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		logs, _ := exec.Command("sh", "-c", "tail -n 5 "+dir+"/*.log").CombinedOutput()
		t.Fatalf("%v\n%s%s", err, out, logs)
	}
	return dir
}

// interfaceScript is the same without tcpdump, as fast as tcpreplay goes, and
// then long enough in silence for the timer to close the windows.
const interfaceScript = `
set -eu
ratadns=$1 pcap=$2 config=$3
ip link add in type veth peer name out
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
ip link set in up
ip link set out up
"$ratadns" monitor -i out --config "$config" >reports.jsonl 2>monitor.log &
monitor=$!
until grep -q listening monitor.log; do
	kill -0 $monitor
	sleep 0.1
done
tcpreplay -q -i in --topspeed "$pcap" >tcpreplay.log 2>&1
for i in $(seq 200); do
	[ -s reports.jsonl ] && break
	sleep 0.1
done
[ -s reports.jsonl ] && touch closed-by-timer
kill -INT $monitor
wait $monitor
`

// TestInterface listens on the interface itself while tcpreplay sends as fast
// as it can: nothing is lost, a window closes without a packet after it, and
// Ctrl-C reports the rest.
func TestInterface(t *testing.T) {
	ratadns, pcap := self(t), samplePcap(t)
	dir := inNamespace(t, interfaceScript, ratadns, pcap)
	reports, err := os.ReadFile(dir + "/reports.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(dir + "/monitor.log")
	if err != nil {
		t.Fatal(err)
	}
	if got := totals(t, reports); got.Messages != 47127 {
		t.Errorf("%+v\n%s", got, log)
	}
	for _, want := range []string{"received=52041", "dropped=0", "found=47127 reduced=47127"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if _, err := os.Stat(dir + "/closed-by-timer"); err != nil {
		t.Errorf("no window closed in silence:\n%s", log)
	}
}

// filterScript listens with filters, one after the other, to an interface and to
// the loopback, where each packet passes twice.
const filterScript = `
set -eu
ratadns=$1 pcap=$2
ip link add in type veth peer name out
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
ip link set in up mtu 9000
ip link set out up mtu 9000
ip link set lo up
n=0
listen() {
	n=$((n+1))
	"$ratadns" speedy -i $1 --filter "$3" --fields source,dest,queries --anonymize none >$n.live 2>$n.log &
	speedy=$!
	until grep -q listening $n.log; do
		kill -0 $speedy
		sleep 0.1
	done
	tcpreplay -q -i $2 --topspeed "$pcap" >tcpreplay.log 2>&1
	kill -INT $speedy
	wait $speedy
	"$ratadns" speedy -r "$pcap" --filter "$3" --fields source,dest,queries --anonymize none >$n.file 2>$n.file.log
	cmp $n.live $n.file
	[ -s $n.live ]
}
for expr in 'udp port 53' 'vlan 10 and udp port 53' 'tcp or (vlan and ip6)' "$(tcpdump -y EN10MB -ddd 'not vlan' 2>/dev/null)"; do
	listen out in "$expr"
done
listen lo lo 'tcp port 53'
`

// TestFilterLive filters in the kernel, which takes VLAN tags out of packets
// before it looks: the messages are those of the same filter over the file.
func TestFilterLive(t *testing.T) {
	src, err := capture.Open([]string{samplePcap(t)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	name := filepath.Join(t.TempDir(), "vlan.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := capture.NewWriter(f, capture.LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	var b capture.Batch
	for n := 0; n < 9000; {
		if err := src.Read(&b); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			if tag := [3][]byte{nil, {0x81, 0, 0, 10}, {0x88, 0xa8, 0, 20}}[n%3]; len(p.Data) > 14 {
				p.Data = bytes.Join([][]byte{p.Data[:12], tag, p.Data[12:]}, nil)
				p.Wire = len(p.Data)
			}
			if err := w.Write(p); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	inNamespace(t, filterScript, self(t), name)
}

type total struct{ Messages, Malformed int }

// totals adds up the windows of reports.
func totals(t *testing.T, reports []byte) (sum total) {
	t.Helper()
	for line := range bytes.Lines(reports) {
		var r struct{ Window total }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		sum.Messages += r.Window.Messages
		sum.Malformed += r.Window.Malformed
	}
	return sum
}
