package archive

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ulikunitz/xz"
)

// PackOptions says how to pack. Zero fields have the defaults that their comments name.
type PackOptions struct {
	Format Format    // XZ
	Jobs   int       // blocks that are compressed at the same time: one for each processor
	When   time.Time // every entry's time
}

// Pack writes the files, folders and symbolic links below dir as an archive, each below the folder top. What
// comes out depends on nothing but the format, names, contents, executable bits and the time given: entries
// are in order of name, belong to nobody (uid and gid 0, no names), and are 0644 or 0755. It holds some 40 MB
// for each job.
func Pack(ctx context.Context, w io.Writer, dir, top string, o PackOptions) error {
	if o.Format == Plain {
		return packTar(ctx, w, dir, top, o)
	}
	z := newBlocks(ctx, w, cmp.Or(o.Format, XZ), cmp.Or(o.Jobs, runtime.NumCPU()))
	err := packTar(ctx, z, dir, top, o)
	if err != nil {
		z.cancel()
	}
	return errors.Join(err, z.Close())
}

// NewXZ compresses what is written to it as one xz stream, by one processor: dpkg reads the first stream of a
// file and no other. What comes out depends on nothing but the bytes.
func NewXZ(w io.Writer) (io.WriteCloser, error) {
	return xz.WriterConfig{DictCap: blockSizes[XZ]}.NewWriter(w)
}

func packTar(ctx context.Context, w io.Writer, dir, top string, o PackOptions) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
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
		if err := packEntry(t, name, path.Join(top, filepath.ToSlash(rel)), d, o.When); err != nil {
			return fmt.Errorf("packing %s: %w", rel, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.Close()
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
