package archive

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Config says where packets are kept and when a file is complete.
type Config struct {
	Dir        string
	Rotate     time.Duration // length of a slot of capture time, aligned to the epoch
	RotateSize Size          // longest file, before compression
	Flush      time.Duration // how often what is in memory goes to the files
}

// DefaultConfig has files of an hour. At 2,000 packets per second, which a busy
// name server sees, that is about 800 MiB before compression.
func DefaultConfig() Config {
	return Config{Rotate: time.Hour, RotateSize: 1 << 30, Flush: time.Second}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("dir must name a directory")
	case c.Rotate < time.Second || c.Rotate%time.Second != 0:
		// File names have whole seconds.
		return fmt.Errorf("rotate must be whole seconds, at least 1s, got %v", c.Rotate)
	case c.RotateSize < 1<<10:
		return fmt.Errorf("rotate-size must be at least 1KiB, got %v", c.RotateSize)
	case c.Flush <= 0:
		return fmt.Errorf("flush must be positive, got %v", c.Flush)
	}
	return nil
}

// A Size is a number of octets, written with its unit: 64MiB.
type Size int64

var units = []struct {
	name   string
	octets int64
}{
	// Longer names first: the last letter of each is a unit itself.
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

// UnmarshalText reads a size as a person writes it.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.octets {
			break
		}
		*s = Size(n * u.octets)
		return nil
	}
	return fmt.Errorf("%q is not a size: a whole number and a unit are, as in 64MiB", text)
}

// String writes s with the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range []int{3, 2, 1, 0} {
		if n := int64(s); n > 0 && n%units[u].octets == 0 {
			return strconv.FormatInt(n/units[u].octets, 10) + units[u].name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
