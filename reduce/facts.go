package reduce

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"sync"

	"ratadns/dns"
)

// Facts are what fields look up that no message tells.
type Facts struct {
	TLDs *TLDs // or nil, for those that come with the program
	Geo  *Geo  // or nil
}

// DefaultFacts are those that come with the program.
func DefaultFacts() *Facts { return &Facts{} }

// isTLD is [TLDs.Has]. The list of the program is read when it is asked first.
func (f *Facts) isTLD(name []byte) bool {
	if f.TLDs == nil {
		return rootTLDs().Has(name)
	}
	return f.TLDs.Has(name)
}

// TLDs are the top-level domains of the root zone.
type TLDs struct {
	names map[string]struct{}
}

// Has reports whether there is a top-level domain of that name, which is
// lower-cased and without a dot.
func (t *TLDs) Has(name []byte) bool {
	_, ok := t.names[string(name)]
	return ok
}

//go:embed tlds.txt
var tldList []byte

var rootTLDs = sync.OnceValue(func() *TLDs {
	t, err := parseTLDs(tldList)
	if err != nil {
		panic(err) // a test reads it
	}
	return t
})

// ReadTLDs reads a list of top-level domains: one a line, in any case, in the
// form they have in the DNS; lines that begin with # are remarks. That is the
// form in which IANA publishes it.
func ReadTLDs(path string) (*TLDs, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := parseTLDs(b)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return t, nil
}

func parseTLDs(b []byte) (*TLDs, error) {
	t := &TLDs{names: make(map[string]struct{})}
	lines := bufio.NewScanner(bytes.NewReader(b))
	n := 0
	for lines.Scan() {
		n++
		name := strings.TrimSuffix(strings.TrimSpace(lines.Text()), ".")
		if name == "" || name[0] == '#' {
			continue
		}
		if _, labels, err := dns.AppendWire(nil, []byte(name)); err != nil || labels != 1 {
			return nil, fmt.Errorf("%d: %q is not a top-level domain", n, name)
		}
		t.names[string(dns.AppendLower(nil, []byte(name)))] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w", n+1, err)
	}
	if len(t.names) == 0 {
		return nil, fmt.Errorf("%d: no top-level domain", n)
	}
	return t, nil
}
