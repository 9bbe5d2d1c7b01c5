package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
)

// pool is a suite of Debian's that packages are taken from without being installed: apt with lists and a
// cache of its own, which checks signatures as ever.
type pool struct {
	dir     string
	options []string
	modules map[string]string // folders of modules that were unpacked, by the packages
}

// pools are those that were made: a suite's lists are fetched once. They end with the program that the tests
// run.
var pools = map[string]*pool{}

func newPool(t *testing.T, suite string) *pool {
	t.Helper()
	if p := pools[suite]; p != nil {
		return p
	}
	const keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
	bases, err := fetch.HostApt{}.Bases(context.Background())
	if _, statErr := os.Stat(keys); err != nil || statErr != nil {
		t.Skipf("packages of Debian's cannot be had here: %v, %v", err, statErr)
	}
	dir := filepath.Join(filepath.Dir(program), suite)
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var list strings.Builder
	for _, base := range bases {
		if !strings.HasSuffix(strings.TrimRight(base, "/"), "-security") { // which has no suite of this name
			fmt.Fprintf(&list, "deb [signed-by=%s] %s %s main\ndeb-src [signed-by=%s] %s %s main\n", keys, base, suite, keys, base, suite)
			break
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &pool{dir: dir, modules: map[string]string{}}
	for name, value := range map[string]string{"Dir::State::lists": dir + "/lists", "Dir::Etc::sourcelist": dir + "/sources.list", "Dir::Etc::sourceparts": "-",
		"Dir::Cache": dir + "/cache", "Dir::State::status": "/dev/null", "APT::Sandbox::User": "root"} {
		p.options = append(p.options, "-o", name+"="+value)
	}
	p.apt(t, dir, "update")
	pools[suite] = p
	return p
}

func (p *pool) apt(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("apt-get", append(slices.Clone(p.options), args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("apt-get %v: %v\n%s", args, err, out)
	}
}

// rooted downloads packages and unpacks them into one folder.
func (p *pool) rooted(t *testing.T, packages ...string) string {
	t.Helper()
	dir := t.TempDir()
	p.into(t, dir, packages...)
	return dir
}

func (p *pool) into(t *testing.T, dir string, packages ...string) {
	t.Helper()
	down := t.TempDir()
	p.apt(t, down, append([]string{"download"}, packages...)...)
	files, err := filepath.Glob(filepath.Join(down, "*.deb"))
	if err != nil || len(files) != len(packages) {
		t.Fatal(files, err)
	}
	for _, file := range files {
		unpack(t, file, filepath.Join(dir, filepath.Base(file)), 0)
		if out, err := exec.Command("cp", "-a", filepath.Join(dir, filepath.Base(file))+"/.", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// unpacked returns the folder of Python modules of packages, which are for reading.
func (p *pool) unpacked(t *testing.T, packages ...string) string {
	t.Helper()
	key := strings.Join(packages, " ")
	if p.modules[key] == "" {
		dir := filepath.Join(p.dir, fmt.Sprint("modules", len(p.modules)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		p.into(t, dir, packages...)
		p.modules[key] = filepath.Join(dir, "usr", "lib", "python3", "dist-packages")
	}
	return p.modules[key]
}

// source unpacks the upstream source of a package.
func (p *pool) source(t *testing.T, name string) string {
	t.Helper()
	down, dir := t.TempDir(), t.TempDir()
	p.apt(t, down, "source", "--download-only", name)
	files, err := filepath.Glob(filepath.Join(down, "*.orig.tar.*z"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	unpack(t, files[0], filepath.Join(dir, "source"), 1)
	return filepath.Join(dir, "source")
}

func unpack(t *testing.T, file, dir string, strip int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := archive.Unpack(context.Background(), f, dir, archive.Options{Strip: strip}); err != nil {
		t.Fatalf("%s: %v", filepath.Base(file), err)
	}
}
