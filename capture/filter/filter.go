// Package filter selects packets by an expression in tcpdump's language,
// pcap-filter(7), as far as tcpdump and this package are proven to select the
// same: the rest is refused, never guessed. What is refused can be given as the
// program that tcpdump -ddd prints.
//
// An expression becomes a program for the Berkeley packet filter, which runs
// in the kernel for packets of an interface and in [Program.Match] for those of
// a capture. Start at [New].
package filter

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/bpf"

	"ratadns/capture"
)

// A Filter is an expression, compiled for each link type that comes.
type Filter struct {
	text  string
	given Program // the text is a program

	mu       sync.Mutex
	programs map[capture.LinkType]Program
}

// New reads an expression or the output of tcpdump -ddd.
func New(text string) (*Filter, error) {
	f := &Filter{text: text, programs: make(map[capture.LinkType]Program)}
	if isProgram(text) {
		var err error
		if f.given, err = parseProgram(text); err != nil {
			return nil, fmt.Errorf("--filter: %w", err)
		}
		return f, nil
	}
	// Most of what can be wrong is wrong for any link type.
	_, err := f.program(capture.LinkEthernet)
	return f, err
}

// Program implements [capture.LiveFilter].
func (f *Filter) Program(link capture.LinkType) ([]bpf.RawInstruction, error) {
	return f.program(link)
}

func (f *Filter) program(link capture.LinkType) (Program, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if link == capture.LinkDnstap { // which is not of the registry, so its number says nothing
		return nil, errors.New("--filter: it selects packets, and dnstap has none")
	}
	if f.given != nil {
		// Nothing in a program says what it was made for.
		if link != capture.LinkEthernet {
			return nil, fmt.Errorf("--filter: a program is for Ethernet, and packets have link type %d: give the expression", link)
		}
		return f.given, nil
	}
	if p, ok := f.programs[link]; ok {
		return p, nil
	}
	p, err := compile(f.text, link)
	if err != nil {
		return nil, fmt.Errorf("--filter %q: %w", strings.TrimSpace(f.text), err)
	}
	f.programs[link] = p
	return p, nil
}

// Match implements [capture.LiveFilter].
func (f *Filter) Match(p *capture.Packet) (bool, error) {
	prog, err := f.program(p.Link)
	return err == nil && prog.Match(p.Data, p.Wire), err
}

// A Source passes on the packets of another that a filter selects.
type Source struct {
	capture.Source
	filter  *Filter
	program Program // for packets of link
	link    capture.LinkType
	out     atomic.Uint64
}

// NewSource applies f to src.
func NewSource(src capture.Source, f *Filter) *Source { return &Source{Source: src, filter: f} }

// LeftOut is how many packets were not selected.
func (s *Source) LeftOut() uint64 { return s.out.Load() }

// Read implements [capture.Source]. Packets of a link type that the expression
// cannot be compiled for are an error: they might be what was looked for.
func (s *Source) Read(b *capture.Batch) error {
	for {
		if err := s.Source.Read(b); err != nil {
			return err
		}
		kept := b.Packets[:0]
		for i := range b.Packets {
			p := &b.Packets[i]
			if s.program == nil || p.Link != s.link {
				var err error
				if s.program, err = s.filter.program(p.Link); err != nil {
					b.Packets = b.Packets[:0]
					return err
				}
				s.link = p.Link
			}
			if s.program.Match(p.Data, p.Wire) {
				kept = append(kept, *p)
			}
		}
		s.out.Add(uint64(len(b.Packets) - len(kept)))
		if b.Packets = kept; len(kept) > 0 {
			return nil
		}
	}
}
