package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layout lists the packages in the order of the data path. A package imports
// only packages above it.
var layout = []string{
	"capture", "packet", "dns", "speedy", "report", "reduce", "bus", "fievel", "archive", "jerry", "web",
}

// TestLayout holds every import against the layout.
func TestLayout(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "ratadns/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	rank := func(path string) (string, int) {
		dir := strings.Split(strings.TrimPrefix(path, "ratadns/"), "/")[0]
		return dir, slices.Index(layout, dir)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		dir, from := rank(fields[0])
		if dir == "cmd" {
			continue
		}
		if from < 0 {
			t.Errorf("%s has no place in the layout", fields[0])
			continue
		}
		seen++
		for _, imp := range fields[1:] {
			if !strings.HasPrefix(imp, "ratadns/") {
				continue
			}
			if other, to := rank(imp); to > from || to < 0 {
				t.Errorf("%s imports %s, which comes after it", dir, other)
			}
		}
	}
	if seen < len(layout) {
		t.Errorf("only %d of %d packages were found", seen, len(layout))
	}
}
