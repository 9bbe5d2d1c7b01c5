package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
)

// planted plants into a copy of what was built what builds usually differ in. The comparison has to find
// each, and to name it.
func (r *real) planted(t *testing.T) {
	first, second := r.site().Dir(1), filepath.Join(t.TempDir(), "second")
	if out, err := exec.Command("cp", "-a", first, second).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := func(name string) string { return filepath.Join(second, name) }
	library := filepath.Join("python", "lib", "python3.13")
	type fault struct {
		path, reason string
		plant        func(path string) error
	}
	faults := []fault{
		{"openssl/bin/openssl", ".rodata", swapped("built on: ", "built on: Xxx")},
		{library + "/_sysconfigdata__linux_" + r.triple(t) + ".py", "line ", swapped("'CC': '", "'CC': '/home/somebody/python/")},
		{"openssl/lib/libssl.a", "order", func(path string) error {
			members, err := exec.Command("ar", "t", path).Output()
			if err != nil {
				return err
			}
			return exec.Command("ar", "mD", path, strings.Fields(string(members))[0]).Run() // to the end
		}},
		{"python/bin/pip-less", "only in the second", func(path string) error { return os.WriteFile(path, nil, 0o755) }},
		{library + "/json/__init__.py", "mode", func(path string) error { return os.Chmod(path, 0o600) }},
		{library + "/__pycache__/ast.cpython-313.pyc", "flags", func(path string) error {
			text, err := os.ReadFile(path)
			if err == nil {
				text[4] ^= 1
				err = rewrite(path, text)
			}
			return err
		}},
	}
	for _, f := range faults {
		if err := f.plant(at(f.path)); err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
	}
	found, err := archive.Compare(context.Background(), first, second, archive.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range found.Differences {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.path == d.Path })
		if i < 0 {
			t.Errorf("%s: %s, and nothing was planted there", d.Path, d.Reason)
		} else if strings.Contains(d.Reason, faults[i].reason) {
			seen[d.Path] = true
		}
	}
	for _, f := range faults {
		if !seen[f.path] {
			t.Errorf("%s: no %q found in %v", f.path, f.reason, found.Differences)
		}
	}
}

// triple is the name of the platform as Python writes it.
func (r *real) triple(t *testing.T) string {
	return strings.TrimSpace(r.inside(t, python3, "-c", "import sys; print(sys.implementation._multiarch)"))
}

// swapped overwrites text in a file from where before is found.
func swapped(before, after string) func(path string) error {
	return func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		i := bytes.Index(text, []byte(before))
		if i < 0 {
			return fmt.Errorf("%s has no %q", path, before)
		}
		copy(text[i:], after)
		return rewrite(path, text)
	}
}

func rewrite(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, info.Mode().Perm())
}
