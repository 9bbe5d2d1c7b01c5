// Package archive unpacks source archives without trusting them.
//
// Unpack promises, for .tar, .tar.gz, .tar.xz and a .deb's data in one of these (told apart by their first
// bytes, never by a name):
//
//   - nothing is written outside the folder: every entry is judged by its name before it is made, and made within an
//     os.Root. An absolute name, a "..", a name below a link, a name that stands twice, a link that leads outside,
//     a device, fifo or socket, and a sparse file are refused, with the entry's name
//   - the sizes are bounded: unpacked bytes, entries, unpacked bytes per packed byte, length of a name
//   - all or nothing: the tree grows in a folder beside the target and is renamed at the end; a refusal, an error
//     or a cancelled context leaves neither
//   - the tree does not depend on who unpacks: files are 0644 or 0755 (an executable bit anywhere counts), folders
//     0755, owned by the caller, with the entry's modification time exactly, folders too, because make reads their order
//
// Exceptions: a symbolic link keeps the time of its making (no one follows it by that time), and an entry's
// owner, group, extended attributes, set-uid, set-gid and sticky bits are dropped.
//
// A link's target may begin with any number of ".." that stays inside, and may hold none after that: "x/../y"
// leads elsewhere once x is a link, and no real source needs it. So no chain of links leads outside either.
//
// A .deb's names begin at the root of a system, and so do the absolute targets of its links: they are made
// relative to the folder, and lead to the same file of the tree.
package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Limits bounds what an archive may unpack to. A zero field takes its default.
type Limits struct {
	Bytes   int64 // unpacked bytes in all, 4 GiB by default
	Entries int   // entries of any kind, 200,000 by default
	Ratio   int64 // unpacked bytes per packed byte, 200 by default; not looked at below 64 MiB
	Name    int   // bytes of an entry's or a link target's path, 1,024 by default
}

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 4 << 30
	}
	if l.Entries == 0 {
		l.Entries = 200_000
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	if l.Name == 0 {
		l.Name = 1024
	}
	return l
}

// Options says how to unpack.
type Options struct {
	Name   string // what errors call the archive; the folder's name by default
	Strip  int    // 1 leaves out the single top folder that all entries must share; 0 keeps names as they are, and so does a .deb, which has none
	Limits Limits
}

const hostile = "the archive is damaged or hostile: take it from another place and compare its digest with its maker's"

// Unpack unpacks the archive in r, from first to last byte, as the folder dir, which must not exist or be
// empty; the folder that will hold dir must exist. It returns only after r is no longer read, and so a
// cancelled context waits for a pending Read.
func Unpack(ctx context.Context, r io.Reader, dir string, o Options) error {
	if o.Name == "" {
		o.Name = filepath.Base(dir)
	}
	if err := unpack(ctx, r, filepath.Clean(dir), o); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("unpacking %s: %w", o.Name, err)
	}
	return nil
}

func unpack(ctx context.Context, r io.Reader, dir string, o Options) (err error) {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Failed, "remove "+dir+" or choose another folder", "folder %s: not empty", dir)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return fault.New(fault.Failed, "make the folder or choose another", "folder %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if err := fill(ctx, r, temp, o); err != nil {
		return err
	}
	return os.Rename(temp, dir)
}

// fill unpacks r into the existing empty folder temp.
func fill(ctx context.Context, r io.Reader, temp string, o Options) error {
	root, err := os.OpenRoot(temp)
	if err != nil {
		return err
	}
	defer root.Close()
	limits := o.Limits.orDefaults()
	s, err := newStream(ctx, r, limits)
	if err != nil {
		return err
	}
	defer s.stop()
	if s.deb {
		o.Strip = 0
	}
	t := newTree(root, o.Strip, limits)
	t.rooted = s.deb
	defer t.close()
	if err := readEntries(s, t); err != nil {
		return full(err)
	}
	return t.finish()
}

// readEntries reads to the very end, because the checksums of gzip and xz stand behind the last entry.
func readEntries(s *stream, t *tree) error {
	archive, last := tar.NewReader(s), ""
	for n := 0; ; n++ {
		h, err := archive.Next()
		if err == io.EOF && n == 0 {
			return fault.New(fault.Failed, hostile, "no entry in the archive")
		}
		if err == io.EOF {
			_, err = io.Copy(io.Discard, s)
			return at("end of the archive", err)
		}
		if err != nil {
			return at("after entry "+quote(last), err)
		}
		last = h.Name
		if err := t.add(h, archive); err != nil {
			return at("entry "+quote(h.Name), err)
		}
	}
}

// at puts the place before err and gives an error that has none the hint for a bad archive.
func at(place string, err error) error {
	if err == nil {
		return nil
	}
	hint := fault.HintOf(err)
	if hint == "" {
		hint = hostile
	}
	return fault.New(fault.Failed, hint, "%s: %w", place, err)
}

// full replaces the hint where the disk and not the archive is to blame.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.Failed, "free some space there, or choose another folder", "%w", err)
	}
	return err
}

// quote shows an entry's name in one line, however it was made.
func quote(name string) string {
	if len(name) > 120 {
		return fmt.Sprintf("%q...", name[:120])
	}
	return fmt.Sprintf("%q", name)
}

// finish sets the folders' times, which every new entry in them had changed.
func (t *tree) finish() error {
	t.close()
	if t.strip == 1 && t.top == "" {
		return fault.New(fault.Failed, hostile, "no entry below a top folder")
	}
	for _, dir := range slices.SortedFunc(maps.Keys(t.times), func(a, b string) int { return strings.Compare(b, a) }) {
		if err := t.root.Chtimes(dir, time.Time{}, t.times[dir]); err != nil {
			return err
		}
	}
	return t.root.Chmod(".", 0o755)
}
