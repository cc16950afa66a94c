package main

import (
	"strings"
	"time"

	"ratadns/fievel"
)

// windowConfig is the file's, or a reducer's own.
type windowConfig struct {
	Duration string `yaml:"duration"`
	Messages *int   `yaml:"messages"`
	Lateness string `yaml:"lateness"`
}

// window is the configured one over the default.
func (c *config) window() (fievel.Window, error) {
	return c.windowOver(fievel.DefaultConfig().Window, "$.window", &c.Window)
}

// windowOf is that of a reducer, which may have its own over the configured one.
func (c *config) windowOf(path string, r *reducerConfig) (fievel.Window, error) {
	w, err := c.window()
	if err != nil || r.Window == nil {
		return w, err
	}
	return c.windowOver(w, path+".window", r.Window)
}

// windowOver reads the window at path over w.
func (c *config) windowOver(w fievel.Window, path string, own *windowConfig) (fievel.Window, error) {
	if err := c.whole(path+".messages", "window.messages"); err != nil {
		return w, err
	}
	switch {
	case own.Messages != nil && own.Duration != "":
		return w, c.at(path+".messages", "window has a duration and a number of messages, choose one")
	case own.Messages != nil && *own.Messages == 0:
		return w, c.at(path+".messages", "window.messages must be positive, got 0")
	case own.Messages != nil:
		w.Messages = *own.Messages
	case own.Duration != "":
		w.Messages = 0
	}
	for _, m := range []struct {
		name, text string
		to         *time.Duration
	}{{"duration", own.Duration, &w.Duration}, {"lateness", own.Lateness, &w.Lateness}} {
		if err := c.duration(path+"."+m.name, "window."+m.name, m.text, m.to); err != nil {
			return w, err
		}
	}
	if err := w.Validate(); err != nil {
		member, _, _ := strings.Cut(err.Error(), " ")
		return w, c.at(path+"."+member, "window.%w", err)
	}
	return w, nil
}
