package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// The colours of a verdict (ECMA-48 SGR).
const (
	green, red, yellow, reset = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
)

var colours = map[Status]string{Pass: green, Fail: red, Unproven: yellow, Skip: yellow, Warned: yellow}

// WriteTable writes the proof for people: one line per case, why it is not pass below it, and the result.
func (p *Proof) WriteTable(w io.Writer, color bool) error { return p.write(w, color, p.Findings) }

// WriteBrief is WriteTable without the cases that pass and those that warn, which the result counts.
func (p *Proof) WriteBrief(w io.Writer, color bool) error {
	return p.write(w, color, slices.DeleteFunc(slices.Clone(p.Findings), func(f Finding) bool {
		return f.Status == Pass || f.Status == Warned
	}))
}

func (p *Proof) write(w io.Writer, color bool, findings []Finding) error {
	paint := func(s Status, text string) string {
		if color {
			return colours[s] + text + reset
		}
		return text
	}
	wide := len("case")
	for _, f := range findings {
		wide = max(wide, len(f.Case.Name))
	}
	var b strings.Builder
	if len(findings) > 0 {
		fmt.Fprintf(&b, "%-8s  %-*s  %s\n", "verdict", wide, "case", "what happened")
	}
	for _, f := range findings {
		fmt.Fprintf(&b, "%s  %-*s  %s\n", paint(f.Status, fmt.Sprintf("%-8s", f.Status)), wide, f.Case.Name, f.Got)
		if f.Reason != "" {
			fmt.Fprintf(&b, "%-8s  %-*s  %s\n", "", wide, "", printableLine(f.Reason))
		}
	}
	for _, t := range append(p.Subjects[:len(p.Subjects):len(p.Subjects)], p.Controls...) {
		if t.SHA256 == "" {
			fmt.Fprintf(&b, "%s  %s could not be read: %s\n", paint(Unproven, "missing "), t.Name, t.Path)
		}
	}
	if missing := p.missing(); len(missing) > 0 {
		fmt.Fprintf(&b, "%s  %s\n", paint(Unproven, "missing "), strings.Join(missing, ", "))
	}
	fmt.Fprintf(&b, "%s\n", paint(p.Status, p.Summary()))
	for _, l := range p.Libraries {
		fmt.Fprintf(&b, "library: %s\n", printableLine(l.String()))
	}
	for _, line := range p.wrapperLines() {
		fmt.Fprintln(&b, printableLine(line))
	}
	for _, line := range p.hostLines() {
		fmt.Fprintln(&b, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// missing names the expected cases that the proof does not hold.
func (p *Proof) missing() (names []string) {
	have := map[string]bool{}
	for _, f := range p.Findings {
		have[f.Case.Name] = true
	}
	for _, c := range p.Expected() {
		if !have[c.Name] {
			names = append(names, c.Name)
		}
	}
	return names
}

// printableLine is text of a program as one line without what acts on a terminal.
func printableLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0x7f && !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
