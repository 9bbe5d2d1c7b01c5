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

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Restore writes the tree with the digest output into the new folder dir. Files are copied (or share their
// blocks where the file system can), never linked, so that a later edit of the copy cannot reach the store.
// Every file's bytes are verified on the way. On an error dir is removed again.
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
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := t.folders(root); err != nil {
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
			return s.restoreEntry(e, root, e.Path)
		})
	}
	return g.Wait()
}

// folders makes the tree's folders first, in order, so that files can follow in any order.
func (t Tree) folders(root *os.Root) error {
	for _, e := range t {
		if !e.Mode.IsDir() {
			continue
		}
		if err := root.Mkdir(e.Path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := root.Chmod(e.Path, 0o755); err != nil { // the umask must not decide who can read a toolchain
			return err
		}
	}
	return root.Chmod(".", 0o755)
}

// RestoreEntry puts one entry of a tree to where it belongs below root, whatever stands there, links and
// files in the place of its folders too; the new file takes its name by a rename.
func (s *Store) RestoreEntry(e Entry, root *os.Root) error {
	if err := folder(root, filepath.Dir(e.Path)); err != nil {
		return err
	}
	if e.Mode.IsDir() {
		return errors.Join(folder(root, e.Path), root.Chmod(e.Path, 0o755), root.Lchown(e.Path,
			os.Geteuid(), os.Getegid()))
	}
	tmp := e.Path + ".tlsfloor-new"
	root.Remove(tmp)
	if err := s.restoreEntry(e, root, tmp); err != nil {
		root.Remove(tmp)
		return err
	}
	if info, err := root.Lstat(e.Path); err == nil && info.IsDir() {
		if err := root.RemoveAll(e.Path); err != nil {
			return err
		}
	}
	return root.Rename(tmp, e.Path)
}

// folder makes path a folder, and all above it: what else stands there is removed, and never followed.
func folder(root *os.Root, path string) error {
	if path == "." {
		return nil
	}
	if err := folder(root, filepath.Dir(path)); err != nil {
		return err
	}
	info, err := root.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		err = root.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	return root.Mkdir(path, 0o755)
}

func (s *Store) restoreEntry(e Entry, root *os.Root, path string) error {
	if e.Mode&fs.ModeSymlink != 0 {
		return root.Symlink(e.Target, path)
	}
	if err := fault.At("store: restore " + filepath.Base(path)); err != nil {
		return err
	}
	out, err := root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = s.copyBlob(e.Digest, out)
	return errors.Join(err, out.Chmod(e.Mode.Perm()), out.Close())
}

// copyBlob clones or copies the blob into out and verifies what arrived.
func (s *Store) copyBlob(d digest.Digest, out *os.File) error {
	in, err := s.open(s.blob(d))
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
