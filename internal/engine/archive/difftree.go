package archive

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// side is one of the two folders.
type side struct {
	root  string
	first map[inode]string // the first path of every file with several names
}

type inode struct{ device, number uint64 }

// walk compares two folders.
type walk struct {
	c    *comparer
	a, b side
}

func (c *comparer) folders(ctx context.Context, a, b string) error {
	w := walk{c, side{a, map[inode]string{}}, side{b, map[inode]string{}}}
	if err := w.folder(ctx, "."); err != nil {
		return err
	}
	if r := c.report; r.Files+r.Folders+r.Links+r.Others == 0 {
		return fault.New(fault.Failed, comparable, "both sides: empty folders")
	}
	return nil
}

// folder compares what stands in the folder dir, which both sides have.
func (w *walk) folder(ctx context.Context, dir string) error {
	as, err := os.ReadDir(w.a.at(dir))
	if err != nil {
		return err
	}
	bs, err := os.ReadDir(w.b.at(dir))
	if err != nil {
		return err
	}
	for len(as)+len(bs) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		order := 0
		switch {
		case len(bs) == 0:
			order = -1
		case len(as) == 0:
			order = 1
		default:
			order = strings.Compare(as[0].Name(), bs[0].Name())
		}
		switch {
		case order < 0:
			err = w.alone(path.Join(dir, as[0].Name()), &w.a)
			as = as[1:]
		case order > 0:
			err = w.alone(path.Join(dir, bs[0].Name()), &w.b)
			bs = bs[1:]
		default:
			err = w.both(ctx, path.Join(dir, as[0].Name()))
			as, bs = as[1:], bs[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *side) at(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

// alone reports what only one side has, in one line with all that is below it.
func (w *walk) alone(name string, s *side) error {
	below := -1
	var top fs.FileInfo
	err := filepath.WalkDir(s.at(name), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		w.c.count(d.Type())
		if below++; below == 0 {
			top, err = d.Info()
		}
		return err
	})
	if err != nil {
		return err
	}
	what := typeName(top.Mode())
	switch {
	case top.IsDir():
		what = fmt.Sprintf("folder, %d entries below it", below)
	case top.Mode().IsRegular():
		what = fmt.Sprintf("file of %d bytes", top.Size())
	}
	if s == &w.a {
		w.c.path(plain(name)).add("only in the first", -1, what, "")
	} else {
		w.c.path(plain(name)).add("only in the second", -1, "", what)
	}
	return nil
}

func (c *comparer) count(t fs.FileMode) {
	switch t.Type() {
	case 0:
		c.report.Files++
	case fs.ModeDir:
		c.report.Folders++
	case fs.ModeSymlink:
		c.report.Links++
	default:
		c.report.Others++
	}
}

// both compares the entry name, which both sides have, and all below it.
func (w *walk) both(ctx context.Context, name string) error {
	ia, err := os.Lstat(w.a.at(name))
	if err != nil {
		return err
	}
	ib, err := os.Lstat(w.b.at(name))
	if err != nil {
		return err
	}
	w.c.count(ia.Mode())
	f := w.c.path(plain(name))
	if ia.Mode().Type() != ib.Mode().Type() {
		f.add("type", -1, typeName(ia.Mode()), typeName(ib.Mode()))
		return nil
	}
	if ia.Mode().IsRegular() {
		linkA, linkB := w.a.linked(name, ia), w.b.linked(name, ib)
		if linkA != linkB {
			f.add("hard link", -1, linkText(linkA), linkText(linkB))
		} else if linkA != "" {
			return nil // compared under its first name
		}
	}
	la, err := w.c.attributes(w.a.at(name), ia)
	if err != nil {
		return err
	}
	lb, err := w.c.attributes(w.b.at(name), ib)
	if err != nil {
		return err
	}
	f.fields("", la, lb)
	switch {
	case ia.IsDir():
		return w.folder(ctx, name)
	case ia.Mode().IsRegular():
		return w.file(ctx, f, name)
	}
	return nil
}

// file compares the contents of two files.
func (w *walk) file(ctx context.Context, f findings, name string) error {
	ca, cb, done, err := openBoth(w.a.at(name), w.b.at(name))
	if err != nil {
		return err
	}
	defer done()
	w.c.report.Bytes += ca.Size()
	at, err := w.c.differ(ctx, ca, cb)
	if err != nil || at < 0 {
		return err
	}
	return w.c.explain(ctx, f, ca, cb, at)
}

// linked returns the path that name is a further name of, "" where it is the first.
func (s *side) linked(name string, info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 {
		return ""
	}
	id := inode{uint64(st.Dev), uint64(st.Ino)}
	if first := s.first[id]; first != "" {
		return first
	}
	s.first[id] = name
	return ""
}

func linkText(first string) string {
	if first == "" {
		return "a file of its own"
	}
	return "the same file as " + plain(first)
}

// attributes lists what an entry has besides its contents.
func (c *comparer) attributes(name string, info fs.FileInfo) (l digest.Lines, err error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("file attributes: %s has none", name)
	}
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		target, err := os.Readlink(name)
		if err != nil {
			return nil, err
		}
		l.Add("link target", target)
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		l.Addf("device number", "%#x", st.Rdev)
	case 0:
		l.Addf("size", "%d", info.Size())
	}
	if info.Mode().Type() != fs.ModeSymlink {
		l.Addf("mode", "%04o", st.Mode&0o7777)
	}
	if c.o.Owner {
		l.Addf("owner", "%d", st.Uid)
		l.Addf("group", "%d", st.Gid)
	}
	if c.o.Times {
		l.Add("mtime", stamp(info.ModTime()))
	}
	more, err := extended(name)
	return append(l, more...), err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func typeName(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}
