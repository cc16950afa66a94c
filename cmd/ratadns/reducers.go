package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"ratadns/reduce"
)

type reducersCmd struct {
	Name string `arg:"" optional:"" help:"One reducer; all without."`
}

func (c *reducersCmd) Run(e *env) error {
	if c.Name != "" {
		r, err := reduce.Find(c.Name)
		if err != nil {
			return usageError{err}
		}
		fmt.Fprintf(e.stdout, "%s: %s\nscope: %s\n", r.Name, r.Doc, r.Of.Word())
		fmt.Fprintf(e.stdout, "takes: %s\n", strings.Join(r.Parameters(), ", "))
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tSCOPE\tWHAT")
	for _, r := range reduce.Catalog {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Of.Letters(), r.Doc)
	}
	fmt.Fprintln(w, "\nM all messages, Q queries, R responses, T transactions")
	return w.Flush()
}
