package ui

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Much of what is printed comes from others: names in bundles and trees, advisories, answers of servers
// and registries, logs of steps. It must not move a terminal's cursor, colour or hide text, reverse its
// order, or give orders to the program that reads a job's log. What could is printed as an escape, \u
// and four digits of hexadecimal: it says what was there, and it is the same string where the output is
// JSON.

// unsafe reports a rune that a terminal or a reader does not see as a character: C0 but tab and
// newline, DEL, C1, overrides and isolates of direction (Unicode Standard Annex 9), what has no width,
// and separators of lines.
func unsafe(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r):
		return true
	case r == 0x2028 || r == 0x2029 || r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0 ||
		r == 0x034f:
		return true
	}
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef // they choose a variant, or hide data
}

// orders are what programs that read the log of a job obey: GitHub's "::command" at the beginning of a
// line, white space of any script before it or not; "##[command]" of GitHub and Azure, and "##vso[" and
// "##teamcity[", by whatever name, anywhere in one.
var orders = regexp.MustCompile(`(?mi)^[\s\v\x{85}\pZ]*::|##[a-z]*\[`)

// Clean returns text without what could deceive a reader; its lines stay lines.
func Clean(text string) string {
	if strings.ContainsFunc(text, unsafe) || !utf8.ValidString(text) {
		text = escape(text)
	}
	return orders.ReplaceAllStringFunc(text, func(order string) string {
		i := strings.IndexAny(order, ":#")
		return order[:i] + fmt.Sprintf(`\u%04x`, order[i]) + order[i+1:]
	})
}

func escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			fmt.Fprintf(&b, `\u%04x`,
				text[i]) // a byte that is no UTF-8; some terminals take 0x9b for an escape
		case r > 0xffff && unsafe(r):
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Line is Clean for what has one line: a name with a newline in it must not begin another.
func Line(text string) string {
	return Clean(strings.ReplaceAll(text, "\n", `\u000a`))
}

// Cleaner is a writer that cleans what goes through it, line by line. With Colours the sequences of a
// proof's table pass.
type Cleaner struct {
	To      io.Writer
	Colours bool
	rest    []byte // of a line that has not ended
}

// colours are the sequences that we write ourselves (ECMA-48 SGR).
var colours = regexp.MustCompile("\x1b\\[(?:0|31|32|33)m")

// longest is how many bytes of a line are held back before they are written without its end.
const longest = 64 << 10

// Write implements io.Writer. An unfinished line waits for its end, or for Flush.
func (c *Cleaner) Write(b []byte) (int, error) {
	c.rest = append(c.rest, b...)
	end := strings.LastIndexByte(string(c.rest), '\n') + 1
	if end == 0 && len(c.rest) > longest {
		for end = len(c.rest); end > len(c.rest)-utf8.UTFMax && !utf8.Valid(c.rest[:end]); end-- {
			continue // no character is cut in two
		}
	}
	if end == 0 {
		return len(b), nil
	}
	text := string(c.rest[:end])
	c.rest = append(c.rest[:0], c.rest[end:]...)
	return len(b), c.write(text)
}

// Flush writes what waits.
func (c *Cleaner) Flush() error {
	text := string(c.rest)
	c.rest = nil
	return c.write(text)
}

func (c *Cleaner) write(text string) error {
	var b strings.Builder
	for c.Colours {
		at := colours.FindStringIndex(text)
		if at == nil {
			break
		}
		b.WriteString(Clean(text[:at[0]]) + text[at[0]:at[1]])
		text = text[at[1]:]
	}
	_, err := io.WriteString(c.To, b.String()+Clean(text))
	return err
}
