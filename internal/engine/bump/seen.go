package bump

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Seen is when versions that nobody has dated with a signature were first found in a list, so that one can
// wait for a release of today to be looked at by others. It stands in a file that lives from run to run.
type Seen struct {
	path string
	// by component, version and digest: other bytes under an old name begin to wait anew
	first map[string]time.Time
}

// ReadSeen reads the file, which need not be there yet.
func ReadSeen(path string) (*Seen, error) {
	s := &Seen{path: path, first: map[string]time.Time{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.first)
	}
	if err != nil {
		return nil, fault.New(fault.Failed, "remove the file; waiting begins anew then",
			"versions first seen: %s: %w", path, err)
	}
	return s, nil
}

// First tells when the candidate was first seen, which is now if it never was.
func (s *Seen) First(component string, c Candidate, now time.Time) time.Time {
	key := component + " " + c.Version + " " + c.Source.SHA256.String()
	if was, ok := s.first[key]; ok && was.Before(now) {
		return was
	}
	s.first[key] = now.UTC().Truncate(time.Second)
	return s.first[key]
}

// Write writes the file.
func (s *Seen) Write() error {
	if len(s.first) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(s.first, "", "  ")
	if err != nil {
		return err
	}
	return owned.Replace(s.path, append(text, '\n'), 0o644)
}
