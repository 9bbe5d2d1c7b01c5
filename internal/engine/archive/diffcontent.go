package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// content is bytes that can be read from anywhere: a file, or a part of one.
type content = *io.SectionReader

// part returns n bytes of c from offset on, or an error where c has less.
func part(c content, offset, n int64) (content, error) {
	if offset < 0 || n < 0 || offset > c.Size() || n > c.Size()-offset {
		return nil, io.ErrUnexpectedEOF
	}
	return io.NewSectionReader(c, offset, n), nil
}

// readPart returns at most n bytes of c from offset on: fewer at its end.
func readPart(c content, offset, n int64) ([]byte, error) {
	if offset < 0 || offset >= c.Size() || n <= 0 {
		return nil, nil
	}
	b := make([]byte, min(n, c.Size()-offset))
	k, err := c.ReadAt(b, offset)
	if k == len(b) {
		err = nil
	}
	return b[:k], err
}

func openFile(name string) (content, *os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return io.NewSectionReader(f, 0, info.Size()), f, nil
}

func openBoth(a, b string) (ca, cb content, done func(), err error) {
	ca, fa, err := openFile(a)
	if err != nil {
		return nil, nil, nil, err
	}
	cb, fb, err := openFile(b)
	if err != nil {
		fa.Close()
		return nil, nil, nil, err
	}
	return ca, cb, func() { fa.Close(); fb.Close() }, nil
}

// differ returns the offset of the first byte that differs, -1 where a and b are equal. The end of the
// shorter one differs.
func (c *comparer) differ(ctx context.Context, a, b content) (int64, error) {
	if c.bufA == nil {
		c.bufA, c.bufB = make([]byte, chunk), make([]byte, chunk)
	}
	common := min(a.Size(), b.Size())
	for at := int64(0); at < common; at += chunk {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := min(chunk, common-at)
		for _, side := range []struct {
			c content
			b []byte
		}{{a, c.bufA}, {b, c.bufB}} {
			if k, err := side.c.ReadAt(side.b[:n], at); k < int(n) {
				return 0, fault.New(fault.Failed, "compare again when nothing writes there", "reading at offset %d: %w", at+int64(k), err)
			}
		}
		if !bytes.Equal(c.bufA[:n], c.bufB[:n]) {
			i := 0
			for c.bufA[i] == c.bufB[i] {
				i++
			}
			return at + int64(i), nil
		}
	}
	if a.Size() != b.Size() {
		return common, nil
	}
	return -1, nil
}

// The kinds of contents.
const (
	kindEmpty = "empty"
	kindELF   = "ELF"
	kindPyc   = "pyc"
	kindAr    = "ar"
	kindGzip  = "gzip"
	kindXz    = "xz"
	kindTar   = "tar"
	kindZip   = "zip"
	kindText  = "text"
	kindBytes = "bytes"
)

// kindOf tells what c is by its bytes.
func kindOf(c content) string {
	head, err := readPart(c, 0, 512)
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case err != nil:
		return kindBytes
	case len(head) == 0:
		return kindEmpty
	case has("\x7fELF"):
		return kindELF
	case has(arMagic), has(thinMagic):
		return kindAr
	case has("\x1f\x8b"):
		return kindGzip
	case has("\xfd7zXZ\x00"):
		return kindXz
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return kindZip
	case len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return kindTar
	case isPyc(head):
		return kindPyc
	case isText(c):
		return kindText
	}
	return kindBytes
}

// explain adds why a and b differ, which they do first at the given offset. It always adds something.
func (c *comparer) explain(ctx context.Context, f findings, a, b content, first int64) error {
	ka, kb := kindOf(a), kindOf(b)
	if ka != kb {
		f.add("format", -1, ka, kb)
		f.bytes("bytes", a, b, first)
		return nil
	}
	before := c.found
	err := c.explainAs(ctx, f, ka, a, b, first)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		f.bytes(fmt.Sprintf("bytes (%s: %s)", ka, cut(plain(err.Error()))), a, b, first)
	case c.found == before && ka == kindELF:
		f.bytes("ELF bytes outside of sections", a, b, first)
	case c.found == before && ka != kindBytes && f.depth <= nested:
		f.bytes(ka+" bytes outside of members", a, b, first)
	case c.found == before:
		f.bytes("bytes", a, b, first)
	}
	return nil
}

func (c *comparer) explainAs(ctx context.Context, f findings, kind string, a, b content, first int64) error {
	if f.depth > nested {
		return nil
	}
	switch kind {
	case kindELF:
		return c.elf(ctx, f, a, b)
	case kindAr:
		return c.ar(ctx, f, a, b)
	case kindTar:
		return c.tar(ctx, f, a, b)
	case kindZip:
		return c.zip(ctx, f, a, b)
	case kindGzip, kindXz:
		return c.unpackBoth(ctx, f, kind, a, b)
	case kindPyc:
		return c.pyc(ctx, f, a, b)
	case kindText:
		return text(f, a, b, first)
	}
	return nil
}

// bytes adds a difference of a and b at offset.
func (f findings) bytes(reason string, a, b content, offset int64) {
	f.add(reason, offset, excerpt(a, offset), excerpt(b, offset))
}

// excerpt shows 16 bytes of c from offset on, in hexadecimal digits and as text, and the whole of a longer
// text that they lie in.
func excerpt(c content, offset int64) string {
	const before, after, long = 48, 80, 8
	b, err := readPart(c, offset, 16)
	if err != nil {
		return plain(err.Error())
	}
	if len(b) == 0 {
		return "(end)"
	}
	shown := bytes.Clone(b)
	for i := range shown {
		if !isVisible(shown[i]) {
			shown[i] = '.'
		}
	}
	s := fmt.Sprintf("% x |%s|", b, shown)
	start := max(0, offset-before)
	near, err := readPart(c, start, offset-start+after)
	if err != nil {
		return s
	}
	from, to := int(offset-start), int(offset-start)
	for from > 0 && isVisible(near[from-1]) {
		from--
	}
	for to < len(near) && isVisible(near[to]) {
		to++
	}
	if to-from >= long && (from < int(offset-start) || to-from > len(b)) {
		s += " in " + fmt.Sprintf("%q", near[from:to])
	}
	return s
}

func isVisible(b byte) bool { return ' ' <= b && b <= '~' }

// plain shows a name or a value in one line of bounded length, quoted only where it holds more than printable
// text.
func plain(s string) string {
	s = cut(s)
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// cut shortens s to some 200 bytes.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// spool copies r to a temporary file that has no name any more.
func (c *comparer) spool(r io.Reader) (content, func(), error) {
	f, err := os.CreateTemp(c.o.Temp, ".compare-")
	if err != nil {
		return nil, nil, err
	}
	err = os.Remove(f.Name())
	var n int64
	if err == nil {
		n, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(r, c.left+1), make([]byte, 64<<10))
	}
	if c.left -= n; err == nil && c.left < 0 {
		c.left, err = 0, fault.New(fault.Failed, "compare with a higher limit", "unpacks to more than %d bytes", c.limits.Bytes)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return io.NewSectionReader(f, 0, n), func() { f.Close() }, nil
}
