package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
)

const (
	inLibrary      = "python/lib/python3.13/"
	inSitePackages = inLibrary + "site-packages/"
)

// alteration is something that somebody does to an installed toolchain.
type alteration struct {
	name, path string // path: below the generation, what has to be named
	do         func(path string) error
}

// alterations are what a user of the toolchain would run into. Each is tried by itself.
func (r *real) alterations(t *testing.T) []alteration {
	host := func(pattern string) func(string) error { // a file of the host's, put there
		return func(path string) error {
			found, err := filepath.Glob(pattern)
			if err != nil || len(found) == 0 {
				return fmt.Errorf("the host has no %s: %v", pattern, err)
			}
			return exec.Command("cp", found[0], path).Run()
		}
	}
	write := func(text string) func(string) error {
		return func(path string) error {
			return errors.Join(
				os.MkdirAll(filepath.Dir(path), 0o755),
				os.WriteFile(path, []byte(text), 0o644),
			)
		}
	}
	return []alteration{
		{"edited module", inLibrary + "ssl.py", appended("# planted\n")},
		{"edited configuration", "openssl/ssl/openssl.cnf", appended("openssl_conf = weak\n[weak]\n")},
		{"edited wheel", inLibrary + "ensurepip/_bundled/pip-26.2.1-py3-none-any.whl", appended("x")},
		{"edited code", inLibrary + "__pycache__/ssl.cpython-313.pyc", appended("x")},
		{"start-up module", inLibrary + "sitecustomize.py", write("pass\n")},
		{
			"start-up package",
			inSitePackages + "usercustomize",
			func(path string) error { return write("")(path + "/__init__.py") },
		},
		{
			"package before a module",
			inLibrary + "ssl",
			func(path string) error { return write("")(path + "/__init__.py") },
		},
		{"path file", inSitePackages + "a.pth", write("import os\n")},
		{"optimized code", inLibrary + "__pycache__/sitecustomize.cpython-313.opt-1.pyc", write("x")},
		{"host's library", "openssl/lib/libssl.so.3", host("/usr/lib/*/libssl.so.3")},
		{"host's openssl", "python/bin/openssl", host("/usr/bin/openssl")},
		{
			"extension",
			inLibrary + "lib-dynload",
			func(path string) error { return write("x")(path + "/_ssl.so") },
		},
		{"library in front", "python/lib/python313.zip", write("PK")},
		{"venv's mark", "python/pyvenv.cfg", write("home = /usr/bin\n")},
		{"odd name", inLibrary + "a\x1b[31m\nb", write("")},
		{
			"setuid",
			"openssl/bin/openssl",
			func(path string) error { return os.Chmod(path, 0o755|os.ModeSetuid) },
		},
		{"open folder", inLibrary + "json", func(path string) error { return os.Chmod(path, 0o777) }},
	}
}

func appended(text string) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
}

// altered plants one thing after the other: `status` names it and exits with 9, `verify` proves nothing, one
// `build` puts everything right.
func (r *real) altered(t *testing.T) {
	site := r.site()
	if out, code := r.coded(
		t,
		"status",
	); code != 0 || strings.Contains(out, "altered") ||
		strings.Contains(out, "added:") {
		t.Fatalf("untouched: exit status %d\n%s", code, out)
	}
	all := r.alterations(t)
	for _, a := range all {
		undo := saved(t, filepath.Join(site.Dir(1), a.path))
		if err := a.do(filepath.Join(site.Dir(1), a.path)); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		out, code := r.coded(t, "status")
		if code != 9 || !strings.Contains(out, visible(a.path)) || strings.Contains(out, "\x1b") {
			t.Errorf("%s: status: exit status %d\n%s", a.name, code, out)
		}
		if out, code := r.coded(t, "verify"); code != 9 || strings.Contains(out, "proved again") {
			t.Errorf("%s: verify: exit status %d\n%s", a.name, code, out)
		}
		undo()
	}
	ssl := filepath.Join(site.Dir(1), inLibrary+"ssl.py")
	want, err := os.ReadFile(ssl)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if err := a.do(filepath.Join(site.Dir(1), a.path)); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
	}
	out, code := r.coded(t, "build")
	got, err := os.ReadFile(ssl)
	if code != 0 || err != nil || !bytes.Equal(got, want) ||
		!strings.Contains(out, "repairing python/lib/python3.13/ssl.py") {
		t.Errorf("not repaired (%v), or not said: exit status %d\n%s", err, code, out)
	}
	if out, code := r.coded(t, "status"); code != 0 {
		t.Errorf("after the build: exit status %d\n%s", code, out)
	}
	if altered, _, err := site.Altered(t.Context(), 1, true); err != nil || len(altered) > 0 {
		t.Errorf("after the build: %q, %v", altered, err)
	}
	if err := os.RemoveAll(site.Aside()); err != nil {
		t.Fatal(err)
	}
	t.Run("wrapper", func(t *testing.T) { r.wrapper(t, site) })
	t.Run("yours", func(t *testing.T) { r.yours(t, site) })
}

// saved keeps what stands at path, if anything does, and returns what puts it back.
func saved(t *testing.T, path string) func() {
	t.Helper()
	keep := filepath.Join(t.TempDir(), "kept")
	if _, err := os.Lstat(path); err == nil {
		if out, err := exec.Command("cp", "-a", path, keep).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return func() {
		err := os.RemoveAll(path)
		if _, keptErr := os.Lstat(keep); err == nil && keptErr == nil {
			err = exec.Command("cp", "-a", keep, path).Run()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wrapper puts a program in the interpreter's place that is ours for -I, and the host's otherwise.
func (r *real) wrapper(t *testing.T, site deploy.Site) {
	program := filepath.Join(site.Dir(1), "python/bin/python3.13")
	undo := saved(t, program)
	defer undo()
	script := "#!/bin/sh\ncase \"$*\" in *-I*) exec " +
		program + ".ours \"$@\";; esac\nexec /usr/bin/python3 \"$@\"\n"
	if err := errors.Join(
		os.Rename(program, program+".ours"),
		os.WriteFile(program, []byte(script), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(program + ".ours")
	for _, target := range []string{"status", "verify"} {
		if out, code := r.coded(
			t,
			target,
		); code != 9 || !strings.Contains(out, "python/bin/python3.13") ||
			strings.Contains(out, "proved again") {
			t.Errorf("%s: exit status %d\n%s", target, code, out)
		}
	}
}

// yours installs a package with the toolchain's own pip, and adds a script: neither is an alteration.
func (r *real) yours(t *testing.T, site deploy.Site) {
	work := t.TempDir()
	wheel := filepath.Join(work, "mine-1.0-py3-none-any.whl")
	build := `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("mine/__init__.py", "def main(): print('mine')\n")
    z.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    z.writestr("mine-1.0.dist-info/WHEEL",
	"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr("mine-1.0.dist-info/entry_points.txt", "[console_scripts]\nmine = mine:main\n")
    z.writestr("mine-1.0.data/data/share/mine/page", "page\n")
    z.writestr("mine-1.0.dist-info/RECORD", "mine/__init__.py,,\nmine-1.0.dist-info/METADATA,,\n")
`
	python := filepath.Join(site.Dir(1), "python/bin/python3")
	pips, err := filepath.Glob(filepath.Join(site.Dir(1), inLibrary, "ensurepip/_bundled/pip-*.whl"))
	if err != nil || len(pips) != 1 {
		t.Fatal(pips, err)
	}
	install := []string{python, pips[0] + "/pip", "install", "--no-index", "--break-system-packages"}
	for _, argv := range [][]string{
		{python, "-c", build, wheel},
		append(slices.Clone(install), pips[0]), // ensurepip has no way to say --break-system-packages
		append(slices.Clone(install), wheel),
	} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + work, "LC_ALL=C.UTF-8"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	script := filepath.Join(site.Dir(1), "python/bin/script.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, code := r.coded(t, "status")
	if code != 0 || !strings.Contains(out, "packages of yours: mine-1.0, pip-") ||
		!strings.Contains(out, "added by you: python/bin/script.sh") ||
		strings.Count(out, "added") != 1 {
		t.Errorf("exit status %d\n%s", code, out)
	}
	cmd := exec.Command(python, "-m", "pip", "uninstall", "-y", "--break-system-packages", "mine", "pip")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + work}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
}

// coded runs the program against the image and returns all that it prints and its exit status.
func (r *real) coded(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, append(args, "-root="+r.root)...)
	cmd.Env = append(
		os.Environ(),
		"TLSFLOOR_STORE="+r.store,
		"TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"),
	)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
