package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"ratadns/packet"
	"ratadns/speedy"
)

// A running program whose output can be looked at meanwhile.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr output
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// background runs a command, which the test ends with end.
func background(t *testing.T, name string, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(name, args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), r.stderr.String())
		}
	})
	return r
}

// said waits until the log has the text.
func (r *running) said(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log", func() error {
		if log := r.stderr.String(); !strings.Contains(log, text) {
			return fmt.Errorf("it lacks %q:\n%s", text, log)
		}
		return nil
	})
}

// end asks the program to end, and waits for it.
func (r *running) end() error {
	r.cmd.Process.Signal(syscall.SIGTERM)
	timeout := time.AfterFunc(time.Minute, func() { r.cmd.Process.Kill() })
	defer timeout.Stop()
	return r.cmd.Wait()
}

// A nameServer answers for www.example.org over everything that it can, asks
// nobody, and tells what it does by dnstap.
type nameServer struct {
	*running
	plain, tls, https string // addresses
}

// A sink is where dnstap goes to.
type sink struct{ network, address string }

const unboundConf = `
server:
  interface: 127.0.0.1@%[1]s
  interface: 127.0.0.1@%[2]s
  interface: 127.0.0.1@%[3]s
  tls-port: %[2]s
  https-port: %[3]s
  tls-service-key: "%[4]s/key.pem"
  tls-service-pem: "%[4]s/cert.pem"
  directory: "%[4]s"
  chroot: ""
  username: ""
  pidfile: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 2
  local-zone: "." static
  local-zone: "example.org." static
  local-data: "www.example.org. A 192.0.2.80"
remote-control:
  control-enable: no
dnstap:
  dnstap-enable: yes
  dnstap-log-client-query-messages: yes
  dnstap-log-client-response-messages: yes
  %[5]s
`

// unbound is a resolver. To a Unix socket it has the handshake, to TCP not.
func unbound(t *testing.T, to sink) *nameServer {
	where := "dnstap-socket-path: \"" + to.address + "\""
	if to.network == "tcp" {
		where = "dnstap-bidirectional: no\n  dnstap-tls: no\n  dnstap-ip: " + strings.Replace(to.address, ":", "@", 1)
	}
	return serve(t, unboundConf, where, "unbound", "-d", "-c")
}

const dnsdistConf = `
setLocal("127.0.0.1:%[1]s")
addTLSLocal("127.0.0.1:%[2]s", "%[4]s/cert.pem", "%[4]s/key.pem")
addDOHLocal("127.0.0.1:%[3]s", "%[4]s/cert.pem", "%[4]s/key.pem", "/dns-query")
setSecurityPollSuffix("")
tap = %[5]s
addAction(AllRule(), DnstapLogAction("server1", tap))
addSelfAnsweredResponseAction(AllRule(), DnstapLogResponseAction("server1", tap))
addAction(QNameRule("www.example.org."), SpoofAction("192.0.2.80"))
`

// dnsdist is a load balancer that answers by itself here.
func dnsdist(t *testing.T, to sink) *nameServer {
	where := fmt.Sprintf("newFrameStreamUnixLogger(%q)", to.address)
	if to.network == "tcp" {
		where = fmt.Sprintf("newFrameStreamTcpLogger(%q)", to.address)
	}
	return serve(t, dnsdistConf, where, "dnsdist", "--supervised", "--disable-syslog", "-C")
}

// serve starts a name server on free ports; the file of its configuration is
// the last argument of the command.
func serve(t *testing.T, conf, where string, command ...string) *nameServer {
	t.Helper()
	dir := t.TempDir()
	certificate(t, dir)
	ports := []string{freePort(t), freePort(t), freePort(t)}
	path := filepath.Join(dir, "conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, conf, ports[0], ports[1], ports[2], dir, where), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &nameServer{
		running: background(t, command[0], append(command[1:], path)...),
		plain:   "127.0.0.1:" + ports[0], tls: "127.0.0.1:" + ports[1], https: "127.0.0.1:" + ports[2],
	}
	eventually(t, command[0]+" listens", func() error {
		c, err := net.Dial("tcp", r.plain)
		if err == nil {
			c.Close()
		}
		return err
	})
	return r
}

// certificate makes one for the loopback.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"key.pem": {Type: "PRIVATE KEY", Bytes: private}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// dialTLS connects. dnsdist now and then resets a connection before TLS is up;
// no message has been sent then.
func dialTLS(t *testing.T, address string, protocols ...string) (c *tls.Conn) {
	t.Helper()
	eventually(t, address, func() (err error) {
		c, err = tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		return err
	})
	return c
}

// ask asks once over each transport. A query that was lost would be asked again
// and counted twice, so nothing is asked again.
func (r *nameServer) ask(t *testing.T) {
	t.Helper()
	query := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	for _, network := range []string{"udp", "tcp", "tcp-tls"} {
		var c net.Conn
		var err error
		if network == "tcp-tls" {
			c = dialTLS(t, r.tls)
		} else if c, err = net.Dial(network, r.plain); err != nil {
			t.Fatal(err)
		}
		client := &dns.Client{Net: network, Timeout: 20 * time.Second}
		if in, _, err := client.ExchangeWithConn(query, &dns.Conn{Conn: c}); err != nil || len(in.Answer) != 1 {
			t.Fatalf("%s: %v, %v", network, in, err)
		}
		c.Close()
	}
	b, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	c := dialTLS(t, r.https, "h2")
	defer c.Close()
	transport := &http.Transport{
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return c, nil },
		ForceAttemptHTTP2: true,
	}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	resp, err := client.Post("https://"+r.https+"/dns-query", "application/dns-message", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	in := new(dns.Msg)
	if err = errors.Join(err, in.Unpack(answer)); err != nil || len(in.Answer) != 1 {
		t.Fatalf("https: %v, %v", in, err)
	}
}

// TestDnstapSenders asks name servers over UDP, TCP, TLS and HTTPS, and finds in
// Speedy's messages what was asked, and how.
func TestDnstapSenders(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	require(t, "unbound", "dnsdist")
	ratadns := self(t)
	for _, c := range []struct {
		name    string
		network string
		start   func(*testing.T, sink) *nameServer
	}{
		{"unbound", "unix", unbound}, {"unbound", "tcp", unbound}, {"dnsdist", "unix", dnsdist}, {"dnsdist", "tcp", dnsdist},
	} {
		t.Run(c.name+" "+c.network, func(t *testing.T) {
			to := sink{c.network, "127.0.0.1:" + freePort(t)}
			if c.network == "unix" {
				to.address = filepath.Join(t.TempDir(), "dnstap.sock")
			}
			s := background(t, ratadns, "speedy", "--dnstap", to.address, "--anonymize", "none", "--fields", "all")
			s.said(t, "listening")
			r := c.start(t, to)
			s.said(t, "dnstap sender connected")
			const each = 3
			for range each {
				r.ask(t)
			}
			// They send within a second; at its end unbound throws away what waits.
			eventually(t, "the messages are here", func() error {
				if n := strings.Count(s.stdout.String(), `"qname":"www.example.org."`); n < 2*4*each {
					return fmt.Errorf("%d so far", n)
				}
				return nil
			})
			r.end() // dnsdist by the signal
			s.said(t, "dnstap sender gone")
			if err := s.end(); err != nil {
				t.Errorf("%v\n%s", err, s.stderr.String())
			}
			want := make(map[string]int)
			for _, transport := range []string{"udp", "tcp", "dot", "doh"} {
				want[transport+" query"], want[transport+" response"] = each, each
			}
			if diff := cmp.Diff(want, r.counted(t, s.stdout.String(), c.name == "unbound")); diff != "" {
				t.Errorf("%s\n%s", diff, s.stderr.String())
			}
		})
	}
}

// counted counts Speedy's messages by transport. They must be of the server's
// port for that transport. A sender before 2024 may call
// DoT TCP, and say nothing of DoH: there the port alone decides.
func (r *nameServer) counted(t *testing.T, stream string, old bool) map[string]int {
	t.Helper()
	count := make(map[string]int)
	var m speedy.Message
	for in := speedy.NewReader(strings.NewReader(stream)); in.Next(&m) == nil; {
		kind, server := "query", m.DestPort
		if m.QR() {
			kind, server = "response", m.SourcePort
		}
		transport, address := m.Transport, fmt.Sprintf("127.0.0.1:%d", server)
		if old && transport == packet.TCP && address == r.tls {
			transport = packet.DoT
		}
		if old && transport == packet.UnknownTransport && address == r.https {
			transport = packet.DoH
		}
		count[transport.String()+" "+kind]++
		want := map[packet.Transport]string{packet.UDP: r.plain, packet.TCP: r.plain, packet.DoT: r.tls, packet.DoH: r.https}[transport]
		if m.Source.String() != "127.0.0.1" || m.Dest.String() != "127.0.0.1" || address != want {
			t.Errorf("%s %s from %s to %s, server at %s, not %s", m.Transport, kind, m.Source, m.Dest, address, want)
		}
	}
	return count
}

// TestDnstapMonitor reduces what an unbound sends: a window closes by the timer,
// nothing is late, and the sums are right. The socket is gone afterwards.
func TestDnstapMonitor(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	require(t, "unbound")
	config := filepath.Join(t.TempDir(), "rata.yml")
	if err := os.WriteFile(config, []byte("server: server1\nwindow: {duration: 1s}\nreducers: [QueriesPerSecond]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := sink{"unix", filepath.Join(t.TempDir(), "dnstap.sock")}
	m := background(t, self(t), "monitor", "--dnstap", to.address, "--config", config)
	m.said(t, "listening")
	r := unbound(t, to)
	m.said(t, "dnstap sender connected")
	r.ask(t)
	eventually(t, "a window closes in silence", func() error {
		if m.stdout.String() == "" {
			return errors.New("no report")
		}
		return nil
	})
	if err := m.end(); err != nil { // the resolver still runs
		t.Error(err)
	}
	if got := totals(t, []byte(m.stdout.String())); got != (total{Messages: 8}) {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"received=8 used=8 ", "dropped=0", "found=8 reduced=8 malformed=0 late=0"} {
		if !strings.Contains(m.stderr.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, m.stderr.String())
		}
	}
	if _, err := os.Lstat(to.address); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}
