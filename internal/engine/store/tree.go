package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// Entry is one file, folder or symbolic link of a Tree.
type Entry struct {
	Path   string      // relative, with slashes, clean
	Mode   fs.FileMode // type bits and permissions; a folder is 0755, a file 0644 or 0755
	Size   int64       // bytes, files only
	Digest digest.Digest
	Target string // symbolic links only
}

// Tree is an installed tree as data, sorted by path. Times and owners are left out on purpose: they say when
// and by whom something was built, and an Output must not.
type Tree []Entry

// Encode writes the tree as text, one entry per line; its digest is the tree's Output.
func (t Tree) Encode() []byte {
	var b bytes.Buffer
	for _, e := range t {
		switch {
		case e.Mode.IsDir():
			fmt.Fprintf(&b, "d %q\n", e.Path)
		case e.Mode&fs.ModeSymlink != 0:
			fmt.Fprintf(&b, "l %q %q\n", e.Path, e.Target)
		default:
			fmt.Fprintf(&b, "f %04o %d %s %q\n", e.Mode.Perm(), e.Size, e.Digest, e.Path)
		}
	}
	return b.Bytes()
}

// ParseTree reads what Encode wrote, strictly: encoding the result gives the same bytes.
func ParseTree(b []byte) (Tree, error) {
	var t Tree
	folders := map[string]bool{".": true}
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		e, err := parseEntry(sc.Text())
		if err != nil {
			return nil, fmt.Errorf("tree line %d: %w", n, err)
		}
		if len(t) > 0 && t[len(t)-1].Path >= e.Path {
			return nil, fmt.Errorf("tree line %d: %q is out of order", n, e.Path)
		}
		if !folders[filepath.Dir(e.Path)] { // nothing stands behind a link
			return nil, fmt.Errorf("tree line %d: %q is in no folder of the tree", n, e.Path)
		}
		if e.Mode.IsDir() {
			folders[e.Path] = true
		}
		t = append(t, e)
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if !bytes.Equal(t.Encode(), b) {
		return nil, errors.New("tree: not in its canonical form")
	}
	return t, nil
}

func parseEntry(line string) (Entry, error) {
	var e Entry
	var err error
	switch kind, rest, _ := strings.Cut(line, " "); kind {
	case "d":
		e.Mode = fs.ModeDir | 0o755
		e.Path, err = strconv.Unquote(rest)
	case "l":
		e.Mode = fs.ModeSymlink | 0o777
		var quoted string
		if quoted, err = strconv.QuotedPrefix(rest); err != nil {
			return e, err
		}
		target, targetErr := strconv.Unquote(strings.TrimPrefix(rest[len(quoted):], " "))
		e.Path, err = strconv.Unquote(quoted)
		e.Target, err = target, errors.Join(err, targetErr)
	case "f":
		f := strings.SplitN(rest, " ", 4)
		if len(f) != 4 {
			return e, fmt.Errorf("%d fields, want 4", len(f))
		}
		perm, permErr := strconv.ParseUint(f[0], 8, 9)
		size, sizeErr := strconv.ParseInt(f[1], 10, 64)
		sum, sumErr := digest.Parse(f[2])
		path, pathErr := strconv.Unquote(f[3])
		e = Entry{Path: path, Mode: fs.FileMode(perm), Size: size, Digest: sum}
		err = errors.Join(permErr, sizeErr, sumErr, pathErr)
	default:
		return e, fmt.Errorf("unknown kind %q", kind)
	}
	if err != nil {
		return e, err
	}
	if !filepath.IsLocal(e.Path) || filepath.Clean(e.Path) != e.Path || e.Path == "." {
		return e, fmt.Errorf("path %q leaves the tree", e.Path)
	}
	return e, nil
}

// Tree returns the tree with the digest output.
func (s *Store) Tree(output digest.Digest) (Tree, error) {
	b, err := s.Read(output)
	if err != nil {
		return nil, err
	}
	return ParseTree(b)
}

// Index lists what lies below dir. Permissions are reduced to "executable or not", as the umask of a build
// must not show.
func Index(dir string) (Tree, error) {
	var t Tree
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		e := Entry{Path: filepath.ToSlash(strings.TrimPrefix(path, dir+"/"))}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			e.Mode = fs.ModeDir | 0o755
		case d.Type()&fs.ModeSymlink != 0:
			e.Mode = fs.ModeSymlink | 0o777
			e.Target, err = os.Readlink(path)
		case d.Type().IsRegular():
			e.Mode, e.Size = 0o644, info.Size()
			if info.Mode()&0o111 != 0 {
				e.Mode = 0o755
			}
		default:
			return fmt.Errorf("indexing %s: neither file, folder nor link", path)
		}
		t = append(t, e)
		return err
	})
	slices.SortFunc(t, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return t, err
}

// AddTree stores all files below dir and returns the Output. The files are synced together, before any of
// them gets its name: one sync instead of thousands.
func (s *Store) AddTree(ctx context.Context, dir string) (digest.Digest, error) {
	t, err := Index(dir)
	if err != nil {
		return digest.Digest{}, err
	}
	staging, release, err := s.Work(ctx, "add", false)
	if err != nil {
		return digest.Digest{}, err
	}
	defer release()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.NumCPU())
	for i := range t {
		if !t[i].Mode.IsRegular() {
			continue
		}
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			t[i].Digest, t[i].Size, err = s.stage(filepath.Join(dir, t[i].Path), staging)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return digest.Digest{}, err
	}
	if err := s.settle(staging); err != nil {
		return digest.Digest{}, s.unusable("writing", err)
	}
	return s.Put(t.Encode())
}

// Summed lists what lies below dir with the digests of all files, and stores nothing.
func Summed(ctx context.Context, dir string) (Tree, error) {
	t, err := Index(dir)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for part := range slices.Chunk(t, 64) {
		g.Go(func() error {
			for i := range part {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !part[i].Mode.IsRegular() {
					continue
				}
				var err error
				if part[i].Digest, part[i].Size, err = digest.OfFile(filepath.Join(dir, part[i].Path)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return t, g.Wait()
}
