package deploy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// Inspection is how the trees of a generation differ from their lists, and the lists from their digests. All
// paths are below the generation's folder, such as python/bin/python3, and sorted.
type Inspection struct {
	// Changed are what was installed and is missing, or has other bytes, another kind, mode or owner: files
	// and folders of the trees, lists and records, and TrustLink where that does not lead to the cert.pem
	// that was made.
	Changed []string
	// Touched are the files whose line in the index differs and whose bytes are right, as after a copy with
	// an image: after them the index should be written anew (Reindex).
	Touched []string
	// Added are what the lists do not have. See Added.
	Added []Added
}

// Altered are what is not as it was installed: Changed, and what was added and is an alteration.
func (i Inspection) Altered() []string {
	all := slices.Clone(i.Changed)
	for _, a := range i.Added {
		if a.Alters != "" {
			all = append(all, a.Path)
		}
	}
	slices.Sort(all)
	return all
}

// Itself stands in an Inspection for the folder of the generation.
const Itself = "."

// inspector compares one generation.
type inspector struct {
	dir   string
	owner fs.FileInfo // of the site's folder: all that is in it belongs to the same user
	index map[string]string
	full  bool
	mu    sync.Mutex
	found Inspection
}

// Inspect compares generation n with its lists, both ways. The bytes of a file whose stat line is the indexed
// one are taken as unchanged, but for those that are loaded at a start; full reads every byte. Whoever may
// write to a generation's records can make them agree with other trees: what they are held against is the
// store, or a signed bundle.
func (s Site) Inspect(ctx context.Context, n int, full bool) (Inspection, error) {
	g, err := s.Generation(n)
	if err != nil || g.Adopted {
		return Inspection{}, err
	}
	in := &inspector{dir: s.Dir(n), index: map[string]string{}, full: full}
	if in.owner, err = os.Lstat(s.Home()); err != nil {
		return Inspection{}, err
	}
	if !full {
		in.index = readIndex(in.dir)
	}
	in.records()
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.NumCPU())
	for name, c := range g.Components {
		tree, err := provenTree(in.dir, name, c.Output)
		if err != nil {
			in.change(name + listSuffix)
			continue
		}
		in.component(ctx, eg, name, tree)
	}
	err = eg.Wait()
	if s.TrustAltered(n) {
		in.change(TrustLink)
	}
	slices.Sort(in.found.Changed)
	in.found.Changed = slices.Compact(in.found.Changed)
	slices.Sort(in.found.Touched)
	slices.SortFunc(in.found.Added, func(a, b Added) int { return strings.Compare(a.Path, b.Path) })
	return in.found, err
}

func (in *inspector) change(key string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.found.Changed = append(in.found.Changed, key)
}

// records looks at the generation's folder and the files that tlsfloor keeps in it beside the trees: nobody
// else can write to them.
func (in *inspector) records() {
	if info, err := os.Lstat(in.dir); err != nil || !info.IsDir() || !in.owned(info, 0o022) {
		in.change(Itself)
	}
	entries, _ := os.ReadDir(in.dir) // an unreadable folder has no list
	for _, e := range entries {
		if !slices.Contains(kept, e.Name()) && !strings.HasSuffix(e.Name(), listSuffix) {
			continue
		}
		if info, err := e.Info(); err != nil || !info.Mode().IsRegular() || !in.owned(info, 0o022) {
			in.change(e.Name())
		}
	}
}

// owned reports whether a file belongs to the generation's owner, and none of the mode's bits in not is set.
func (in *inspector) owned(info fs.FileInfo, not fs.FileMode) bool {
	return uidOf(info) == uidOf(in.owner) && info.Mode().Perm()&not == 0
}

// component compares one tree with what stands in its folder.
func (in *inspector) component(ctx context.Context, eg *errgroup.Group, name string, tree store.Tree) {
	root, err := os.Lstat(filepath.Join(in.dir, name))
	if err != nil || !root.IsDir() || root.Mode().Perm() != 0o755 || !in.owned(root, 0) {
		in.change(name)
	}
	if err != nil || !root.IsDir() {
		return // what is seen through a link is not the tree
	}
	eg.Go(func() error {
		found, err := added(in.dir, name, tree, in.owner)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.found.Added = append(in.found.Added, found...)
		return err
	})
	for part := range slices.Chunk(tree, 512) {
		eg.Go(func() error {
			for _, e := range part {
				in.entry(name, e)
			}
			return ctx.Err()
		})
	}
}

func (in *inspector) entry(component string, e store.Entry) {
	key := filepath.Join(component, e.Path)
	path := filepath.Join(in.dir, key)
	line, st, err := statLine(path)
	indexed := err == nil && in.index[key] == line
	if indexed && e.Mode.IsRegular() && st.Mode == syscall.S_IFREG|uint32(e.Mode.Perm()) &&
		st.Uid == uidOf(in.owner) && !loadedAtStart(component, e.Path) {
		return
	}
	same := sameEntry(path, e, in.owner)
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case !same:
		in.found.Changed = append(in.found.Changed, key)
	case !indexed && !e.Mode.IsDir() && !in.full:
		in.found.Touched = append(in.found.Touched, key)
	}
}

// sameEntry compares what stands at path with its entry; everything belongs to the owner of the site's
// folder.
func sameEntry(path string, e store.Entry, owner fs.FileInfo) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != e.Mode.Type() || uidOf(info) != uidOf(owner) {
		return false
	}
	switch {
	case e.Mode.IsDir():
		return info.Mode()&^fs.ModeSetgid == e.Mode // a folder's setgid bit only gives its files a group
	case e.Mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return err == nil && target == e.Target
	}
	return sameFile(path, e, owner)
}

// sameFile reports whether a file has the entry's size, bytes and mode, without setuid and setgid bits and
// capabilities (see capabilities(7)), and belongs to the owner.
func sameFile(path string, e store.Entry, owner fs.FileInfo) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != e.Mode.Perm() || info.Size() != e.Size ||
		uidOf(info) != uidOf(owner) || hasCapabilities(path) {
		return false
	}
	d, _, err := digest.OfFile(path)
	return err == nil && d == e.Digest
}

func hasCapabilities(path string) bool {
	n, err := unix.Lgetxattr(path, "security.capability", nil)
	return err == nil && n > 0
}
