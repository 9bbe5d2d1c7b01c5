package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Aside is the folder in which the site keeps what it moves out of its way, by the numbers of the
// generations: nobody's files are deleted. Only its owner can enter it, as what was moved may run as another
// user.
func (s Site) Aside() string { return filepath.Join(s.Home(), "aside") }

// aside moves what has the name path in root to the folder aside of home, a folder of root: to name in the
// first numbered folder that has room for it.
func aside(root *os.Root, home, path, name string) error {
	if err := fault.At("repair: move " + filepath.Base(path)); err != nil {
		return err
	}
	err := root.Mkdir(filepath.Join(home, "aside"), 0o700)
	for i := 1; err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR); i++ {
		to := filepath.Join(home, "aside", strconv.Itoa(i), name)
		if err = root.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			continue
		}
		if _, there := root.Lstat(to); there == nil {
			continue
		}
		if err = root.Rename(path, to); err == nil {
			return nil
		}
		break
	}
	return fmt.Errorf("moving %s aside: %w", filepath.Join(root.Name(), path), err)
}

// repair is one run of Repair.
type repair struct {
	home   *os.Root
	in     *os.Root // the generation's folder
	g      Generation
	store  *store.Store
	names  []string // sorted
	listed map[string]bool
}

// Repair mends what Altered lists of generation n. What was installed comes back from the store, each file
// by a rename, so that a running program keeps the file that it has open. What was added goes to the folder
// Aside. Where a list was not that of its Output, the trees are to be inspected again.
func (s Site) Repair(ctx context.Context, st *store.Store, n int, names []string) error {
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	r := &repair{home: home, g: g, store: st, names: names}
	r.listed = map[string]bool{Itself: true, TrustLink: true}
	if r.named(Itself) { // others could write to it: what is in it is compared after this, and never followed
		if err := r.mine(home, strconv.Itoa(n)); err != nil {
			return fmt.Errorf("repairing generation %d: %w", n, err)
		}
	}
	if r.in, err = owned.Inside(home, strconv.Itoa(n)); err != nil {
		return err
	}
	defer r.in.Close()
	if err := r.all(ctx); err != nil {
		return err
	}
	if r.named(TrustLink) {
		if err := s.RepairTrust(n); err != nil {
			return err
		}
	}
	return writeIndex(r.in.Name(), g)
}

func (r *repair) all(ctx context.Context) error {
	if err := r.records(); err != nil {
		return err
	}
	for component, c := range r.g.Components {
		if err := errors.Join(ctx.Err(), r.component(component, c)); err != nil {
			return err
		}
	}
	for _, name := range r.names {
		if r.listed[name] {
			continue
		}
		if err := r.away(name); err != nil {
			return err
		}
	}
	return nil
}

func (r *repair) named(name string) bool {
	_, found := slices.BinarySearch(r.names, name)
	return found
}

func (r *repair) away(name string) error {
	if _, err := r.in.Lstat(name); err != nil {
		return nil
	}
	inside := filepath.Join(strconv.Itoa(r.g.Number), name)
	return aside(r.home, ".", inside, inside)
}

// mine makes a file or folder of dir one that nobody else can write to.
func (r *repair) mine(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err == nil {
		err = dir.Lchown(name, os.Geteuid(), os.Getegid())
	}
	if err == nil && info.Mode()&fs.ModeSymlink == 0 {
		err = dir.Chmod(name, info.Mode().Perm()&^0o022)
	}
	return err
}

// records mends the files beside the trees: the lists come from the store, and what was replaced by something
// else than a file is made anew by whoever needs it.
func (r *repair) records() error {
	for _, name := range r.names {
		if _, component := r.g.Components[name]; component || r.listed[name] || strings.Contains(name, "/") {
			continue
		}
		r.listed[name] = true
		info, err := r.in.Lstat(name)
		switch {
		case strings.HasSuffix(name, listSuffix) && !(err == nil && r.intact(name, info)):
			err = r.list(name)
		case err == nil && info.Mode().IsRegular():
			err = r.mine(r.in, name)
		case err == nil && name == record:
			err = save(r.home, strconv.Itoa(r.g.Number), r.g)
		case err == nil:
			err = r.away(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("repairing %s: %w", name, err)
		}
	}
	return nil
}

// intact reports whether a list is a file with the bytes that it has to have.
func (r *repair) intact(name string, info fs.FileInfo) bool {
	component := strings.TrimSuffix(name, listSuffix)
	_, err := provenTree(r.in.Name(), component, r.g.Components[component].Output)
	return err == nil && info.Mode().IsRegular()
}

// list writes a component's list anew. One of no component of ours goes away.
func (r *repair) list(name string) error {
	c, ok := r.g.Components[strings.TrimSuffix(name, listSuffix)]
	if !ok {
		return r.away(name)
	}
	text, err := r.store.Read(c.Output)
	if err != nil {
		return err
	}
	if info, err := r.in.Lstat(name); err == nil && info.IsDir() {
		if err := r.away(name); err != nil {
			return err
		}
	}
	return owned.ReplaceIn(r.in, name, text, 0o644)
}

// component mends one tree.
func (r *repair) component(name string, c Component) error {
	tree, err := provenTree(r.in.Name(), name, c.Output)
	if err != nil {
		return err
	}
	anew := map[string]bool{} // folders of which nothing is there
	if r.named(name) {
		if info, err := r.in.Lstat(name); err != nil || !info.IsDir() {
			anew["."] = true
			if err := errors.Join(r.away(name), r.in.Mkdir(name, 0o755)); err != nil {
				return err
			}
		}
		err := errors.Join(r.in.Chmod(name, 0o755), r.in.Lchown(name, os.Geteuid(), os.Getegid()))
		if err != nil {
			return err
		}
	}
	r.listed[name] = true
	if info, err := r.in.Lstat(name); err != nil || !info.IsDir() { // a pipe must not stop us
		return errors.Join(err, fmt.Errorf("repairing %s: it is no folder", name))
	}
	root, err := r.in.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, e := range tree {
		key := filepath.Join(name, e.Path)
		r.listed[key] = true
		if !r.named(key) && !anew[filepath.Dir(e.Path)] {
			continue
		}
		info, err := root.Lstat(e.Path)
		if err == nil && info.IsDir() != e.Mode.IsDir() {
			if err := r.away(key); err != nil {
				return err
			}
		}
		anew[e.Path] = e.Mode.IsDir() && (err != nil || !info.IsDir())
		if err := r.store.RestoreEntry(e, root); err != nil {
			return fmt.Errorf("repairing %s: %w", e.Path, err)
		}
	}
	return nil
}
