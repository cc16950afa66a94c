package main

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"ratadns/capture"
	"ratadns/speedy"
)

type speedyCmd struct {
	Read         []string `short:"r" sep:"none" help:"Capture to read, pcap or pcapng, plain or compressed; - is standard input, the default. Repeatable." placeholder:"FILE"`
	More         []string `arg:"" optional:"" name:"file" help:"More captures, as -r *.pcap gives them."`
	Workers      int      `help:"Workers that share the flows; 0 is one for each core." default:"0" placeholder:"N"`
	Fields       string   `help:"Members of a message: a list of source,dest,queries,answers,authorities,additionals,time,transport,ports,size,counts,edns, or seed, or all. Default: all but the three sections." placeholder:"LIST"`
	Anonymize    string   `default:"hash" enum:"none,hash,prefix,truncate" help:"How addresses are written: ${enum}." placeholder:"METHOD"`
	AnonymizeKey string   `help:"Key file, the same for all monitors that should agree: 32 octets or 64 hexadecimal digits. Default: random for this run." placeholder:"FILE"`
}

func (speedyCmd) Help() string {
	return `Each message is its length in octets, decimal, and a JSON object; the next
follows at once, in the order of the capture.

Examples:
    tcpdump -i eth0 -U -w - port 53 | ratadns speedy | ratadns fievel --config rata.yml
    ratadns speedy -r today.pcap.zst --fields seed --anonymize none`
}

func (c *speedyCmd) Run(e *env) error {
	fields := speedy.FieldsDefault
	if c.Fields != "" {
		var err error
		if fields, err = speedy.ParseFields(c.Fields); err != nil {
			return usagef("--fields: %w", err)
		}
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		return usagef("--workers: must be 0 to %d, got %d", maxWorkers, c.Workers)
	}
	anon, err := newAnonymizer(speedy.Method(c.Anonymize), c.AnonymizeKey, e.log)
	if err != nil {
		return err
	}
	src, grace, err := openCaptures(append(c.Read, c.More...), e.log)
	if err != nil {
		return err
	}
	defer src.Close()
	cfg := speedy.DefaultConfig()
	cfg.Grace = grace
	n := c.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	stats, err := speedy.Write(e.ctx, src, e.rawStdout, cfg, n, fields, anon)
	logStats(e.log, stats)
	return err
}

// maxWorkers is more than any machine has cores.
const maxWorkers = 1024

// pipeGrace is how long a pipe is still read after Ctrl-C: its writer got the
// same and flushes what it has.
const pipeGrace = time.Second

// openCaptures opens what -r named; nothing is standard input.
func openCaptures(names []string, log *slog.Logger) (capture.Source, time.Duration, error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	grace := time.Duration(0)
	for _, name := range names {
		if name == "-" {
			grace = pipeGrace
		}
	}
	src, err := capture.Open(names, log)
	return src, grace, err
}

// newAnonymizer makes the anonymiser of a command; without a key file the key
// is random, and the log says what follows from that.
func newAnonymizer(method speedy.Method, path string, log *slog.Logger) (*speedy.Anonymizer, error) {
	key := speedy.RandomKey()
	switch {
	case path != "":
		var err error
		if key, err = speedy.ReadKey(path); errors.Is(err, speedy.ErrShortKey) {
			log.Warn("anonymisation key is short", "path", path, "hint", "openssl rand -hex 32")
		} else if err != nil {
			return nil, err
		}
	case method == speedy.Hash || method == speedy.Prefix:
		log.Info("addresses are anonymised with a key made for this run: distinct clients do not add up over servers and restarts", "method", method)
	}
	return speedy.NewAnonymizer(method, key)
}

// logStats tells what became of the packets.
func logStats(log *slog.Logger, s speedy.Stats) {
	log.Info("packets", "received", s.Received,
		"used", s.Streams.Used+s.Joined, "not_ip", s.NotIP, "not_dns_port", s.NotDNSPort, "not_dns", s.Streams.NotDNS,
		"lost_fragments", s.Fragments, "lost_tcp", s.Streams.Lost)
	log.Info("messages", "found", s.Streams.Messages, "malformed", s.Malformed, "incomplete", s.Streams.Incomplete)
}
