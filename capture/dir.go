package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// expand puts the captures in a directory in its place. Hidden files are not
// meant; other files that are no captures are told, and those that are cut before
// their first packet, as the newest one of a program that still writes it.
func expand(names []string, log *slog.Logger) (all []string, err error) {
	stdin := 0
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
			all = append(all, name) // opening it tells what is wrong
			if name == "-" {
				stdin++
			}
			if stdin > 1 {
				return nil, errors.New("-: standard input is named twice")
			}
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, e := range entries {
			path := filepath.Join(name, e.Name())
			switch err := nothingIn(path); {
			case e.IsDir() || strings.HasPrefix(e.Name(), "."):
			case err != nil:
				log.Warn("file in a directory is left out", "err", err)
			default:
				all = append(all, path)
			}
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s: no captures in this directory", name)
		}
	}
	return all, nil
}

// nothingIn says why there is nothing to be read of the file, or nil: of what cannot
// be opened, and of a pipe, opening it tells.
func nothingIn(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := openFile(path, slog.New(slog.DiscardHandler), nil)
	switch {
	case err == nil:
		f.Close()
	case errors.Is(err, errNotCapture), errors.Is(err, errCutAtOnce), errors.Is(err, errCutHeader):
		return err
	}
	return nil
}

// Size is how many octets the captures of those names have on the disk, or 0
// where nobody knows: of a pipe.
func Size(names []string) (sum int64) {
	names, err := expand(names, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.Mode().IsRegular() {
			return 0
		}
		sum += info.Size()
	}
	return sum
}
