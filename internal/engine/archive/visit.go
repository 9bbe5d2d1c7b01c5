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

// Visit shows every file, folder and symbolic link of the archive in r, in its order, within the same limits
// as Unpack, and writes nothing. name is what errors call the archive.
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
		last = h.Name
		if err := l.allow(h, n); err != nil {
			return at("reading "+name+": entry "+quote(last), err)
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

// allow holds the nth entry against the limits before anybody looks at it.
func (l Limits) allow(h *tar.Header, n int) error {
	switch {
	case n >= l.Entries:
		return refuse("more than %d entries", l.Entries)
	case len(h.Name) > l.Name || len(h.Linkname) > l.Name:
		return refuse("a name of more than %d bytes", l.Name)
	case sparse(h): // a header alone would make bytes without end
		return refuse("a sparse file")
	case h.Size > l.Bytes:
		return refuse("a file of more than %d bytes", l.Bytes)
	}
	return nil
}
