package main

import (
	"errors"

	"ratadns/speedy"
)

type monitorCmd struct {
	Config string   `required:"" help:"Configuration file; see: ratadns config example." placeholder:"FILE"`
	Read   []string `short:"r" sep:"none" help:"Capture to read, pcap or pcapng, plain or compressed; - is standard input, the default. Repeatable." placeholder:"FILE"`
	More   []string `arg:"" optional:"" name:"file" help:"More captures, as -r *.pcap gives them."`
}

func (monitorCmd) Help() string {
	return `Speedy and Fievel in one process, without the JSON between: packets in,
reports out, each reducer's to its own output.

Example:
    ratadns monitor -r today.pcap.zst --config rata.yml`
}

func (c *monitorCmd) Run(e *env) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	anon, err := cfg.anonymizer(e.log)
	if err != nil {
		return err
	}
	src, grace, err := openCaptures(append(c.Read, c.More...), e.log)
	if err != nil {
		return err
	}
	defer src.Close()
	f, outputs, err := newFievel(cfg, e, anon)
	if err != nil {
		return err
	}
	sc := speedy.DefaultConfig()
	sc.Grace = grace
	engine := speedy.NewEngine(sc, f)
	err = engine.Run(e.ctx, src, f.Err)
	err = errors.Join(err, f.Close(), outputs.Close(e.log))
	logStats(e.log, engine.Stats())
	logFievel(e.log, f)
	return err
}
