package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// canary is a folder of the machine that nothing may change: some of its files have the names that tlsfloor
// writes and removes.
type canary struct {
	dir    string
	before string
}

func newCanary(t *testing.T) canary {
	t.Helper()
	c := canary{dir: t.TempDir()}
	for _, name := range []string{"cert.pem", "trust.json", "lock", "openssl", "python", "bin/python",
		"bin/openssl", "ssl/cert.pem", "1/generation.json", "current/x", "p/lock", "index"} {
		path := filepath.Join(c.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path,
			[]byte("the machine's"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c.before = listing(t, c.dir)
	return c
}

func (c canary) unharmed(t *testing.T, what string) {
	t.Helper()
	if after := listing(t, c.dir); after != c.before {
		t.Errorf("%s: the machine's files were\n%sand are\n%s", what, c.before, after)
	}
}

// listing is everything below dir, but for times of folders.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		text, _ := os.ReadFile(path)
		target, _ := os.Readlink(path)
		info, err := d.Info()
		fmt.Fprintf(&b, "%s %s %s %q\n", strings.TrimPrefix(path, dir), info.Mode(), target, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// writers is everything that a target does to a site with the generations 1 and 2, of which 2 is in use.
var writers = map[string]func(w world) error{
	"build: ready": func(w world) error { return w.Ready(false) },
	"lock": func(w world) error {
		unlock, err := w.Lock(context.Background(), nil)
		done(unlock)
		return err
	},
	"build: stage": func(w world) error {
		_, err := w.Stage(context.Background(), FromStore(w.st), w.generation("three"))
		return err
	},
	"build: switch": func(w world) error { return w.use(Generation{Number: 1, Components: w.components(1)}) },
	"discard":       func(w world) error { return w.Discard(1) },
	"rollback":      func(w world) error { _, err := w.Rollback(1); return err },
	"uninstall":     func(w world) error { _, err := w.Uninstall(context.Background()); return err },
	"trust: set": func(w world) error {
		_, err := w.SetTrust(Trust{Mode: "host", Anchors: anchor(w.t, cacerts.Site, "x")})
		return err
	},
	"trust: repair": func(w world) error { return w.RepairTrust(2) },
	"repair": func(w world) error {
		return w.Repair(context.Background(), w.st, 2, []string{"openssl/bin", "openssl/bin/openssl",
			"python/bin/python"})
	},
	"reindex": func(w world) error { return w.Reindex(2) },
	"note":    func(w world) error { return w.NoteDowngrade(2, "newer") },
	"adopt":   func(w world) error { _, err := w.Adopt(time.Now()); return err },
	"module: write": func(w world) error {
		g, err := w.Generation(2)
		return errors.Join(err, w.writeModule(g))
	},
	"module: removed": func(w world) error { return w.removeModule() },
}

func done(unlock func()) {
	if unlock != nil {
		unlock()
	}
}

func (w world) components(n int) map[string]Component {
	g, err := w.Generation(n)
	if err != nil {
		return nil
	}
	return g.Components
}

// two makes worlds with the generations 1 and 2: copies of one that is made once for each test, as that
// takes long.
func two(t *testing.T) func() world {
	t.Helper()
	made := newWorld(t)
	for _, text := range []string{"one", "two"} {
		made.install(text)
	}
	if _, err := made.SetTrust(Trust{Mode: "host", Anchors: anchor(t, cacerts.Site, "ours")}); err != nil {
		t.Fatal(err)
	}
	return func() world {
		w := made
		dir := t.TempDir()
		if out, err := exec.Command("cp", "-a", made.Base, made.st.Dir(), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.Base = filepath.Join(dir, "opt")
		st, err := store.Open(filepath.Join(dir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		w.st = st
		return w
	}
}

// TestStrangersFoldersAreRefused has each target work where somebody else owns, or may write to, one folder
// on the way.
func TestStrangersFoldersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving folders to somebody else needs root")
	}
	const stranger = 1000
	folders := map[string]func(w world) string{
		"above the base": func(w world) string { return filepath.Dir(w.Base) },
		"the base":       func(w world) string { return w.Base },
		"state":          func(w world) string { return filepath.Join(w.Base, ".tlsfloor") },
		"the profile's":  func(w world) string { return w.Home() },
	}
	hostile := map[string]func(dir string) error{
		"owned by another": func(dir string) error { return os.Chown(dir, stranger, stranger) },
		"open to all":      func(dir string) error { return os.Chmod(dir, 0o777) },
		"open to the group": func(dir string) error {
			return errors.Join(os.Chown(dir, 0, stranger),
				os.Chmod(dir, 0o775))
		},
		"sticky of another": func(dir string) error {
			return errors.Join(os.Chown(dir, stranger, 0), os.Chmod(dir, os.ModeSticky|0o777))
		},
	}
	fresh := two(t)
	for target, do := range writers {
		if target == "adopt" { // without folders at the prefixes it has nothing to do
			continue
		}
		if err := do(fresh()); err != nil {
			t.Errorf("%s, where all is root's: %v", target, err)
		}
		for where, folder := range folders {
			if strings.HasPrefix(target, "module:") && where == "the profile's" {
				continue
			}
			w := fresh()
			for how, open := range hostile {
				if err := open(folder(w)); err != nil {
					t.Fatal(err)
				}
				before := listing(t, w.Base)
				err := do(w)
				if err == nil || fault.HintOf(err) == "" || !strings.Contains(err.Error(), folder(w)) {
					t.Errorf("%s, %s %s: %v (hint %q)", target, where, how, err, fault.HintOf(err))
				}
				if after := listing(t, w.Base); after != before {
					t.Errorf("%s, %s %s: it wrote", target, where, how)
				}
				if err := errors.Join(os.Chown(folder(w), 0, 0), os.Chmod(folder(w), 0o755)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestStrangersLinkIsRefused reaches a folder of root's through a link that somebody else put into a sticky
// folder.
func TestStrangersLinkIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving links to somebody else needs root")
	}
	w := two(t)()
	sticky := t.TempDir()
	link := filepath.Join(sticky, "opt")
	if err := errors.Join(os.Chmod(sticky, os.ModeSticky|0o777), os.Symlink(w.Base, link)); err != nil {
		t.Fatal(err)
	}
	real := w.Base
	w.Base = link
	if err := w.Ready(false); err != nil && !strings.Contains(err.Error(), "another profile") {
		t.Errorf("a link of root's: %v", err)
	}
	if err := os.Lchown(link, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	for target, do := range writers {
		before := listing(t, real)
		if err := do(w); target != "adopt" && (err == nil || !strings.Contains(err.Error(), "link "+link)) {
			t.Errorf("%s: %v", target, err)
		}
		if listing(t, real) != before {
			t.Errorf("%s: it wrote", target)
		}
	}
}

// TestAdoptInAStrangersFolder has folders at the prefixes, which adopting would move.
func TestAdoptInAStrangersFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving folders to somebody else needs root")
	}
	w := newWorld(t)
	w.plant()
	if err := os.Chown(w.Base, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	before := listing(t, w.Base)
	if _, err := w.Adopt(time.Now()); err == nil || !strings.Contains(err.Error(),
		"owned by user 1000") || listing(t, w.Base) != before {
		t.Errorf("%v", err)
	}
}

// TestLinksInATreeLeadNowhere plants links into an installed generation: nothing is removed or written
// behind them.
func TestLinksInATreeLeadNowhere(t *testing.T) {
	fresh := two(t)
	for _, place := range []string{"2/python", "2/python/bin", "2/openssl", "2/openssl/ssl",
		"2/openssl/bin/openssl", "2", "current", "trust", "trust/cert.pem", "trust/trust.json", "lock",
		"2/generation.json", "2/index", "2/proof.json", "2/python.tree"} {
		for target, do := range writers {
			w, c := fresh(), newCanary(t)
			path := filepath.Join(w.Home(), place)
			if err := errors.Join(os.RemoveAll(path), os.Symlink(c.dir, path)); err != nil {
				t.Fatal(err)
			}
			err := do(w)
			c.unharmed(t, fmt.Sprintf("%s, with a link at %s (%v)", target, place, err))
		}
	}
}

// TestUninstallLeavesWhatIsBehindALink names the link, as it was not installed, and takes the rest away.
func TestUninstallLeavesWhatIsBehindALink(t *testing.T) {
	w, c := two(t)(), newCanary(t)
	link := filepath.Join(w.Dir(2), "python", "bin")
	if err := errors.Join(os.RemoveAll(link), os.Symlink(filepath.Join(c.dir, "bin"), link)); err != nil {
		t.Fatal(err)
	}
	left, err := w.Uninstall(t.Context())
	if err != nil || !slices.Equal(left, []string{link}) {
		t.Errorf("left is %v, %v", left, err)
	}
	c.unharmed(t, "uninstall")
}

// TestRepairReplacesALinkedFolder puts the folder back and never writes through the link.
func TestRepairReplacesALinkedFolder(t *testing.T) {
	fresh := two(t)
	for _, name := range []string{"python", "python/bin"} {
		w, c := fresh(), newCanary(t)
		link := filepath.Join(w.Dir(2), name)
		if err := errors.Join(os.RemoveAll(link), os.Symlink(c.dir, link)); err != nil {
			t.Fatal(err)
		}
		altered, _, err := w.Altered(t.Context(), 2, true)
		if err != nil || len(altered) == 0 {
			t.Fatalf("%s: altered %v, %v", name, altered, err)
		}
		if err := w.Repair(t.Context(), w.st, 2, altered); err != nil || w.serves() != "two" {
			t.Errorf("%s: %v, serves %q", name, err, w.serves())
		}
		c.unharmed(t, "repairing "+name)
	}
}

// TestTextsOfARecordAreNames plants texts that would be other paths, or Tcl, where they are used.
func TestTextsOfARecordAreNames(t *testing.T) {
	c, fresh := newCanary(t), two(t)
	bad := []string{"", ".", "..", "../../../../../.." + c.dir + "/evil", "a/b", "a\nb", "a\x1b[2J",
		"3 [exec touch " + c.dir + "/evil]", "$x", `a"b`, "-rf", strings.Repeat("9", 101)}
	plants := map[string]func(g *Generation, text string){
		"version": func(g *Generation, text string) {
			one := g.Components["python"]
			one.Version = text
			g.Components["python"] = one
		},
		"prefix": func(g *Generation, text string) {
			one := g.Components["python"]
			one.Prefix = "/opt/" + text
			g.Components["python"] = one
		},
		"component": func(g *Generation, text string) { g.Components[text] = g.Components["python"] },
		"profile":   func(g *Generation, text string) { g.Profile = text },
	}
	for what, plant := range plants {
		for _, text := range bad {
			// no profile is said; a path of names
			if what == "profile" && text == "" || what == "prefix" && (text == "a/b" || text == ".." ||
				text == ".") {
				continue
			}
			w := fresh()
			g, err := w.Generation(1)
			if err != nil {
				t.Fatal(err)
			}
			plant(&g, text)
			record, err := json.Marshal(g)
			if err == nil {
				err = os.WriteFile(filepath.Join(w.Dir(1), "generation.json"), record, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Rollback(1); err == nil || w.Current() != 2 {
				t.Errorf("%s %q: rolled back, %v", what, text, err)
			}
			if _, err := w.Stage(t.Context(), FromStore(w.st), g); err == nil {
				t.Errorf("%s %q: staged", what, text)
			}
			if _, err := Module(g); err == nil && what != "component" {
				t.Errorf("%s %q: a modulefile says it", what, text)
			}
			if all, err := w.Generations(); err != nil || all[0].Broken == "" {
				t.Errorf("%s %q: it is listed as %+v, %v", what, text, all[0], err)
			}
			if site, err := Installed("", w.Base, w.Profile); err == nil {
				if _, err := site.Uninstall(t.Context()); err != nil {
					t.Errorf("%s %q: such a site cannot be uninstalled: %v", what, text, err)
				}
			}
			c.unharmed(t, what)
		}
	}
	for _, profile := range bad {
		if _, err := Installed("", t.TempDir(), profile); err == nil || fault.CodeOf(err) != fault.Failed {
			t.Errorf("profile %q: %v", profile, err)
		}
	}
}
