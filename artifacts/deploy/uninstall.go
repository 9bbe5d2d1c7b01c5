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
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Installed is the site of a profile as its generations describe it, whoever made them.
func Installed(root, base, profile string) (Site, error) {
	s := Site{Root: root, Base: base, Profile: profile, Prefixes: map[string]string{}}
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
	links, err := os.ReadDir(filepath.Join(s.Root, s.Base))
	if err != nil {
		return // then nothing leads there
	}
	for _, l := range links {
		target, err := os.Readlink(filepath.Join(s.Root, s.Base, l.Name()))
		if dir, component := filepath.Split(target); err == nil && filepath.Join(s.Root, s.Base, dir) == filepath.Join(s.Home(), "current") {
			s.Prefixes[component] = l.Name()
		}
	}
}

// Uninstall removes what was installed and nothing else: first the links at the prefixes, then the files that each generation's lists
// name, then what tlsfloor itself keeps. What stood at the prefixes before goes back there. It returns the files that are left because
// somebody else put them there. Stopped in the middle, it goes on when it is called again. It is called under the site's lock.
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
	for _, c := range s.components() {
		if s.linked(c) {
			if err := errors.Join(fault.At("uninstall: link "+c), os.Remove(s.link(c))); err != nil {
				return nil, err
			}
		}
	}
	if err := errors.Join(s.removeModule(), remove(filepath.Join(s.Home(), "current"))); err != nil {
		return nil, err
	}
	for _, g := range slices.Backward(all) {
		if err := ctx.Err(); err != nil {
			return left, err
		}
		some, err := s.dismantle(g)
		left = append(left, some...)
		if err != nil {
			return left, fmt.Errorf("removing generation %d: %w", g.Number, err)
		}
	}
	if err := errors.Join(s.sweep(), os.RemoveAll(s.trustDir())); err != nil {
		return left, err
	}
	if len(left) == 0 {
		err = remove(filepath.Join(s.Home(), "lock"))
	}
	for _, dir := range []string{s.Home(), filepath.Dir(s.Home())} {
		os.Remove(dir) // where it is empty
	}
	return left, err
}

// kept are the files that tlsfloor keeps beside the trees of a generation, in the order in which they can be missed.
var kept = []string{"LICENSES.txt", "proof.json", "proof.html", "index", "generation.json"}

// dismantle removes one generation. An adopted one goes back to where it stood.
func (s Site) dismantle(g Generation) (left []string, err error) {
	dir, names := s.Dir(g.Number), slices.Collect(maps.Keys(g.Components))
	if g.Broken != "" {
		names = s.trees(g.Number)
	}
	for _, name := range names {
		if g.Adopted {
			err = s.giveBack(g, name)
		} else {
			err = s.removeTree(dir, name)
		}
		if err != nil {
			return nil, err
		}
	}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, file)
		if err == nil && !d.IsDir() && !slices.Contains(kept, rel) && !strings.HasSuffix(rel, ".tree") {
			left = append(left, file)
		}
		return err
	})
	if err != nil {
		return left, err
	}
	for _, name := range names {
		if err := remove(filepath.Join(dir, name+".tree")); err != nil {
			return left, err
		}
	}
	for _, name := range kept {
		if err := remove(filepath.Join(dir, name)); err != nil {
			return left, err
		}
	}
	if len(left) == 0 {
		err = os.RemoveAll(dir)
	}
	return left, err
}

// removeTree removes what a component's list names, folders only where they are empty then. Compiled files that Python wrote beside
// its own sources are nobody's either.
func (s Site) removeTree(dir, name string) error {
	tree, err := readTree(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was stopped here
	}
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(tree) {
		file := filepath.Join(dir, name, e.Path)
		if !e.Mode.IsDir() {
			if err := remove(file); err != nil {
				return err
			}
			continue
		}
		if path.Base(e.Path) == "__pycache__" {
			if err := os.RemoveAll(file); err != nil {
				return err
			}
		}
		os.Remove(file)
	}
	if name == "openssl" {
		if err := remove(filepath.Join(dir, TrustLink)); err != nil {
			return err
		}
		os.Remove(filepath.Join(dir, filepath.Dir(TrustLink)))
	}
	os.Remove(filepath.Join(dir, name))
	return nil
}

// giveBack moves what was adopted to where it stood.
func (s Site) giveBack(g Generation, name string) error {
	from := filepath.Join(s.Dir(g.Number), name)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(s.link(name)); err == nil {
		return fault.New(fault.Failed, "move one of the two away", "%s cannot go back to %s: something stands there", from, s.link(name))
	}
	return os.Rename(from, s.link(name))
}

// remove removes a file that may be gone.
func remove(file string) error {
	if err := fault.At("uninstall: " + filepath.Base(file)); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
