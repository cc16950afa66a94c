package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"ratadns/capture"
)

const (
	extension = ".pcap.zst"
	partial   = ".partial"

	headerSize, recordSize = 24, 16 // of classic pcap
)

// record is how much longer p makes a file, before compression.
func record(p *capture.Packet) int64 {
	return recordSize + int64(min(len(p.Data), capture.MaxSnap))
}

// A file is one that grows.
type file struct {
	path    string // when complete
	f       *os.File
	link    capture.LinkType
	pcap    *capture.Writer // writes to raw
	raw     []byte          // what the next frame will hold
	pending Stats           // of what raw holds
	size    int64           // before compression, raw included
	stored  int64           // compressed, whole frames
}

// Write implements io.Writer for the pcap writer: into memory.
func (f *file) Write(b []byte) (int, error) {
	f.raw = append(f.raw, b...)
	f.size += int64(len(b))
	return len(b), nil
}

// add appends packets to the next frame.
func (f *file) add(packets []capture.Packet) error {
	for i := range packets {
		n := len(packets[i].Data)
		if n > capture.MaxSnap {
			n = capture.MaxSnap
			f.pending.Cut++
		}
		f.pending.Octets += uint64(n)
	}
	f.pending.Written += uint64(len(packets))
	return f.pcap.Write(packets...)
}

// fileName is the name of the nth file of a slot and link type. The number is
// always there and has leading zeros, so that ls lists a slot's files in
// order whatever the locale thinks of punctuation.
func fileName(slot int64, n int, link capture.LinkType) string {
	name := fmt.Sprintf("%s-%03d", time.Unix(0, slot).UTC().Format("20060102T150405Z"), n)
	if link != capture.LinkEthernet {
		name += fmt.Sprintf(".link%d", link)
	}
	return name + extension
}

var (
	leftover = regexp.MustCompile(`^\d+T\d{6}Z-\d{3,}(\.link\d+)?\.pcap\.zst\.partial$`)
	number   = regexp.MustCompile(`-\d+`)
)

// create begins a file of the present slot under a name that is free.
func (a *Archive) create(link capture.LinkType) (*file, error) {
	f := &file{link: link, raw: make([]byte, 0, frameSize)}
	var err error
	if f.pcap, err = capture.NewWriter(f, link); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		path := filepath.Join(a.cfg.Dir, fileName(a.slot, n, link))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		osf, err := os.OpenFile(path+partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, naming(path+partial, err)
		}
		f.path, f.f = path, osf
		// The header goes to disk at once, so that the file is a capture
		// from the beginning.
		if err := a.flush(f); err != nil {
			osf.Close()
			return nil, errors.Join(err, os.Remove(path+partial))
		}
		return f, nil
	}
}

// flush writes f's pending packets as one frame. When that fails, the file ends
// at the frame before, and the packets are counted as lost.
func (a *Archive) flush(f *file) error {
	if len(f.raw) == 0 {
		return nil
	}
	p := f.pending
	f.pending = Stats{}
	a.frame = a.encoder.EncodeAll(f.raw, a.frame[:0])
	f.raw = f.raw[:0]
	if _, err := f.f.Write(a.frame); err != nil {
		a.stats.Lost += p.Written
		terr := f.f.Truncate(f.stored)
		if _, serr := f.f.Seek(f.stored, 0); terr == nil {
			terr = serr
		}
		return errors.Join(naming(f.path, err), terr)
	}
	f.stored += int64(len(a.frame))
	a.stats.Stored += uint64(len(a.frame))
	a.stats.Written += p.Written
	a.stats.Octets += p.Octets
	a.stats.Cut += p.Cut
	return nil
}

// finish completes file i and forgets it. What is on disk gets its name even
// when the rest cannot be written.
func (a *Archive) finish(i int) error {
	f := a.files[i]
	a.files = append(a.files[:i], a.files[i+1:]...)
	err := a.flush(f)
	if serr := f.f.Sync(); serr != nil && err == nil {
		err = naming(f.path, serr)
	}
	if cerr := f.f.Close(); cerr != nil && err == nil {
		err = naming(f.path, cerr)
	}
	if perr := a.complete(f.path); perr != nil && err == nil {
		err = perr
	}
	return err
}

// complete takes .partial off a file's name. Where another file has got the
// name meanwhile, the next free number is taken.
func (a *Archive) complete(path string) error {
	from := path + partial
	for n := 0; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			break
		}
		base := number.ReplaceAllString(filepath.Base(path), fmt.Sprintf("-%03d", n))
		path = filepath.Join(a.cfg.Dir, base)
	}
	if err := os.Rename(from, path); err != nil {
		return naming(from, err)
	}
	a.stats.Files++
	return syncDir(a.cfg.Dir)
}

// syncDir makes the names in a directory survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return naming(dir, err)
	}
	defer d.Close()
	// Some file systems cannot; then they need not.
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return naming(dir, err)
	}
	return nil
}
