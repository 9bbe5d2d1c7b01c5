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

	"github.com/tlsfloor/tlsfloor/internal/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/store"
)

const unfinished = ".new-"

// Filler puts the trees of a generation into its new folder dir, each in a folder by the name of its component and beside that its
// list, <component>.tree, having held all bytes against the components' Outputs.
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
				err = replaceFile(filepath.Join(dir, name+".tree"), tree)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// Stage writes the trees of g as a new generation that nothing points to yet, and returns it with its number.
func (s Site) Stage(ctx context.Context, fill Filler, g Generation) (Generation, error) {
	if err := s.sweep(); err != nil {
		return g, err
	}
	n, err := s.next()
	if err != nil {
		return g, err
	}
	g.Number = n
	tmp := filepath.Join(s.Home(), unfinished+strconv.Itoa(n))
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return g, fmt.Errorf("installing generation %d: %w", n, err)
	}
	if err := s.fill(ctx, fill, tmp, &g); err != nil {
		os.RemoveAll(tmp)
		return g, fmt.Errorf("installing generation %d: %w", n, err)
	}
	return g, nil
}

func (s Site) fill(ctx context.Context, put Filler, tmp string, g *Generation) (err error) {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := put(ctx, tmp, *g); err != nil {
		return err
	}
	if g.trusting() {
		if err := linkTrust(tmp); err != nil {
			return err
		}
	}
	if g.GLIBC, err = elfpolicy.GLIBC(tmp); err != nil {
		return err
	}
	if err := s.Runs(*g); err != nil {
		return err
	}
	if err := writeIndex(tmp, *g); err != nil {
		return err
	}
	if err := s.save(tmp, *g); err != nil {
		return err
	}
	if err := errors.Join(fault.At("install: sync"), syncfs(tmp)); err != nil {
		return err
	}
	if err := fault.At("install: rename generation"); err != nil {
		return err
	}
	return os.Rename(tmp, s.Dir(g.Number))
}

func syncfs(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

func (s Site) save(dir string, g Generation) error {
	b, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, "generation.json"), append(b, '\n'))
}

// replaceFile swaps the file at path for one with the bytes b, which are on the disk before the name leads to them.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return err
	}
	if err = fault.At("install: write " + filepath.Base(path)); err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Discard removes a generation that is not in use.
func (s Site) Discard(n int) error {
	if n == s.Current() {
		return fmt.Errorf("discarding generation %d: it is in use", n)
	}
	// Renamed first: a kill in the middle must not leave half a generation under its number.
	dead := filepath.Join(s.Home(), unfinished+"discard-"+strconv.Itoa(n))
	if err := os.Rename(s.Dir(n), dead); err != nil {
		return err
	}
	return os.RemoveAll(dead)
}

// Switch makes the generation that was proved the one in use, and notes in it which one was in use before, where `rollback` goes.
func (s Site) Switch(p Proved) error {
	if p.number == 0 || p.home != s.Home() {
		return fault.New(fault.Incomplete, "`verify -to=<number>` proves a generation", "switching in %s: no generation of it was proved", s.Home())
	}
	g, err := s.Generation(p.number)
	if err != nil {
		return err
	}
	if now := s.Current(); now != 0 && now != g.Number {
		g.Before = now
		if err := s.save(s.Dir(g.Number), g); err != nil {
			return err
		}
	}
	return s.put(p)
}

// put switches to what was proved: the links at the prefixes first, while they lead where `current` leads now, then the one rename that
// moves both.
func (s Site) put(p Proved) error {
	n := p.number
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	if err := s.Runs(g); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	if g.trusting() && !exists(filepath.Join(s.Dir(n), TrustLink)) { // made before there were such links
		if err := linkTrust(s.Dir(n)); err != nil {
			return err
		}
	}
	if s.Current() == 0 { // nothing is in use yet: links made first would dangle
		err = errors.Join(s.point(n), s.ensureLinks())
	} else {
		err = errors.Join(s.ensureLinks(), s.point(n))
	}
	if err != nil {
		return err
	}
	return s.writeModule(g)
}

// point moves `current` by one rename.
func (s Site) point(n int) error {
	if err := fault.At("install: switch"); err != nil {
		return err
	}
	tmp := filepath.Join(s.Home(), unfinished+"current")
	os.Remove(tmp)
	if err := os.Symlink(strconv.Itoa(n), tmp); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	if err := os.Rename(tmp, filepath.Join(s.Home(), "current")); err != nil {
		return fmt.Errorf("switching to generation %d: %w", n, err)
	}
	return syncfs(s.Home())
}

func (s Site) ensureLinks() error {
	for _, c := range s.components() {
		path := s.link(c)
		if target, err := os.Readlink(path); err == nil && target == s.target(c) {
			continue
		}
		if err := fault.At("install: link " + c); err != nil {
			return err
		}
		if err := os.Symlink(s.target(c), path); err != nil {
			return fmt.Errorf("linking %s: %w", path, err)
		}
	}
	return nil
}

// Rollback switches to generation n, or with n == 0 to the one that was in use before the current, once its stored proof was judged again. It
// returns where it went.
func (s Site) Rollback(n int) (Generation, error) {
	now := s.Current()
	if now == 0 {
		return Generation{}, fault.New(fault.Failed, "`status` lists what is installed", "rollback: profile %s has no generation in use below %s", s.Profile, filepath.Join(s.Root, s.Base))
	}
	if n == 0 {
		g, err := s.Generation(now)
		if err != nil {
			return g, err
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

// sweep removes what a killed installation left.
func (s Site) sweep() error { return removeUnfinished(s.Home()) }
