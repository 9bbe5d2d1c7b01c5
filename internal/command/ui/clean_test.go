package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// hostile are texts that would deceive somebody, and what is printed of each.
var hostile = map[string]string{
	"\x1b[2J\x1b[Hpass":     `\u001b[2J\u001b[Hpass`,
	"\x1b]0;title\x07":      `\u001b]0;title\u0007`,
	"a\rpass":               `a\u000dpass`,
	"a\bb\x7f":              `a\u0008b\u007f`,
	"\u009b2J\x9b2J":        `\u009b2J\u009b2J`,
	"\u202eexe.fdp":         `\u202eexe.fdp`,
	"a\u2066b\u2069\u200bc": `a\u2066b\u2069\u200bc`,
	"\ufeff\U000e0041":      `\ufeff\udb40\udc41`,
	"a\u2028b":              `a\u2028b`,
	"::error::x":            `\u003a:error::x`,
	" \t::stop-commands::x": " \t" + `\u003a:stop-commands::x`,
	"x ##[error]y":          `x \u0023#[error]y`,
	"##vso[task]":           `\u0023#vso[task]`,
	"x ##teamcity[y]":       `x \u0023#teamcity[y]`,
	"##VSO[task]":           `\u0023#VSO[task]`,
	"\u3000::warning::x":    "\u3000" + `\u003a:warning::x`,
	"\u00a0\u2003::x":       "\u00a0\u2003" + `\u003a:x`,
	"a\n\u1680\t\u205f::x":  "a\n\u1680\t\u205f" + `\u003a:x`,
	"\u2028::x":             `\u2028::x`,
	"\xff\xfe":              `\u00ff\u00fe`,
}

func TestClean(t *testing.T) {
	for text, want := range hostile {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := Clean(Clean(text)); got != want {
			t.Errorf("%q, twice: %q", text, got)
		}
	}
	for _, text := range []string{"", "a\tb\n", "größer, 日本語, ✓ e\u0301", "http://x::y", "a ::b",
		"https://[::1]/", "## [x]", "##7[x]", "\u3000a"} {
		if got := Clean(text); got != text {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := Line("a\npass  all"); got != `a\u000apass  all` {
		t.Errorf("a name with a newline: %q", got)
	}
}

// TestCleaner: in however many pieces it comes, the same is written; colours pass where they are ours,
// and JSON stays the JSON that it was.
func TestCleaner(t *testing.T) {
	for text, want := range hostile {
		var whole, bytewise bytes.Buffer
		for _, c := range []*Cleaner{{To: &whole}, {To: &bytewise}} {
			step := len(text)
			if c.To == &bytewise {
				step = 1
			}
			for i := 0; i < len(text); i += step {
				if n, err := c.Write([]byte(text[i : i+step])); n != step || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if whole.String() != want || bytewise.String() != want {
			t.Errorf("%q: %q, and bytewise %q", text, whole.String(), bytewise.String())
		}
		var out bytes.Buffer
		c := &Cleaner{To: &out}
		value := strings.ToValidUTF8(text, "?")
		if err := json.NewEncoder(c).Encode(value); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != value {
			t.Errorf("%q in JSON: %s: %q, %v", text, out.Bytes(), back, err)
		}
	}
	var out bytes.Buffer
	c := &Cleaner{To: &out, Colours: true}
	c.Write([]byte("\x1b[32mpass\x1b[0m \x1b[1m\x1b[31;5mx\n"))
	if out.String() != "\x1b[32mpass\x1b[0m \\u001b[1m\\u001b[31;5mx\n" {
		t.Errorf("%q", out.String())
	}
	c = &Cleaner{To: iotest.TruncateWriter(&out, 0)}
	long := strings.Repeat("é", longest)
	c.Write([]byte(long[:len(long)-1]))
	if len(c.rest) > 1 {
		t.Errorf("%d bytes wait", len(c.rest))
	}
}

// TestEventsAndErrors: no event and no error gets a sequence or a line of its own onto the terminal.
func TestEventsAndErrors(t *testing.T) {
	bad := "x\x1b[2J\u202e\npass  all\n::error::y"
	for _, kind := range []event.Kind{event.Begin, event.Done, event.Fail, event.Note, event.Warn} {
		var out bytes.Buffer
		New(&out, Auto).Emit(event.Event{Kind: kind, Step: bad, Text: bad})
		if s := out.String(); strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("%s: %q", kind, s)
		}
		out.Reset()
		s := newScreen(&out, func() int { return 200 })
		s.Emit(event.Event{Kind: event.Begin, Step: "live", Text: bad})
		s.Emit(event.Event{Kind: kind, Step: bad, Text: bad})
		s.Close()
		if s := out.String(); strings.Contains(s, "\x1b[2J") || strings.Contains(s, "\u202e") ||
			strings.Contains(s, "\npass") {
			t.Errorf("%s on a screen: %q", kind, s)
		}
	}
	var out bytes.Buffer
	Error(&out, fault.New(fault.Failed, bad, "%w", errors.New(bad)))
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "tlsfloor: ") && !strings.HasPrefix(line, "  ") ||
			strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("an error has the line %q", line)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q", out.String())
	}
}
