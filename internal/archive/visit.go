package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Visited is an entry of an archive. Name is as the archive has it.
type Visited struct {
	Name string
	Mode fs.FileMode
	Link string // what a symbolic link leads to
	Size int64  // bytes
	Time time.Time
	Body io.Reader // of a file; valid during the visit
}

// Visit shows every file, folder and symbolic link of the archive in r, in its order, within the same limits as Unpack, and writes nothing. name is what
// errors call the archive.
func Visit(ctx context.Context, r io.Reader, name string, l Limits, visit func(Visited) error) error {
	l = l.orDefaults()
	s, err := newStream(ctx, r, l)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer s.stop()
	t, last := tar.NewReader(s), ""
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF && n > 0 {
			_, err = io.Copy(io.Discard, s) // checksums stand behind the last entry
			return at("reading "+name+": end of the archive", err)
		}
		if err != nil {
			return at("reading "+name+": after entry "+quote(last), err)
		}
		if last = h.Name; n >= l.Entries {
			return at("reading "+name, fmt.Errorf("more than %d entries", l.Entries))
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
			err = visit(Visited{h.Name, h.FileInfo().Mode(), h.Linkname, h.Size, h.ModTime, t})
		}
		if err != nil {
			return fmt.Errorf("reading %s: %s: %w", name, quote(h.Name), err)
		}
	}
}
