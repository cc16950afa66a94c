package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"ratadns/reduce"
)

// A screen is the terminal that tables are written to, or none.
type screen struct {
	file    *os.File
	colour  bool
	blocks  bool   // bars may have other octets than ASCII's
	entered bool   // the alternate screen
	last    []byte // the last table, for the screen that comes back
}

// look finds out whether f is a terminal, and of what kind.
func (s *screen) look(f *os.File) {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return
	}
	s.file = f
	s.colour = os.Getenv("NO_COLOR") == ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // in the order of POSIX
		if v := os.Getenv(name); v != "" {
			s.blocks = strings.Contains(strings.ToUpper(strings.ReplaceAll(v, "-", "")), "UTF8")
			break
		}
	}
}

// size is that of the terminal; there is none without.
func (s *screen) size() (width, height int) {
	if s.file == nil {
		return 0, 0
	}
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width < 20 || height < 5 {
		return 80, 24
	}
	return width, height
}

// Control sequences (ECMA-48, and xterm's private modes).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate one, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	cyan        = "\x1b[36m"
	plain       = "\x1b[0m"
)

// leave brings the screen back that was there before, with the last table.
func (s *screen) leave(w *bufio.Writer) {
	if s.entered {
		w.WriteString(leaveScreen)
		w.Write(s.last)
		s.entered = false
	}
}

func (w *reportWriter) writeTable(a *answer) error {
	width, height := w.screen.size()
	if !w.live || w.screen.file == nil {
		t := table{answer: a, width: width, colour: w.screen.colour, blocks: w.screen.blocks, column: w.question.column}
		if w.written > 0 {
			w.out.WriteByte('\n')
		}
		_, err := w.out.Write(t.append(nil))
		return err
	}
	if !w.screen.entered {
		w.out.WriteString(enterScreen)
		w.screen.entered = true
	}
	t := table{answer: a, width: width, height: height, colour: w.screen.colour, blocks: w.screen.blocks, column: w.question.column}
	w.screen.last = t.append(w.screen.last[:0])
	// Each line replaces an old one, so that nothing flickers; the last line has
	// no end, which would scroll.
	w.out.WriteString(home)
	text := bytes.TrimSuffix(w.screen.last, []byte("\n"))
	w.out.Write(bytes.ReplaceAll(text, []byte("\n"), []byte(clearLine+"\n")))
	_, err := w.out.WriteString(clearLine + clearBelow)
	return err
}

// A table lays an answer out in columns.
type table struct {
	*answer
	width, height int // of the terminal, or 0
	colour        bool
	blocks        bool
	column        string
}

// minKey is how much of a key is shown where there is little room, and maxBar
// the longest bar: longer ones tell no more.
const minKey, maxBar = 12, 60

func (t *table) append(dst []byte) []byte {
	notes := append(t.notes(), t.span())
	rows := t.Rows.Rows
	if t.height > 0 { // a title, a line between, and the notes
		if room := max(t.height-2-len(notes), 1); len(rows) > room {
			hidden := rows[room:]
			rows = rows[:room]
			cut := *t.answer
			cut.Keys += uint64(len(hidden))
			for _, r := range hidden {
				cut.Left += r.N
			}
			notes = append(cut.notes(), t.span())
			if len(notes)+2+len(rows) > t.height {
				rows = rows[:max(t.height-2-len(notes), 1)]
			}
		}
	}
	widths, number := t.widths(rows)
	line := func(keys []string, value, share, bar string) {
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, "  "...)
			}
			key = fit(key, widths[i])
			dst = append(dst, key...)
			dst = appendSpaces(dst, widths[i]-utf8.RuneCountInString(key))
		}
		if len(keys) > 0 {
			dst = append(dst, "  "...)
		}
		dst = append(appendSpaces(dst, number-len(value)), value...)
		if share != "" {
			dst = append(appendSpaces(append(dst, "  "...), shareWidth-len(share)), share...)
		}
		if bar != "" {
			dst = append(append(dst, "  "...), bar...)
		}
		dst = append(bytes.TrimRight(dst, " "), '\n')
	}
	title, share := t.title(), ""
	if t.shares() {
		share = "%"
	}
	dst = t.paint(dst, bold)
	line(t.By, title, share, "")
	dst = append(t.unpaint(dst[:len(dst)-1]), '\n')
	most := uint64(0)
	for i := range rows {
		most = max(most, rows[i].N)
	}
	for i := range rows {
		if t.shares() {
			share = strconv.FormatFloat(100*float64(rows[i].N)/float64(max(t.Sum, 1)), 'f', 2, 64)
		}
		line(rows[i].Keys, orDash(t.shown(&rows[i])), share, t.bar(rows[i].N, most, widths, number))
	}
	if len(t.By) > 0 || len(notes) > 1 {
		dst = append(dst, '\n')
	}
	for _, n := range notes {
		if t.width > 0 {
			n = fit(n, t.width)
		}
		dst = append(append(dst, n...), '\n')
	}
	return dst
}

// title is that of the column of numbers.
func (t *table) title() string {
	if t.Measure == reduce.Quantiles {
		return t.column + " " + strings.Join(t.columns(""), " ")
	}
	return t.column
}

// shown is what is measured as people read it.
func (t *table) shown(r *reduce.Row) string {
	if t.Measure == reduce.Rate && t.header.Seconds() > 0 {
		return strconv.FormatFloat(float64(r.N)/t.header.Seconds(), 'f', 2, 64)
	}
	return strings.Join(t.values(r), " ")
}

// shareWidth is that of the column of percentages.
const shareWidth = 6

// shares reports whether rows have a part of the whole.
func (t *table) shares() bool { return t.adds() && len(t.By) > 0 }

// widths are those of the columns of keys, which on a terminal leave room for
// the others, and that of the numbers.
func (t *table) widths(rows []reduce.Row) (widths []int, number int) {
	widths = make([]int, len(t.By))
	for i, name := range t.By {
		widths[i] = len(name)
	}
	number = len(t.title())
	for i := range rows {
		for j, key := range rows[i].Keys {
			widths[j] = max(widths[j], utf8.RuneCountInString(key))
		}
		number = max(number, len(orDash(t.shown(&rows[i]))))
	}
	if t.width == 0 {
		return widths, number
	}
	for {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		over := t.used(widths, number) + t.barRoom() - t.width
		if len(widths) == 0 || over <= 0 || widths[widest] <= minKey {
			return widths, number
		}
		// The widest column gives way until another is as wide.
		second := minKey
		for i := range widths {
			if i != widest {
				second = max(second, widths[i])
			}
		}
		widths[widest] = max(widths[widest]-over, min(second, widths[widest]-1), minKey)
	}
}

// barRoom is what is kept for bars where the terminal is wide enough for all.
func (t *table) barRoom() int {
	if t.width < 60 || len(t.By) == 0 {
		return 0
	}
	return t.width / 5
}

// used is the width of a line without its bar.
func (t *table) used(widths []int, number int) int {
	n := number
	for _, w := range widths {
		n += w + 2
	}
	if t.shares() {
		n += 2 + shareWidth
	}
	return n
}

// eighths of a block.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar is as long as n is of most.
func (t *table) bar(n, most uint64, widths []int, number int) string {
	room := min(t.width-t.used(widths, number)-2, maxBar)
	if room < 3 || most == 0 || len(t.By) == 0 {
		return ""
	}
	length := float64(n) / float64(most) * float64(room)
	bar := strings.Repeat("#", int(math.Round(length)))
	if t.blocks {
		whole := int(length)
		bar = strings.Repeat("█", whole) + eighths[int((length-float64(whole))*8)]
	}
	if bar == "" {
		return ""
	}
	return string(t.unpaint(append(t.paint(nil, cyan), bar...)))
}

func (t *table) paint(dst []byte, sequence string) []byte {
	if t.colour {
		dst = append(dst, sequence...)
	}
	return dst
}

func (t *table) unpaint(dst []byte) []byte { return t.paint(dst, plain) }

// fit cuts a text to a width. Names are in presentation form, which has no
// control characters; whatever else has one shows it as a question mark.
func fit(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width-2, 0)]) + ".."
}

func appendSpaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}
