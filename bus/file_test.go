package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// names lists a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// start is 2016-10-06T13:55:00Z.
const start = int64(1475762100e9)

func rotate(t *testing.T, dir string, r Rotation, n int, step time.Duration) {
	t.Helper()
	o, err := OpenRotating(filepath.Join(dir, "a.b.jsonl"), r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		o.At(start + int64(i)*int64(step))
		if err := o.Send([]byte(`{"n":`), fmt.Appendf(nil, "%03d}", i)); err != nil {
			t.Fatal(err)
		}
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names(t, dir) { // what a reader sees is complete
			b, _ := os.ReadFile(filepath.Join(dir, name))
			if filepath.Ext(name) == ".jsonl" && !strings.HasSuffix(string(b), "\n") {
				t.Errorf("%s ends inside a line: %q", name, b)
			}
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRotating(t *testing.T) {
	for _, c := range []struct {
		name string
		r    Rotation
		n    int
		step time.Duration
		want []string
	}{
		{"size", Rotation{Size: 25}, 5, 0, []string{
			"a.b-20161006T135500Z-0001.jsonl", "a.b-20161006T135500Z-0002.jsonl", "a.b-20161006T135500Z-0003.jsonl"}},
		{"time", Rotation{Every: time.Hour}, 9, 10 * time.Minute, []string{
			"a.b-20161006T135500Z-0001.jsonl", "a.b-20161006T140500Z-0001.jsonl", "a.b-20161006T150500Z-0001.jsonl"}},
		{"keep", Rotation{Every: time.Hour, Keep: 1}, 9, 10 * time.Minute, []string{"a.b-20161006T150500Z-0001.jsonl"}},
		{"bigger than a file", Rotation{Size: 1}, 2, 0, []string{
			"a.b-20161006T135500Z-0001.jsonl", "a.b-20161006T135500Z-0002.jsonl"}},
		{"nothing", Rotation{Size: 1}, 0, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			rotate(t, dir, c.r, c.n, c.step)
			if got := names(t, dir); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestRotatingLeft: a killed program's file is completed at the next start, but
// for half a line, and nothing is overwritten.
func TestRotatingLeft(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.b-20161006T135500Z-0001.jsonl":      "old\n",
		"a.b-20161006T135500Z-0002.jsonl.part": "one\ntwo\nthr",
		"a.b-20161006T135500Z-0003.jsonl.part": strings.Repeat("x", 200_000),
		"a.b-20161006T140000Z-0001.jsonl.part": "four\n" + strings.Repeat("x", 200_000),
		"a.c-20161006T140000Z-0001.jsonl.part": "another's",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rotate(t, dir, Rotation{Size: 100}, 1, 0)
	for name, want := range map[string]string{
		"a.b-20161006T135500Z-0001.jsonl":      "old\n",
		"a.b-20161006T135500Z-0002.jsonl":      "one\ntwo\n",
		"a.b-20161006T135500Z-0003.jsonl":      "{\"n\":000}\n",
		"a.b-20161006T140000Z-0001.jsonl":      "four\n",
		"a.c-20161006T140000Z-0001.jsonl.part": "another's",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != want {
			t.Errorf("%s: %.40q, %v; want %q", name, b, err, want)
		}
	}
	if got := names(t, dir); len(got) != 5 {
		t.Errorf("%q", got)
	}
}
