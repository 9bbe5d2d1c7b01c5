package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Adopt turns what stands at the prefixes into a generation, so that a rollback brings it back, and returns
// it. The exchange of folder and link is atomic (renameat2(2), RENAME_EXCHANGE): at no moment is a prefix
// empty. Where a generation of ours is in use already, somebody exchanged the links: what stands there goes
// to the folder Aside.
func (s Site) Adopt(now time.Time) (Generation, error) {
	blocked := s.Blocked()
	g := Generation{Profile: s.Profile, Created: now, Adopted: true, Components: map[string]Component{}}
	if len(blocked) == 0 {
		return g, nil
	}
	if n := s.Current(); n != 0 {
		now, err := s.Generation(n)
		// an adopted one is in use when a former adoption was killed half way: go on with it
		if err != nil || !now.Adopted {
			return Generation{}, s.clear(blocked)
		}
		g = now
	} else if err := s.beginAdopt(&g, blocked); err != nil {
		return g, err
	}
	home, err := s.home()
	if err != nil {
		return g, err
	}
	defer home.Close()
	dir, err := owned.Inside(home, strconv.Itoa(g.Number))
	if err != nil {
		return g, err
	}
	defer dir.Close()
	for _, b := range blocked {
		if err := s.exchange(b, dir); err != nil {
			return g, errors.Join(err, s.undoAdopt(g, home, dir))
		}
	}
	return g, nil
}

// clear moves aside what took the place of links: no generation is made of it, as it was none before.
func (s Site) clear(blocked []Blocked) error {
	base, err := s.base()
	if err != nil {
		return err
	}
	defer base.Close()
	for _, b := range blocked {
		name := s.Prefixes[b.Component]
		if err := aside(base, filepath.Join(".tlsfloor", s.Profile), name, name); err != nil {
			return err
		}
	}
	return nil
}

// beginAdopt makes the generation that will hold what stands at the prefixes, and puts it in use: a link
// that takes a folder's place finds the folder there.
func (s Site) beginAdopt(g *Generation, blocked []Blocked) error {
	home, err := s.makeHome()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := removeUnfinished(home, "."); err != nil {
		return err
	}
	n, err := s.next()
	if err != nil {
		return err
	}
	g.Number = n
	for _, b := range blocked {
		g.Components[b.Component] = Component{Version: "adopted", Prefix: s.Prefix(b.Component)}
	}
	tmp := unfinished + "adopt"
	if err := home.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	if err := save(home, tmp, *g); err != nil {
		return err
	}
	if err := home.Rename(tmp, strconv.Itoa(n)); err != nil {
		return err
	}
	return point(home, n)
}

// swap exchanges the prefix of a component with what has its name in dir. Both folders are held open, so
// that nobody can lead it elsewhere.
func (s Site) swap(component string, dir *os.Root) error {
	base, err := s.base()
	if err != nil {
		return err
	}
	defer base.Close()
	from, err := base.Open(".")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer to.Close()
	return unix.Renameat2(int(from.Fd()), s.Prefixes[component], int(to.Fd()), component, unix.RENAME_EXCHANGE)
}

// exchange puts the link at the prefix and what stood there into dir.
func (s Site) exchange(b Blocked, dir *os.Root) error {
	if err := fault.At("install: adopt " + b.Component); err != nil {
		return err
	}
	if target, err := dir.Readlink(b.Component); err == nil && target == s.target(b.Component) {
		dir.Remove(b.Component) // left by an adoption that was killed before its exchange
	}
	if err := dir.Symlink(s.target(b.Component), b.Component); err != nil {
		return err
	}
	if err := fault.At("install: exchange " + b.Component); err != nil {
		return err
	}
	if err := s.swap(b.Component, dir); err != nil {
		dir.Remove(b.Component)
		return fault.New(fault.Failed, "move it away yourself: mv "+b.Path+" "+b.Path+".old", "adopting %s: %w", b.Path, err)
	}
	return nil
}

// undoAdopt puts back what was exchanged before an error.
func (s Site) undoAdopt(g Generation, home, dir *os.Root) error {
	var errs []error
	for c := range g.Components {
		if !s.linked(c) {
			dir.Remove(c) // not exchanged yet: only its link was made
			continue
		}
		if err := s.swap(c, dir); err != nil {
			errs = append(errs, fmt.Errorf("putting back %s (it is at %s): %w", s.link(c),
				filepath.Join(dir.Name(), c), err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(home.Remove("current"), home.RemoveAll(strconv.Itoa(g.Number)))
}
