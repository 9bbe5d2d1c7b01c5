package audit

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
)

var (
	errTooMuch   = errors.New("it unpacks to too much")
	errEncrypted = errors.New("it is encrypted")
	errTwoLists  = errors.New("it has two lists of members, and programs differ in which they read")
)

// archive looks at every member of an archive, and at all of them together: a library in many classes is
// known by what they all have.
func (a *auditor) archive(ctx context.Context, at place, kind kind, data []byte) {
	if at.depth >= maxDepth {
		a.unseen(at.name, TooDeep, fmt.Sprintf("more than %d archives in each other", maxDepth))
		return
	}
	together := hits{marks: map[string]bool{}}
	forms, opened := form(0), 0
	each := func(name string, size int64, twin uint64, open func() (io.Reader, error)) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		opened++
		together.merge(scan([]byte(name)))
		return a.member(ctx, at.inner(name), size, twin, open, func(h hits, f form) {
			together.merge(h)
			forms |= f
		})
	}
	var err error
	switch kind {
	case zipFile:
		err = eachZip(data, each)
	case asarFile:
		err = eachASAR(data, each)
	default:
		err = a.eachPacked(ctx, at, data, each)
	}
	if opened > 0 {
		a.mu.Lock()
		a.report.Archives++
		a.report.Members += opened
		a.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		a.unseen(at.name, reasonOf(err), err.Error())
	}
	if own := inside(evidence{hits: together, form: forms &^ native}); len(own) > 0 {
		a.keep(&object{path: at.name, own: own}, 0)
	}
}

// reasonOf is the kind of an error.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errTooMuch):
		return TooBig
	case errors.Is(err, errEncrypted):
		return Encrypted
	case errors.Is(err, zip.ErrAlgorithm), errors.Is(err, errTwoLists):
		return Format
	case strings.Contains(err.Error(), "to more than"):
		return TooBig // archive's own limits
	}
	return Unreadable
}

// member looks at one member: what it is decides whether more than its beginning is read. Classes and
// scripts, which are many and small, and
// know each other by name, count together.
func (a *auditor) member(ctx context.Context, at place, size int64, twin uint64,
	open func() (io.Reader, error), together func(hits, form)) error {
	if at.left.entries--; at.left.entries < 0 {
		return errTooMuch
	}
	if s, ok := a.twins.known(twin); ok {
		together(s.hits, s.form)
		return nil
	}
	r, err := open()
	if err != nil {
		a.unseen(at.name, reasonOf(err), err.Error())
		return nil
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	buffer, back := borrow()
	defer back()
	n, err := io.ReadFull(r, (*buffer)[:headBytes])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		a.unseen(at.name, reasonOf(err), err.Error())
		return nil
	}
	kind, form, _ := kindOf(at.name, (*buffer)[:n])
	if kind == plain {
		a.twins.keep(twin, shown{})
		return nil
	}
	if size > maxMember {
		a.unseen(at.name, TooBig, fmt.Sprintf("%d bytes", size))
		return nil
	}
	data := (*buffer)[:n]
	if err == nil {
		data, err = readAll(r, buffer, n, min(maxMember, at.left.bytes)+1)
	} else {
		err = nil // it is no longer
	}
	if at.left.bytes -= int64(len(data)); at.left.bytes < 0 {
		return errTooMuch
	}
	switch {
	case err != nil:
		a.unseen(at.name, reasonOf(err), err.Error())
		return nil
	case int64(len(data)) > maxMember:
		a.unseen(at.name, TooBig, fmt.Sprintf("more than %d bytes", int64(maxMember)))
		return nil
	case form&(java|erlang) != 0 && kind == code:
		h := scan(data)
		a.twins.keep(twin, shown{h, form})
		together(h, form)
		return nil
	}
	a.content(ctx, at, data)
	return nil
}

// visit gets each member, with what tells it from others but not from its twins (see twins), 0 for nothing.
type visit func(name string, size int64, twin uint64, open func() (io.Reader, error)) error

// eachZip reads a zip archive, whatever stands before it: by the list of members that ends at the end record,
// as Python and Java do. Others read the one at the place that the record gives, and may see other members.
func eachZip(data []byte, each visit) error {
	var twice error
	if end, ok := zipEnd(data); ok && end.before > 0 {
		if bytes.HasPrefix(data[min(end.raw, uint64(len(data))):], []byte(zipEntry)) {
			twice = errTwoLists
		}
		data = data[end.before:]
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	z.RegisterDecompressor(zip.Deflate, inflaterOf(data))
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		size := int64(min(f.UncompressedSize64, 1<<62))
		err := each(f.Name, size, twinOf(f, data), func() (io.Reader, error) {
			if f.Flags&1 != 0 {
				return nil, errEncrypted
			}
			return f.Open()
		})
		if err != nil {
			return err
		}
	}
	return twice
}

// eachPacked reads a tar, compressed or not, the data of a .deb, or one compressed file.
func (a *auditor) eachPacked(ctx context.Context, at place, data []byte, each visit) error {
	if bytes.HasPrefix(data, []byte("\x1f\x8b")) && dull(at.name, data) {
		return nil
	}
	limits := archive.Limits{Bytes: max(1, at.left.bytes), Entries: max(1, at.left.entries)}
	b := bufio.NewReaderSize(bytes.NewReader(data), headBytes)
	if !isTar(data[:min(len(data), headBytes)]) {
		r, err := archive.Decompressor(ctx, guarded{bytes.NewReader(data)}, limits)
		if err != nil {
			return err
		}
		defer r.Close()
		b.Reset(r)
	}
	head, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	if !isTar(head) {
		name := at.name[strings.LastIndexAny(at.name, "/!")+1:]
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			name = name[:dot]
		}
		return each(name, 0, 0, func() (io.Reader, error) { return b, nil })
	}
	for t := tar.NewReader(b); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo,
			tar.TypeXGlobalHeader:
		default: // files of all kinds, and what is of none is a file to programs that unpack it
			if err := each(h.Name, h.Size, 0, func() (io.Reader, error) { return t, nil }); err != nil {
				return err
			}
		}
	}
}

// dull reports whether a gzip file begins with nothing that is looked at, such as a page of a manual: there
// are many.
func dull(name string, data []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return false
	}
	head := make([]byte, headBytes)
	n, err := io.ReadFull(z, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false
	}
	kind, _, _ := kindOf(strings.TrimSuffix(name, ".gz"), head[:n])
	return kind == plain
}

// smallest is what no TLS stack fits into, in bytes: the smallest that is known takes some 20,000.
const smallest = 4096

// behind looks at what stands behind a program or a script: an archive that it unpacks or imports from.
func (a *auditor) behind(ctx context.Context, at place, data []byte, end uint64) {
	if end > uint64(len(data)) {
		return
	}
	rest := data[end:]
	if at.depth >= maxDepth {
		a.unseen(at.name, TooDeep, fmt.Sprintf("more than %d archives in each other", maxDepth))
		return
	}
	switch tail := data[max(0, len(data)-(1<<16+22)):]; {
	case a.frozen(ctx, at, data):
		return
	case bytes.Contains(tail, []byte("PK\x05\x06")):
		if _, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil || len(rest) > 0 {
			a.archive(ctx, at, zipFile, data)
			return
		}
	}
	trimmed := bytes.TrimLeft(rest, "\x00\n ")
	if len(trimmed) < smallest {
		return // padding, and what strip(1) has left of its tables
	}
	kind, _, says := kindOf(at.name, trimmed[:min(len(trimmed), headBytes)])
	switch kind {
	case packed, elfFile, zipFile:
		a.content(ctx, at.inner("behind"), trimmed)
	case container:
		a.unseen(at.name, Format, says+" stands behind it")
	default:
		a.unseen(at.name, Format, fmt.Sprintf("%d bytes of no known format stand behind it", len(trimmed)))
	}
}

// What PyInstaller writes at the end of a program (CArchive): a table of members, and a cookie that says
// where it is.
const cookieSize = 24

var cookieMagic = bare("MEI\x0c|\x0b\x0a\x0b\x0e") // which this program does not have itself

// lastIndex is bytes.LastIndex for what most files do not have: to search forward is several times as fast.
func lastIndex(data []byte, text string) int {
	last := -1
	for at := 0; ; at = last + 1 {
		i := bytes.Index(data[at:], []byte(text))
		if i < 0 {
			return last
		}
		last = at + i
	}
}

// frozen looks at the archive of PyInstaller's, and reports whether there is one.
func (a *auditor) frozen(ctx context.Context, at place, data []byte) bool {
	i := lastIndex(data, cookieMagic)
	if i < 0 || i+cookieSize > len(data) {
		return false
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(data[at:])) }
	total, table, size := number(i+8), number(i+12), number(i+16)
	// with and without the name of Python's library
	for _, whole := range []int64{int64(i) + cookieSize + 64, int64(i) + cookieSize} {
		begin := whole - total
		if begin < 0 || begin+table+size > int64(len(data)) {
			continue
		}
		if err := a.frozenMembers(ctx, at, data[begin:min(whole, int64(len(data)))], table,
			size); err == nil {
			return true
		}
	}
	a.unseen(at.name, Format, "an archive of PyInstaller's, which could not be read")
	return true
}

func (a *auditor) frozenMembers(ctx context.Context, at place, data []byte, table, size int64) error {
	const fixed = 18
	found := 0
	for b := data[table : table+size]; len(b) >= fixed; {
		length := int(binary.BigEndian.Uint32(b))
		from, packed, whole := int64(binary.BigEndian.Uint32(b[4:])), int64(binary.BigEndian.Uint32(b[8:])),
			int64(binary.BigEndian.Uint32(b[12:]))
		if length <= fixed || length > len(b) || from+packed > int64(len(data)) {
			return errors.New("its table is damaged")
		}
		name, compressed, body := strings.TrimRight(string(b[fixed:length]), "\x00"), b[16] != 0,
			data[from:from+packed]
		modules := b[17] == 'z'
		b = b[length:]
		found++
		if modules {
			a.modules(ctx, at.inner(name), body)
			continue
		}
		err := a.member(ctx, at.inner(name), whole, 0, func() (io.Reader, error) {
			if !compressed {
				return bytes.NewReader(body), nil
			}
			return zlib.NewReader(bytes.NewReader(body))
		}, func(hits, form) {})
		if err != nil {
			a.unseen(at.name, reasonOf(err), err.Error())
			break
		}
	}
	if found == 0 {
		return errors.New("it is empty")
	}
	a.mu.Lock()
	a.report.Archives++
	a.report.Members += found
	a.mu.Unlock()
	return nil
}

// modules reads compiled modules, each compressed, one behind the other (PYZ, ZlibArchive).
func (a *auditor) modules(ctx context.Context, at place, data []byte) {
	r := bytes.NewReader(data)
	r.Seek(17, io.SeekStart)
	together, found := hits{marks: map[string]bool{}}, 0
	for ctx.Err() == nil && r.Len() > 0 {
		z, err := zlib.NewReader(r)
		if err != nil {
			break // the table of names
		}
		b, err := io.ReadAll(io.LimitReader(z, min(maxMember, at.left.bytes)+1))
		if at.left.bytes -= int64(len(b)); err != nil || at.left.bytes < 0 {
			a.unseen(at.name, TooBig, "its modules unpack to too much, or are damaged")
			return
		}
		h := scan(b)
		together.merge(h)
		found++
	}
	if found == 0 {
		a.unseen(at.name, Encrypted, "its modules are encrypted, or packed in an unknown way")
		return
	}
	if own := inside(evidence{hits: together, form: script}); len(own) > 0 {
		a.keep(&object{path: at.name, own: own}, 0)
	}
}
