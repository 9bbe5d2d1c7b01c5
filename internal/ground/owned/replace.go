package owned

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Fresh is a name that nobody can have laid something at. What begins like it is left of a process that died.
func Fresh() string { return ".new-" + rand.Text() }

// Replace is ReplaceIn for a path, whose folder may be a link.
func Replace(path string, b []byte, mode os.FileMode) error {
	dir, err := Root(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return ReplaceIn(dir, filepath.Base(path), b, mode)
}

// ReplaceIn swaps the file name below dir for one with the bytes b. They are on the disk before the name
// leads to them: whoever reads, and whoever comes after a crash, finds the old file or the new one, and no
// half. A link at the name is replaced, and not followed.
func ReplaceIn(dir *os.Root, name string, b []byte, mode os.FileMode) error {
	staging := filepath.Join(filepath.Dir(name), Fresh())
	f, err := dir.OpenFile(staging, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = fault.At("write " + name); err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = dir.Rename(staging, name)
	}
	if err != nil {
		dir.Remove(staging)
	}
	return err
}
