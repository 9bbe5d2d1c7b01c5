// Package advice says in plain words what a TLS client's error means: which side is at fault, and what to do.
//
// It knows errors by the library's reason, as Python, urllib3, curl and openssl print it, and by nothing
// around it. What it promises: each entry is tested against what a real client printed, but for those that
// docs/errors.md names; and a text that it does not know gets no answer rather than a near one.
package advice

import (
	"fmt"
	"regexp"
	"strings"
)

// Side is who has to change something.
type Side string

// The sides.
const (
	Client  Side = "the client"
	Server  Side = "the server"
	Between Side = "something between client and server"
	Either  Side = "either side: see below"
)

// Entry is one error that is known.
type Entry struct {
	ID    string   `json:"id"`    // the library's reason where there is one, and what tells it from others of the same reason
	Means string   `json:"means"` // what happened
	Fault Side     `json:"fault"`
	Do    []string `json:"do"` // what to do, most likely first

	match *regexp.Regexp
}

// Explain finds the errors in a text, the most telling first: an entry that stands before another in the list
// is the more exact one, and a wrapper's message, such as MaxRetryError, only counts where nothing else is
// known. None: the text holds no error that is known.
func Explain(text string) []Entry {
	flat := strings.Join(strings.Fields(text), " ")
	var found, wrappers []Entry
	seen := map[string]bool{}
	for _, e := range entries {
		reason, _, _ := strings.Cut(e.ID, "/")
		if seen[reason] || !e.match.MatchString(flat) {
			continue
		}
		seen[reason] = true
		if reason == "MaxRetryError" {
			wrappers = append(wrappers, e)
		} else {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return wrappers
	}
	return found
}

// Entries returns all that is known, in the order of the list.
func Entries() []Entry { return entries }

// String is the entry for people.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s\n  at fault: %s\n", e.ID, e.Means, e.Fault)
	for _, do := range e.Do {
		fmt.Fprintf(&b, "  - %s\n", do)
	}
	return b.String()
}

func entry(id, match, means string, fault Side, do ...string) Entry {
	return Entry{ID: id, Means: means, Fault: fault, Do: do, match: regexp.MustCompile("(?i)" + match)}
}
