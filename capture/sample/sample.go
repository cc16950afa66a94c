// Package sample holds the capture that ratadns plays when it is given none:
// four minutes at three name servers, made by real software.
//
// All addresses and names are those set aside for documentation (RFC 5737,
// RFC 3849, RFC 2606). README.md says what is in it; generate/make.sh makes it.
package sample

import _ "embed"

// Pcap is a classic pcap file, compressed with zstd.
//
//go:embed sample.pcap.zst
var Pcap []byte

// A Server is a name server seen in the capture.
type Server struct {
	Name      string
	Addresses []string
}

// Servers lists the servers of the capture. The resolver asks ns1 and ns2 for
// its clients, so those messages have a server's address at either end; the
// one with port 53 is the server of the message.
var Servers = []Server{
	{"ns1", []string{"192.0.2.1", "2001:db8::1"}},
	{"ns2", []string{"192.0.2.2", "2001:db8::2"}},
	{"resolver", []string{"192.0.2.53", "2001:db8::53"}},
}
