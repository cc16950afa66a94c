package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ratadns/reduce"
)

type reducersCmd struct {
	Name       string `arg:"" optional:"" help:"One reducer; all without."`
	Dimensions bool   `help:"What can be counted by, measured and compared, in place of the reducers."`
}

func (c *reducersCmd) Run(e *env) error {
	switch {
	case c.Dimensions && c.Name != "":
		return usageError{errors.New("--dimensions is for all reducers, leave the name out")}
	case c.Dimensions:
		return printFields(e.stdout)
	case c.Name != "":
		r, err := reduce.Find(c.Name)
		if err != nil {
			return usageError{err}
		}
		return printReducer(e.stdout, r)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tSCOPE\tWHAT")
	for _, r := range reduce.Catalog {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Of.Letters(), r.Doc)
	}
	fmt.Fprintln(w, "\nM all messages, Q queries, R responses, T transactions, P packets")
	return w.Flush()
}

// printReducer tells all that the catalogue says of one reducer.
func printReducer(out io.Writer, r *reduce.Entry) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "%s: %s\nscope:\t%s\n", r.Name, r.Doc, scopeWords(r.Of))
	if r.Filter != "" {
		fmt.Fprintf(w, "where:\t%s\n", r.Filter)
	}
	if len(r.By) > 0 {
		fmt.Fprintf(w, "by:\t%s\nmeasure:\t%s\n", strings.Join(r.By, ", "), strings.TrimSpace(r.Measure.String()+" "+r.OfField))
		if r.Top > 0 {
			fmt.Fprintf(w, "top:\t%d\n", r.Top)
		}
		fmt.Fprintf(w, "exact:\tup to %d keys\n", reduce.DefaultMaxKeys)
	}
	fmt.Fprintf(w, "takes:\t%s\n", strings.Join(r.Parameters(), ", "))
	return w.Flush()
}

// printFields prints the table of fields.
func printFields(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSCOPE\tKIND\tUNIT\tWHAT")
	for i := range reduce.Fields {
		f := &reduce.Fields[i]
		scope, kind := "M", f.Kind.String()
		if f.Of != 0 {
			scope = f.Of.Letters()
		}
		if f.Range() > 0 {
			kind = "range"
		}
		if f.Absent() != "" {
			kind += " or " + f.Absent()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Name, scope, kind, f.Unit, f.Doc)
	}
	fmt.Fprintln(w, "\nM all messages, Q queries, R responses, T transactions")
	return w.Flush()
}

// scopeWords are the kinds of events of a scope.
func scopeWords(s reduce.Scope) string {
	var words []string
	for _, k := range []struct {
		of   reduce.Scope
		word string
	}{
		{reduce.Messages, "all messages"}, {reduce.Queries, "queries"}, {reduce.Responses, "responses"},
		{reduce.Transactions, "transactions"}, {reduce.Overdue, "queries without a response"}, {reduce.Stray, "responses without a query"},
		{reduce.Packets, "packets"},
	} {
		if s&k.of == k.of {
			words = append(words, k.word)
			s &^= k.of
		}
	}
	return strings.Join(words, ", ")
}
