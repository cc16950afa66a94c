package bus

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Timed is an output that wants to know the time of reports: At comes before
// Send, and holds until it comes again.
type Timed interface{ At(t int64) }

// A Rotation says when a file of reports is complete; a zero member does not.
type Rotation struct {
	Size  int64         // octets, which no file exceeds unless one report does
	Every time.Duration // of the reports' windows, aligned to the epoch
	Keep  int           // complete files that are kept; 0 is all
}

// Rotating writes reports to one file after the other. While it is written, a
// file has the suffix .part; a complete one is renamed to its own name, which is
// that of the output with the time of its first report and a number, such as
// reports-20161006T135500Z-0001.jsonl. So a reader of complete files never sees
// half a line. What a killed program left is completed at the next start.
type Rotating struct {
	dir, stem, ext string
	rotation       Rotation
	at             int64
	file           *os.File // nil between files
	first          int64    // time of its first report
	size           int64
	buf            []byte
}

const partSuffix = ".part"

// OpenRotating returns an output whose files are named after path.
func OpenRotating(path string, r Rotation) (*Rotating, error) {
	ext := filepath.Ext(path)
	o := &Rotating{
		dir: filepath.Dir(path), stem: strings.TrimSuffix(filepath.Base(path), ext), ext: ext, rotation: r,
	}
	parts, err := o.list(partSuffix)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := o.recover(p); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// A rotated is a file by its name.
type rotated struct {
	name, time string
	number     int
}

// list finds the files of this output that end like that, the oldest first.
func (o *Rotating) list(suffix string) (files []rotated, err error) {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return nil, err
	}
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(o.stem) + `-(\d{8}T\d{6}Z)-(\d{4,})` + regexp.QuoteMeta(o.ext+suffix) + `$`)
	for _, e := range entries {
		if m := form.FindStringSubmatch(e.Name()); m != nil {
			n, _ := strconv.Atoi(m[2])
			files = append(files, rotated{e.Name(), m[1], n})
		}
	}
	slices.SortFunc(files, func(a, b rotated) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.number, b.number))
	})
	return files, nil
}

// recover completes a file that a killed program left: all but half a line.
func (o *Rotating) recover(p rotated) error {
	path := filepath.Join(o.dir, p.name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	end, err := lastLine(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if end == 0 {
		return os.Remove(path)
	}
	return os.Rename(path, strings.TrimSuffix(path, partSuffix))
}

// lastLine is where the last complete line of f ends.
func lastLine(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	buf := make([]byte, 64<<10)
	for err == nil && end > 0 {
		n := min(end, int64(len(buf)))
		if _, err = f.ReadAt(buf[:n], end-n); err != nil {
			break
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return end, err
}

// At implements [Timed].
func (o *Rotating) At(t int64) { o.at = t }

// Send implements [Output].
func (o *Rotating) Send(line ...[]byte) error {
	octets := len("\n")
	for _, part := range line {
		octets += len(part)
	}
	if o.file != nil && o.over(octets) {
		if err := o.complete(); err != nil {
			return err
		}
	}
	if o.file == nil {
		if err := o.open(); err != nil {
			return err
		}
	}
	for _, part := range line {
		o.buf = append(o.buf, part...)
	}
	o.buf = append(o.buf, '\n')
	if len(o.buf) >= 64<<10 {
		return o.Flush()
	}
	return nil
}

// over reports whether a report of so many octets is for the next file.
func (o *Rotating) over(octets int) bool {
	r := o.rotation
	return r.Size > 0 && o.size+int64(len(o.buf)+octets) > r.Size ||
		r.Every > 0 && o.at/int64(r.Every) != o.first/int64(r.Every)
}

// open begins the file of the present report. Its number is one after those of
// the same time.
func (o *Rotating) open() error {
	t := time.Unix(0, o.at).UTC().Format("20060102T150405Z")
	number := 1
	for _, suffix := range []string{"", partSuffix} {
		files, err := o.list(suffix)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.time == t {
				number = max(number, f.number+1)
			}
		}
	}
	name := fmt.Sprintf("%s-%s-%04d%s%s", o.stem, t, number, o.ext, partSuffix)
	f, err := os.OpenFile(filepath.Join(o.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	o.file, o.first, o.size = f, o.at, 0
	return nil
}

// Flush implements [Output]. What cannot be written leaves no half a line.
func (o *Rotating) Flush() error {
	if o.file == nil || len(o.buf) == 0 {
		return nil
	}
	_, err := o.file.Write(o.buf)
	if err == nil {
		o.size += int64(len(o.buf))
	} else {
		_ = o.file.Truncate(o.size) // the disk is full: the error is told already
		_, _ = o.file.Seek(o.size, io.SeekStart)
	}
	o.buf = o.buf[:0]
	return err
}

// complete gives the file its own name, and removes those that are too many.
func (o *Rotating) complete() error {
	err := o.Flush()
	f := o.file
	o.file = nil
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if o.size == 0 {
		return os.Remove(f.Name())
	}
	if err := os.Rename(f.Name(), strings.TrimSuffix(f.Name(), partSuffix)); err != nil {
		return err
	}
	if o.rotation.Keep == 0 {
		return nil
	}
	files, err := o.list("")
	for len(files) > o.rotation.Keep && err == nil {
		err = os.Remove(filepath.Join(o.dir, files[0].name))
		files = files[1:]
	}
	return err
}

// Close implements [Output].
func (o *Rotating) Close() error {
	if o.file == nil {
		return nil
	}
	return o.complete()
}
