package archive

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// recover completes the files that a killed writer left: each is cut after its
// last good frame and gets a name without .partial.
func (a *Archive) recover() error {
	entries, err := os.ReadDir(a.cfg.Dir)
	if err != nil {
		return naming(a.cfg.Dir, err)
	}
	for _, e := range entries {
		if !leftover.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(a.cfg.Dir, e.Name())
		if err := a.recoverFile(path); err != nil {
			return naming(path, err)
		}
	}
	a.stats = Stats{} // they are not of this run
	return nil
}

func (a *Archive) recoverFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	frames, good, err := goodFrames(f, info.Size())
	if err != nil {
		return err
	}
	cut := info.Size() - good
	switch {
	case frames == 0 && cut > 0:
		// Not what this program writes. It stays, out of the way.
		a.log.Error("leftover archive file has no good frame", "path", path, "octets", cut)
		return os.Rename(path, freeName(strings.TrimSuffix(path, partial)+".damaged"))
	case frames <= 1 && cut == 0: // nothing, or just the header
		a.log.Info("leftover archive file without packets removed", "path", path)
		return os.Remove(path)
	}
	if cut > 0 {
		a.log.Warn("leftover archive file ends inside a frame", "path", path, "offset", good, "octets", cut)
		if err := f.Truncate(good); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	a.log.Info("leftover archive file recovered", "path", path)
	return a.complete(strings.TrimSuffix(path, partial))
}

// freeName returns path, or path with a number, so that no file has it.
func freeName(path string) string {
	name := path
	for n := 1; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

// maxFrame bounds what goodFrames holds of one frame: several times what a
// frame with the longest run of packets has.
const maxFrame = 64 << 20

// goodFrames counts the complete zstd frames at the beginning of r, whose
// checksums hold, and returns where they end.
func goodFrames(r io.ReaderAt, size int64) (frames int, end int64, err error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	var frame, raw []byte
	for {
		n, err := frameLength(r, end, size)
		if n == 0 || err != nil {
			return frames, end, err
		}
		if int64(cap(frame)) < n {
			frame = make([]byte, n)
		}
		frame = frame[:n]
		if _, err := r.ReadAt(frame, end); err != nil {
			return frames, end, err
		}
		if raw, err = d.DecodeAll(frame, raw[:0]); err != nil {
			return frames, end, nil
		}
		frames, end = frames+1, end+n
	}
}

// frameLength returns the length of the frame at offset (RFC 8878 §3.1.1), or
// zero when there is no complete one.
func frameLength(r io.ReaderAt, offset, size int64) (int64, error) {
	var b [zstd.HeaderMaxSize]byte
	n, err := r.ReadAt(b[:min(int64(len(b)), size-offset)], offset)
	if err != nil && err != io.EOF {
		return 0, err
	}
	var h zstd.Header
	if n == 0 || h.Decode(b[:n]) != nil || h.Skippable {
		return 0, nil
	}
	length := int64(h.HeaderSize)
	for last := false; !last; {
		if offset+length+3 > size || length > maxFrame {
			return 0, nil
		}
		if _, err := r.ReadAt(b[:3], offset+length); err != nil {
			return 0, err
		}
		word := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
		block := word >> 3
		if word>>1&3 == 1 { // one octet, repeated
			block = 1
		}
		length += 3 + block
		last = word&1 == 1
	}
	if h.HasCheckSum {
		length += 4
	}
	if offset+length > size {
		return 0, nil
	}
	return length, nil
}
