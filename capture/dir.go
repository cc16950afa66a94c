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
