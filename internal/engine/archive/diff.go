package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Difference is one reason why a path is not the same on both sides.
type Difference struct {
	Path   string `json:"path"`   // with slashes, relative to the folders; an archive's own difference has its file name
	Reason string `json:"reason"` // what differs: "mode", "ELF section .text", "pyc flags", "tar member bin/x: mtime"
	Offset int64  `json:"offset"` // of the first differing byte in what Reason names, unpacked; -1 where there is none
	A      string `json:"a"`      // the first side's value, or its bytes from there on in hexadecimal digits and as text
	B      string `json:"b"`      // the second side's
}

// Report is what a comparison looked at and what it found.
type Report struct {
	Files       int          `json:"files"`            // regular files that at least one side has; hard links count each
	Folders     int          `json:"folders"`          // so with folders,
	Links       int          `json:"links"`            // symbolic links
	Others      int          `json:"others,omitempty"` // and devices, pipes and sockets
	Bytes       int64        `json:"bytes"`            // contents of the first side's files that were compared
	Differing   int          `json:"differing"`        // paths that differ
	Differences []Difference `json:"differences"`      // by path, each with at most 8 reasons, 10,000 in all; "and more" ends a list that was cut
}

const (
	perPath = 8      // differences of one path
	inAll   = 10_000 // and of a Report
	nested  = 6      // archives within archives that are unpacked
	andMore = "and more"
)

// CompareOptions says what counts as a difference, and bounds the work.
type CompareOptions struct {
	Owner  bool   // compare the owner and group of a folder's entries; an archive's are always compared
	Times  bool   // compare their modification times likewise
	Temp   string // folder for unpacked contents, which should be on a disk; os.TempDir() by default
	Limits Limits // Bytes: what one path of both sides unpacks to on all levels; Entries: members of one archive; Name: not looked at
}

// Compare says why two folders, or two archives (.tar, .tar.gz, .tar.xz), are not the same.
//
// Of folders it compares, in sorted order, all that stands below them: existence, type, permission bits with
// set-uid, set-gid and sticky, link targets, which paths are hard links of each other, extended attributes
// (user.* and security.capability), sizes and contents. The two folders' own modes are not compared. Of
// archives it compares every header field of every member, and their order.
//
// Contents that differ are explained by their format, told by the first bytes and never by a name: ELF
// (System V gABI), .pyc (PEP 552), ar, gzip (RFC 1952), xz, tar (POSIX pax, GNU), zip (APPNOTE.TXT), text;
// else by their bytes. What lies in an archive is explained likewise, up to 6 levels deep. A format that is
// damaged is explained by its bytes, with the damage named. No two unequal contents are ever without a
// Difference. Memory is bounded, some 64 MB and what the dictionary of an xz stream takes; unpacked contents
// go to temporary files without a name.
//
// Nothing to compare is an error and not a Report without differences: a folder or file that does not exist,
// is empty, or is the same on both sides.
func Compare(ctx context.Context, a, b string, o CompareOptions) (Report, error) {
	c := &comparer{o: o, limits: o.Limits.orDefaults(), report: Report{Differences: []Difference{}}}
	err := c.run(ctx, a, b)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return Report{}, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	return c.report, nil
}

const comparable = "give two folders, or two .tar, .tar.gz or .tar.xz files"

// comparer is the state of one Compare.
type comparer struct {
	o          CompareOptions
	limits     Limits
	report     Report
	found      int   // differences, listed or not
	left       int64 // bytes that the current path may still unpack to
	bufA, bufB []byte
}

func (c *comparer) run(ctx context.Context, a, b string) error {
	ia, err := os.Stat(a)
	if err != nil {
		return fault.New(fault.Failed, comparable, "first side: %w", err)
	}
	ib, err := os.Stat(b)
	if err != nil {
		return fault.New(fault.Failed, comparable, "second side: %w", err)
	}
	switch {
	case os.SameFile(ia, ib):
		return fault.New(fault.Failed, "compare two builds, not one with itself", "both sides: the same file or folder")
	case ia.IsDir() && ib.IsDir():
		err = c.folders(ctx, a, b)
	case ia.Mode().IsRegular() && ib.Mode().IsRegular():
		err = c.archives(ctx, a, b)
	default:
		return fault.New(fault.Failed, comparable, "both sides: a %s and a %s", typeName(ia.Mode()), typeName(ib.Mode()))
	}
	if errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.Failed, "read both sides as their owner or as root", "%w", err)
	}
	return full(err)
}

// archives compares two archives member by member.
func (c *comparer) archives(ctx context.Context, a, b string) error {
	fa, fb, done, err := openBoth(a, b)
	if err != nil {
		return err
	}
	defer done()
	f := c.path(plain(filepath.Base(a)))
	f.top = true
	ta, doneA, err := c.tarIn(ctx, fa)
	if err != nil {
		return fmt.Errorf("first side: %w", err)
	}
	defer doneA()
	tb, doneB, err := c.tarIn(ctx, fb)
	if err != nil {
		return fmt.Errorf("second side: %w", err)
	}
	defer doneB()
	at, err := c.differ(ctx, fa, fb)
	if err != nil || at < 0 {
		return err
	}
	if err := c.unpacked(ctx, f, fa, fb, ta, tb); err != nil || c.found > 0 {
		return err
	}
	f.bytes("bytes", fa, fb, at) // such as a checksum
	return nil
}

// unpacked compares two archives that were unpacked as ta and tb.
func (c *comparer) unpacked(ctx context.Context, f findings, a, b, ta, tb content) error {
	ka, kb := kindOf(a), kindOf(b)
	if ka == kb && ka != kindTar {
		return c.packed(ctx, f, ka, a, b, ta, tb)
	}
	if ka != kb {
		f.add("format", -1, ka, kb)
	}
	at, err := c.differ(ctx, ta, tb)
	if err != nil || at < 0 {
		return err
	}
	return c.explain(ctx, f, ta, tb, at)
}

// tarIn returns the tar archive in p, unpacked where p is packed, and counts its members.
func (c *comparer) tarIn(ctx context.Context, p content) (t content, done func(), err error) {
	t, done = p, func() {}
	if k := kindOf(p); k == kindGzip || k == kindXz {
		c.left = c.limits.Bytes
		if t, done, err = c.unpack(ctx, p); err != nil {
			return nil, nil, err
		}
	}
	if err := c.countMembers(ctx, t); err != nil {
		done()
		return nil, nil, err
	}
	return t, done, nil
}

// countMembers takes for each count what the longer of both archives has.
func (c *comparer) countMembers(ctx context.Context, t content) error {
	if kindOf(t) != kindTar {
		return fault.New(fault.Failed, comparable, "neither a .tar nor a .tar.gz nor a .tar.xz file")
	}
	l, err := listTar(ctx, t, c.limits)
	if err != nil {
		return at("members", err)
	}
	if len(l.names) == 0 {
		return fault.New(fault.Failed, comparable, "no member in the archive")
	}
	var n Report
	for _, kind := range l.kinds {
		switch kind {
		case tar.TypeDir:
			n.Folders++
		case tar.TypeSymlink:
			n.Links++
		case tar.TypeReg, tar.TypeLink:
			n.Files++
		default:
			n.Others++
		}
	}
	r := &c.report
	r.Files, r.Folders = max(r.Files, n.Files), max(r.Folders, n.Folders)
	r.Links, r.Others = max(r.Links, n.Links), max(r.Others, n.Others)
	if r.Bytes == 0 {
		r.Bytes = l.bytes
	}
	return nil
}

// findings takes the differences of one path, or of something within it.
type findings struct {
	c      *comparer
	path   string
	prefix string // where in the path, such as "gzip contents: tar member x: "
	rows   *int   // found in this path so far
	depth  int
	top    bool // the members of this archive are paths of their own
}

// path begins a path.
func (c *comparer) path(path string) findings {
	c.left = c.limits.Bytes
	return findings{c: c, path: path, rows: new(int)}
}

// within goes one archive deeper.
func (f findings) within(place string) findings {
	if !f.top {
		f.prefix += place + ": "
	}
	f.depth++
	return f
}

// member goes to the member name of an archive.
func (f findings) member(name, title string) findings {
	if !f.top {
		return f.within(title)
	}
	below := f.c.path(plain(strings.TrimSuffix(name, "/")))
	below.depth = f.depth + 1
	return below
}

// full tells that nothing more would be listed.
func (f findings) full() bool { return !f.top && *f.rows > perPath }

// add takes one difference; without a reason, the place is the reason.
func (f findings) add(reason string, offset int64, a, b string) {
	reason = strings.TrimSuffix(f.prefix+reason, ": ")
	f.c.found++
	*f.rows++
	if *f.rows == 1 {
		f.c.report.Differing++
	}
	d := Difference{f.path, reason, offset, a, b}
	if *f.rows == perPath+1 {
		d = Difference{Path: f.path, Reason: andMore, Offset: -1}
	}
	list := &f.c.report.Differences
	switch {
	case *f.rows > perPath+1 || len(*list) > inAll:
	case len(*list) == inAll:
		*list = append(*list, Difference{Path: ".", Reason: andMore, Offset: -1})
	default:
		*list = append(*list, d)
	}
}

// fields adds every line in which a and b differ.
func (f findings) fields(of string, a, b digest.Lines) {
	for _, change := range digest.Diff(a, b) {
		f.add(of+plain(change.Label), -1, plain(change.Old), plain(change.New))
	}
}
