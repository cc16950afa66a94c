package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"ratadns/archive"
	"ratadns/capture"
)

type replayCmd struct {
	Read  []string `short:"r" sep:"none" placeholder:"FILE" help:"Capture to play, pcap or pcapng, plain or compressed; - is standard input. Repeatable; several are merged by time."`
	More  []string `arg:"" optional:"" name:"file" help:"More captures, as -r *.pcap gives them."`
	Speed string   `default:"1" placeholder:"N" help:"How many times as fast as recorded: a number, or max for without waiting (default: ${default})."`
	Write string   `short:"w" placeholder:"FILE" help:"Where the packets go, as pcap with nanoseconds; - is standard output."`
}

func (replayCmd) Help() string {
	return `Packets keep the times of their capture; only their pace is that of --speed.

Examples:
    ratadns replay -r today.pcap.zst --speed 10 -w - | tcpdump -n -r -
    ratadns replay -r /var/lib/ratadns/packets/20161006T* --speed max -w day.pcap`
}

func (c *replayCmd) Run(e *env) error {
	names, err := withMore(c.Read, c.More)
	if err != nil {
		return err
	}
	if c.Write == "" {
		return usagef("-w is missing: the file for the packets, or - for standard output")
	}
	speed, err := capture.ParseSpeed(c.Speed)
	if err != nil {
		return usagef("--speed %q: %w", c.Speed, err)
	}
	out := e.rawStdout
	if c.Write != "-" {
		if err := apart(c.Write, names); err != nil {
			return err
		}
		out = &lazyFile{name: c.Write}
	}
	open := func() (capture.Source, error) { return capture.Open(names, e.log) }
	packets, err := archive.Replay(e.ctx, open, speed, out)
	if f, ok := out.(*lazyFile); ok {
		err = first(err, f.Close())
	}
	if err == nil || packets > 0 {
		e.log.Info("replayed", "packets", packets)
	}
	if errors.Is(err, archive.ErrLinkTypes) {
		return hinted{err, "give the captures of each link type to a replay of their own"}
	}
	return noPackets(err)
}

// apart refuses to write to a file that is also read, by its name, in a directory
// or from standard input.
func apart(path string, inputs []string) error {
	out, err := os.Stat(path)
	if err != nil {
		return nil // it is new
	}
	for _, name := range inputs {
		in, err := os.Stat(name)
		if name == "-" {
			in, err = os.Stdin.Stat()
		}
		if err != nil {
			continue // opening it tells what is wrong
		}
		same := os.SameFile(in, out)
		if in.IsDir() {
			entries, _ := os.ReadDir(name)
			same = slices.ContainsFunc(entries, func(e os.DirEntry) bool {
				in, err := os.Stat(filepath.Join(name, e.Name()))
				return err == nil && os.SameFile(in, out)
			})
		}
		if same {
			return usagef("-w %s: is also read; another file would do", path)
		}
	}
	return nil
}

// A lazyFile is created by the first write, so that what it was before is not
// lost to a capture that cannot be opened.
type lazyFile struct {
	name string
	f    *os.File
}

func (l *lazyFile) Write(b []byte) (int, error) {
	if l.f == nil {
		var err error
		if l.f, err = os.Create(l.name); err != nil {
			return 0, err
		}
	}
	return l.f.Write(b)
}

// Close closes the file, if it was created.
func (l *lazyFile) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
