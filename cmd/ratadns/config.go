package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"ratadns/bus"
	"ratadns/fievel"
	"ratadns/jerry"
	"ratadns/reduce"
	"ratadns/speedy"
)

// config is the one configuration file; every command reads its own part.
type config struct {
	Server    string              `yaml:"server"`
	Servers   map[string][]string `yaml:"servers"`
	Window    windowConfig        `yaml:"window"`
	Redis     redisConfig         `yaml:"redis"`
	Envelope  string              `yaml:"envelope"`
	Codes     string              `yaml:"codes"`
	Output    *outputConfig       `yaml:"output"`
	Reducers  []reducerConfig     `yaml:"reducers"`
	Anonymize anonymizeConfig     `yaml:"anonymize"`
	Geo       geoConfig           `yaml:"geo"`
	TLDs      string              `yaml:"tlds"`
	Jerry     jerryConfig         `yaml:"jerry"`

	path  string
	file  *ast.File
	lines []string
	live  bool // the source waits for nobody
	facts *reduce.Facts
}

// Lengths and sizes are read as words, so that an error can tell where.

type jerryConfig struct {
	Listen    string          `yaml:"listen"`
	Keep      string          `yaml:"keep"`
	MaxBytes  string          `yaml:"max_bytes"`
	Subscribe jerry.Subscribe `yaml:"subscribe"`
	History   struct {
		Dir string `yaml:"dir"`
	} `yaml:"history"`
}

type redisConfig struct {
	URL string `yaml:"url"`
}

type geoConfig struct {
	Country string `yaml:"country"`
	ASN     string `yaml:"asn"`
}

type anonymizeConfig struct {
	Method string `yaml:"method"`
	Key    string `yaml:"key"`
}

// loadConfig reads the file of that name; "-" is standard input. An error of
// the file has its name, line and column.
func loadConfig(path string) (*config, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(os.Stdin)
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usageError{err}
	}
	c := newConfig()
	c.path = path
	if err := c.parse(b); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// newConfig returns what holds where the file says nothing.
func newConfig() *config {
	return &config{Anonymize: anonymizeConfig{Method: string(speedy.Hash)}}
}

func (c *config) parse(b []byte) error {
	file, err := parser.ParseBytes(b, 0)
	if err == nil {
		c.file, c.lines = file, strings.Split(string(b), "\n")
		if len(file.Docs) == 0 || file.Docs[0].Body == nil {
			return c.validate() // nothing but comments: the defaults
		}
		err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(c)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		var at yaml.Error
		if !errors.As(err, &at) {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		if t := at.GetToken(); t != nil {
			what := plainWords(at.GetMessage(), t.Value)
			return fmt.Errorf("%s:%d:%d: %s", c.path, t.Position.Line, t.Position.Column, what)
		}
		return fmt.Errorf("%s: %s", c.path, at.GetMessage())
	}
	return c.validate()
}

// node is what stands in the file at a path such as $.window.duration, or nil.
func (c *config) node(path string) ast.Node {
	p, err := yaml.PathString(path)
	if err != nil || c.file == nil {
		return nil
	}
	node, err := p.FilterFile(c.file)
	if err != nil {
		return nil
	}
	return node
}

// at is an error about the value at a path such as $.window.duration.
func (c *config) at(path, format string, args ...any) error {
	line, column := 1, 1
	if node := c.node(path); node != nil {
		// A mapping's token is its first colon; its first key is where
		// people look.
		if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
			node = m.Values[0].Key
		}
		line, column = node.GetToken().Position.Line, node.GetToken().Position.Column
	}
	return fmt.Errorf("%s:%d:%d: %w", c.path, line, column, fmt.Errorf(format, args...))
}

func (c *config) validate() error {
	if _, err := c.window(); err != nil {
		return err
	}
	if _, err := c.serverList(); err != nil {
		return err
	}
	if c.Envelope != "" && c.Envelope != "seed" && c.Envelope != "full" {
		return c.at("$.envelope", "envelope must be seed or full, got %q", c.Envelope)
	}
	if err := c.checkCodes("$.codes", c.Codes); err != nil {
		return err
	}
	if _, err := speedy.NewAnonymizer(speedy.Method(c.Anonymize.Method), speedy.Key{}); err != nil {
		return c.at("$.anonymize.method", "anonymize.method: %w", err)
	}
	if c.Output != nil {
		if err := c.checkOutput("$.output", c.Output); err != nil {
			return err
		}
	}
	if c.Redis.URL != "" {
		if err := bus.CheckURL(c.Redis.URL); err != nil {
			return c.at("$.redis.url", "redis.url: %w", err)
		}
	}
	if _, err := c.jerry(); err != nil {
		return err
	}
	if err := c.openFacts(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for i := range c.Reducers {
		if err := c.checkReducer(fmt.Sprintf("$.reducers[%d]", i), &c.Reducers[i], seen); err != nil {
			return err
		}
	}
	return nil
}

// whole is an error where the number at path has a fraction, which the YAML
// library cuts off.
func (c *config) whole(path, name string) error {
	node := c.node(path)
	if node == nil {
		return nil
	}
	text := node.GetToken().Value
	if f, err := strconv.ParseFloat(text, 64); err == nil && f != math.Trunc(f) {
		return c.at(path, "%s must be a whole number, got %s", name, text)
	}
	return nil
}

// plainWords says what the YAML library says without Go's types: value is what
// stands there.
func plainWords(s, value string) string {
	s = strings.Replace(s, "unknown field", "unknown key", 1)
	before, wanted, ok := strings.Cut(s, " of type ")
	switch {
	case strings.HasPrefix(s, "cannot unmarshal") && ok:
		field := before[strings.LastIndexByte(before, '.')+1:]
		if field == "MaxKeys" {
			field = "max_keys"
		}
		return fmt.Sprintf("%s must be %s, got %q", strings.ToLower(field), plainType(wanted), value)
	case strings.Contains(s, "where sequence is expected"):
		return fmt.Sprintf("must be a list, got %q", value)
	case strings.Contains(s, "where mapping is expected"):
		return fmt.Sprintf("must be names with their values, got %q", value)
	}
	return s
}

func plainType(t string) string {
	switch {
	case strings.HasPrefix(t, "int"):
		return "a number"
	case strings.HasPrefix(t, "string"):
		return "a text"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "map"):
		return "names with their values"
	}
	return "as in: ratadns config example"
}

// duration reads the length at path; an empty one leaves d as it is.
func (c *config) duration(path, name, text string, d *time.Duration) error {
	if text == "" {
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return c.at(path, "%s must be a length with its unit, like 10s, 5m or 24h, got %q", name, text)
	}
	*d = v
	return nil
}

// jerry is the configured one over the default.
func (c *config) jerry() (jerry.Config, error) {
	j := jerry.DefaultConfig()
	if c.Jerry.Listen != "" {
		j.Listen = c.Jerry.Listen
	}
	j.Subscribe = c.Jerry.Subscribe
	if err := c.duration("$.jerry.keep", "jerry.keep", c.Jerry.Keep, &j.Keep); err != nil {
		return j, err
	}
	if c.Jerry.MaxBytes != "" {
		if err := j.MaxBytes.UnmarshalText([]byte(c.Jerry.MaxBytes)); err != nil {
			return j, c.at("$.jerry.max_bytes", "jerry.max_bytes must be a size with its unit, like 256MiB, got %q", c.Jerry.MaxBytes)
		}
	}
	if err := j.Validate(); err != nil {
		member, _, _ := strings.Cut(err.Error(), " ")
		return j, c.at("$.jerry."+strings.TrimSuffix(member, ":"), "jerry.%w", err)
	}
	if len(j.Subscribe.Streams) > 0 {
		return j, c.at("$.jerry.subscribe.streams", "jerry.subscribe.streams must be empty in this version; reports are heard on channels")
	}
	return j, nil
}

// serverList is Servers by name; an address belongs to one of them.
func (c *config) serverList() ([]fievel.Server, error) {
	var list []fievel.Server
	owner := make(map[netip.Addr]string)
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		s := fievel.Server{Name: name}
		for i, text := range c.Servers[name] {
			path := fmt.Sprintf("$.servers.%s[%d]", name, i)
			a, err := netip.ParseAddr(text)
			if err != nil || a.Zone() != "" {
				return nil, c.at(path, "%q is not an IP address", text)
			}
			if other, taken := owner[a]; taken {
				return nil, c.at(path, "%s belongs to %s already", text, other)
			}
			owner[a] = name
			s.Addresses = append(s.Addresses, a)
		}
		list = append(list, s)
	}
	return list, nil
}

//go:embed example.yml
var exampleConfig []byte

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Check a configuration file."`
	Example configExampleCmd `cmd:"" help:"Print a complete, commented configuration file."`
}

type configCheckCmd struct {
	File string `arg:"" help:"The file; - is standard input."`
}

func (c *configCheckCmd) Run(e *env) error {
	cfg, err := loadConfig(c.File)
	if err != nil {
		return err
	}
	reducers := "reducers"
	if len(cfg.Reducers) == 1 {
		reducers = "reducer"
	}
	_, err = fmt.Fprintf(e.stdout, "%s: good: %d %s\n", filepath.Base(c.File), len(cfg.Reducers), reducers)
	return err
}

type configExampleCmd struct{}

func (configExampleCmd) Run(e *env) error {
	_, err := e.stdout.Write(exampleConfig)
	return err
}

// anonymizer is the configured one.
func (c *config) anonymizer(log *slog.Logger) (*speedy.Anonymizer, error) {
	return newAnonymizer(speedy.Method(c.Anonymize.Method), c.Anonymize.Key, log)
}
