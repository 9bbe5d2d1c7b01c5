package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// temporary begins the names of files that are not finished.
const temporary = ".tmp-"

func (s *Store) write(path string, b []byte, mode fs.FileMode) error {
	return s.writeFrom(path, bytes.NewReader(b), mode, digest.Digest{})
}

// writeFrom puts what r holds at path: temporary file, sync, rename, so that a reader sees all of it or
// nothing. With a want the bytes must have that digest.
func (s *Store) writeFrom(path string, r io.Reader, mode fs.FileMode, want digest.Digest) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return s.unusable("writing", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return s.unusable("writing", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = s.unusable("writing "+filepath.Base(path), err)
		}
	}()
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(f, h), r); err != nil {
		return err
	}
	if got := digest.Digest(h.Sum(nil)); !want.IsZero() && got != want {
		return fmt.Errorf("the bytes changed while they were read: digest %s, want %s", got, want)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"write", func() error { return f.Chmod(mode) }},
		{"sync", f.Sync},
		{"close", f.Close},
		{"rename", func() error { return os.Rename(f.Name(), path) }},
	} {
		if err = fault.At("store: " + step.name + " " + filepath.Base(path)); err == nil {
			err = step.do()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stage writes a copy of the file at path to staging, named by its digest, unless the store has those bytes
// already. What stands at path is opened once, and has to be a file: a build step made it.
func (s *Store) stage(path, staging string) (digest.Digest, int64, error) {
	src, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return digest.Digest{}, 0, err
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil || !info.Mode().IsRegular() {
		return digest.Digest{}, 0, errors.Join(err, fmt.Errorf("storing %s: no regular file", path))
	}
	d, n, err := digest.OfReader(src)
	if err != nil || s.Exists(d) {
		return d, n, err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return d, n, err
	}
	if err := fault.At("store: stage " + filepath.Base(path)); err != nil {
		return d, n, s.unusable("writing", err)
	}
	dst, err := os.OpenFile(filepath.Join(staging, d.String()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if errors.Is(err, fs.ErrExist) {
		return d, n, nil // the same bytes stand twice in the tree
	}
	if err != nil {
		return d, n, s.unusable("writing", err)
	}
	if _, err = io.Copy(dst, src); err != nil {
		err = s.unusable("writing", err)
	}
	return d, n, errors.Join(err, dst.Chmod(0o444), dst.Close())
}

// settle syncs all staged files at once and gives them their names.
func (s *Store) settle(staging string) error {
	folder, err := os.Open(staging)
	if err != nil {
		return err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil || len(names) == 0 {
		return err
	}
	if err := errors.Join(fault.At("store: sync "+filepath.Base(staging)), unix.Syncfs(int(folder.Fd()))); err != nil {
		return err
	}
	for _, name := range names {
		d, err := digest.Parse(name)
		if err != nil {
			return err
		}
		if err := errors.Join(fault.At("store: rename "+name), os.MkdirAll(filepath.Dir(s.blob(d)), 0o755)); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(staging, name), s.blob(d)); err != nil {
			return err
		}
	}
	return nil
}
