// Package publish puts a bundle where others take it from: a folder, such as a web server's or a share, or a registry of the OCI
// distribution specification. What it promises:
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
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

const hintTaken = "what is published stays as it is: publish it under another name, or remove the old one there if nobody may have it any more"

// ToFolder copies the bundle in dir to a folder of its name below to, and reports whether it was there already.
func ToFolder(ctx context.Context, dir, name, to string) (path string, there bool, err error) {
	path = filepath.Join(to, name)
	if there, err := taken(dir, path); there || err != nil {
		return path, there, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	staging, err := os.MkdirTemp(to, ".new-")
	if err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	defer os.RemoveAll(staging)
	if err := copyAll(ctx, dir, staging); err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	// Never over one that somebody has published in between.
	err = errors.Join(os.Chmod(staging, 0o755), fault.At("publish: rename"))
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, staging, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	}
	if errors.Is(err, fs.ErrExist) {
		there, err = taken(dir, path)
		return path, there, err
	}
	if err != nil {
		return "", false, fmt.Errorf("publishing: %w", err)
	}
	return path, false, nil
}

// taken reports whether path holds the same bundle already; another one is an error.
func taken(dir, path string) (bool, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	ours, err := os.ReadFile(filepath.Join(dir, bundle.Sums))
	if err != nil {
		return false, fmt.Errorf("publishing: %w", err)
	}
	theirs, err := os.ReadFile(filepath.Join(path, bundle.Sums))
	if err != nil || !bytes.Equal(ours, theirs) {
		return false, fault.New(fault.Failed, hintTaken, "publishing: %s holds something else", path)
	}
	return true, nil
}

// copyAll copies files and folders, synced.
func copyAll(ctx context.Context, from, to string) error {
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
			return os.Mkdir(filepath.Join(to, rel), 0o755)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(filepath.Join(to, rel), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, fault.At("publish: copy "+rel), out.Sync(), out.Close())
	})
}
