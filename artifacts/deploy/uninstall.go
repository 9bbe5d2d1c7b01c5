package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Installed is the site of a profile as its generations describe it, whoever made them.
func Installed(root, base, profile string) (Site, error) {
	s := Site{Root: root, Base: base, Profile: profile, Prefixes: map[string]string{}}
	if err := s.valid(); err != nil {
		return s, err
	}
	all, err := s.Generations()
	if err != nil {
		return s, err
	}
	for _, g := range all {
		for name, c := range g.Components {
			s.Prefixes[name] = path.Base(c.Prefix)
		}
	}
	s.followLinks()
	if len(all) == 0 {
		return s, fault.New(fault.Failed, "`status` lists what is installed", "profile %s is not installed below %s", profile, filepath.Join(root, base))
	}
	return s, nil
}

// followLinks finds the prefixes of generations whose records cannot be read, by the links that lead to them.
func (s Site) followLinks() {
	links, err := os.ReadDir(s.path())
	if err != nil {
		return // then nothing leads there
	}
	for _, l := range links {
		target, err := os.Readlink(filepath.Join(s.path(), l.Name()))
		dir, component := filepath.Split(target)
		if err == nil && filepath.Clean(dir) == filepath.Join(".tlsfloor", s.Profile, "current") &&
			owned.Name("component", component) == nil && owned.Name("prefix", l.Name()) == nil {
			s.Prefixes[component] = l.Name()
		}
	}
}

// Uninstall removes what was installed and nothing else: first the links at the prefixes, then the files
// that each generation's lists name, then what tlsfloor itself keeps. What stood at the prefixes before
// goes back there. It returns the files that are left because somebody else put them there. Stopped in the
// middle, it goes on when it is called again. It is called under the site's lock.
func (s Site) Uninstall(ctx context.Context) (left []string, err error) {
	all, err := s.Generations()
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		if g.Package != "" && exists(filepath.Join(s.Home(), "package")) {
			return nil, fault.New(fault.Usage, "remove the package: dpkg -r "+g.Package+", or rpm -e "+g.Package, "profile %s was installed by a package manager, which has to know that it is gone", s.Profile)
		}
	}
	home, err := s.home()
	if err != nil {
		return nil, err
	}
	defer home.Close()
	if err := s.unlink(); err != nil {
		return nil, err
	}
	if info, err := home.Lstat("current"); err == nil && info.IsDir() {
		if err := aside(home, ".", "current", "current"); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(s.removeModule(), remove(home, "current")); err != nil {
		return nil, err
	}
	for _, g := range slices.Backward(all) {
		if err := ctx.Err(); err != nil {
			return left, err
		}
		some, err := s.dismantle(home, g)
		left = append(left, some...)
		if err != nil {
			return left, fmt.Errorf("removing generation %d: %w", g.Number, err)
		}
	}
	if err := errors.Join(removeUnfinished(home, "."), home.RemoveAll("trust")); err != nil {
		return left, err
	}
	if left = append(left, keptAside(home)...); len(left) > 0 {
		return left, nil
	}
	if err := remove(home, "lock"); err != nil {
		return left, err
	}
	for _, empty := range []string{".tlsfloor/" + s.Profile, ".tlsfloor"} {
		if err := removeEmpty(s.Root, filepath.Join(s.Base, empty)); err != nil {
			return left, err
		}
	}
	return left, nil
}

// unlink takes the links at the prefixes away.
func (s Site) unlink() error {
	base, err := s.base()
	if err != nil {
		return err
	}
	defer base.Close()
	for _, c := range s.components() {
		if s.linked(c) {
			if err := errors.Join(fault.At("uninstall: link "+c), base.Remove(s.Prefixes[c])); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptAside lists the files that were moved out of the way.
func keptAside(home *os.Root) (files []string) {
	filepath.WalkDir(filepath.Join(home.Name(), "aside"), func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, file)
		}
		return nil
	})
	if len(files) == 0 {
		home.RemoveAll("aside") // folders without a file
	}
	return files
}

// kept are the files that tlsfloor keeps beside the trees of a generation, in the order in which they can
// be missed.
var kept = []string{"LICENSES.txt", VerdictFile, "proof.json", "proof.html", "index", "generation.json"}

// dismantle removes one generation. An adopted one goes back to where it stood.
func (s Site) dismantle(home *os.Root, g Generation) (left []string, err error) {
	if info, err := home.Lstat(strconv.Itoa(g.Number)); err == nil && !info.IsDir() {
		return []string{s.Dir(g.Number)}, nil // whatever it is, it was not installed
	}
	dir, err := owned.Inside(home, strconv.Itoa(g.Number))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names := slices.Collect(maps.Keys(g.Components))
	if g.Broken != "" {
		names = s.trees(g.Number)
	}
	for _, name := range names {
		if g.Adopted {
			err = s.giveBack(dir, name)
		} else {
			err = removeTree(dir, name)
		}
		if err != nil {
			return nil, err
		}
	}
	err = fs.WalkDir(dir.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !slices.Contains(kept, file) && !strings.HasSuffix(file, ".tree") {
			left = append(left, filepath.Join(dir.Name(), file))
		}
		return err
	})
	if err != nil {
		return left, err
	}
	for _, name := range names {
		if err := remove(dir, name+".tree"); err != nil {
			return left, err
		}
	}
	for _, name := range kept { // a folder in the place of one is left, with what is in it
		if err := remove(dir, name); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
			return left, err
		}
	}
	if len(left) == 0 {
		err = home.RemoveAll(strconv.Itoa(g.Number))
	}
	return left, err
}

// removeTree removes what a component's list names, folders only where they are empty then. Compiled files
// that Python wrote beside its own sources are nobody's either. A link in the place of one of its folders
// was put there by somebody else: what is behind it is not what was installed, and nothing is removed
// through it.
func removeTree(dir *os.Root, name string) error {
	list, err := owned.Read(dir, name+listSuffix, recordLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was stopped here
	}
	var tree store.Tree
	if err == nil {
		tree, err = store.ParseTree(list)
	}
	if err != nil {
		return fault.New(fault.Failed, "`build` writes the list anew, and `uninstall` works then; or remove "+
			dir.Name()+" yourself", "%s does not say what was installed: %w",
			filepath.Join(dir.Name(), name+listSuffix), err)
	}
	real := folders{dir, map[string]bool{".": true}}
	for _, e := range slices.Backward(tree) {
		file := filepath.Join(name, e.Path)
		if !real.has(filepath.Dir(file)) {
			continue
		}
		if !e.Mode.IsDir() {
			// somebody's folder stands there
			if err := remove(dir, file); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
				return err
			}
			continue
		}
		if path.Base(e.Path) == "__pycache__" {
			if err := dir.RemoveAll(file); err != nil {
				return err
			}
		}
		if real.has(file) {
			dir.Remove(file)
		}
	}
	if name == "openssl" && real.has(filepath.Dir(TrustLink)) {
		if err := remove(dir, TrustLink); err != nil {
			return err
		}
		dir.Remove(filepath.Dir(TrustLink))
	}
	if real.has(name) {
		dir.Remove(name)
	}
	return nil
}

// folders knows which paths below dir lead through folders only.
type folders struct {
	dir   *os.Root
	known map[string]bool
}

func (f folders) has(path string) bool {
	is, seen := f.known[path]
	if !seen {
		if is = f.has(filepath.Dir(path)); is {
			info, err := f.dir.Lstat(path)
			is = err == nil && info.IsDir()
		}
		f.known[path] = is
	}
	return is
}

// giveBack moves what was adopted to where it stood.
func (s Site) giveBack(dir *os.Root, name string) error {
	from := filepath.Join(dir.Name(), name)
	if _, err := dir.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	defer base.Close()
	if _, err := base.Lstat(s.Prefixes[name]); err == nil {
		return fault.New(fault.Failed, "move one of the two away", "%s cannot go back to %s: something stands there", from, s.link(name))
	}
	// Nobody else can change the folders on the two ways: both were opened by walking them.
	return os.Rename(from, filepath.Join(base.Name(), s.Prefixes[name]))
}

// remove removes a file that may be gone.
func remove(dir *os.Root, name string) error {
	if err := fault.At("uninstall: " + filepath.Base(name)); err != nil {
		return err
	}
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
