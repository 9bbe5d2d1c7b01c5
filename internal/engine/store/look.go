package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// folders makes what is missing, and looks at what is there.
func (s *Store) folders() error {
	root, err := owned.Make("", s.dir)
	if err != nil {
		return s.unusable("creating", err)
	}
	defer root.Close()
	if err := s.checkLayout(); err != nil {
		return err
	}
	for _, sub := range []string{"blobs", "records", "locks", "partial", "work", "failed"} {
		if err := root.Mkdir(sub, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return s.unusable("creating", err)
		}
		in, err := owned.Inside(root, sub)
		if err == nil {
			err = s.entries(in, sub)
			in.Close()
		}
		if err != nil {
			return s.unusable("opening", err)
		}
	}
	return nil
}

// entries looks at what this store writes through: folders of blobs, locks and unfinished downloads.
// Records and blobs are looked at when they are read, and work folders are new each time.
func (s *Store) entries(in *os.Root, sub string) error {
	if sub != "blobs" && sub != "locks" && sub != "partial" {
		return nil
	}
	all, err := fs.ReadDir(in.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range all {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		path := filepath.Join(in.Name(), e.Name())
		if err == nil {
			err = owned.Mine(path, info)
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			err = fault.New(fault.Failed, "remove it: tlsfloor puts no links into a store", "%s: a link", path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens a file of the store for reading. One that others could have put there, or could change while
// it is read, is none.
func (s *Store) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a link", ErrMiss, filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no file", ErrMiss, filepath.Base(path))
	}
	if err == nil {
		if err = owned.Mine(path, info); err != nil {
			err = fmt.Errorf("%w: %w", ErrMiss, err)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read reads a small file of the store.
func (s *Store) read(path string) ([]byte, error) {
	f, err := s.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
