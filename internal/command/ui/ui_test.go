package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var story = []event.Event{
	{Kind: event.Begin, Step: "build/openssl", Text: "building"},
	{Kind: event.Log, Step: "build/openssl", Text: "cc -c a.c\x1b[31m\r"},
	{Kind: event.Progress, Step: "fetch/a", Bytes: 10, Total: 20},
	{Kind: event.Done, Step: "build/openssl", Text: "built openssl 3.5.7", Seconds: 61.23},
	{Kind: event.Fail, Step: "build/python", Text: "make: exit status 2", Seconds: 3},
	{Kind: event.Note, Text: "worth a line"},
	{Kind: event.Warn, Text: "one day"},
}

func draw(mode Mode) string {
	var b bytes.Buffer
	d := New(&b, mode)
	for _, e := range story {
		d.Emit(e)
	}
	d.Close()
	return b.String()
}

func TestPlain(t *testing.T) {
	want := "build/openssl                building\n" +
		"build/openssl                built openssl 3.5.7 in 61.2 s\n" +
		"build/python                 failed after 3.0 s: make: exit status 2\n" +
		"note: worth a line\nwarning: one day\n"
	if got := draw(Auto); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSONIsOneEventALine(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(draw(JSON)), "\n")
	if len(lines) != len(story)-1 { // log lines stay in the log
		t.Fatalf("%d lines for %d events", len(lines), len(story))
	}
	for _, line := range lines {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestQuiet(t *testing.T) {
	if got := draw(Quiet); got != "" {
		t.Errorf("quiet says %q", got)
	}
}

func TestScreen(t *testing.T) {
	var b bytes.Buffer
	s := newScreen(&b, func() int { return 40 })
	for _, e := range story {
		s.Emit(e)
	}
	s.mu.Lock()
	s.running = []*live{{step: "build/x", tail: "evil \x1b[2J\r\n" + strings.Repeat("long ", 20)}}
	s.redraw("")
	s.mu.Unlock()
	s.Close()
	out := b.String()
	if !strings.Contains(out, "built openssl 3.5.7 in 61.2 s\n") {
		t.Errorf("no line for a finished step: %q", out)
	}
	if strings.Contains(out, "\x1b[2J") || strings.Contains(out, "\x1b[31m") {
		t.Errorf("a log line's escape sequence reached the terminal: %q", out)
	}
	for line := range strings.SplitSeq(out, "\n") {
		if strings.Contains(line, "evil") && len(line) > 44 { // escape sequence and 39 columns
			t.Errorf("a live line is wider than the terminal: %q", line)
		}
	}
}

func TestError(t *testing.T) {
	var b bytes.Buffer
	Error(&b, fault.New(fault.Usage, "do that", "noun: %w", errors.New("cause\nmore")))
	if want := "tlsfloor: error: noun: cause\n  more\ntlsfloor: hint: do that\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
