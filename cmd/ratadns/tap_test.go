package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dnstap "github.com/dnstap/golang-dnstap"
	framestream "github.com/farsightsec/golang-framestream"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"
)

// A tapped exchange is a query and its response over one transport.
type tapped struct {
	protocol       dnstap.SocketProtocol
	client, server string // addresses, or nothing
}

// exchanges are over what name servers have, and what they do not always tell.
var exchanges = []tapped{
	{1, "192.0.2.7", "198.51.100.53"},
	{2, "2001:db8::7", "2001:db8:1::53"},
	{3, "192.0.2.7", "198.51.100.53"},
	{4, "192.0.2.7", ""},
	{5, "", "198.51.100.53"},
	{6, "", ""},
	{7, "2001:db8::7", ""},
}

// tapFrames are the dnstap frames of the exchanges, a millisecond apart.
func tapFrames(t *testing.T) (frames [][]byte) {
	t.Helper()
	for i, x := range exchanges {
		query := new(dns.Msg).SetQuestion(fmt.Sprintf("x%d.example.org.", i), dns.TypeAAAA)
		response := new(dns.Msg).SetReply(query)
		for j, msg := range []*dns.Msg{query, response} {
			b, err := msg.Pack()
			if err != nil {
				t.Fatal(err)
			}
			m := &dnstap.Message{
				Type: dnstap.Message_CLIENT_QUERY.Enum(), SocketProtocol: &x.protocol,
				QueryTimeSec: proto.Uint64(1475762100), QueryTimeNsec: proto.Uint32(uint32(i) * 1e6),
				QueryPort: proto.Uint32(4000 + uint32(i)), ResponsePort: proto.Uint32(8853),
				QueryAddress: octets(x.client), ResponseAddress: octets(x.server),
				QueryMessage: b,
			}
			if j == 1 {
				m.Type, m.QueryMessage, m.ResponseMessage = dnstap.Message_CLIENT_RESPONSE.Enum(), nil, b
				m.ResponseTimeSec, m.ResponseTimeNsec = m.QueryTimeSec, proto.Uint32(m.GetQueryTimeNsec()+5e5)
			}
			b, err = proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum(), Message: m})
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, b)
		}
	}
	return frames
}

func octets(address string) []byte {
	a, _ := netip.ParseAddr(address)
	return a.AsSlice()
}

// tapFile is a dnstap file of the exchanges.
func tapFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tap.fstrm")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := dnstap.NewWriter(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range tapFrames(t) {
		if _, err := w.WriteFrame(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpDnstap sends the exchanges to `up`, from several senders at once.
func TestUpDnstap(t *testing.T) {
	port := freePort(t)
	u := background(t, self(t), "up", "--dnstap", "127.0.0.1:"+port, "--listen", "127.0.0.1:0")
	u.said(t, "listening")
	const senders = 3
	for range senders {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		w, err := framestream.NewWriter(c, &framestream.WriterOptions{ContentTypes: [][]byte{dnstap.FSContentType}, Bidirectional: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range tapFrames(t) {
			if _, err := w.WriteFrame(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil { // which waits for FINISH
			t.Fatal(err)
		}
	}
	if err := u.end(); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("found=%d reduced=%[1]d malformed=0 late=0", senders*2*len(exchanges)); !strings.Contains(u.stderr.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, u.stderr.String())
	}
}
