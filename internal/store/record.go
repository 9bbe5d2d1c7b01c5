package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/digest"
)

// Record says what one Key led to.
type Record struct {
	Step     string        `json:"step"`
	Profile  string        `json:"profile"` // for which it was built; others may use it too
	Key      digest.Digest `json:"key"`
	Lines    digest.Lines  `json:"lines"`  // what the Key was hashed over
	Output   digest.Digest `json:"output"` // the Tree's digest
	Log      digest.Digest `json:"log"`
	Sandbox  string        `json:"sandbox"` // the sandbox mode that it ran in
	Finished time.Time     `json:"finished"`
	Seconds  float64       `json:"seconds"` // wall time
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
	b, err := os.ReadFile(s.recordPath(key))
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

// Last returns the newest record of a step that was built for profile, else for any; its blobs need not be there any more.
func (s *Store) Last(profile, step string) (Record, error) {
	for _, p := range []string{profile, ""} {
		b, err := os.ReadFile(s.lastPath(p, step))
		if err != nil {
			continue
		}
		if key, err := digest.Parse(string(bytes.TrimSpace(b))); err == nil {
			return s.readRecord(key)
		}
	}
	return Record{}, fmt.Errorf("last record of %s: %w", step, ErrMiss)
}

// Lock takes the lock of name and returns its release. While another process holds it, wait is called once.
// The kernel drops the lock of a process that dies, however it dies.
func (s *Store) Lock(ctx context.Context, name string, wait func()) (func(), error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "locks", slug(name)), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, s.unusable("locking", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		if wait != nil {
			wait()
		}
		err = block(ctx, f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

// block waits for the lock in a thread of its own, so that a cancelled wait returns at once.
func block(ctx context.Context, f *os.File) error {
	got := make(chan error, 1)
	dup, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return err
	}
	go func() {
		got <- syscall.Flock(dup, syscall.LOCK_EX)
		syscall.Close(dup)
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
