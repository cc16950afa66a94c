package main

import (
	"errors"
	"time"

	"ratadns/archive"
	"ratadns/capture"
)

type archiveCmd struct {
	Read       []string      `short:"r" sep:"none" placeholder:"FILE" help:"Capture to keep, pcap or pcapng, plain or compressed; - is standard input. Repeatable."`
	More       []string      `arg:"" optional:"" name:"file" help:"More captures, as -r *.pcap gives them."`
	Dir        string        `placeholder:"DIR" help:"Directory of the archive; made if there is none."`
	Rotate     time.Duration `default:"1h" placeholder:"LENGTH" help:"Length of capture time in one file, aligned to the epoch (default: ${default})."`
	RotateSize archive.Size  `default:"1GiB" placeholder:"SIZE" help:"Longest file, before compression (default: ${default})."`
}

func (archiveCmd) Help() string {
	return `Files are pcap with nanoseconds inside zstd, named by the beginning of their time
in UTC and a number; one that still grows ends in .partial. None is ever
overwritten. Packets are on disk a second after they came, so that also a
killed archive loses no more than that.

Examples:
    tcpdump -i eth0 -U -w - port 53 | ratadns archive -r - --dir /var/lib/ratadns/packets
    zstdcat /var/lib/ratadns/packets/20161006T130000Z-000.pcap.zst | tcpdump -r -`
}

func (c *archiveCmd) Run(e *env) error {
	names, err := withMore(c.Read, c.More)
	if err != nil {
		return err
	}
	if c.Dir == "" {
		return usagef("--dir is missing: the directory to keep the packets in")
	}
	cfg := archive.DefaultConfig()
	cfg.Dir, cfg.Rotate, cfg.RotateSize = c.Dir, c.Rotate, c.RotateSize
	if err := cfg.Validate(); err != nil {
		return usagef("--%w", err)
	}
	a, err := archive.New(cfg, e.log)
	if err != nil {
		return err
	}
	err = a.Run(e.ctx, func() (capture.Source, error) { return capture.Open(names, e.log) })
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	s := a.Stats()
	if s.Cut > 0 {
		e.log.Warn("packets longer than a pcap can hold were cut", "count", s.Cut, "limit", capture.MaxSnap)
	}
	if s.Lost > 0 {
		e.log.Error("packets could not be kept", "count", s.Lost)
	}
	e.log.Info("archived", "path", c.Dir, "packets", s.Written, "octets", s.Octets, "stored", s.Stored, "files", s.Files)
	return noPackets(err)
}

// noPackets says what to do with what cannot be kept.
func noPackets(err error) error {
	if errors.Is(err, capture.ErrNoPackets) {
		return hinted{err, "keep the dnstap file itself; every command reads it, compressed too"}
	}
	return err
}

// withMore adds the names that a shell makes of -r *.pcap: only the first of
// them belongs to the option.
func withMore(names, more []string) ([]string, error) {
	names = append(names, more...)
	if len(names) == 0 {
		return nil, usagef("-r is missing: a capture, or - for standard input")
	}
	return names, nil
}
