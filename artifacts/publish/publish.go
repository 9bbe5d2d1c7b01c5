// Package publish puts a bundle where others take it from: a folder, such as a web server's or a share, or a
// registry of the OCI distribution specification. What it promises:
//
//   - A version is there whole or not at all: it gets its name last, after all of it was written. What an interrupted upload leaves has
//     no name.
//   - Other bytes are never published under a name that is taken. Two bundles are the same when their SHA256SUMS are: what is beside
//     them, proof/, is a run's own.
package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

const hintTaken = "what is published stays as it is: publish it under another name, or remove the old one there if nobody may have it any more"

// ToFolder copies the bundle in dir to a folder of its name below to, and reports whether it was there
// already.
func ToFolder(ctx context.Context, dir, name, to string) (path string, there bool, err error) {
	path = filepath.Join(to, name)
	root, err := owned.Share(to)
	if err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	defer root.Close()
	if there, err := taken(dir, root, name); there || err != nil {
		return path, there, err
	}
	staging := owned.Fresh()
	if err := root.Mkdir(staging, 0o700); err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	defer root.RemoveAll(staging)
	if err = fill(ctx, dir, root, staging); err == nil {
		err = fault.At("publish: rename")
	}
	if err == nil {
		err = rename(root, staging, name)
	}
	if errors.Is(err, fs.ErrExist) {
		there, err = taken(dir, root, name)
		return path, there, err
	}
	if err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	return path, false, nil
}

// fill copies the bundle into a folder of root, and opens that to readers.
func fill(ctx context.Context, dir string, root *os.Root, staging string) error {
	in, err := root.OpenRoot(staging)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := copyAll(ctx, dir, in); err != nil {
		return err
	}
	return in.Chmod(".", 0o755)
}

// rename gives a folder of root its name, never over one that somebody has published in between.
func rename(root *os.Root, from, to string) error {
	at, err := root.Open(".")
	if err != nil {
		return err
	}
	defer at.Close()
	return unix.Renameat2(int(at.Fd()), from, int(at.Fd()), to, unix.RENAME_NOREPLACE)
}

// mostSums is how large a list of digests may be.
const mostSums = 1 << 20

// taken reports whether the folder name of root holds the same bundle already; another one is an error.
func taken(dir string, root *os.Root, name string) (bool, error) {
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	ours, err := os.ReadFile(filepath.Join(dir, bundle.Sums))
	if err != nil {
		return false, fmt.Errorf("publishing: %w", err)
	}
	theirs, err := owned.ReadIn(root, filepath.Join(name, bundle.Sums), mostSums)
	if err != nil || !bytes.Equal(ours, theirs) {
		return false, fault.New(fault.Failed, hintTaken, "publishing: %s holds something else",
			filepath.Join(root.Name(), name))
	}
	return true, nil
}

// copyAll copies files and folders, synced.
func copyAll(ctx context.Context, from string, to *os.Root) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || path == from {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return to.Mkdir(rel, 0o755)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := to.OpenFile(rel, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, fault.At("publish: copy "+rel), out.Sync(), out.Close())
	})
}
