package deploy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// forgeIndex makes the index vouch for a file as it is.
func (w world) forgeIndex(dir, key string) {
	w.t.Helper()
	line, _, err := statLine(filepath.Join(dir, key))
	if err != nil {
		w.t.Fatal(err)
	}
	index := filepath.Join(dir, "index")
	text, err := os.ReadFile(index)
	of := regexp.MustCompile(`(?m)^.* ` + regexp.QuoteMeta(key) + `$`)
	if err != nil || !of.Match(text) {
		w.t.Fatalf("the index has no %s: %v", key, err)
	}
	text = of.ReplaceAllLiteral(text, []byte(line+" "+key))
	if err := os.WriteFile(index, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// TestIndexVouchesForNoStart alters what is loaded at a start, and links and modes, and makes the index
// agree.
func TestIndexVouchesForNoStart(t *testing.T) {
	w := newWorld(t)
	dir := w.installLibrary()
	at := func(key string) string { return filepath.Join(dir, key) }
	for _, key := range []string{
		lib + "ssl.py", lib + "hashlib.py", lib + "__pycache__/ssl.cpython-313.pyc", "python/bin/python3.13",
		"openssl/bin/openssl", "openssl/ssl/openssl.cnf",
	} {
		w.write(at(key), "altered")
		w.forgeIndex(dir, key)
		w.mended(key, "")
	}
	link := "python/bin/python3"
	if err := errors.Join(os.Remove(at(link)), os.Symlink("/usr/bin/python3", at(link))); err != nil {
		t.Fatal(err)
	}
	w.forgeIndex(dir, link)
	w.mended(link, "")
	for _, mode := range []os.FileMode{0o755 | os.ModeSetuid, 0o666} {
		if err := os.Chmod(at(lib+"json/__init__.py"), mode); err != nil {
			t.Fatal(err)
		}
		w.forgeIndex(dir, lib+"json/__init__.py")
		w.mended(lib+"json/__init__.py", "")
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(at(lib+"json/__init__.py"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		w.forgeIndex(dir, lib+"json/__init__.py")
		w.mended(lib+"json/__init__.py", "")
	}
	// What the index does vouch for, as docs/installed.md says, and -check=full finds.
	w.write(at(lib+"json/__init__.py"), "altered")
	w.forgeIndex(dir, lib+"json/__init__.py")
	if i, err := w.Inspect(t.Context(), 1, false); err != nil || len(i.Changed) > 0 {
		t.Errorf("control: %q, %v", i.Changed, err)
	}
	if i, err := w.Inspect(t.Context(), 1, true); err != nil || len(i.Changed) != 1 {
		t.Errorf("-check=full: %q, %v", i.Changed, err)
	}
}

// TestStartModules holds the list against what the host's interpreter loads.
func TestStartModules(t *testing.T) {
	const ask = `
import ssl, hashlib, sys, os, encodings.idna
library = os.path.dirname(os.__file__)
for m in list(sys.modules.values()):
    for f in (getattr(m, "__file__", None), getattr(m, "__cached__", None)):
        if f and f.startswith(library + "/") and "-packages/" not in f and "sitecustomize" not in f:
            print(f[len(library) + 1:])
`
	out, err := exec.Command("/usr/bin/python3", "-I", "-c", ask).Output()
	if err != nil {
		t.Skipf("the host has no python3 with ssl: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 20 {
		t.Errorf("it loaded %q", files)
	}
	for _, file := range files {
		if !loadedAtStart("python", "lib/python3.11/"+file) {
			t.Errorf("%s is loaded, and not read each time", file)
		}
	}
	for _, file := range []string{"lib/python3.13/json/__init__.py", "lib/python3.13/json/ssl.py",
		"lib/python3.13/site-packages/ssl.py", "lib/libssl.a", "share/ssl.py"} {
		if loadedAtStart("python", file) {
			t.Errorf("control: %s", file)
		}
	}
}
