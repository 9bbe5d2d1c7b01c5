package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// oldRoot is where the host's root stands while the new one is made.
const oldRoot = "/.tlsfloor-host"

const tmpfsFlags = unix.MS_NOSUID | unix.MS_NODEV

// enterRoot makes the root that ops describe, in this process's own mount namespace, and moves into it.
func enterRoot(ops []op) error {
	if err := newRoot(); err != nil {
		return err
	}
	for _, o := range ops {
		if err := o.do(); err != nil {
			return &SetupError{o.label(), err}
		}
	}
	if err := unix.Unmount(oldRoot, unix.MNT_DETACH); err != nil {
		return &SetupError{"detaching the host's root", err}
	}
	if err := errors.Join(os.Remove(oldRoot), readOnly("/")); err != nil {
		return &SetupError{"making the root read-only", err}
	}
	return nil
}

// newRoot puts an empty tmpfs in the root's place, and the host's root at oldRoot. The folder on
// which the tmpfs is mounted first is uncovered again by the pivot.
func newRoot() error {
	const base = "/tmp"
	steps := []struct {
		name string
		do   func() error
	}{
		{"making mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mounting a tmpfs as root", func() error { return unix.Mount("tmpfs", base, "tmpfs", tmpfsFlags, "mode=755") }},
		{"making " + oldRoot, func() error { return os.Mkdir(base+oldRoot, 0o755) }},
		{"changing the root", func() error { return unix.PivotRoot(base, base+oldRoot) }},
		{"entering the root", func() error { return os.Chdir("/") }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return &SetupError{s.name, errno(err)}
		}
	}
	return nil
}

func (o op) label() string {
	switch o.Do {
	case doBind:
		return "binding " + o.From + " at " + o.To
	case doVeil:
		return "hiding parts of " + o.To
	case doSeal:
		return "making " + o.To + " read-only"
	case doTmpfs, doProc:
		return "mounting a " + string(o.Do) + " at " + o.To
	}
	return "making " + o.To
}

func (o op) do() error {
	switch o.Do {
	case doFile:
		return makeFile(o.To, o.Text)
	case doLink:
		if err := os.MkdirAll(filepath.Dir(o.To), 0o755); err != nil {
			return err
		}
		return os.Symlink(o.Text, o.To)
	case doBind:
		return o.bind()
	case doTmpfs:
		if err := os.MkdirAll(o.To, 0o755); err != nil {
			return err
		}
		return unix.Mount("tmpfs", o.To, "tmpfs", tmpfsFlags, o.Text)
	case doProc:
		return mountProc(o.To)
	case doVeil:
		return o.veil()
	case doSeal:
		return readOnly(o.To)
	}
	return fmt.Errorf("unknown step %q", o.Do)
}

// mountProc mounts the new pid namespace's /proc, read-only: with the caller's uid mapped a build
// started by root could otherwise write to /proc/sys.
func mountProc(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return unix.Mount("proc", to, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "")
}

func makeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// bind shows a file or folder of the host. A bind takes the mounts below it along: in a user
// namespace the kernel allows no other (mount_namespaces(7), "locked" mounts).
func (o op) bind() error {
	from := oldRoot + o.From
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := makePoint(o.To, info.IsDir()); err != nil {
		return err
	}
	if err := unix.Mount(from, o.To, "", unix.MS_BIND|unix.MS_REC, ""); err != nil || o.RW {
		return err
	}
	if err := readOnly(o.To); err != nil {
		return err
	}
	for _, sub := range o.Subs {
		// What cannot be reached (the caller may not enter, a server is gone) cannot be written to,
		// and what is no mount point here is covered by another mount.
		var st unix.Statfs_t
		if unix.Statfs(sub, &st) != nil {
			continue
		}
		if err := readOnly(sub); err != nil && err != syscall.EINVAL {
			return fmt.Errorf("%s: %w", sub, err)
		}
	}
	return nil
}

// makePoint makes an empty folder or file to mount on, unless it is there.
func makePoint(path string, dir bool) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	return makeFile(path, "")
}

// readOnly remounts what is at path; flags that the host's mount has must stay (they are locked).
func readOnly(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	kept := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", path, "", kept|unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// veil covers a folder by an empty one, and lets the entries in Show through: what is not there has
// no name, so that a configure script that only looks for a file does not find it either. The binds
// are taken from the covered folder, as the current one, and inherit that it is read-only.
func (o op) veil() error {
	if err := os.Chdir(o.To); err != nil {
		return err
	}
	defer os.Chdir("/")
	if err := unix.Mount("tmpfs", o.To, "tmpfs", tmpfsFlags, "mode=755"); err != nil {
		return err
	}
	for _, s := range o.Show {
		if err := s.through(o.To + "/" + s.Name); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

func (s shown) through(to string) error {
	if s.Link != "" {
		return unix.Symlink(s.Link, to)
	}
	point := func() error { return unix.Mknod(to, unix.S_IFREG|0o644, 0) }
	if s.Dir {
		point = func() error { return unix.Mkdir(to, 0o755) }
	}
	if err := point(); err != nil {
		return err
	}
	return unix.Mount(s.Name, to, "", unix.MS_BIND|unix.MS_REC, "")
}

// errno returns the kernel's part of err: the rest repeats the step's name.
func errno(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

// lookPath finds the program argv0 in the PATH of env, as seen from dir.
func lookPath(argv0, dir string, env []string) (string, error) {
	if strings.Contains(argv0, "/") {
		if !filepath.IsAbs(argv0) {
			argv0 = filepath.Join(dir, argv0)
		}
		return argv0, executable(argv0)
	}
	for _, v := range env {
		path, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, folder := range filepath.SplitList(path) {
			if file := filepath.Join(folder, argv0); executable(file) == nil {
				return file, nil
			}
		}
		return "", fmt.Errorf("not in PATH %s: %w", path, os.ErrNotExist)
	}
	return "", fmt.Errorf("no PATH to look in: %w", os.ErrNotExist)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return errno(err)
	case info.IsDir():
		return syscall.EISDIR
	}
	return unix.Access(file, unix.X_OK)
}
