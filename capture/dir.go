package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// expand puts the files of a directory in its place. Hidden ones are not meant.
func expand(names []string) (all []string, err error) {
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
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				all = append(all, filepath.Join(name, e.Name()))
			}
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s: no captures in this directory", name)
		}
	}
	return all, nil
}

// Size is how many octets the captures of those names have on the disk, or 0
// where nobody knows: of a pipe.
func Size(names []string) (sum int64) {
	names, err := expand(names)
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
