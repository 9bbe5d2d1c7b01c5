package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// zipDirectory bounds the central directory, of which archive/zip makes some six times as many bytes in
// memory.
const zipDirectory = 4 << 20

func (c *comparer) zip(ctx context.Context, f findings, a, b content) error {
	za, err := openZip(a, c.limits)
	if err != nil {
		return err
	}
	zb, err := openZip(b, c.limits)
	if err != nil {
		return err
	}
	if za.Comment != zb.Comment {
		f.add("zip comment", -1, plain(za.Comment), plain(zb.Comment))
	}
	return c.members(ctx, f, c.zipContainer(a, za), c.zipContainer(b, zb))
}

// openZip reads the central directory. Before that it holds the two places where archive/zip may look for it
// (APPNOTE.TXT 4.3.16 and what stands before the archive) against zipDirectory: archive/zip reads on for as
// long as there are records.
func openZip(c content, l Limits) (*zip.Reader, error) {
	const record, comment = 22, 1<<16 - 1
	start := max(0, c.Size()-record-comment)
	tail, err := readPart(c, start, record+comment)
	if err != nil {
		return nil, err
	}
	i := -1
	if len(tail) >= record {
		i = bytes.LastIndex(tail[:len(tail)-record+4], []byte("PK\x05\x06"))
	}
	if i < 0 {
		return nil, errors.New("no end of central directory")
	}
	size, offset := binary.LittleEndian.Uint32(tail[i+12:]), binary.LittleEndian.Uint32(tail[i+16:])
	entries := int(binary.LittleEndian.Uint16(tail[i+10:]))
	if entries == 1<<16-1 || size == 1<<32-1 || offset == 1<<32-1 {
		return nil, errors.New("zip64 is not read")
	}
	if entries > l.Entries || size > zipDirectory || c.Size()-int64(offset) > zipDirectory+record+comment {
		return nil, errMembers
	}
	z, err := zip.NewReader(c, c.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, err
	}
	return z, nil
}

func (c *comparer) zipContainer(p content, z *zip.Reader) container {
	names := make([]string, len(z.File))
	for i, f := range z.File {
		names[i] = f.Name
	}
	return container{
		names: names,
		what:  "members",
		title: func(name string) string { return "zip member " + plain(name) },
		read: func(i int) (member, error) {
			f := z.File[i]
			at, err := f.DataOffset()
			if err != nil {
				return member{}, err
			}
			raw, err := part(p, at, int64(f.CompressedSize64))
			if err != nil {
				return member{}, err
			}
			m := member{fields: zipFields(f), raw: raw}
			m.unpack = func() (content, func(), error) {
				r, err := f.Open()
				if err != nil {
					return nil, nil, err
				}
				defer r.Close()
				return c.spool(r)
			}
			return m, nil
		},
	}
}

func zipFields(f *zip.File) (l digest.Lines) {
	l.Addf("time", "%s (DOS %04x %04x)", stamp(f.Modified), f.ModifiedDate, f.ModifiedTime)
	l.Addf("mode", "%#o", f.ExternalAttrs>>16)
	l.Addf("attributes", "%#x", f.ExternalAttrs&0xffff)
	l.Addf("method", "%d", f.Method)
	l.Addf("flags", "%#x", f.Flags)
	l.Addf("made by", "%#x", f.CreatorVersion)
	l.Addf("needs", "%#x", f.ReaderVersion)
	l.Addf("size", "%d", f.UncompressedSize64)
	l.Addf("extra", "% x", f.Extra)
	l.Add("comment", f.Comment)
	return l
}

// packedMember compares the unpacked contents of two members that are stored differently from the offset at
// on.
func (c *comparer) packedMember(ctx context.Context, f findings, a, b member, at int64) error {
	ua, doneA, err := a.unpack()
	if err != nil {
		return fmt.Errorf("%sunpacking: %w", f.prefix, err)
	}
	defer doneA()
	ub, doneB, err := b.unpack()
	if err != nil {
		return fmt.Errorf("%sunpacking: %w", f.prefix, err)
	}
	defer doneB()
	unpacked, err := c.differ(ctx, ua, ub)
	if err != nil {
		return err
	}
	if unpacked < 0 {
		f.bytes("compressed bytes only", a.raw, b.raw, at)
		return nil
	}
	return c.explain(ctx, f, ua, ub, unpacked)
}
