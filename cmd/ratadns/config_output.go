package main

import "strings"

// outputConfig is a word, stdout or discard, or one of the members.
type outputConfig struct {
	word  string
	Redis *struct {
		Channel string `yaml:"channel"`
	} `yaml:"redis"`
	File   string        `yaml:"file"`
	Rotate *rotateConfig `yaml:"rotate"`
}

// UnmarshalYAML implements [yaml.InterfaceUnmarshaler].
func (o *outputConfig) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&o.word) == nil {
		return nil
	}
	type plain outputConfig
	return unmarshal((*plain)(o))
}

func (c *config) checkOutput(path string, o *outputConfig) error {
	switch {
	case o.word != "":
		if o.word != "stdout" && o.word != "discard" {
			return c.at(path, "output must be stdout, discard, {file: NAME} or {redis: {channel: NAME}}, got %q", o.word)
		}
	case (o.Redis != nil) == (o.File != ""):
		return c.at(path, "output must be stdout, discard, {file: NAME} or {redis: {channel: NAME}}")
	case o.Redis != nil && c.Redis.URL == "":
		return c.at(path, "output goes to redis, but redis.url is not set")
	}
	_, err := c.rotation(path, o)
	return err
}

func (c *config) outputOf(r *reducerConfig) *outputConfig {
	if r.Output != nil {
		return r.Output
	}
	return c.Output
}

// expand puts the type into a channel's or file's name. The default is the type.
func expand(name, typ string) string {
	if name == "" {
		return typ
	}
	return strings.ReplaceAll(name, "{type}", typ)
}
