package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/ulikunitz/xz"
)

// Pack writes the files, folders and symbolic links below dir as a .tar.xz, each below the folder top. What comes out depends on nothing
// but names, contents, executable bits and the time given: entries are in order of name, belong to nobody (uid and gid 0, no names), and
// are 0644 or 0755.
func Pack(ctx context.Context, w io.Writer, dir, top string, when time.Time) error {
	z, err := xz.NewWriter(w)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if err := packEntry(t, name, path.Join(top, filepath.ToSlash(rel)), d, when); err != nil {
			return fmt.Errorf("packing %s: %w", rel, err)
		}
		return nil
	})
	return errors.Join(err, t.Close(), z.Close())
}

func packEntry(t *tar.Writer, file, name string, d fs.DirEntry, when time.Time) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: 0o644, ModTime: when.UTC().Truncate(time.Second)}
	if info.Mode()&0o111 != 0 || d.IsDir() {
		h.Mode = 0o755
	}
	switch {
	case d.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case d.Type() == fs.ModeSymlink:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		if h.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
	case d.Type().IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	default:
		return fmt.Errorf("neither file, folder nor symbolic link")
	}
	if err := t.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}
