package main

import (
	"ratadns/speedy"
)

type monitorCmd struct {
	Config string `required:"" help:"Configuration file; see: ratadns config example." placeholder:"FILE"`
	sourceFlags
}

func (monitorCmd) Help() string {
	return `Speedy and Fievel in one process, without the JSON between: packets in,
reports out, each reducer's to its own output.

Examples:
    ratadns monitor -i eth0 --config rata.yml
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
	src, err := c.open(e.ctx, e.log)
	if err != nil {
		return err
	}
	defer src.Close()
	f, outputs, err := newFievel(cfg, e, anon)
	if err != nil {
		return err
	}
	engine := speedy.NewEngine(src.engine(f), f)
	err = first(engine.Run(e.ctx, src, f.Err), f.Close(), outputs.Close(e.log))
	src.logStats(e.log, engine.Stats())
	logFievel(e.log, f)
	return err
}
