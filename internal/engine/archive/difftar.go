package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// tarList is the list of a tar archive's members.
type tarList struct {
	c      content
	names  []string
	starts []int64 // of each member's first header
	kinds  []byte  // type flags
	bytes  int64   // of all files
}

func (c *comparer) tar(ctx context.Context, f findings, a, b content) error {
	la, err := listTar(ctx, a, c.limits)
	if err != nil {
		return err
	}
	lb, err := listTar(ctx, b, c.limits)
	if err != nil {
		return err
	}
	return c.members(ctx, f, la.container(), lb.container())
}

func listTar(ctx context.Context, c content, l Limits) (t tarList, err error) {
	r := io.NewSectionReader(c, 0, c.Size())
	archive := tar.NewReader(r)
	t.c = c
	start, total := int64(0), 0
	for {
		if err := ctx.Err(); err != nil {
			return t, err
		}
		h, data, err := nextTar(archive, r)
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return t, fmt.Errorf("member %d: %w", len(t.names)+1, err)
		}
		total += len(h.Name)
		if len(t.names) >= l.Entries || total > maxNames {
			return t, errMembers
		}
		t.names, t.starts, t.kinds = append(t.names, h.Name), append(t.starts, start), append(t.kinds, h.Typeflag)
		start, _ = r.Seek(0, io.SeekCurrent)
		if data != nil {
			start += data.Size()
			t.bytes += data.Size()
		}
		start = (start + 511) &^ 511
	}
}

// nextTar returns the next header and the contents behind it, nil for what has none. archive reads from r,
// which can seek, and so stands at the contents when the header was read.
func nextTar(archive *tar.Reader, r content) (*tar.Header, content, error) {
	h, err := archive.Next()
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return nil, nil, err
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, nil, errors.New("a sparse file")
		}
	}
	switch h.Typeflag {
	case tar.TypeGNUSparse:
		return nil, nil, errors.New("a sparse file")
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo, tar.TypeXGlobalHeader:
		return h, nil, nil
	}
	at, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, nil, err
	}
	data, err := part(r, at, h.Size)
	return h, data, err
}

func (t tarList) container() container {
	return container{
		names: t.names,
		what:  "members",
		title: func(name string) string { return "tar member " + plain(name) },
		read: func(i int) (member, error) {
			r := io.NewSectionReader(t.c, t.starts[i], t.c.Size()-t.starts[i])
			h, data, err := nextTar(tar.NewReader(r), r)
			if err != nil {
				return member{}, err
			}
			return member{fields: tarFields(h), raw: data}, nil
		},
	}
}

// tarFields lists a header. PAX records that only say what a field of the header says more exactly are those
// fields.
func tarFields(h *tar.Header) (l digest.Lines) {
	l.Add("type", tarType(h.Typeflag))
	l.Addf("mode", "%04o", h.Mode)
	l.Addf("uid", "%d", h.Uid)
	l.Addf("gid", "%d", h.Gid)
	l.Add("uname", h.Uname)
	l.Add("gname", h.Gname)
	l.Add("mtime", stamp(h.ModTime))
	l.Addf("size", "%d", h.Size)
	l.Add("linkname", h.Linkname)
	l.Addf("device", "%d:%d", h.Devmajor, h.Devminor)
	l.Add("format", h.Format.String())
	if h.Format == tar.FormatGNU {
		l.Add("atime", stamp(h.AccessTime))
		l.Add("ctime", stamp(h.ChangeTime))
	}
	var records digest.Lines
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		switch key {
		case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime":
		default:
			records.Add("PAX record "+key, h.PAXRecords[key])
		}
	}
	if len(records) > 100 {
		l.Addf("PAX records", "%d with the digest %s", len(records), records.Sum().Short())
		return l
	}
	return append(l, records...)
}

func tarType(flag byte) string {
	switch flag {
	case tar.TypeReg:
		return "file"
	case tar.TypeDir:
		return "folder"
	case tar.TypeSymlink:
		return "symbolic link"
	case tar.TypeLink:
		return "hard link"
	case tar.TypeXGlobalHeader:
		return "global header"
	}
	return fmt.Sprintf("%q", flag)
}
