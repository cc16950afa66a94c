package jerry

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"ratadns/report"
)

// Config is Jerry's part of the configuration file.
type Config struct {
	// Listen is the address of the dashboard and the HTTP API.
	Listen    string    `yaml:"listen"`
	Subscribe Subscribe `yaml:"subscribe"`
	// Keep is how much of each server and type is remembered, counted back
	// from its newest window.
	Keep time.Duration `yaml:"keep"`
	// MaxBytes bounds the reports remembered, by their octets on the wire; the
	// oldest windows go first.
	MaxBytes Octets `yaml:"max_bytes"`
}

// Subscribe says where reports are heard.
type Subscribe struct {
	Channels []string `yaml:"channels"` // Pub/Sub, names or patterns
	Streams  []string `yaml:"streams"`
}

// DefaultConfig keeps an hour.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8053", Keep: time.Hour, MaxBytes: 256 << 20}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	if _, port, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen must be like 127.0.0.1:8053, got %q", c.Listen)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("listen: port must be 0 to 65535, got %q", port)
	}
	if c.Keep <= 0 {
		return fmt.Errorf("keep must be positive, got %s", c.Keep)
	}
	if c.MaxBytes < report.MaxReport {
		return fmt.Errorf("max_bytes must be at least %s, got %s", Octets(report.MaxReport), c.MaxBytes)
	}
	return nil
}

// Octets is a size, written with its unit: 256MiB.
type Octets int64

var units = []struct {
	name string
	size Octets
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the largest unit that divides the size.
func (o Octets) String() string {
	for _, u := range units {
		if o%u.size == 0 && o != 0 {
			return strconv.FormatInt(int64(o/u.size), 10) + u.name
		}
	}
	return "0B"
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (o *Octets) UnmarshalText(text []byte) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/int64(u.size) {
			break
		}
		*o = Octets(n) * u.size
		return nil
	}
	return fmt.Errorf("size must be like 256MiB, got %q", text)
}

// MarshalText implements [encoding.TextMarshaler].
func (o Octets) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
