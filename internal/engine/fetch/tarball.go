package fetch

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
)

// tarball is a mirror in one uncompressed .tar file: files are found by their base names, whatever folder
// they stand in. Nothing of it is unpacked but what is asked for, and that is held against its digest like
// any other place's.
type tarball struct {
	path string
	read func() (map[string]member, error) // once
}

// member is where a file stands in the archive.
type member struct{ offset, size int64 }

// maxMembers bounds how many entries are looked at.
const maxMembers = 100_000

func newTarball(name string) *tarball {
	return &tarball{path: name, read: sync.OnceValues(func() (map[string]member, error) { return members(name) })}
}

// members lists the files of an archive.
func members(name string) (map[string]member, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, t := map[string]member{}, tar.NewReader(f)
	for range maxMembers {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not a .tar file with sources: %w", err)
		}
		at, err := f.Seek(0, io.SeekCurrent) // a Reader of a Seeker reads no further than the header
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			all[path.Base(h.Name)] = member{at, h.Size}
		}
	}
	return nil, fmt.Errorf("more than %d entries", maxMembers)
}

func (t *tarball) String() string { return t.path }
func (*tarball) local() bool      { return true }

func (t *tarball) get(ctx context.Context, _ *Fetcher, w *wanted) error {
	all, err := t.read()
	if err != nil {
		return err
	}
	for _, name := range w.names {
		if m, ok := all[name]; ok {
			f, err := os.Open(t.path)
			if err != nil {
				return err
			}
			defer f.Close()
			return copyFrom(ctx, io.NewSectionReader(f, m.offset, m.size), w)
		}
	}
	return fmt.Errorf("%w: neither %s", errAbsent, strings.Join(w.names, " nor "))
}
