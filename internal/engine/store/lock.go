package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Lock takes the lock of name and returns its release. While another process holds it, wait is called once.
func (s *Store) Lock(ctx context.Context, name string, wait func()) (func(), error) {
	unlock, err := Flock(ctx, filepath.Join(s.dir, "locks", slug(name)), wait)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return unlock, nil
}

// Flock locks the file or folder at path, which is created as a file when it is not there, and returns the
// release. While another holds it, wait is called once, if there is one. The kernel drops the lock of a
// process that dies, however it dies. Whoever holds the lock may remove the file: a lock counts only where
// its file is still the one of that name, as whoever comes next opens another.
func Flock(ctx context.Context, path string, wait func()) (func(), error) {
	open := func() (*os.File, error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if errors.Is(err, syscall.EISDIR) {
			return os.Open(path)
		}
		return f, err
	}
	return lock(ctx, open, func() (fs.FileInfo, error) { return os.Stat(path) }, wait)
}

// FlockIn is Flock for a file of dir. A link at that name is an error: what it leads to is not the file of
// the name.
func FlockIn(ctx context.Context, dir *os.Root, name string, wait func()) (func(), error) {
	open := func() (*os.File, error) {
		if info, err := dir.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("%s: a link", filepath.Join(dir.Name(), name))
		}
		return dir.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	}
	return lock(ctx, open, func() (fs.FileInfo, error) { return dir.Lstat(name) }, wait)
}

func lock(ctx context.Context, open func() (*os.File, error), stat func() (fs.FileInfo, error), wait func()) (func(), error) {
	for range 1000 { // each turn, somebody else has held and removed it
		f, err := open()
		if err != nil {
			return nil, err
		}
		if err = take(ctx, f, syscall.LOCK_EX, wait); err == nil {
			var held, now fs.FileInfo
			if held, err = f.Stat(); err == nil {
				now, err = stat()
			}
			if err == nil && os.SameFile(held, now) {
				return func() { f.Close() }, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		wait = nil // it was told
	}
	return nil, errors.New("others remove the lock as soon as they have it")
}

// take takes a lock, shared or exclusive, and waits for it if another has it.
func take(ctx context.Context, f *os.File, how int, wait func()) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return err
	}
	if wait != nil {
		wait()
	}
	return block(ctx, f, how)
}

// block waits for the lock in a goroutine of its own, so that a cancelled wait returns at once.
func block(ctx context.Context, f *os.File, how int) error {
	dup, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return err
	}
	syscall.CloseOnExec(dup)
	got := make(chan error, 1)
	go func() {
		for {
			err := syscall.Flock(dup, how)
			if err != syscall.EINTR {
				syscall.Close(dup)
				got <- err
				return
			}
		}
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// busy reports whether somebody holds the lock of the file or folder at path. One that cannot be asked
// counts as held.
func busy(path string) bool {
	// NFS locks exclusively only what is open for writing.
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.EISDIR) {
		f, err = os.Open(path)
	}
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ELOOP)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
