package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Clean removes work folders, failed steps and unfinished downloads; with all, everything that the store holds. What a running
// tlsfloor uses is left alone. It returns the bytes that were freed.
func (s *Store) Clean(all bool) (int64, error) {
	subs := []string{"failed", "partial"}
	if all {
		subs = append(subs, "records", "blobs", "layout")
	}
	var freed int64
	var errs []error
	work, err := os.ReadDir(filepath.Join(s.dir, "work"))
	errs = append(errs, err)
	for _, d := range work {
		if path := filepath.Join(s.dir, "work", d.Name()); !s.busy(path) {
			n, err := removeCounted(path)
			freed, errs = freed+n, append(errs, err)
		}
	}
	for _, sub := range subs {
		n, err := removeCounted(filepath.Join(s.dir, sub))
		freed, errs = freed+n, append(errs, err)
	}
	return freed, errors.Join(errs...)
}

// busy reports whether the process that made a work folder still lives: it holds a lock on the folder.
func (s *Store) busy(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func removeCounted(path string) (int64, error) {
	var n int64
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return n, errors.Join(err, os.RemoveAll(path))
}
