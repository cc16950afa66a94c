package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ratadns/reduce"
)

// TestReducersPage holds docs/reducers.md against the catalogue and the fields.
func TestReducersPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/reducers.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string) // cells of a table's row, by its first
	for line := range strings.Lines(string(b)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) > 3 && strings.HasPrefix(line, "| `") {
			for _, name := range strings.Split(strings.TrimPrefix(cells[0], "| "), ", ") {
				rows[strings.Trim(name, "`")] = cells
			}
		}
	}
	for _, e := range reduce.Catalog {
		cells := rows[e.Name]
		switch {
		case cells == nil:
			t.Errorf("%s is not on the page", e.Name)
		case cells[1] != e.Of.Letters():
			t.Errorf("%s: scope %s, want %s", e.Name, cells[1], e.Of.Letters())
		case len(e.By) > 0 && strings.HasPrefix(cells[2], "`") && cells[2] != "`"+strings.Join(e.By, "`, `")+"`":
			t.Errorf("%s: by %s, want %s", e.Name, cells[2], e.By)
		case len(cells) == 5 && len(e.By) > 0 && !e.AsTop && e.Top > 0 && cells[3] != fmt.Sprint(e.Top):
			t.Errorf("%s: top %s, want %d", e.Name, cells[3], e.Top)
		}
	}
	for i := range reduce.Fields {
		f := &reduce.Fields[i]
		want := fieldRow(f)
		if !strings.Contains(string(b), want+"\n") {
			t.Errorf("not on the page: %s", want)
		}
	}
}

// fieldRow is a field's row on the page.
func fieldRow(f *reduce.Field) string {
	scope, kind := "M", f.Kind.String()
	if f.Of != 0 {
		scope = f.Of.Letters()
	}
	if f.Range() > 0 {
		kind = fmt.Sprintf("range of %d", f.Range())
	}
	if w := f.Words(); len(w) > 0 && len(w) < 8 {
		kind = "`" + strings.Join(w, "`, `") + "`"
	}
	if f.Absent() != "" {
		kind += ", else `" + f.Absent() + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", f.Name, scope, kind, f.Unit, f.Doc)
}
