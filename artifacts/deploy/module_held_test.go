package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestModuleIsHeld alters the modulefile: it is doubted, and written anew.
func TestModuleIsHeld(t *testing.T) {
	w := newWorld(t)
	w.installLibrary()
	file := filepath.Join(w.moduleDir(), "1")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	for name, do := range map[string]func() error{
		"a line more": func() error {
			return os.WriteFile(file, append(text, "setenv LD_PRELOAD /tmp/x.so\n"...), 0o644)
		},
		"open to others": func() error { return os.Chmod(file, 0o666) },
		"an equal file behind a link": func() error {
			return errors.Join(os.WriteFile(other, text, 0o644), os.Remove(file), os.Symlink(other, file))
		},
	} {
		if d := w.Standing(); len(d) > 0 {
			t.Fatalf("before %s: %+v", name, d)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if d := w.Standing(); len(d) != 1 || d[0].Path != file || d[0].Mend != "`build`" {
			t.Errorf("%s: %+v", name, d)
		}
		if err := w.RepairModule(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.moduleDir(), 0o777); err != nil {
		t.Fatal(err)
	}
	if d := w.Standing(); len(d) != 1 || d[0].Path != w.moduleDir() {
		t.Errorf("an open folder: %+v", d)
	}
	if err := errors.Join(os.Chmod(w.moduleDir(), 0o755), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	if d := w.Standing(); len(d) > 0 {
		t.Errorf("a missing one misleads nobody: %+v", d)
	}
}
