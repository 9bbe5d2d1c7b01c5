package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// screen keeps one live line per running step at the bottom of a terminal; finished steps scroll up as plain
// lines.
type screen struct {
	mu      sync.Mutex
	w       io.Writer
	width   func() int
	running []*live
	drawn   int // live lines on the terminal now
	stop    chan struct{}
	stopped chan struct{}
}

type live struct {
	step, tail   string
	since        time.Time
	bytes, total int64
}

// frame is how often elapsed times move on.
const frame = 200 * time.Millisecond

func newScreen(w io.Writer, width func() int) *screen {
	s := &screen{w: w, width: width, stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(s.stopped)
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				s.mu.Lock()
				s.redraw("")
				s.mu.Unlock()
			}
		}
	}()
	return s
}

// Close erases the live lines.
func (s *screen) Close() {
	close(s.stop)
	<-s.stopped
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = nil
	s.redraw("")
}

func (s *screen) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case event.Begin:
		s.running = append(s.running, &live{step: e.Step, since: time.Now(), tail: e.Text})
	case event.Progress:
		if l := s.find(e.Step); l != nil {
			l.bytes, l.total = e.Bytes, e.Total
		}
		return // the next frame shows it
	case event.Log, event.Phase:
		if l := s.find(e.Step); l != nil {
			l.tail = strings.TrimSpace(e.Text)
		}
		return
	case event.Done, event.Fail:
		s.drop(e.Step)
		s.redraw(asText(e))
	default:
		s.redraw(asText(e))
	}
}

func (s *screen) find(step string) *live {
	for _, l := range s.running {
		if l.step == step {
			return l
		}
	}
	return nil
}

func (s *screen) drop(step string) {
	for i, l := range s.running {
		if l.step == step {
			s.running = append(s.running[:i], s.running[i+1:]...)
			return
		}
	}
}

// redraw replaces the live lines; above them it leaves text, if there is one.
func (s *screen) redraw(text string) {
	if s.drawn == 0 && text == "" && len(s.running) == 0 {
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", s.drawn)
	}
	b.WriteString("\x1b[J")
	if text != "" {
		b.WriteString(text + "\n")
	}
	for _, l := range s.running {
		b.WriteString(clip(l.String(), s.width()-1) + "\n")
	}
	s.drawn = len(s.running)
	io.WriteString(s.w, b.String())
}

func (l *live) String() string {
	text := fmt.Sprintf("%-28s %5ds  ", l.step, int(time.Since(l.since).Seconds()))
	switch {
	case l.total > 0:
		return text + fmt.Sprintf("%3d%% of %s", 100*l.bytes/l.total, Bytes(l.total))
	case l.bytes > 0:
		return text + Bytes(l.bytes)
	}
	return text + l.tail
}

// clip cuts text to width columns, without what would move the cursor.
func clip(text string, width int) string {
	if r := []rune(Line(text)); len(r) > width {
		return string(r[:width])
	}
	return Line(text)
}
