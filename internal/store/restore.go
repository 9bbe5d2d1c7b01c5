package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Restore writes the tree with the digest output into the new folder dir. Files are copied (or share their blocks
// where the file system can), never linked, so that a later edit of the copy cannot reach the store. Every file's
// bytes are verified on the way. On an error dir is removed again.
func (s *Store) Restore(ctx context.Context, output digest.Digest, dir string) (err error) {
	t, err := s.Tree(output)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
			err = fmt.Errorf("restoring %s: %w", dir, err)
		}
	}()
	if err := t.folders(dir); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.NumCPU())
	for _, e := range t {
		if e.Mode.IsDir() {
			continue
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.restoreEntry(e, filepath.Join(dir, e.Path))
		})
	}
	return g.Wait()
}

// folders makes the tree's folders first, in order, so that files can follow in any order.
func (t Tree) folders(dir string) error {
	for _, e := range t {
		if !e.Mode.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Path)
		if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Chmod(path, 0o755); err != nil { // the umask must not decide who can read a toolchain
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

// RestoreEntry puts one entry of a tree at path, whatever stands there; the new file takes its name by a rename.
func (s *Store) RestoreEntry(e Entry, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if e.Mode.IsDir() {
		if info, err := os.Lstat(path); err == nil && !info.IsDir() {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755), os.Lchown(path, os.Geteuid(), os.Getegid()))
	}
	tmp := path + ".tlsfloor-new"
	os.Remove(tmp)
	if err := s.restoreEntry(e, tmp); err != nil {
		os.Remove(tmp)
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return os.Rename(tmp, path)
}

func (s *Store) restoreEntry(e Entry, path string) error {
	if e.Mode&fs.ModeSymlink != 0 {
		return os.Symlink(e.Target, path)
	}
	if err := fault.At("store: restore " + filepath.Base(path)); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = s.copyBlob(e.Digest, out)
	return errors.Join(err, out.Chmod(e.Mode.Perm()), out.Close())
}

// copyBlob clones or copies the blob into out and verifies what arrived.
func (s *Store) copyBlob(d digest.Digest, out *os.File) error {
	in, err := os.Open(s.blob(d))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob %s: %w", d.Short(), ErrMiss)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		_, err = io.Copy(h, in)
	} else {
		_, err = io.Copy(io.MultiWriter(out, h), in)
	}
	if err != nil {
		return err
	}
	if digest.Digest(h.Sum(nil)) != d {
		s.forget(d)
		return fmt.Errorf("blob %s: %w: its bytes were altered", d.Short(), ErrMiss)
	}
	return nil
}
