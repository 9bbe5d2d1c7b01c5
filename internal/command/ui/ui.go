// Package ui draws events. The result of a command goes to stdout; everything here goes to stderr, in one of
// four ways:
//
//	terminal  one live line per running step, with elapsed time and the tail of its log
//	plain     a line when a step begins and ends, and each note (a pipe, CI)
//	json      one event per line
//	quiet     nothing but errors
package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Drawing shows events until it is closed.
type Drawing interface {
	Emit(event.Event)
	Close()
}

// Mode says how to draw.
type Mode int

// The modes.
const (
	Auto Mode = iota // terminal or plain, as the writer is one or not
	JSON
	Quiet
)

// New returns a drawing on w.
func New(w io.Writer, mode Mode) Drawing {
	switch f, isFile := w.(*os.File); {
	case mode == Quiet:
		return quiet{}
	case mode == JSON:
		return &lines{w: w, draw: asJSON}
	case isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb":
		return newScreen(f, func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 20 {
				return 80
			}
			return width
		})
	}
	return &lines{w: w, draw: asText}
}

type quiet struct{}

func (quiet) Emit(event.Event) {}
func (quiet) Close()           {}

// lines writes one line per event that is worth one.
type lines struct {
	mu   sync.Mutex
	w    io.Writer
	draw func(event.Event) string
}

func (l *lines) Emit(e event.Event) {
	if text := Clean(l.draw(e)); text != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		fmt.Fprintln(l.w, text)
	}
}

func (l *lines) Close() {}

func asJSON(e event.Event) string {
	if e.Kind == event.Log {
		return "" // the whole log is kept in the store
	}
	b, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	return string(b)
}

func asText(e event.Event) string {
	e.Step, e.Text = Line(e.Step), Line(e.Text)
	switch e.Kind {
	case event.Begin:
		return fmt.Sprintf("%-28s %s", e.Step, orElse(e.Text, "begins"))
	case event.Done:
		return doneLine(e)
	case event.Fail:
		return fmt.Sprintf("%-28s failed after %s: %s", e.Step, seconds(e.Seconds), e.Text)
	case event.Note:
		return "note: " + e.Text
	case event.Warn:
		return "warning: " + e.Text
	}
	return ""
}

func doneLine(e event.Event) string {
	text := fmt.Sprintf("%-28s %s", e.Step, orElse(e.Text, "done"))
	if e.Seconds >= 0.05 {
		text += " in " + seconds(e.Seconds)
	}
	return text
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func seconds(s float64) string {
	if s < 100 {
		return fmt.Sprintf("%.1f s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 100_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Error prints err and its hint.
func Error(w io.Writer, err error) {
	fmt.Fprintf(w, "tlsfloor: error: %s\n", indented(strings.TrimSpace(err.Error())))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(w, "tlsfloor: hint: %s\n", indented(hint))
	}
}

// indented cleans the text; no line of it begins like one of ours.
func indented(text string) string { return Clean(strings.ReplaceAll(text, "\n", "\n  ")) }
