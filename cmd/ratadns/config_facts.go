package main

import (
	"fmt"
	"strings"

	"ratadns/reduce"
	"ratadns/speedy"
)

// openFacts reads the files that fields look things up in.
func (c *config) openFacts() error {
	c.facts = reduce.DefaultFacts()
	var err error
	if c.facts.Geo, err = reduce.OpenGeo(c.Geo.Country, c.Geo.ASN); err != nil {
		member, _, _ := strings.Cut(err.Error(), ":")
		return c.at("$."+member, "%w", err)
	}
	if c.TLDs == "" {
		return nil
	}
	if c.facts.TLDs, err = reduce.ReadTLDs(c.TLDs); err != nil {
		return c.at("$.tlds", "tlds: %w", err)
	}
	return nil
}

// checkNeeds refuses a reducer whose fields look things up in a file that the
// configuration does not name.
func (c *config) checkNeeds(path string, r *reducerConfig) error {
	has := map[string]bool{reduce.NeedsCountry: c.Geo.Country != "", reduce.NeedsASN: c.Geo.ASN != ""}
	for _, need := range r.entry.Needs(r.where) {
		if !has[need] {
			return c.at(path, "%s needs %s, the name of a file in MaxMind's format", r.typ(), need)
		}
	}
	return nil
}

// refusePlaces refuses the reducers that look up addresses, where the addresses
// that come through a pipe may be anonymised ones.
func (c *config) refusePlaces() error {
	if speedy.Method(c.Anonymize.Method) == speedy.None {
		return nil
	}
	for i := range c.Reducers {
		r := &c.Reducers[i]
		if needs := r.entry.Needs(r.where); len(needs) > 0 {
			return usageError{c.at(fmt.Sprintf("$.reducers[%d]", i), "%s looks addresses up, and those on standard input are anonymised: use it in ratadns monitor, or speedy --anonymize none and anonymize: {method: none}", r.typ())}
		}
	}
	return nil
}
