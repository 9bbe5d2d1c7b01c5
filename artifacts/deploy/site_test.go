package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// world is a site with a store.
type world struct {
	Site
	st *store.Store
	t  *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "opt")
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	return world{Site{Base: base, Profile: "p", Prefixes: map[string]string{"openssl": "openssl-with-p", "python": "python-with-p"}}, st, t}
}

// generation stages a generation whose files say which one it is.
func (w world) generation(text string) Generation {
	w.t.Helper()
	g := Generation{Profile: w.Profile, Created: time.Unix(0, 0), Components: map[string]Component{}}
	for _, c := range []string{"openssl", "python"} {
		src := filepath.Join(w.t.TempDir(), c)
		if err := os.MkdirAll(filepath.Join(src, "bin"), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, "bin", c), []byte(text), 0o755); err != nil {
			w.t.Fatal(err)
		}
		output, err := w.st.AddTree(context.Background(), src)
		if err != nil {
			w.t.Fatal(err)
		}
		g.Components[c] = Component{Version: text, Prefix: w.Prefix(c), Output: output}
	}
	return g
}

func (w world) install(text string) Generation {
	w.t.Helper()
	release, err := w.Lock(context.Background(), func() {})
	if err != nil {
		w.t.Fatal(err)
	}
	defer release()
	g, err := w.Stage(context.Background(), FromStore(w.st), w.generation(text))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.use(g); err != nil {
		w.t.Fatal(err)
	}
	return g
}

// serves returns what both prefixes show, "" when one shows nothing and "torn" when they differ.
func (w world) serves() string {
	a, err := os.ReadFile(filepath.Join(w.Prefix("openssl"), "bin", "openssl"))
	if err != nil {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(w.Prefix("python"), "bin", "python"))
	if err != nil {
		return ""
	}
	if string(a) != string(b) {
		return "torn"
	}
	return string(a)
}

func TestSwitchAndRollback(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"one", "two", "three"} {
		w.install(text)
		if got := w.serves(); got != text {
			t.Fatalf("after installing %s the prefixes serve %q", text, got)
		}
	}
	for _, step := range []struct {
		to   int
		want string
	}{{0, "two"}, {0, "one"}, {3, "three"}, {0, "two"}} {
		if _, err := w.Rollback(step.to); err != nil || w.serves() != step.want {
			t.Fatalf("rollback to %d serves %q, %v; want %q", step.to, w.serves(), err, step.want)
		}
	}
	if _, err := w.Rollback(9); err == nil || fault.HintOf(err) == "" {
		t.Errorf("rollback to a generation that is not there: %v", err)
	}
	if _, err := w.Rollback(1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Rollback(0); err == nil {
		t.Error("rollback before the first generation succeeded")
	}
	if err := w.Discard(1); err == nil {
		t.Error("the generation in use was discarded")
	}
	if target, err := os.Readlink(w.Prefix("python")); err != nil || filepath.IsAbs(target) {
		t.Errorf("the link at the prefix is %q, %v: an image's root needs it relative", target, err)
	}
}

// TestStoppedAnywhere stops an installation at each of its points, as a kill would, and looks at the
// prefixes.
func TestStoppedAnywhere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	dead := errors.New("killed")
	for _, first := range []bool{true, false} {
		for n := 1; ; n++ {
			w := newWorld(t)
			old := ""
			if !first {
				w.install("old")
				old = "old"
			}
			g := w.generation("new")
			count := 0
			fault.Inject = func(string) error {
				if count++; count == n {
					return dead
				}
				return nil
			}
			staged, err := w.Stage(context.Background(), FromStore(w.st), g)
			if err == nil {
				err = w.use(staged)
			}
			fault.Inject = nil
			if got := w.serves(); got != old && got != "new" {
				t.Fatalf("stopped at point %d: the prefixes serve %q, not %q or new", n, got, old)
			}
			if err == nil {
				if n < 5 {
					t.Fatalf("only %d points: the test stops nothing", n)
				}
				break
			}
			if !errors.Is(err, dead) {
				t.Fatal(err)
			}
			w.install("again")
			if got := w.serves(); got != "again" {
				t.Fatalf("after a stop at point %d the next installation serves %q", n, got)
			}
			if left, _ := filepath.Glob(filepath.Join(w.Home(), unfinished+"*")); len(left) > 0 {
				t.Errorf("stopped at point %d: %v was left", n, left)
			}
		}
	}
}

// plant makes real folders at the prefixes, as the guide's script does.
func (w world) plant() {
	w.t.Helper()
	for _, c := range []string{"openssl", "python"} {
		dir := filepath.Join(w.Prefix(c), "bin")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, c), []byte("by hand"), 0o755)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestRealFoldersAreRefusedOrAdopted(t *testing.T) {
	w := newWorld(t)
	w.plant()
	if err := w.Ready(false); err == nil || !strings.Contains(fault.HintOf(err), "-adopt") {
		t.Fatalf("real folders at the prefixes: %v, hint %q", err, fault.HintOf(err))
	}
	if err := w.Ready(true); err != nil {
		t.Fatal(err)
	}
	// As `build -adopt` does: the new generation is staged and proved before the old folders are touched.
	g, err := w.Stage(context.Background(), FromStore(w.st), w.generation("new"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Adopt(time.Now()); err != nil || w.serves() != "by hand" {
		t.Fatalf("after adopting, the prefixes serve %q, %v", w.serves(), err)
	}
	if err := w.use(g); err != nil || w.serves() != "new" {
		t.Fatalf("after the switch, the prefixes serve %q, %v", w.serves(), err)
	}
	if g, err := w.Rollback(0); err != nil || !g.Adopted || w.serves() != "by hand" {
		t.Fatalf("rollback gave %+v, %v and serves %q", g, err, w.serves())
	}
	if err := w.Ready(false); err != nil {
		t.Errorf("after adopting: %v", err)
	}
}

func TestAdoptStoppedAnywhere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	for n := 1; ; n++ {
		w := newWorld(t)
		w.plant()
		count := 0
		fault.Inject = func(string) error {
			if count++; count == n {
				panic("killed") // unlike an error, a kill undoes nothing
			}
			return nil
		}
		killed := func() (killed bool) {
			defer func() { killed = recover() != nil }()
			if _, err := w.Adopt(time.Now()); err != nil {
				t.Fatal(err)
			}
			return false
		}()
		fault.Inject = nil
		if got := w.serves(); got != "by hand" {
			t.Fatalf("killed at point %d: the prefixes serve %q", n, got)
		}
		if _, err := w.Adopt(time.Now()); err != nil || len(w.Blocked()) > 0 {
			t.Fatalf("adopting after a kill at point %d: %v, blocked %v", n, err, w.Blocked())
		}
		w.install("new")
		if _, err := w.Rollback(0); err != nil || w.serves() != "by hand" {
			t.Fatalf("rollback after a kill at point %d: %v, serves %q", n, err, w.serves())
		}
		if !killed {
			if n < 4 {
				t.Fatalf("only %d points: the test kills nothing", n)
			}
			return
		}
	}
}

func TestAdoptErrorPutsBack(t *testing.T) {
	defer func() { fault.Inject = nil }()
	w := newWorld(t)
	w.plant()
	fault.Inject = func(at string) error {
		if at == "install: exchange python" {
			return errors.New("no")
		}
		return nil
	}
	if _, err := w.Adopt(time.Now()); err == nil {
		t.Fatal("no error")
	}
	fault.Inject = nil
	if len(w.Blocked()) != 2 || w.serves() != "by hand" || w.Current() != 0 {
		t.Errorf("blocked %v, serves %q, current %d", w.Blocked(), w.serves(), w.Current())
	}
}

func TestReadyWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; the script not-root.txtar tries it as an ordinary user")
	}
	w := newWorld(t)
	if err := os.Chmod(w.Base, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(false); err == nil || !strings.Contains(err.Error(), "no write permission") {
		t.Errorf("a base that cannot be written: %v", err)
	}
}

func TestAlteredIsFoundAndRepaired(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	file := filepath.Join(w.Dir(g.Number), "python", "bin", "python")
	ctx := context.Background()
	if altered, _, err := w.Altered(ctx, g.Number, false); err != nil || len(altered) > 0 {
		t.Fatalf("fresh generation: %v, %v", altered, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	// Each fault keeps the file's size and puts its time stamp back.
	for name, do := range map[string]func() error{
		"edited":   func() error { return os.WriteFile(file, []byte("0ne"), 0o755) },
		"mode":     func() error { return os.Chmod(file, 0o644) },
		"missing":  func() error { return os.Remove(file) },
		"a folder": func() error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o755)) },
		"a link":   func() error { return errors.Join(os.Remove(file), os.Symlink("/bin/sh", file)) },
		"owner":    func() error { return os.Chown(file, 65534, 65534) },
	} {
		if name == "owner" && os.Geteuid() != 0 {
			continue
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); err == nil && name != "a link" {
			if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}
		altered, _, err := w.Altered(ctx, g.Number, false)
		if err != nil || !slices.Equal(altered, []string{"python/bin/python"}) {
			t.Fatalf("%s: altered %v, %v", name, altered, err)
		}
		if err := w.Repair(ctx, w.st, g.Number, altered); err != nil || w.serves() != "one" {
			t.Fatalf("%s: repaired serves %q, %v", name, w.serves(), err)
		}
	}
	folder := filepath.Dir(file)
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	altered, _, err := w.Altered(ctx, g.Number, false)
	if err != nil || !slices.Equal(altered, []string{"python/bin"}) {
		t.Fatalf("an open folder: altered %v, %v", altered, err)
	}
	if err := w.Repair(ctx, w.st, g.Number, altered); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("an open folder is repaired to %v, %v", info.Mode(), err)
	}
	now := time.Now()
	if err := os.Chtimes(file, now, now); err != nil {
		t.Fatal(err)
	}
	altered, touched, err := w.Altered(ctx, g.Number, false)
	if err != nil || len(altered) > 0 || !slices.Equal(touched, []string{"python/bin/python"}) {
		t.Errorf("touched but equal: altered %v, touched %v, %v", altered, touched, err)
	}
	if err := w.Reindex(g.Number); err != nil {
		t.Fatal(err)
	}
	if _, touched, err := w.Altered(ctx, g.Number, false); err != nil || len(touched) > 0 {
		t.Errorf("after a new index: touched %v, %v", touched, err)
	}
}

func TestUserPackagesAreListed(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	site := filepath.Join(w.Dir(g.Number), "python", "lib", "python3.13", "site-packages")
	if err := os.MkdirAll(filepath.Join(site, "boto3-1.2.3.dist-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := w.UserPackages(g.Number); err != nil || !slices.Equal(got, []string{"boto3-1.2.3"}) {
		t.Errorf("packages %v, %v", got, err)
	}
	w.install("two")
	if _, err := os.Stat(filepath.Join(site, "boto3-1.2.3.dist-info")); err != nil {
		t.Errorf("a switch deleted the user's package: %v", err)
	}
}

func TestImageRoot(t *testing.T) {
	w := newWorld(t)
	root := t.TempDir()
	w.Site.Root, w.Site.Base = root, "/opt"
	w.install("one")
	if _, err := os.ReadFile(filepath.Join(root, "opt", "python-with-p", "bin", "python")); err != nil {
		t.Errorf("the link in the image does not lead into the image: %v", err)
	}
}

func TestBrokenGenerationIsListed(t *testing.T) {
	w := newWorld(t)
	w.install("one")
	w.install("two")
	if err := os.Truncate(filepath.Join(w.Dir(1), "generation.json"), 5); err != nil {
		t.Fatal(err)
	}
	all, err := w.Generations()
	if err != nil || len(all) != 2 || all[0].Broken == "" || all[1].Broken != "" {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := w.Rollback(0); err == nil || w.serves() != "two" {
		t.Errorf("rollback to a broken generation: %v, serves %q", err, w.serves())
	}
	w.install("three")
}

func TestReadyRefusesWhatOthersCanChange(t *testing.T) {
	w := newWorld(t)
	if err := os.Chmod(w.Base, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(false); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("an open base: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := errors.Join(os.Chmod(w.Base, 0o755), os.MkdirAll(w.Home(), 0o755), os.Chown(w.Home(), 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(false); err == nil || !strings.Contains(err.Error(), "not by root") {
		t.Errorf("another user's folder: %v", err)
	}
}

func TestMissingLinkIsSeen(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	if !w.Linked() {
		t.Fatal("fresh, and not linked")
	}
	if err := os.Remove(w.Prefix("python")); err != nil {
		t.Fatal(err)
	}
	if w.Linked() {
		t.Error("a missing link is not seen")
	}
	if err := w.use(g); err != nil || !w.Linked() || w.serves() != "one" {
		t.Errorf("switching again: %v, serves %q", err, w.serves())
	}
}

func TestPrefixOfAnotherProfile(t *testing.T) {
	w := newWorld(t)
	w.install("one")
	other := w.Site
	other.Profile = "q"
	for _, adopt := range []bool{false, true} {
		if err := other.Ready(adopt); err == nil || !strings.Contains(err.Error(), "another profile") {
			t.Errorf("adopt %v: %v", adopt, err)
		}
	}
}
