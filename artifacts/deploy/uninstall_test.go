package deploy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// under lists everything below the base.
func (w world) under() (names []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.Base, func(path string, _ fs.DirEntry, err error) error {
		if path != w.Base {
			names = append(names, strings.TrimPrefix(path, w.Base+"/"))
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

func (w world) locked(do func()) {
	w.t.Helper()
	unlock, err := w.Lock(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer unlock()
	do()
}

func TestUninstallLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.install("one")
	w.setTrust(anchor(t, cacerts.Site, "ours"))
	w.install("two")
	site, err := Installed("", w.Base, w.Profile)
	if err != nil || len(site.Prefixes) != 2 {
		t.Fatalf("%+v, %v", site, err)
	}
	w.goes(site)
	if _, err := Installed("", w.Base, w.Profile); err == nil || fault.HintOf(err) == "" {
		t.Errorf("nothing is there: %v", err)
	}
}

// goes uninstalls the site: nothing may be left.
func (w world) goes(site Site) {
	w.t.Helper()
	w.locked(func() {
		if left, err := site.Uninstall(w.t.Context()); err != nil || len(left) > 0 {
			w.t.Errorf("left %v, %v", left, err)
		}
	})
	if names := w.under(); len(names) > 0 {
		w.t.Errorf("below the base: %v", names)
	}
}

func TestUninstallKeepsWhatIsNotOurs(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	mine := filepath.Join(w.Dir(g.Number), "python", "bin", "mine")
	other := filepath.Join(w.Base, "python-with-other")
	edited := filepath.Join(w.Dir(g.Number), "python", "bin", "python")
	if err := errors.Join(os.WriteFile(mine, nil, 0o644), os.Mkdir(other, 0o755), os.WriteFile(edited, []byte("edited"), 0o755)); err != nil {
		t.Fatal(err)
	}
	link := w.Prefix("openssl") // somebody has put a folder of their own in our link's place
	if err := errors.Join(os.Remove(link), os.Mkdir(link, 0o755)); err != nil {
		t.Fatal(err)
	}
	w.locked(func() {
		if left, err := w.Uninstall(t.Context()); err != nil || !slices.Equal(left, []string{mine}) {
			t.Errorf("left %v, %v", left, err)
		}
	})
	for _, path := range []string{mine, other, link} {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	if exists(edited) {
		t.Error("a file of ours is left because it was edited")
	}
}

func TestUninstallGivesBackWhatWasAdopted(t *testing.T) {
	w := newWorld(t)
	was := filepath.Join(w.Prefix("python"), "bin", "python")
	if err := errors.Join(os.MkdirAll(filepath.Dir(was), 0o755), os.WriteFile(was, []byte("theirs"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Adopt(time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	w.install("one")
	w.locked(func() {
		if left, err := w.Uninstall(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	})
	if text, err := os.ReadFile(was); err != nil || string(text) != "theirs" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Lstat(w.Prefix("python")); err != nil || !info.IsDir() || exists(filepath.Join(w.Base, ".tlsfloor")) {
		t.Errorf("%v, %v: %v", info, err, w.under())
	}
}

// TestUninstallStoppedAnywhere stops it at each of its points: the next one finishes.
func TestUninstallStoppedAnywhere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	for n := 1; ; n++ {
		w := newWorld(t)
		w.install("one")
		w.setTrust(anchor(t, cacerts.Site, "ours"))
		w.install("two")
		count := 0
		fault.Inject = func(at string) error {
			if count++; count == n {
				return errors.New("stopped at " + at)
			}
			return nil
		}
		var err error
		w.locked(func() { _, err = w.Uninstall(t.Context()) })
		fault.Inject = nil
		if err == nil {
			if n < 8 {
				t.Fatalf("only %d points: the test stops nothing", n)
			}
			return
		}
		w.locked(func() {
			if left, err := w.Uninstall(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("point %d: left %v, %v", n, left, err)
			}
		})
		if names := w.under(); len(names) > 0 {
			t.Fatalf("point %d: below the base: %v", n, names)
		}
	}
}

// TestUninstallWithoutRecords removes generations whose records are damaged: their lists of files, and the
// links, say what is ours.
func TestUninstallWithoutRecords(t *testing.T) {
	w := newWorld(t)
	for i, text := range []string{"", "{", "one"} {
		g := w.install(string(rune('a' + i)))
		if text != "one" {
			if err := os.WriteFile(filepath.Join(w.Dir(g.Number), "generation.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	last := filepath.Join(w.Dir(w.Current()), "generation.json")
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	site, err := Installed("", w.Base, w.Profile)
	if err != nil || len(site.Prefixes) != 2 {
		t.Fatalf("%+v, %v", site, err)
	}
	w.goes(site)
}

// TestLeftIsNoGeneration tells files of somebody's that an uninstallation has left from a generation that is
// broken.
func TestLeftIsNoGeneration(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	mine := filepath.Join(w.Dir(g.Number), "python", "bin", "mine")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.locked(func() {
		if left, err := w.Uninstall(t.Context()); err != nil || !slices.Equal(left, []string{mine}) {
			t.Errorf("left %v, %v", left, err)
		}
	})
	if all, err := w.Generations(); err != nil || len(all) != 1 || !all[0].Left {
		t.Errorf("%+v, %v", all, err)
	}
	if next := w.install("two"); next.Number == g.Number || !exists(mine) {
		t.Errorf("a new one is number %d", next.Number)
	}
}

// TestUninstallTakesTheLockWithIt has a second wait for the lock that an uninstallation removes: a third
// must not get in beside it.
func TestUninstallTakesTheLockWithIt(t *testing.T) {
	w := newWorld(t)
	first, err := w.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	waiting, got := make(chan bool), make(chan func())
	go func() {
		second, err := w.Lock(context.Background(), func() { close(waiting) })
		if err != nil {
			t.Error(err)
		}
		got <- second
	}()
	<-waiting
	if _, err := w.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	first()
	second := <-got
	defer second()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	third, err := w.Lock(ctx, nil)
	if err == nil {
		third()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the third, while the second holds it: %v", err)
	}
}
