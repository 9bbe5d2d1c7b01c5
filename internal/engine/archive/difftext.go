package archive

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// isText tells valid UTF-8 without a NUL.
func isText(c content) bool {
	r := io.NewSectionReader(c, 0, c.Size())
	b := make([]byte, 64<<10)
	kept := 0 // bytes of a rune that the last read cut
	for {
		n, err := io.ReadFull(r, b[kept:])
		n += kept
		if bytes.IndexByte(b[:n], 0) >= 0 {
			return false
		}
		if err != nil {
			return (err == io.EOF || err == io.ErrUnexpectedEOF) && utf8.Valid(b[:n])
		}
		end := n
		for back := 1; back < utf8.UTFMax; back++ {
			if utf8.RuneStart(b[n-back]) {
				if !utf8.FullRune(b[n-back : n]) {
					end = n - back
				}
				break
			}
		}
		if !utf8.Valid(b[:end]) {
			return false
		}
		kept = copy(b, b[end:n])
	}
}

// text adds the first line that differs.
func text(f findings, a, b content, first int64) error {
	number, err := lineNumber(a, first)
	if err != nil {
		return err
	}
	la, err := lineAt(a, first)
	if err != nil {
		return err
	}
	lb, err := lineAt(b, first)
	if err != nil {
		return err
	}
	va, vb := la.String(), lb.String()
	if va == vb { // such as the end of the last line
		va, vb = excerpt(a, first), excerpt(b, first)
	}
	f.add(fmt.Sprintf("text line %d%s", number, guess(la, lb)), first, va, vb)
	return nil
}

func lineNumber(c content, offset int64) (int, error) {
	r := io.NewSectionReader(c, 0, offset)
	b := make([]byte, 64<<10)
	for n := 1; ; {
		k, err := r.Read(b)
		n += bytes.Count(b[:k], []byte("\n"))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// line is a part of a line around a place in it.
type line struct {
	text     string
	at       int
	cutBegin bool
	cutEnd   bool
	atEnd    bool // nothing is behind the place
}

// lineAt returns the line around offset, at most some 120 bytes of it.
func lineAt(c content, offset int64) (line, error) {
	const before, after = 50, 70
	start := max(0, offset-before)
	b, err := readPart(c, start, offset-start+after)
	if err != nil {
		return line{}, err
	}
	at := min(int(offset-start), len(b))
	l := line{cutBegin: start > 0, cutEnd: start+int64(len(b)) < c.Size(), atEnd: offset >= c.Size()}
	from, to := 0, len(b)
	if i := bytes.LastIndexByte(b[:at], '\n'); i >= 0 {
		from, l.cutBegin = i+1, false
	}
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		to, l.cutEnd = at+i, false
	}
	for l.cutBegin && from < at && !utf8.RuneStart(b[from]) {
		from++
	}
	for l.cutEnd && to > at && !utf8.Valid(b[at:to]) && to > len(b)-utf8.UTFMax {
		to--
	}
	l.text, l.at = string(b[from:to]), at-from
	return l, nil
}

func (l line) String() string {
	s := plain(l.text)
	if s == "" && l.atEnd {
		return "(end)"
	}
	if l.cutBegin {
		s = "…" + s
	}
	if l.cutEnd {
		s += "…"
	}
	return s
}

// date finds what looks like a date or a time of day.
var date = regexp.MustCompile(`\d{4}-\d\d-\d\d([T ]\d\d:\d\d[\d:.]*)?|\d{1,2}:\d\d:\d\d|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* +\d{1,2}( +\d{4})?`)

// guess says what the differing words look like on both sides.
func guess(a, b line) string {
	switch {
	case a.in(date) && b.in(date):
		return " (a date)"
	case strings.Contains(a.word(), "/") && strings.Contains(b.word(), "/"):
		return " (a path)"
	}
	return ""
}

// in tells whether the place lies in a match of pattern.
func (l line) in(pattern *regexp.Regexp) bool {
	for _, m := range pattern.FindAllStringIndex(l.text, -1) {
		if m[0] <= l.at && l.at < m[1] {
			return true
		}
	}
	return false
}

// word returns the word around the place.
func (l line) word() string {
	const ends = " \t\"'=,;:()"
	from := strings.LastIndexAny(l.text[:l.at], ends) + 1
	to := strings.IndexAny(l.text[l.at:], ends)
	if to < 0 {
		return l.text[from:]
	}
	return l.text[from : l.at+to]
}
