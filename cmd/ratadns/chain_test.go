package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// self is the program under test: this test binary under its other name.
func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ratadns")
	if err := os.Symlink(exe, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// start runs a command until the test ends, its standard error to the test's log.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s %s:\n%s", filepath.Base(name), args[0], stderr.String())
		}
	})
	return cmd
}

// eventually tries f until it is content, for half a minute.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// get decodes what a URL answers.
func get(url string, into any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	if s, ok := into.(*string); ok {
		*s = string(b)
		return nil
	}
	return json.Unmarshal(b, into)
}

// example copies a file of examples/ with its addresses changed to this test's.
func example(t *testing.T, name, redisPort, listenPort string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	s := strings.ReplaceAll(string(b), "localhost:6379", "127.0.0.1:"+redisPort)
	s = strings.ReplaceAll(s, "127.0.0.1:8053", "127.0.0.1:"+listenPort)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestChain is the README's second section: the whole chain as a shell
// pipeline with a real Redis between.
func TestChain(t *testing.T) {
	require(t, "redis-server", "tcpdump")
	ratadns, pcap := self(t), samplePcap(t)
	redisPort, port := freePort(t), freePort(t)
	start(t, "redis-server", "--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	start(t, ratadns, "jerry", "--config", example(t, "jerry.yml", redisPort, port))
	api := "http://127.0.0.1:" + port
	eventually(t, "jerry hears redis", func() error {
		var ok string
		return get(api+"/healthz", &ok)
	})

	config := example(t, "server1.yml", redisPort, port)
	pipeline := exec.Command("sh", "-c", `tcpdump -r "$1" -w - | "$2" speedy | "$2" fievel --config "$3"`, "sh", pcap, ratadns, config)
	if out, err := pipeline.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// What arrived is what a monitor alone reports.
	monitor := exec.Command(ratadns, "monitor", "-r", pcap, "--config", stdoutConfig(t))
	out, err := monitor.Output()
	if err != nil {
		t.Fatal(err)
	}
	messages, queries := 0, 0.0
	for line := range bytes.Lines(out) {
		var r struct {
			Data   struct{ QPS float64 }
			Window struct{ Messages int }
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		messages += r.Window.Messages
		queries += r.Data.QPS * 10
	}
	if messages < 40_000 || queries < 20_000 {
		t.Fatalf("monitor reported only %d messages and %g queries", messages, queries)
	}
	var answer struct {
		Servers  []string
		Messages int
		Lost     int
		Data     struct{ QPS float64 }
		From, To time.Time
	}
	eventually(t, "jerry has it all", func() error {
		if err := get(api+"/api/v1/query?type=QueriesPerSecond", &answer); err != nil {
			return err
		}
		if answer.Messages != messages {
			return fmt.Errorf("jerry has %d messages, want %d", answer.Messages, messages)
		}
		return nil
	})
	if got := answer.Data.QPS * answer.To.Sub(answer.From).Seconds(); int(got+0.5) != int(queries+0.5) {
		t.Errorf("jerry counts %g queries, the monitor %g", got, queries)
	}
	if len(answer.Servers) != 1 || answer.Servers[0] != "server1" {
		t.Errorf("servers = %v", answer.Servers)
	}
	var reducers struct{ Reducers []struct{ Type string } }
	if err := get(api+"/api/v1/reducers", &reducers); err != nil || len(reducers.Reducers) != 9 {
		t.Errorf("reducers = %v, %v", reducers, err)
	}
	var page string
	if err := get(api+"/", &page); err != nil || !strings.Contains(page, "RaTA DNS") {
		t.Errorf("page: %v %.200q", err, page)
	}
	var metrics string
	if err := get(api+"/metrics", &metrics); err != nil || !strings.Contains(metrics, "ratadns_") {
		t.Errorf("metrics: %v", err)
	}
}

// stdoutConfig counts queries per second on standard output.
func stdoutConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdout.yml")
	if err := os.WriteFile(path, []byte("server: server1\nreducers: [QueriesPerSecond]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRedisAway starts Fievel before its Redis.
func TestRedisAway(t *testing.T) {
	require(t, "redis-server", "redis-cli")
	ratadns, pcap := self(t), samplePcap(t)
	redisPort, port := freePort(t), freePort(t)
	in, err := os.Open(pcap)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var stderr bytes.Buffer
	cmd := exec.Command("sh", "-c", `"$1" speedy | "$1" fievel --config "$2"`, "sh", ratadns, example(t, "server1.yml", redisPort, port))
	cmd.Stdin, cmd.Stderr = in, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It reads to the end, then waits for a while for Redis to come.
	start(t, "redis-server", "--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	out, err := exec.Command("redis-cli", "-p", redisPort, "info", "commandstats").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "cmdstat_publish:calls=225,") {
		t.Errorf("redis was sent: %s %v\n%s", out, err, stderr.String())
	}

	// Without any Redis it ends all the same, and tells what it dropped.
	in2, err := os.Open(pcap)
	if err != nil {
		t.Fatal(err)
	}
	defer in2.Close()
	cmd = exec.Command("sh", "-c", `"$1" speedy | "$1" fievel --config "$2"`, "sh", ratadns, example(t, "server1.yml", freePort(t), port))
	cmd.Stdin = in2
	out, err = cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "225 reports") {
		t.Errorf("without redis: %v\n%s", err, out)
	}
}
