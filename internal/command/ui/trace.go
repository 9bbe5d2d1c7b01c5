package ui

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// Trace collects what ran when, for the trace viewers of Chrome and Perfetto ("Trace Event Format", complete
// events).
type Trace struct {
	mu      sync.Mutex
	begun   time.Time
	now     func() time.Time
	lanes   []string // the step that runs in each lane, "" when free
	running map[string]*span
	done    []traceEvent
}

type span struct {
	lane       int
	since      time.Time
	phase      string
	phaseSince time.Time
}

type traceEvent struct {
	Name      string `json:"name"`
	Category  string `json:"cat"`
	Phase     string `json:"ph"`
	Timestamp int64  `json:"ts"`  // microseconds
	Duration  int64  `json:"dur"` // microseconds
	Process   int    `json:"pid"`
	Thread    int    `json:"tid"`
}

// NewTrace begins a trace now.
func NewTrace() *Trace { return &Trace{begun: time.Now(), now: time.Now, running: map[string]*span{}} }

// Sink returns a sink that hears every event on its way to next.
func (t *Trace) Sink(next event.Sink) event.Sink {
	return func(e event.Event) {
		t.hear(e)
		next.Emit(e)
	}
}

func (t *Trace) hear(e event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.running[e.Step]
	switch {
	case e.Kind == event.Begin && s == nil:
		t.running[e.Step] = &span{lane: t.lane(e.Step), since: t.now()}
	case e.Kind == event.Phase && s != nil:
		t.endPhase(s)
		s.phase, s.phaseSince = e.Text, t.now()
	case (e.Kind == event.Done || e.Kind == event.Fail) && s != nil:
		t.endPhase(s)
		t.add(e.Step, "step", s.lane, s.since)
		t.lanes[s.lane] = ""
		delete(t.running, e.Step)
	}
}

func (t *Trace) lane(step string) int {
	i := slices.Index(t.lanes, "")
	if i < 0 {
		i = len(t.lanes)
		t.lanes = append(t.lanes, "")
	}
	t.lanes[i] = step
	return i
}

func (t *Trace) endPhase(s *span) {
	if s.phase != "" {
		t.add(s.phase, "command", s.lane, s.phaseSince)
		s.phase = ""
	}
}

func (t *Trace) add(name, category string, lane int, since time.Time) {
	t.done = append(t.done, traceEvent{name, category, "X", since.Sub(t.begun).Microseconds(), t.now().Sub(since).Microseconds(), 1, lane + 1})
}

// peakMemory is the most memory that this process had, its children not counted, in bytes (getrusage(2)).
func peakMemory() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Maxrss << 10
}

// Write puts the trace at path.
func (t *Trace) Write(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, err := json.MarshalIndent(map[string]any{"traceEvents": t.done, "displayTimeUnit": "ms", "otherData": map[string]any{"peak_bytes": peakMemory()}}, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
