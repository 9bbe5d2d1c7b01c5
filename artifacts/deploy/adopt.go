package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Adopt turns what stands at the prefixes into a generation, so that a rollback brings it back, and returns it. The exchange
// of folder and link is atomic (renameat2(2), RENAME_EXCHANGE): at no moment is a prefix empty.
func (s Site) Adopt(now time.Time) (Generation, error) {
	blocked := s.Blocked()
	g := Generation{Profile: s.Profile, Created: now, Adopted: true, Components: map[string]Component{}}
	if len(blocked) == 0 {
		return g, nil
	}
	if n := s.Current(); n != 0 {
		var err error
		if g, err = s.Generation(n); err != nil {
			return g, err
		}
		if !g.Adopted { // an adopted one is in use when a former adoption was killed half way: go on with it
			return g, fault.New(fault.Failed, "move "+blocked[0].Path+" away", "adopting %s: profile %s already has generations, and this path is not its link", blocked[0].Path, s.Profile)
		}
	} else if err := s.beginAdopt(&g, blocked); err != nil {
		return g, err
	}
	for _, b := range blocked {
		if err := s.exchange(b, filepath.Join(s.Dir(g.Number), b.Component)); err != nil {
			return g, errors.Join(err, s.undoAdopt(g))
		}
	}
	return g, nil
}

// beginAdopt makes the generation that will hold what stands at the prefixes, and puts it in use: a link that takes a
// folder's place finds the folder there.
func (s Site) beginAdopt(g *Generation, blocked []Blocked) error {
	if err := s.sweep(); err != nil {
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
	tmp := filepath.Join(s.Home(), unfinished+"adopt")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	if err := s.save(tmp, *g); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.Dir(n)); err != nil {
		return err
	}
	return s.point(n)
}

// exchange puts the link at the prefix and what stood there at kept.
func (s Site) exchange(b Blocked, kept string) error {
	if err := fault.At("install: adopt " + b.Component); err != nil {
		return err
	}
	if target, err := os.Readlink(kept); err == nil && target == s.target(b.Component) {
		os.Remove(kept) // left by an adoption that was killed before its exchange
	}
	if err := os.Symlink(s.target(b.Component), kept); err != nil {
		return err
	}
	if err := fault.At("install: exchange " + b.Component); err != nil {
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, b.Path, unix.AT_FDCWD, kept, unix.RENAME_EXCHANGE)
	if err != nil {
		os.Remove(kept)
		return fault.New(fault.Failed, "move it away yourself: mv "+b.Path+" "+b.Path+".old", "adopting %s: %w", b.Path, err)
	}
	return nil
}

// undoAdopt puts back what was exchanged before an error.
func (s Site) undoAdopt(g Generation) error {
	var errs []error
	for c := range g.Components {
		kept := filepath.Join(s.Dir(g.Number), c)
		if target, err := os.Readlink(s.link(c)); err != nil || target != s.target(c) {
			os.Remove(kept) // not exchanged yet: only its link was made
			continue
		}
		if err := unix.Renameat2(unix.AT_FDCWD, s.link(c), unix.AT_FDCWD, kept, unix.RENAME_EXCHANGE); err != nil {
			errs = append(errs, fmt.Errorf("putting back %s (it is at %s): %w", s.link(c), kept, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(os.Remove(filepath.Join(s.Home(), "current")), os.RemoveAll(s.Dir(g.Number)))
}
