package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

const unfinished = ".new-"

// Filler puts the trees of a generation into its new folder dir, each in a folder by the name of its
// component and beside that its list, <component>.tree, having held all bytes against the components'
// Outputs.
type Filler func(ctx context.Context, dir string, g Generation) error

// FromStore fills from a store.
func FromStore(st *store.Store) Filler {
	return func(ctx context.Context, dir string, g Generation) error {
		for name, c := range g.Components {
			if err := fault.At("install: restore " + name); err != nil {
				return err
			}
			if err := st.Restore(ctx, c.Output, filepath.Join(dir, name)); err != nil {
				return err
			}
			tree, err := st.Read(c.Output)
			if err == nil {
				err = owned.Replace(filepath.Join(dir, name+".tree"), tree, 0o644)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// Stage writes the trees of g as a new generation that nothing points to yet, and returns it with its
// number. It is called under the site's lock, which has made the folder.
func (s Site) Stage(ctx context.Context, fill Filler, g Generation) (Generation, error) {
	if err := g.valid(); err != nil {
		return g, err
	}
	home, err := s.makeHome()
	if err != nil {
		return g, err
	}
	defer home.Close()
	if err := removeUnfinished(home, "."); err != nil {
		return g, err
	}
	n, err := s.next()
	if err != nil {
		return g, err
	}
	g.Number = n
	tmp := unfinished + strconv.Itoa(n)
	if err := home.Mkdir(tmp, 0o755); err != nil {
		return g, fmt.Errorf("installing generation %d: %w", n, err)
	}
	if err := s.fill(ctx, fill, home, tmp, &g); err != nil {
		home.RemoveAll(tmp)
		return g, fmt.Errorf("installing generation %d: %w", n, err)
	}
	return g, nil
}

// fill gives the Filler the path of a folder in home, on the way to which nobody else can change anything.
func (s Site) fill(ctx context.Context, put Filler, home *os.Root, tmp string, g *Generation) (err error) {
	dir := filepath.Join(home.Name(), tmp)
	if err := home.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := put(ctx, dir, *g); err != nil {
		return err
	}
	if g.trusting() {
		if err := linkTrust(home, tmp); err != nil {
			return err
		}
	}
	if g.GLIBC, err = elfpolicy.GLIBC(dir); err != nil {
		return err
	}
	if err := s.Runs(*g); err != nil {
		return err
	}
	if err := writeIndex(dir, *g); err != nil {
		return err
	}
	if err := save(home, tmp, *g); err != nil {
		return err
	}
	if err := errors.Join(fault.At("install: sync"), syncfs(home)); err != nil {
		return err
	}
	if err := fault.At("install: rename generation"); err != nil {
		return err
	}
	return home.Rename(tmp, strconv.Itoa(g.Number))
}

func (s Site) makeHome() (*os.Root, error) {
	if err := s.valid(); err != nil {
		return nil, err
	}
	return owned.Make(s.Root, filepath.Join(s.Base, ".tlsfloor", s.Profile))
}

func syncfs(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// save writes the record of g into the folder dir of home.
func save(home *os.Root, dir string, g Generation) error {
	b, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	in, err := owned.Inside(home, dir)
	if err != nil {
		return err
	}
	defer in.Close()
	return owned.ReplaceIn(in, "generation.json", append(b, '\n'), 0o644)
}

// Discard removes a generation that is not in use.
func (s Site) Discard(n int) error {
	if n == s.Current() {
		return fmt.Errorf("discarding generation %d: it is in use", n)
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	// Renamed first: a kill in the middle must not leave half a generation under its number.
	dead := unfinished + "discard-" + strconv.Itoa(n)
	if err := home.Rename(strconv.Itoa(n), dead); err != nil {
		return err
	}
	return home.RemoveAll(dead)
}

// Switch makes the generation that was proved the one in use, and notes in it which one was in use before,
// where `rollback` goes.
func (s Site) Switch(p Proved) error {
	if p.number == 0 || p.home != s.Home() {
		return fault.New(fault.Incomplete, "`verify -to=<number>` proves a generation", "switching in %s: no generation of it was proved", s.Home())
	}
	g, err := s.Generation(p.number)
	if err != nil {
		return err
	}
	if now := s.Current(); now != 0 && now != g.Number && exists(s.Dir(now)) {
		g.Before = now
		if err := s.save(g); err != nil {
			return err
		}
	}
	return s.put(p)
}

// put switches to what was proved: the links at the prefixes first, while they lead where `current` leads
// now, then the one rename that moves both.
func (s Site) put(p Proved) error {
	n := p.number
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	if err := s.Runs(g); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	// made before there were such links
	if _, err := home.Lstat(filepath.Join(strconv.Itoa(n), TrustLink)); g.trusting() && err != nil {
		if err := linkTrust(home, strconv.Itoa(n)); err != nil {
			return err
		}
	}
	if s.Current() == 0 { // nothing is in use yet: links made first would dangle
		err = errors.Join(point(home, n), s.ensureLinks())
	} else {
		err = errors.Join(s.ensureLinks(), point(home, n))
	}
	if err != nil {
		return err
	}
	return s.writeModule(g)
}

// save writes the record of a generation that is there.
func (s Site) save(g Generation) error {
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	return save(home, strconv.Itoa(g.Number), g)
}

// point moves `current` by one rename.
func point(home *os.Root, n int) error {
	if err := fault.At("install: switch"); err != nil {
		return err
	}
	tmp := unfinished + "current"
	home.Remove(tmp)
	if err := home.Symlink(strconv.Itoa(n), tmp); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	if info, err := home.Lstat("current"); err == nil && info.IsDir() { // a rename replaces everything else
		if err := aside(home, ".", "current", "current"); err != nil {
			return fmt.Errorf("switching to generation %d: %w", n, err)
		}
	}
	if err := home.Rename(tmp, "current"); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	return syncfs(home)
}

func (s Site) ensureLinks() error {
	base, err := s.base()
	if err != nil {
		return err
	}
	defer base.Close()
	for _, c := range s.components() {
		if target, err := base.Readlink(s.Prefixes[c]); err == nil && target == s.target(c) {
			continue
		}
		if err := fault.At("install: link " + c); err != nil {
			return err
		}
		var err error
		if s.strayed(c) {
			err = base.Remove(s.Prefixes[c])
		}
		if err = errors.Join(err, base.Symlink(s.target(c), s.Prefixes[c])); err != nil {
			return fault.New(fault.Failed, "`build -adopt` moves aside what stands there",
				"linking %s: %w", s.link(c), err)
		}
	}
	return nil
}

// Rollback switches to generation n, or with n == 0 to the one that was in use before the current, once its
// stored proof was judged again. It returns where it went.
func (s Site) Rollback(n int) (Generation, error) {
	now := s.Current()
	if now == 0 && n == 0 {
		return Generation{}, fault.New(fault.Failed,
			"`status` lists what is installed; `rollback -to=<number>` puts one of it in use",
			"rollback: profile %s has no generation in use below %s", s.Profile,
			filepath.Join(s.Root, s.Base))
	}
	if n == 0 {
		g, err := s.Generation(now)
		if err != nil {
			return g, fault.New(fault.Failed,
				"`rollback -to=<number>` names another; `build` puts the right one in use",
				"rollback: nobody knows what was in use before: %w", err)
		}
		if n = g.Before; n == 0 {
			return g, fault.New(fault.Failed, "`status` lists the generations that are there", "rollback: no generation of %s was in use before %d", s.Profile, now)
		}
	}
	g, err := s.Generation(n)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no generation %d of %s", n, s.Profile)
	}
	if err != nil {
		return g, fault.New(fault.Usage, "`status` lists the generations that are there", "rollback: %w", err)
	}
	p, err := s.again(g)
	if err != nil {
		return g, fault.New(fault.CodeOf(err), fault.HintOf(err), "rollback: %w", err)
	}
	return g, s.put(p)
}

// next returns the number after the highest that was ever visible.
func (s Site) next() (int, error) {
	all, err := s.Generations()
	if err != nil || len(all) == 0 {
		return 1, err
	}
	return all[len(all)-1].Number + 1, nil
}

// Profiles lists the profiles that have generations below base, sorted.
func Profiles(root, base string) ([]string, error) {
	entries, err := os.ReadDir(Site{Root: root, Base: base}.path(".tlsfloor"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || e.Name() == filepath.Base(Modules) {
			continue
		}
		all, err := Site{Root: root, Base: base, Profile: e.Name()}.Generations()
		if err != nil || len(all) > 0 { // else an installation was stopped
			names = append(names, e.Name())
		}
	}
	return names, err
}
