package steps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// The folders of a job's work folder that its commands see, at the same names below sandbox.WorkPath, and
// may write to. Each is mounted by itself: a command can fill it, but not put something else in its place.
// All else of the work folder (the log, the trees that the step needs, enter.json and enter.sh) is out of
// the commands' sight in the mode Namespaces.
const (
	srcDir  = "src"
	destDir = "dest"
	binDir  = "bin" // the wrappers, read-only
)

// mounts shows a command the writable folders, and what the step needs.
func (j *job) mounts(training string) []sandbox.Mount {
	if j.Mode != sandbox.Namespaces {
		return nil
	}
	at := func(name string, writable bool) sandbox.Mount {
		return sandbox.Mount{From: filepath.Join(j.work, name), To: j.inside(name), Writable: writable}
	}
	all := []sandbox.Mount{at(srcDir, true), at(destDir, true)}
	if training != "" {
		all = append(all, at(training, true))
	}
	if len(j.hidden()) > 0 {
		all = append(all, at(binDir, false))
	}
	for _, need := range j.step.Recipe.Needs {
		all = append(all, sandbox.Mount{From: filepath.Join(j.work, "needs", need), To: j.step.Needs[need]})
	}
	return all
}

// openFolder opens the folder that path names below the folder base, following no link: a command may have
// left one anywhere on the way. What is missing is made where create says so, for the commands to write to.
func openFolder(base, path string, create bool) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open(base, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", base, err)
	}
	seen := base
	for name := range strings.SplitSeq(strings.Trim(filepath.Clean("/"+path), "/"), "/") {
		if name == "" {
			continue
		}
		seen = filepath.Join(seen, name)
		made := create && unix.Mkdirat(fd, name, 0o755) == nil
		next, err := unix.Openat(fd, name, flags, 0)
		unix.Close(fd)
		if err == unix.ELOOP || err == unix.ENOTDIR {
			return nil, fmt.Errorf("%s: neither a link nor a file may stand there, but a folder", seen)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: seen, Err: err}
		}
		if fd = next; made {
			if err := sandbox.Own(fd); err != nil {
				unix.Close(fd)
				return nil, err
			}
		}
	}
	return os.NewFile(uintptr(fd), seen), nil
}

// move renames a folder or file below the folder from to one below the folder to, following no link in
// either.
func move(from, path, to, target string) error {
	left, err := openFolder(from, filepath.Dir(path), false)
	if err != nil {
		return err
	}
	defer left.Close()
	right, err := openFolder(to, filepath.Dir(target), true)
	if err != nil {
		return err
	}
	defer right.Close()
	err = unix.Renameat(int(left.Fd()), filepath.Base(path), int(right.Fd()), filepath.Base(target))
	if err != nil {
		from, to = filepath.Join(from, path), filepath.Join(to, target)
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// plain walks the folder dir, which commands have written, and says of each entry that is no folder where
// it is. Pipes, sockets and devices are an error: whoever opened one would wait, or worse.
func plain(dir string, each func(rel string, d fs.DirEntry) error) error {
	top, err := openFolder(dir, "", false)
	if err != nil {
		return err
	}
	top.Close()
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel := strings.TrimPrefix(path, dir+"/")
		if !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0 {
			return fmt.Errorf("%q is neither file, folder nor link (%s)", rel, d.Type())
		}
		return each(rel, d)
	})
}

// readFile reads the regular file at path, and nothing through a link.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s: no regular file", path))
	}
	return io.ReadAll(f)
}

// writeNew writes a file that is new, whatever stands at path.
func writeNew(path string, text []byte, mode fs.FileMode) error {
	if err := store.RemoveAll(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
