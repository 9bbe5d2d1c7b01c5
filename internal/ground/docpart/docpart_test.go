package docpart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// failing is a test that notes that it failed, and ends there.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Fatal(...any)          { f.failed = true; panic(f) }
func (f *failing) Fatalf(string, ...any) { f.failed = true; panic(f) }

func TestHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	hold := func(name, want string) bool {
		f := &failing{}
		func() {
			defer func() { recover() }() // where the test would end
			Hold(f, path, name, want)
		}()
		return !f.failed
	}
	if hold("rows", "a\n") {
		t.Error("a page that is not there is held")
	}
	if err := os.WriteFile(path, []byte("before\n<!-- rows -->\na\n<!-- /rows -->\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !hold("rows", "a\n") || hold("rows", "b\n") || hold("others", "a\n") {
		t.Error("the part is not compared")
	}
	*update = true
	defer func() { *update = false }()
	hold("rows", "b\n")
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "before\n<!-- rows -->\nb\n<!-- /rows -->\nafter\n") {
		t.Errorf("written: %q", text)
	}
}
