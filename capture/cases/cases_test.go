package cases

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the captures and README.md anew")

// A capt is one capture: its file's name, what it holds, and its octets.
type capt struct {
	name, holds string
	file        []byte
}

// A group is a part of the README.
type group struct {
	title string
	capts []capt
}

func groups() []group {
	return []group{
		{"Files", files()},
		{"Links", links()},
		{"Tunnels", tunnels()},
		{"Fragments", fragments()},
		{"TCP", streams()},
		{"DNS", messages()},
		{"EDNS", edns()},
	}
}

const readmeHead = `# Captures of one case each

Made by ` + "`go test ./capture/cases -update`" + ` from the tests here; open them with Wireshark or with
` + "`ratadns speedy -r FILE --fields all`" + `. What Speedy makes of each stands in ` + "`speedy/testdata/cases.txt`" + `,
which tshark judges.
`

// TestCases holds the files against what makes them.
func TestCases(t *testing.T) {
	readme := bytes.NewBufferString(readmeHead)
	want := map[string][]byte{}
	for _, g := range groups() {
		fmt.Fprintf(readme, "\n## %s\n\n| file | holds |\n|---|---|\n", g.title)
		for _, c := range g.capts {
			if want[c.name] != nil {
				t.Errorf("%s is there twice", c.name)
			}
			want[c.name] = c.file
			fmt.Fprintf(readme, "| `%s` | %s |\n", c.name, c.holds)
		}
	}
	want["README.md"] = readme.Bytes()
	old, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	old = slices.DeleteFunc(old, func(name string) bool { return filepath.Ext(name) == ".go" })
	for _, name := range old {
		if want[name] != nil {
			continue
		}
		if !*update {
			t.Errorf("%s: no case makes it", name)
		} else if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	for name, b := range want {
		if *update {
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Error(err)
			}
		} else if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s is not what its case makes (%v); -update writes it", name, err)
		}
	}
}
