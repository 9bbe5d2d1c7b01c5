package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Limits says what GC keeps. A zero field sets no limit.
type Limits struct {
	Generations int   // newest records of each step of each profile
	Bytes       int64 // of all blobs together; the oldest records go first
}

// Swept says what GC removed, or would remove, and what stays.
type Swept struct {
	Records int   `json:"records_removed"`
	Blobs   int   `json:"blobs_removed"`
	Freed   int64 `json:"bytes_freed"`
	Kept    int64 `json:"bytes_kept"`
}

// held is one record with the blobs that it needs.
type held struct {
	Record
	blobs []digest.Digest
}

// GC removes records beyond the limits, and every blob that no record is left to need. Dry, it only counts. A
// store that another tlsfloor uses is left alone, with an error.
func (s *Store) GC(limits Limits, dry bool) (Swept, error) {
	release, err := s.alone()
	if err != nil {
		return Swept{}, err
	}
	defer release()
	sizes, err := s.blobSizes()
	if err != nil {
		return Swept{}, err
	}
	records, err := s.held()
	if err != nil {
		return Swept{}, err
	}
	keep, drop := limits.choose(records, sizes, s.lasts())
	needed := map[digest.Digest]bool{}
	for _, h := range keep {
		for _, d := range h.blobs {
			needed[d] = true
		}
	}
	for _, d := range s.signatures() {
		needed[d] = true // of a few hundred bytes each, and without them nothing can be fetched offline
	}
	swept := Swept{Records: len(drop)}
	for d, size := range sizes {
		if needed[d] {
			swept.Kept += size
			continue
		}
		swept.Blobs++
		swept.Freed += size
	}
	if dry {
		return swept, nil
	}
	// Records first: one whose blobs are gone would be a miss, one blob without record is only space.
	var errs []error
	for _, h := range drop {
		errs = append(errs, os.Remove(s.recordPath(h.Key)))
	}
	for d := range sizes {
		if !needed[d] {
			errs = append(errs, os.Remove(s.blob(d)))
		}
	}
	return swept, errors.Join(errs...)
}

// lasts returns the keys of the records that were written last.
func (s *Store) lasts() map[digest.Digest]bool {
	keys := map[digest.Digest]bool{}
	paths, err := filepath.Glob(filepath.Join(s.dir, "records", "last-*"))
	if err != nil {
		return keys
	}
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil {
			if key, err := digest.Parse(strings.TrimSpace(string(b))); err == nil {
				keys[key] = true
			}
		}
	}
	return keys
}

// choose splits the records by the limits. What was written last counts as the newest, whatever the clock
// said then: clocks jump.
func (l Limits) choose(records []held, sizes map[digest.Digest]int64, lasts map[digest.Digest]bool) (keep, drop []held) {
	slices.SortFunc(records, func(a, b held) int {
		if lasts[a.Key] != lasts[b.Key] {
			if lasts[a.Key] {
				return -1
			}
			return 1
		}
		return cmp.Or(b.Finished.Compare(a.Finished), strings.Compare(a.Key.String(), b.Key.String()))
	})
	count := map[string]int{}
	have := map[digest.Digest]bool{}
	var total int64
	for _, h := range records {
		step := h.Profile + " " + h.Step
		count[step]++
		var more int64
		for _, d := range h.blobs {
			if !have[d] {
				more += sizes[d]
			}
		}
		if (l.Generations > 0 && count[step] > l.Generations) || (l.Bytes > 0 && total+more > l.Bytes) {
			drop = append(drop, h)
			continue
		}
		keep = append(keep, h)
		total += more
		for _, d := range h.blobs {
			have[d] = true
		}
	}
	return keep, drop
}

// held reads all records. One that cannot be read needs nothing.
func (s *Store) held() ([]held, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "records"))
	if err != nil {
		return nil, s.unusable("reading", err)
	}
	var all []held
	for _, e := range entries {
		key, err := digest.Parse(e.Name())
		if err != nil {
			continue
		}
		r, err := s.readRecord(key)
		if err != nil {
			all = append(all, held{Record: Record{Key: key}})
			continue
		}
		all = append(all, held{r, s.blobsOf(r)})
	}
	return all, nil
}

// blobsOf lists what a record needs: its output's tree and files, its log, and its sources with their
// signatures.
func (s *Store) blobsOf(r Record) []digest.Digest {
	blobs := []digest.Digest{r.Output, r.Log}
	if tree, err := s.Tree(r.Output); err == nil {
		for _, e := range tree {
			if e.Mode.IsRegular() {
				blobs = append(blobs, e.Digest)
			}
		}
	}
	return append(blobs, r.Sources...)
}

// signatures lists the blobs of all signatures.
func (s *Store) signatures() []digest.Digest {
	var all []digest.Digest
	paths, err := filepath.Glob(filepath.Join(s.dir, "records", "signature-*"))
	if err != nil {
		return nil
	}
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil {
			if d, err := digest.Parse(string(b)); err == nil {
				all = append(all, d)
			}
		}
	}
	return all
}

// blobSizes lists all blobs with their sizes in bytes.
func (s *Store) blobSizes() (map[digest.Digest]int64, error) {
	sizes := map[digest.Digest]int64{}
	err := filepath.WalkDir(filepath.Join(s.dir, "blobs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		d, err := digest.Parse(e.Name())
		if err != nil {
			return os.Remove(path) // a temporary file of a process that died
		}
		info, err := e.Info()
		if err == nil {
			sizes[d] = info.Size()
		}
		return err
	})
	return sizes, err
}

// Checked says what Check read and what it forgot.
type Checked struct {
	Blobs     int      `json:"blobs"`
	Bytes     int64    `json:"bytes"`
	Records   int      `json:"records"`
	Forgotten []string `json:"forgotten,omitempty"` // one line each: what, and why
}

// Check reads everything and forgets what is not what it says it is: the next build makes it again.
func (s *Store) Check(ctx context.Context) (Checked, error) {
	release, err := s.alone()
	if err != nil {
		return Checked{}, err
	}
	defer release()
	sizes, err := s.blobSizes()
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Blobs: len(sizes)}
	for d, size := range sizes {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		c.Bytes += size
		f, err := s.Open(d)
		if err != nil {
			c.Forgotten = append(c.Forgotten, err.Error())
			continue
		}
		f.Close()
	}
	records, err := s.held()
	if err != nil {
		return c, err
	}
	c.Records = len(records)
	for _, h := range records {
		if _, err := s.Record(h.Key); err != nil {
			c.Forgotten = append(c.Forgotten, err.Error())
			if err := os.Remove(s.recordPath(h.Key)); err != nil {
				return c, s.unusable("forgetting what is damaged, "+c.Forgotten[len(c.Forgotten)-1], err)
			}
		}
	}
	slices.Sort(c.Forgotten)
	return c, nil
}

// alone makes this process the only user of the store, or says that it is not.
func (s *Store) alone() (release func(), err error) {
	fd := int(s.use.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		syscall.Flock(fd, syscall.LOCK_SH) // a failed upgrade has dropped the shared lock
		return nil, fault.New(fault.Failed, "wait until it has ended", "store %s: another tlsfloor is using it", s.dir)
	}
	return func() { syscall.Flock(fd, syscall.LOCK_SH) }, nil
}
