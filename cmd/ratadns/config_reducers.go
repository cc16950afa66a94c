package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"ratadns/reduce"
)

// reducerConfig is the name of a reducer of the catalogue, or the members.
type reducerConfig struct {
	Use      string        `yaml:"use"`
	Name     string        `yaml:"name"`
	Window   *windowConfig `yaml:"window"`
	Output   *outputConfig `yaml:"output"`
	Envelope string        `yaml:"envelope"`
	N        *int          `yaml:"n"`
	Top      *int          `yaml:"top"`
	Ties     string        `yaml:"ties"`
	MaxKeys  *int          `yaml:"max_keys"`
	Samples  *int          `yaml:"samples"`
	Types    []string      `yaml:"types"`
	Where    *string       `yaml:"where"`
	Codes    string        `yaml:"codes"`
	Prefix4  *int          `yaml:"prefix4"`
	Prefix6  *int          `yaml:"prefix6"`
	Days     *int          `yaml:"days"`
	// Threshold is read as words, like all lengths.
	Threshold *string `yaml:"threshold"`
	// Of a reducer that is declared here, in place of use.
	Of      string   `yaml:"of"`
	By      []string `yaml:"by"`
	Measure string   `yaml:"measure"`
	// Of a reducer that is a script, likewise.
	Script string `yaml:"script"`

	entry  *reduce.Entry // what was used or declared, or is that of the script
	script *reduce.Script
	where  *reduce.Where

	threshold time.Duration
}

// UnmarshalYAML implements [yaml.InterfaceUnmarshaler].
func (r *reducerConfig) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&r.Use) == nil {
		return nil
	}
	type plain reducerConfig
	return unmarshal((*plain)(r))
}

// typ is the type of the reducer's reports.
func (r *reducerConfig) typ() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Use
}

// maxSamples and the like bound what the configuration may ask for.
const (
	maxTop     = 1_000_000
	maxMaxKeys = 10_000_000
	maxSamples = 1_000_000
	maxDays    = 366
)

// entryOf is what r uses or declares, or the script that it is.
func (c *config) entryOf(path string, r *reducerConfig) (*reduce.Entry, error) {
	if r.Use == "" && c.isNull(path) {
		r.Use = "Null" // which YAML takes for nothing
	}
	at := func(member string) string { return c.member(path, member) }
	switch {
	case r.Script != "":
		return c.scriptEntry(path, r)
	case r.Use != "":
		for _, member := range []string{"of", "by", "measure"} {
			if c.node(path+"."+member) != nil {
				return nil, c.at(at(member), "%s means nothing beside use; a reducer declared here has a name and no use", member)
			}
		}
		e, err := reduce.Find(r.Use)
		if err != nil {
			return nil, c.at(at("use"), "%w", err)
		}
		return e, nil
	case r.Name == "":
		return nil, c.at(path, "a reducer wants use, one of the catalogue (see: ratadns reducers), or name, if it is declared here or a script")
	case c.node(path+".of") == nil && c.node(path+".by") == nil && c.node(path+".measure") == nil && r.Where == nil && r.Samples == nil:
		return nil, c.at(path, "%s says nothing: use names a reducer of the catalogue; of, where, by, measure, samples declare one", r.Name)
	}
	d := reduce.Declaration{Name: r.Name, Of: r.Of, By: r.By, Measure: r.Measure, Listed: r.Samples != nil}
	for _, n := range []*int{r.N, r.Top} {
		if n != nil {
			d.Top = *n
		}
	}
	e, err := reduce.Declare(d)
	var wrong *reduce.DeclarationError
	if errors.As(err, &wrong) {
		place := at(wrong.Member)
		if item := fmt.Sprintf("%s[%d]", place, wrong.Place); wrong.Member == "by" && c.node(item) != nil {
			place = item
		}
		return nil, c.at(place, "%w", err)
	}
	return e, err
}

// member is the path of a member where it is there, else that of the whole.
func (c *config) member(path, member string) string {
	if c.node(path+"."+member) != nil {
		return path + "." + member
	}
	return path
}

func (c *config) checkReducer(path string, r *reducerConfig, seen map[string]bool) error {
	entry, err := c.entryOf(path, r)
	if err != nil {
		return err
	}
	r.entry = entry
	takes := entry.Parameters()
	at := func(member string) string { return c.member(path, member) }
	if seen[r.typ()] {
		place := at("use")
		if r.Use == "" {
			place = at("name")
		}
		return c.at(place, "two reducers report as %q; give one another name", r.typ())
	}
	seen[r.typ()] = true
	for _, p := range []struct {
		name     string
		value    *int
		min, max int
	}{
		{"n", r.N, 1, maxTop}, {"top", r.Top, 1, maxTop}, {"max_keys", r.MaxKeys, 1, maxMaxKeys}, {"samples", r.Samples, 1, maxSamples},
		{"prefix4", r.Prefix4, 0, 32}, {"prefix6", r.Prefix6, 0, 128},
		{"days", r.Days, 1, maxDays},
	} {
		if p.value == nil {
			continue
		}
		if !slices.Contains(takes, p.name) {
			return c.at(at(p.name), "%s means nothing to %s", p.name, r.typ())
		}
		if err := c.whole(at(p.name), p.name); err != nil {
			return err
		}
		if *p.value < p.min || *p.value > p.max {
			return c.at(at(p.name), "%s must be %d to %d, got %d", p.name, p.min, p.max, *p.value)
		}
	}
	if r.N != nil && r.Top != nil {
		return c.at(at("top"), "n and top are two words for one thing, choose one")
	}
	if r.Ties != "" && (r.Ties != "all" || !slices.Contains(takes, "ties")) {
		return c.at(at("ties"), "ties must be all, for a reducer with a top, got %q", r.Ties)
	}
	if r.Types != nil && !slices.Contains(takes, "types") {
		return c.at(at("types"), "types means nothing to %s", r.typ())
	}
	if _, err := reduce.ParseTypes(r.Types); err != nil {
		return c.at(at("types"), "types: %w", err)
	}
	if r.Threshold != nil {
		if !slices.Contains(takes, "threshold") {
			return c.at(at("threshold"), "threshold means nothing to %s", r.typ())
		}
		if r.threshold, err = time.ParseDuration(*r.Threshold); err != nil || r.threshold <= 0 {
			return c.at(at("threshold"), "threshold must be a length with its unit, like 100ms, got %q", *r.Threshold)
		}
	}
	if r.Where == nil && c.node(path+".where") != nil {
		return c.at(path+".where", "where is empty; an expression such as rcode == \"NXDOMAIN\" would do")
	}
	if r.Where != nil {
		if !slices.Contains(takes, "where") {
			return c.at(path+".where", "where means nothing to %s, which counts packets", r.typ())
		}
		if r.where, err = reduce.CompileWhere(*r.Where); err != nil {
			return c.atWhere(path+".where", err)
		}
		if err := r.where.Suits(entry.Of); err != nil {
			return c.at(path+".where", "where: %w", err)
		}
	}
	if err := c.checkNeeds(path, r); err != nil {
		return err
	}
	if err := c.checkCodes(at("codes"), r.Codes); err != nil {
		return err
	}
	if r.Codes != "" && !slices.Contains(takes, "codes") {
		return c.at(at("codes"), "codes means nothing to %s", r.typ())
	}
	if r.Envelope != "" && r.Envelope != "seed" && r.Envelope != "full" {
		return c.at(at("envelope"), "envelope must be seed or full, got %q", r.Envelope)
	}
	if _, err := c.windowOf(path, r); err != nil {
		return err
	}
	if r.Output != nil {
		return c.checkOutput(at("output"), r.Output)
	}
	return nil
}

// checkCodes checks how codes that are keys are written.
func (c *config) checkCodes(path, word string) error {
	if word != "" && word != "hex" && word != "names" {
		return c.at(path, "codes must be hex or names, got %q", word)
	}
	return nil
}

// atWhere is an error inside an expression: where the expression is written as it
// stands, its place is that of the character.
func (c *config) atWhere(path string, err error) error {
	var in *reduce.WhereError
	if !errors.As(err, &in) {
		return c.at(path, "where: %w", err)
	}
	switch node := c.node(path).(type) {
	case *ast.StringNode:
		t := node.GetToken()
		line, column := t.Position.Line, t.Position.Column
		if in.Line > 1 || line > len(c.lines) {
			break
		}
		// What stands there may be escaped, and a folded one goes on elsewhere.
		written := []rune(c.lines[line-1])[column-1:]
		plain := []rune(t.Value)
		i := 0
		if t.Type != token.StringType {
			i++
		}
		for k := 0; k < in.Column-1 && k < len(plain); k++ {
			escaped := t.Type == token.SingleQuoteType && plain[k] == '\'' || t.Type == token.DoubleQuoteType && i < len(written) && written[i] == '\\'
			if i++; escaped {
				i++
			}
		}
		if i <= len(written) {
			return fmt.Errorf("%s:%d:%d: where: %s", c.path, line, column+i, in.Message)
		}
	case *ast.LiteralNode:
		line := node.Start.Position.Line + in.Line
		if node.Start.Type != token.LiteralType || line > len(c.lines) {
			break
		}
		first := c.lines[node.Start.Position.Line]
		indent := len(first) - len(strings.TrimLeft(first, " "))
		return fmt.Errorf("%s:%d:%d: where: %s", c.path, line, indent+in.Column, in.Message)
	}
	return c.at(path, "where: line %d, column %d: %s", in.Line, in.Column, in.Message)
}

// isNull reports whether the reducer at path is written as the bare word Null.
func (c *config) isNull(path string) bool {
	for _, p := range []string{path, path + ".use"} {
		if null, ok := c.node(p).(*ast.NullNode); ok {
			return null.GetToken().Value == "Null"
		}
	}
	return false
}

// catalogueChannels are the channels that Jerry hears when the configuration
// names none: those of the catalogue and of the reducers in the file.
func catalogueChannels(c *config) []string {
	names := make(map[string]bool)
	for _, e := range reduce.Catalog {
		names[e.Name] = true
	}
	for i := range c.Reducers {
		r := &c.Reducers[i]
		names[r.typ()] = true
		if o := c.outputOf(r); o != nil && o.Redis != nil {
			names[expand(o.Redis.Channel, r.typ())] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
