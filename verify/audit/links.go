package audit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// errMagic says that a link passes /proc/<pid>/cwd or its like: whoever opens it gets another file.
var errMagic = errors.New("it passes a link of the kernel's, which leads each process elsewhere")

// resolved is filepath.EvalSymlinks, but for links that mean something else for another process.
func resolved(path string) (string, error) {
	const most = 255
	done, rest := "", strings.Split(path, "/")
	if filepath.IsAbs(path) {
		done = "/"
	}
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			done = filepath.Join(done, "..") // what is done has no links
			continue
		}
		next := filepath.Join(done, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > most {
			return "", errors.Join(err, &fs.PathError{Op: "readlink", Path: path, Err: unix.ELOOP})
		}
		if filepath.IsAbs(target) || strings.HasPrefix(target, "pipe:") {
			if machinery(filepath.Dir(next)) {
				return "", errMagic
			}
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}

// there reports whether something may be where a path leads that could not be resolved for err.
func there(path string, err error) bool {
	info, failed := os.Stat(path)
	if failed == nil {
		return info.IsDir() || info.Mode().IsRegular()
	}
	return errors.Is(err, errMagic) || !errors.Is(failed, fs.ErrNotExist) && !errors.Is(failed, unix.ENOTDIR) &&
		!errors.Is(failed, unix.ELOOP)
}
