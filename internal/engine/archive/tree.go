package archive

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// kind is what stands at a name that was made.
type kind byte

const (
	implied kind = iota + 1 // a folder that only its entries name, so far
	folder
	file
	link
)

// tree is what has been unpacked. It alone decides what a name may become: since nothing is made below a
// link, a name leads where it says.
type tree struct {
	root   *os.Root
	strip  int
	rooted bool   // absolute targets of links begin at the root of the tree
	top    string // the stripped top folder
	limits Limits
	made   map[string]kind
	times  map[string]time.Time // of the folders
	bytes  int64
	count  int
	dir    string   // the folder of the last file,
	cur    *os.Root // open, so that its next file takes one system call to open and not one per level
	buf    []byte
}

func newTree(root *os.Root, strip int, l Limits) *tree {
	return &tree{root: root, strip: strip, limits: l, made: map[string]kind{".": implied},
		times: map[string]time.Time{}, buf: make([]byte, chunk)}
}

// depthLimit bounds the levels of a name: every system call walks all of them. The pinned sources have 10.
const depthLimit = 64

// sparse reports a file whose size says nothing about the bytes that stand in the archive.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Failed, hostile, format, args...)
}

// add makes one entry whose bytes are in r.
func (t *tree) add(h *tar.Header, r io.Reader) error {
	if t.count++; t.count > t.limits.Entries {
		return refuse("more than %d entries", t.limits.Entries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // git's comment with the commit
	}
	name, err := t.place(h.Name, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return t.addFolder(name, h)
	case tar.TypeReg:
		return t.addFile(name, h, r)
	case tar.TypeSymlink:
		return t.addSymlink(name, h.Linkname)
	case tar.TypeLink:
		return t.addHardLink(name, h.Linkname)
	}
	return refuse("type %q is not a file, folder or link", h.Typeflag)
}

// place returns where an entry goes, relative to the root and clean; "." is the root itself.
func (t *tree) place(name string, isDir bool) (string, error) {
	if len(name) > t.limits.Name {
		return "", refuse("a name of %d bytes, more than %d", len(name), t.limits.Name)
	}
	if path.IsAbs(name) {
		return "", refuse("an absolute name")
	}
	if hasUp(name) {
		return "", refuse("a name with \"..\"")
	}
	if n := strings.Count(name, "/"); n > depthLimit {
		return "", refuse("a name of %d levels, more than %d", n, depthLimit)
	}
	name = path.Clean(name)
	if t.strip == 0 || name == "." {
		return name, t.fits(name, isDir)
	}
	top, rest, below := strings.Cut(name, "/")
	if t.top == "" {
		t.top = top
	}
	if top != t.top {
		return "", refuse("outside of the top folder %s", quote(t.top))
	}
	if !below {
		rest = "."
	}
	return rest, t.fits(rest, isDir)
}

// fits reports an entry that would take the root's place.
func (t *tree) fits(name string, isDir bool) error {
	if name == "." && !isDir {
		return refuse("in the place of the top folder")
	}
	return nil
}

func hasUp(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// claim takes a name for what only may stand there once, and makes the folders above it.
func (t *tree) claim(name string, k kind) error {
	if t.made[name] != 0 {
		return refuse("a second entry of that name")
	}
	if err := t.folders(path.Dir(name)); err != nil {
		return err
	}
	t.made[name] = k
	return nil
}

// folders makes dir and those above it.
func (t *tree) folders(dir string) error {
	switch t.made[dir] {
	case implied, folder:
		return nil
	case file, link:
		return refuse("below %s, which is not a folder", quote(dir))
	}
	if err := t.folders(path.Dir(dir)); err != nil {
		return err
	}
	if len(t.made) > t.limits.Entries { // a name of 1,024 bytes may make 64 folders
		return refuse("more than %d files and folders", t.limits.Entries)
	}
	t.made[dir] = implied
	if err := t.root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return t.root.Chmod(dir, 0o755) // whatever the umask
}

func (t *tree) addFolder(name string, h *tar.Header) error {
	if err := t.folders(name); err != nil {
		return err
	}
	t.made[name] = folder
	t.times[name] = h.ModTime
	return nil
}

func (t *tree) addFile(name string, h *tar.Header, r io.Reader) error {
	if sparse(h) {
		return refuse("a sparse file")
	}
	if t.bytes += h.Size; t.bytes > t.limits.Bytes {
		return refuse("the files would take more than %d bytes", t.limits.Bytes)
	}
	if err := t.claim(name, file); err != nil {
		return err
	}
	if err := t.enter(path.Dir(name)); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := t.cur.OpenFile(path.Base(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	err = t.write(f, r, mode)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return t.cur.Chtimes(path.Base(name), time.Time{}, h.ModTime)
}

func (t *tree) write(f *os.File, r io.Reader, mode os.FileMode) error {
	// The bare interfaces keep io from choosing smaller buffers of its own.
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, t.buf); err != nil {
		return err
	}
	return f.Chmod(mode)
}

// enter makes dir the folder that files are made in.
func (t *tree) enter(dir string) error {
	if t.cur != nil && t.dir == dir {
		return nil
	}
	t.close()
	cur, err := t.root.OpenRoot(dir)
	if err != nil {
		return err
	}
	t.cur, t.dir = cur, dir
	return nil
}

func (t *tree) close() {
	if t.cur != nil {
		t.cur.Close()
		t.cur = nil
	}
}

func (t *tree) addSymlink(name, target string) error {
	if t.rooted && path.IsAbs(target) {
		target = strings.Repeat("../", strings.Count(name, "/")) + strings.TrimLeft(target, "/")
	}
	if err := t.inside(name, target); err != nil {
		return err
	}
	if err := t.claim(name, link); err != nil {
		return err
	}
	return t.root.Symlink(target, name)
}

// inside refuses a link's target that leads out of the root, or could once one of its parts is a link itself.
func (t *tree) inside(name, target string) error {
	switch {
	case target == "":
		return refuse("a link to nothing")
	case len(target) > t.limits.Name:
		return refuse("a link target of %d bytes, more than %d", len(target), t.limits.Name)
	case path.IsAbs(target):
		return refuse("a link to the absolute name %s", quote(target))
	}
	up := 0
	rest := target
	for rest == ".." || strings.HasPrefix(rest, "../") {
		up++
		rest = strings.TrimLeft(strings.TrimPrefix(rest, ".."), "/")
	}
	if hasUp(rest) {
		return refuse("a link to %s, with \"..\" behind a name", quote(target))
	}
	if up > strings.Count(name, "/") {
		return refuse("a link to %s, outside of the archive", quote(target))
	}
	return nil
}

func (t *tree) addHardLink(name, target string) error {
	old, err := t.place(target, false)
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", quote(target), err)
	}
	if t.made[old] != file {
		return refuse("a hard link to %s, which is no file before it", quote(target))
	}
	if err := t.claim(name, file); err != nil {
		return err
	}
	return t.root.Link(old, name)
}
