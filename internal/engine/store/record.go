package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// Record says what one Key led to.
type Record struct {
	Step     string          `json:"step"`
	Profile  string          `json:"profile"` // for which it was built; others may use it too
	Key      digest.Digest   `json:"key"`
	Lines    digest.Lines    `json:"lines"`  // what the Key was hashed over
	Output   digest.Digest   `json:"output"` // the Tree's digest
	Log      digest.Digest   `json:"log"`
	Sources  []digest.Digest `json:"sources,omitempty"` // the blobs that it was built from
	Sandbox  string          `json:"sandbox"`           // the sandbox mode that it ran in
	Finished time.Time       `json:"finished"`
	Seconds  float64         `json:"seconds"` // wall time
}

func (s *Store) recordPath(key digest.Digest) string {
	return filepath.Join(s.dir, "records", key.String())
}

// lastPath names the key of the newest record of a step, for `plan -why` and expected times.
func (s *Store) lastPath(profile, step string) string {
	return filepath.Join(s.dir, "records", "last-"+profile+"-"+slug(step))
}

// PutRecord stores r. The record's own digest stands in its first line, so that a cut or altered one shows.
func (s *Store) PutRecord(r Record) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	sealed := append([]byte(digest.Of(body).String()+"\n"), body...)
	if err := s.write(s.recordPath(r.Key), sealed, 0o444); err != nil {
		return err
	}
	for _, profile := range []string{r.Profile, ""} {
		if err := s.write(s.lastPath(profile, r.Step), []byte(r.Key.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Record returns the record of key when it and the blobs that it names are there. Anything else is a miss
// with its reason.
func (s *Store) Record(key digest.Digest) (Record, error) {
	r, err := s.readRecord(key)
	if err != nil {
		return Record{}, err
	}
	tree, err := s.Tree(r.Output)
	if err != nil {
		return Record{}, fmt.Errorf("record %s: output: %w", key.Short(), err)
	}
	for _, e := range tree {
		if e.Mode.IsRegular() && !s.Exists(e.Digest) {
			return Record{}, fmt.Errorf("record %s: file %s of its output: %w", key.Short(), e.Path, ErrMiss)
		}
	}
	return r, nil
}

func (s *Store) readRecord(key digest.Digest) (Record, error) {
	b, err := s.read(s.recordPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, fmt.Errorf("record %s: %w", key.Short(), ErrMiss)
	}
	if err != nil {
		return Record{}, fmt.Errorf("record %s: %w", key.Short(), err)
	}
	r, err := parseRecord(b)
	if err != nil || r.Key != key {
		return Record{}, fmt.Errorf("record %s: %w: %w", key.Short(), ErrMiss, errors.Join(err, mismatch(r.Key, key)))
	}
	return r, nil
}

func mismatch(got, want digest.Digest) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("it is the record of key %s", got.Short())
}

// parseRecord reads what PutRecord wrote.
func parseRecord(b []byte) (Record, error) {
	seal, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || digest.Of(body).String() != string(seal) {
		return Record{}, errors.New("it was cut or altered")
	}
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

// Last returns the newest record of a step that was built for profile, else for any; its blobs need not be
// there any more.
func (s *Store) Last(profile, step string) (Record, error) {
	for _, p := range []string{profile, ""} {
		b, err := s.read(s.lastPath(p, step))
		if err != nil {
			continue
		}
		if key, err := digest.Parse(string(bytes.TrimSpace(b))); err == nil {
			return s.readRecord(key)
		}
	}
	return Record{}, fmt.Errorf("last record of %s: %w", step, ErrMiss)
}
