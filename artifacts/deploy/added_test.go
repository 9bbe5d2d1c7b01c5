package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// library is a python tree of the kind that is installed, in small.
var library = []string{
	"bin/python3.13",
	"lib/python3.13/ssl.py",
	"lib/python3.13/hashlib.py",
	"lib/python3.13/json/__init__.py",
	"lib/python3.13/__pycache__/ssl.cpython-313.pyc",
	"lib/python3.13/site-packages/README.txt",
	"lib/python3.13/ensurepip/_bundled/pip-1-py3-none-any.whl",
	"share/man/man1/python3.13.1",
	"include/python3.13/Python.h",
}

// installLibrary installs a generation with an OpenSSL of a few files and a Python of library.
func (w world) installLibrary() (dir string) {
	w.t.Helper()
	g := Generation{Profile: w.Profile, Created: time.Unix(0, 0), Components: map[string]Component{}}
	trees := map[string][]string{
		"openssl": {"bin/openssl", "ssl/openssl.cnf", "lib/libssl.a"},
		"python":  library,
	}
	for c, files := range trees {
		src := w.t.TempDir()
		for _, file := range files {
			w.write(filepath.Join(src, file), file)
		}
		if c == "python" {
			if err := os.Symlink("python3.13", filepath.Join(src, "bin/python3")); err != nil {
				w.t.Fatal(err)
			}
		}
		output, err := w.st.AddTree(w.t.Context(), src)
		if err != nil {
			w.t.Fatal(err)
		}
		g.Components[c] = Component{Version: "1", Prefix: w.Prefix(c), Output: output}
	}
	g, err := w.Stage(w.t.Context(), FromStore(w.st), g)
	if err == nil {
		err = w.use(g)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Dir(g.Number)
}

func (w world) write(file, text string) {
	w.t.Helper()
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, []byte(text), 0o644),
	); err != nil {
		w.t.Fatal(err)
	}
}

const (
	lib  = "python/lib/python3.13/"
	site = lib + "site-packages/"
)

// alterations are additions that decide what the toolchain does: a path, what has to be named (the path
// itself, or a folder above it), and a text.
var alterations = [][3]string{
	{lib + "ssl/__init__.py", lib + "ssl", "pass"},
	{lib + "sitecustomize.py", "", "pass"},
	{lib + "usercustomize.py", "", "pass"},
	{lib + "lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so", lib + "lib-dynload", "ELF"},
	{lib + "__pycache__/ssl.cpython-313.opt-1.pyc", "", "code"},
	{lib + "__pycache__/new.cpython-313.pyc", "", "code"},
	{lib + "json/extra.py", "", "pass"},
	{lib + "ensurepip/_bundled/pip-2-py3-none-any.whl", "", "PK"},
	{lib + "ssl.abi3.so", "", "ELF"},
	{"python/lib/python313.zip", "", "PK"},
	{"python/lib/python313.zip/ssl.py", "python/lib/python313.zip", "pass"},
	{"python/lib/python3.14/ssl.py", "python/lib/python3.14", "pass"},
	{"python/lib/libssl.so.3", "", "ELF"},
	{"python/lib64/ssl.py", "python/lib64", "pass"},
	{"python/pyvenv.cfg", "", "home = /usr/bin"},
	{"python/bin/pyvenv.cfg", "", "home = /usr/bin"},
	{"python/bin/pybuilddir.txt", "", "/tmp"},
	{"python/bin/python3.13._pth", "", "/tmp"},
	{"python/bin/python", "", "#!/bin/sh"},
	{"python/bin/openssl", "", "#!/bin/sh"},
	{"python/bin/ssl.py", "", "pass"},
	{"python/bin/hashlib.cpython-313-x86_64-linux-gnu.so", "", "ELF"},
	{"python/bin/json.pyc", "", "code"},
	{"python/bin/json/__init__.py", "python/bin/json", "pass"},
	{site + "sitecustomize.py", "", "pass"},
	{site + "sitecustomize.cpython-313-x86_64-linux-gnu.so", "", "ELF"},
	{site + "usercustomize/__init__.py", site + "usercustomize", "pass"},
	{site + "ssl/__init__.py", site + "ssl", "pass"},
	{site + "_ssl.abi3.so", "", "ELF"},
	{site + "a.pth", "", "import os"},
	{site + "b.pth", "", "# a comment\rimport os"},
	{site + "c.pth", "", "# a comment\x0cimport os"},
	{site + "d.pth", "", "# a comment\u2028import os"},
	{site + "e.pth", "", "/tmp/elsewhere\n"},
	{site + ".hidden.pth", "", "import os"},
	{site + "space.pth", "", " #d\n"},
	{site + "tab.pth", "", "# a comment\n\t#d\n"},
	{site + "importtab.pth", "", "import\tos"},
	{site + "mark.pth", "", "\ufeff#d\n"},
	{site + "mark2.pth", "", "\ufeffimport os\n"},
	{site + "unit.pth", "", " \x1f#d\n"},
	{site + "feed.pth", "", " \x0c#d\n"},
	{site + "one.pth", "", "\x01#d\n"},
	{site + "nul.pth", "", "\x00#d\n"},
	{site + "next.pth", "", "# a comment\u0085import os"},
	{site + "latin.pth", "", "# \xff\x85import os"},
	{site + "nbsp.pth", "", "\u00a0#d\n"},
	{site + " #d/sitecustomize.py", "", "pass"},
	{site + "foo-1.0.dist-info/ssl.py", "", "pass"},
	{site + "foo/bar-1/_ssl.abi3.so", "", "ELF"},
	{site + "foo/.d/usercustomize/__init__.py", site + "foo/.d/usercustomize", "pass"},
	{"python/bin/mine._pth", "", "/tmp"},
	{"openssl/lib/libssl.so.3", "", "ELF"},
	{"openssl/bin/openssl-1.0", "", "ELF"},
	{"openssl/lib/ossl-modules/weak.so", "openssl/lib/ossl-modules", "ELF"},
	{"openssl/lib/engines-3/weak.so", "openssl/lib/engines-3", "ELF"},
	{"openssl/ssl/certs/0a1b2c3d.0", "openssl/ssl/certs", "PEM"},
	{"openssl/ssl/extra.cnf", "", "[x]"},
	{"openssl/ssl/cert.pem.old/x", "openssl/ssl/cert.pem.old", "PEM"},
	{"openssl/ssl/cert.pem.older", "", "PEM"},
	{lib + "odd\nname.py", "", "pass"},
	{lib + " ", "", "pass"},
	{lib + "\xff\xfe.so", "", "ELF"},
}

// TestAlterationsByAddition adds one thing after the other: each is found and moved aside, and nothing else
// is.
func TestAlterationsByAddition(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	w.unaltered("at first")
	for _, a := range alterations {
		w.write(filepath.Join(dir, a[0]), a[2])
		w.mended(a[0], a[1])
	}
	moved := 0
	filepath.WalkDir(w.Aside(), func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			moved++
		}
		return err
	})
	if moved != len(alterations) {
		t.Errorf("%d files are kept aside, want %d", moved, len(alterations))
	}
	if info, err := os.Stat(w.Aside()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder aside: %v, %v", info, err)
	}
}

// mended holds what is found against one path, and repairs it. named is "" where that is the path itself.
func (w world) mended(path, named string) {
	w.t.Helper()
	if named == "" {
		named = path
	}
	for _, full := range []bool{false, true} {
		altered, _, err := w.Altered(w.t.Context(), 1, full)
		if err != nil || !slices.Equal(altered, []string{named}) {
			w.t.Fatalf("%q: altered %q, %v, want %q", path, altered, err, named)
		}
	}
	if err := w.Repair(w.t.Context(), w.st, 1, []string{named}); err != nil {
		w.t.Fatalf("%q: %v", path, err)
	}
	w.unaltered(path)
}

func (w world) unaltered(after string) {
	w.t.Helper()
	i, err := w.Inspect(w.t.Context(), 1, true)
	if err != nil || len(i.Altered()) > 0 {
		w.t.Fatalf("after %q: altered %q, %v", after, i.Altered(), err)
	}
}

// TestAlterationsOfKindAndOwner adds what is no plain file, what others can change, and what runs as somebody
// else: also where people may add things.
func TestAlterationsOfKindAndOwner(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	for name, add := range map[string]func(file string) error{
		"pipe":         func(file string) error { return syscall.Mkfifo(file, 0o644) },
		"setuid":       func(file string) error { return plain(file, 0o755|os.ModeSetuid) },
		"setgid":       func(file string) error { return plain(file, 0o755|os.ModeSetgid) },
		"open file":    func(file string) error { return plain(file, 0o666) },
		"group's file": func(file string) error { return plain(file, 0o664) },
		"open folder": func(file string) error {
			return errors.Join(os.Mkdir(file, 0o755),
				os.Chmod(file, 0o777))
		},
		"another owner": func(file string) error {
			return errors.Join(plain(file, 0o644), os.Lchown(file,
				65534, 65534))
		},
		"another's link": func(file string) error {
			return errors.Join(os.Symlink("/tmp", file),
				os.Lchown(file, 65534, 65534))
		},
	} {
		if strings.HasPrefix(name, "another") && os.Geteuid() != 0 {
			continue
		}
		for _, at := range []string{site + "x", "python/share/x", "python/bin/x", "openssl/ssl/cert.pem.old"} {
			if at == "python/bin/x" && name == "open folder" {
				continue
			}
			if err := add(filepath.Join(dir, at)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			w.mended(at, "")
		}
	}
	if err := os.Symlink("/usr/lib", filepath.Join(dir, lib, "lib-dynload")); err != nil {
		t.Fatal(err)
	}
	w.mended(lib+"lib-dynload", "")
}

// plain writes a file with a mode, whatever the umask is.
func plain(file string, mode os.FileMode) error {
	return errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Chmod(file, mode))
}

// TestYoursIsNoAlteration adds what people may: packages are named by their RECORD, the rest by its path.
func TestYoursIsNoAlteration(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	at := func(path string) string { return filepath.Join(dir, path) }
	for path, text := range map[string]string{
		site + "boto3/__init__.py":                     "pass",
		site + "boto3/ssl.py":                          "pass",
		site + "boto3/sitecustomize.py":                "not at the top: nobody imports it",
		site + "boto3/green/ssl.py":                    "boto3.green.ssl",
		site + "boto3/__pycache__/ssl.cpython-313.pyc": "code",
		site + "boto3-1.2.3.dist-info/METADATA":        "Name: boto3",
		site + "boto3-1.2.3.dist-info/RECORD": "boto3/__init__.py,sha256=x,4\nboto3/ssl.py,,\n" +
			"boto3/sitecustomize.py,,\nboto3/green/ssl.py,,\nours.pth,,\n" +
			"boto3-1.2.3.dist-info/METADATA,,\nboto3-1.2.3.dist-info/RECORD,,\n" +
			"../../../bin/boto,,\n\"../../../share/with, comma\",,\n",
		site + "comments.pth":                           "# nothing\n\n  \n#import os\r\n\t\n# a\tb",
		site + "ours.pth":                               "# nothing",
		"python/bin/boto":                               "#!python",
		"python/share/with, comma":                      "",
		"python/bin/mine.sh":                            "",
		"python/bin/ssl":                                "a program that nobody imports",
		"python/bin/__pycache__/mine.cpython-313.pyc":   "",
		"python/include/python3.13/greenlet/greenlet.h": "",
		"python/share/doc/mine/one":                     "",
		site + "single.py":                              "",
		"openssl/ssl/cert.pem.old":                      "what linkTrust keeps",
	} {
		w.write(at(path), text)
	}
	if err := os.Symlink("python3.13", at("python/bin/python")); err != nil {
		t.Fatal(err)
	}
	i, err := w.Inspect(t.Context(), 1, true)
	if err != nil || len(i.Altered()) > 0 {
		t.Fatalf("altered %q, %v", i.Altered(), err)
	}
	var got []string
	for _, a := range i.Added {
		got = append(got, a.Path)
	}
	want := []string{
		"openssl/ssl/cert.pem.old",
		"python/bin/mine.sh",
		"python/bin/python",
		"python/bin/ssl",
		"python/include/python3.13/greenlet/greenlet.h",
		site + "boto3/green/ssl.py",
		site + "boto3/sitecustomize.py",
		site + "boto3/ssl.py",
		site + "comments.pth",
		site + "ours.pth",
		site + "single.py",
		"python/share/doc/mine/one",
	}
	if !slices.Equal(got, want) {
		t.Errorf("added\n%q, want\n%q", got, want)
	}
	// A RECORD gives an alteration its name, and excuses nothing.
	w.write(
		at(site+"boto3-1.2.3.dist-info/RECORD"),
		"../ssl/__init__.py,,\nboto3.pth,,\nboto3.py,,\n../../../../../../../../etc/passwd,,\n",
	)
	w.write(at(site+"boto3.pth"), "import boto3")
	w.write(at(lib+"ssl/__init__.py"), "pass")
	i, err = w.Inspect(t.Context(), 1, false)
	if altered := i.Altered(); err != nil ||
		!slices.Equal(altered, []string{site + "boto3.pth", lib + "ssl"}) {
		t.Fatalf("altered %q, %v", altered, err)
	}
	if n := slices.IndexFunc(
		i.Added,
		func(a Added) bool { return a.Path == site+"boto3.pth" },
	); i.Added[n].Package != "boto3-1.2.3" {
		t.Errorf("%+v", i.Added[n])
	}
}

// TestAlterationsInPlace changes what was installed in ways that leave its bytes, or its path, as they were.
func TestAlterationsInPlace(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	at := func(path string) string { return filepath.Join(dir, path) }
	led := func(path string) error { // a folder elsewhere, through a link
		to := filepath.Join(t.TempDir(), "moved")
		return errors.Join(os.Rename(at(path), to), os.Symlink(to, at(path)))
	}
	for path, do := range map[string]func() error{
		"python/bin/python3.13": func() error {
			return os.Chmod(at("python/bin/python3.13"),
				0o755|os.ModeSetuid)
		},
		"python/bin/python3": func() error {
			return errors.Join(os.Remove(at("python/bin/python3")), os.Symlink("/usr/bin/python3",
				at("python/bin/python3")))
		},
		"openssl":         func() error { return os.Chmod(at("openssl"), 0o777) },
		"python.tree":     func() error { return os.WriteFile(at("python.tree"), []byte("garbage\n"), 0o644) },
		"openssl.tree":    func() error { return os.Remove(at("openssl.tree")) },
		"generation.json": func() error { return os.Chmod(at("generation.json"), 0o666) },
		"index": func() error {
			return errors.Join(os.Remove(at("index")), os.Mkdir(at("index"),
				0o755))
		},
		Itself:       func() error { return os.Chmod(dir, 0o777) },
		lib + "json": func() error { return led(lib + "json") },
		"openssl/ssl/openssl.cnf": func() error {
			return errors.Join(os.Remove(at("openssl/ssl/openssl.cnf")),
				os.MkdirAll(at("openssl/ssl/openssl.cnf/x"), 0o755))
		},
	} {
		if err := do(); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		altered, _, err := w.Altered(t.Context(), 1, false)
		if err != nil || !slices.Contains(altered, path) {
			t.Fatalf("%s: altered %q, %v", path, altered, err)
		}
		if err := w.Repair(t.Context(), w.st, 1, altered); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		w.unaltered(path)
	}
}

// TestWholeTreeThroughALink puts a link to an equal tree in the place of a component's folder.
func TestWholeTreeThroughALink(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	elsewhere := filepath.Join(t.TempDir(), "python")
	if err := errors.Join(
		os.Rename(filepath.Join(dir, "python"), elsewhere),
		os.Symlink(elsewhere, filepath.Join(dir, "python")),
	); err != nil {
		t.Fatal(err)
	}
	w.mended("python", "")
	if info, err := os.Lstat(filepath.Join(dir, "python")); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
}

// TestCapabilities gives the interpreter a capability, which no mode shows.
func TestCapabilities(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	// cap_net_bind_service=ep in the form of linux/capability.h, VFS_CAP_REVISION_2.
	value := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := unix.Lsetxattr(
		filepath.Join(dir, "python/bin/python3.13"),
		"security.capability",
		value,
		0,
	); err != nil {
		t.Skip("capabilities cannot be given here: " + err.Error())
	}
	w.mended("python/bin/python3.13", "")
}
