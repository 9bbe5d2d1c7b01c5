// Package event holds the one flat Event that every lower room speaks with. No room prints: it emits
// to the Sink that it was given, and internal/command/ui decides what a person, a pipe or a program sees.
package event

// Kind says what an Event reports.
type Kind string

// The kinds, in the order in which a build emits them.
const (
	Begin    Kind = "begin"    // a step starts; Step names it
	Phase    Kind = "phase"    // a command of a step starts; Text is the command
	Progress Kind = "progress" // Bytes of Total are done; Total is 0 when unknown
	Log      Kind = "log"      // one line of a step's log, in Text
	Done     Kind = "done"     // a step ended well after Seconds; Text says how ("built", "reused", "fetched")
	Fail     Kind = "fail"     // a step ended badly; Text holds the reason in one line
	Note     Kind = "note"     // something worth one line, in Text
	Warn     Kind = "warn"     // something the user should act on one day, in Text
	Error    Kind = "error"    // the command failed: Text says why, Hint what to do, Code is the exit code
)

// Event is one report from a room. Unused fields stay zero.
type Event struct {
	Kind    Kind    `json:"event"`
	Step    string  `json:"step,omitempty"`
	Text    string  `json:"text,omitempty"`
	Path    string  `json:"path,omitempty"`    // a file that goes with Text, such as the whole log
	Bytes   int64   `json:"bytes,omitempty"`   // progress in bytes
	Total   int64   `json:"total,omitempty"`   // expected bytes
	Seconds float64 `json:"seconds,omitempty"` // elapsed wall time
	Hint    string  `json:"hint,omitempty"`
	Code    int     `json:"code,omitempty"`
}

// Sink receives events, from several goroutines at once. A nil Sink drops them.
type Sink func(Event)

// Emit sends e to the sink, if there is one.
func (s Sink) Emit(e Event) {
	if s != nil {
		s(e)
	}
}

// Note emits one line worth reading.
func (s Sink) Note(text string) { s.Emit(Event{Kind: Note, Text: text}) }

// Warn emits one line that the user should act on one day.
func (s Sink) Warn(text string) { s.Emit(Event{Kind: Warn, Text: text}) }
