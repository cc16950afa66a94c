package main

import (
	"errors"
	"log/slog"

	"ratadns/speedy"
)

type speedyCmd struct {
	sourceFlags
	workersFlag
	Fields       string `help:"Members of a message: a list of source,dest,queries,answers,authorities,additionals,time,transport,ports,size,counts,edns, or seed, or all. Default: all but the three sections." placeholder:"LIST"`
	Anonymize    string `default:"hash" enum:"none,hash,prefix,truncate" help:"How addresses are written: ${enum}." placeholder:"METHOD"`
	AnonymizeKey string `help:"Key file, the same for all monitors that should agree: 32 octets or 64 hexadecimal digits. Default: random for this run." placeholder:"FILE"`
}

func (speedyCmd) Help() string {
	return `Each message is its length in octets, decimal, and a JSON object; the next
follows at once, in the order of the capture.

Examples:
    ratadns speedy -i eth0 | ratadns fievel --config rata.yml
    tcpdump -i eth0 -U -w - port 53 | ratadns speedy | ratadns fievel --config rata.yml
    ratadns speedy --dnstap /run/ratadns/dnstap.sock | ratadns fievel --config rata.yml
    ratadns speedy -r today.fstrm | ratadns fievel --config rata.yml
    ratadns speedy -r today.pcap.zst --fields seed --anonymize none`
}

func (c *speedyCmd) Run(e *env) error {
	fields := speedy.FieldsDefault
	if c.Fields != "" {
		var err error
		if fields, err = speedy.ParseFields(c.Fields); err != nil {
			return usagef("--fields: %w", err)
		}
	}
	n, err := c.count()
	if err != nil {
		return err
	}
	anon, err := newAnonymizer(speedy.Method(c.Anonymize), c.AnonymizeKey, e.log)
	if err != nil {
		return err
	}
	src, err := c.open(e.ctx, e.log, n)
	if err != nil {
		return err
	}
	defer src.Close()
	stats, err := speedy.Write(e.ctx, src, e.rawStdout, src.engine(), n, fields, anon)
	src.logStats(e.log, stats)
	return err
}

// newAnonymizer makes the anonymiser of a command; without a key file the key
// is random, and the log says what follows from that.
func newAnonymizer(method speedy.Method, path string, log *slog.Logger) (*speedy.Anonymizer, error) {
	key := speedy.RandomKey()
	switch {
	case path != "":
		var err error
		if key, err = speedy.ReadKey(path); errors.Is(err, speedy.ErrShortKey) {
			log.Warn("anonymisation key is short", "path", path, "hint", "openssl rand -hex 32")
		} else if err != nil {
			return nil, err
		}
	case method == speedy.Hash || method == speedy.Prefix:
		log.Info("addresses are anonymised with a key made for this run: distinct clients do not add up over servers and restarts", "method", method)
	}
	return speedy.NewAnonymizer(method, key)
}
