package owned

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Read returns the bytes of a file below dir, whoever put it there: it ends at once whatever stands at the
// name. Only a regular file of at most limit bytes is read; a link is followed as far as it stays below dir.
func Read(dir *os.Root, name string, limit int64) ([]byte, error) {
	path := filepath.Join(dir.Name(), name)
	before, err := dir.Stat(name) // opening a device may do something to it
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: no regular file", path)
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: no regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: it has %d bytes; %d are the most", path, info.Size(), limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: it has more than %d bytes", path, limit)
	}
	return text, err
}

// ReadFile is Read for a path, whose last part may be no link.
func ReadFile(path string, limit int64) ([]byte, error) {
	dir, err := Root(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := filepath.Base(path)
	if info, err := dir.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s: a link", path)
	}
	return Read(dir, name, limit)
}

// List names what is in a folder below dir, sorted, whoever put it there: it ends at once whatever stands at
// the name. A link is followed as far as it stays below dir.
func List(dir *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Root is os.OpenRoot that ends at once where a pipe or a device stands at the path.
func Root(path string) (*os.Root, error) {
	return os.OpenRoot(path + "/") // what is no folder is not opened then (path_resolution(7))
}

// folder is Root for a path that nobody else can change.
func folder(path string) (*os.Root, error) {
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
	}
	return os.OpenRoot(path)
}
