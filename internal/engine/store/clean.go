package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Clean removes work folders, failed steps and unfinished downloads; with all, every result and source too. A
// store that another tlsfloor uses is left alone, with an error. It returns the bytes that were freed.
func (s *Store) Clean(all bool) (int64, error) {
	release, err := s.alone()
	if err != nil {
		return 0, err
	}
	defer release()
	subs := []string{"work", "failed", "partial"}
	if all {
		subs = append(subs, "records", "blobs")
	}
	var freed int64
	var errs []error
	for _, sub := range subs {
		n, err := removeCounted(filepath.Join(s.dir, sub))
		freed, errs = freed+n, append(errs, err, os.MkdirAll(filepath.Join(s.dir, sub), 0o755))
	}
	for _, err := range errs {
		if err != nil {
			return freed, s.unusable("cleaning", err)
		}
	}
	return freed, nil
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
	return n, errors.Join(err, RemoveAll(path))
}

// RemoveAll is os.RemoveAll, which follows no link, for a folder whose owner may have taken from himself
// the right to enter it: a build step can do that.
func RemoveAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrPermission) && os.Chmod(path, 0o700) == nil {
		root, err = os.OpenRoot(path)
	}
	if err == nil {
		fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() && err == nil {
				root.Chmod(name, 0o700)
			}
			return nil
		})
		root.Close()
	}
	return os.RemoveAll(path)
}
