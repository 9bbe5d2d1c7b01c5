package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// trace is what tlsfloor writes for -trace.
type trace struct {
	Events []span `json:"traceEvents"`
	Other  struct {
		Peak int64 `json:"peak_bytes"`
	} `json:"otherData"`
}

// span is a step or a command of one, in microseconds since the start.
type span struct {
	Name     string
	Ts, Dur  float64
	Category string `json:"cat"`
}

func (s span) end() float64 { return s.Ts + s.Dur }

func (b Builds) traceFile() string { return filepath.Join(b.Work, "trace.json") }

func (b Builds) readTrace() (t trace, err error) {
	text, err := os.ReadFile(b.traceFile())
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("reading %s: %w", b.traceFile(), err)
	}
	return t, nil
}

func (t trace) step(name string) (span, error) {
	i := slices.IndexFunc(t.Events, func(s span) bool { return s.Name == name })
	if i < 0 {
		return span{}, fmt.Errorf("the trace has no step %s", name)
	}
	return t.Events[i], nil
}

// spent returns the seconds that the steps took, and in how many of them further components were built
// beside.
func (t trace) spent(steps []string) (seconds, beside float64, err error) {
	for _, name := range steps {
		s, err := t.step(name)
		if err != nil {
			return 0, 0, err
		}
		seconds += s.Dur / 1e6
		for _, other := range t.Events {
			if other.Category == "step" && strings.HasPrefix(other.Name, "build/") && !slices.Contains(steps, other.Name) {
				beside += max(0, min(s.end(), other.end())-max(s.Ts, other.Ts)) / 1e6
			}
		}
	}
	return seconds, beside, nil
}
