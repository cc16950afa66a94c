package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"ratadns/reduce"
)

// scriptEntry reads the script of a reducer; path is where that stands in the
// file.
func (c *config) scriptEntry(path string, r *reducerConfig) (*reduce.Entry, error) {
	switch {
	case r.Use != "":
		return nil, c.at(path+".script", "a reducer has use or script, choose one")
	case r.Name == "":
		return nil, c.at(path+".script", "name is missing: a script's reports have it for their type")
	}
	for _, member := range []string{"by", "measure"} {
		if c.node(path+"."+member) != nil {
			return nil, c.at(path+"."+member, "%s means nothing beside script, which counts for itself", member)
		}
	}
	name := r.Script
	if !filepath.IsAbs(name) && c.path != "-" {
		name = filepath.Join(filepath.Dir(c.path), name)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, c.at(path+".script", "script: %w", err)
	}
	if r.script, err = reduce.NewScript(name, src); err != nil {
		return nil, err // which has a place of its own
	}
	e := r.script.Entry(r.Name)
	if r.Of != "" {
		if e.Of, err = reduce.ParseScope(r.Of); err != nil {
			return nil, c.at(path+".of", "of: %w", err)
		}
	}
	return e, nil
}

// logScripts lets scripts tell of their errors.
func (c *config) logScripts(log *slog.Logger) {
	for i := range c.Reducers {
		if s := c.Reducers[i].script; s != nil {
			s.Log = log
		}
	}
}

// workers is one where a script has to see all messages: what it makes of them
// can be added up only if it says how.
func (c *config) workers(n int, log *slog.Logger) int {
	if script := c.unmerged(); script != "" && n > 1 {
		log.Info("one worker does all the work: a script has no merge(other)", "type", script)
		return 1
	}
	return n
}

// unmerged is the first script without merge.
func (c *config) unmerged() string {
	for i := range c.Reducers {
		if s := c.Reducers[i].script; s != nil && !s.Merges() {
			return c.Reducers[i].typ()
		}
	}
	return ""
}
