package verify

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPrivateFiles: what stands where a key is to be written is neither written to nor kept.
func TestPrivateFiles(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	victim := filepath.Join(other, "victim")
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "key.pem"), nil, 0o666),
		os.Chmod(filepath.Join(dir, "key.pem"), 0o666),
		os.WriteFile(victim, []byte("precious"), 0o600),
		os.Symlink(victim, filepath.Join(dir, "crl.pem")),
		os.Symlink(filepath.Join(other, "new"), filepath.Join(dir, "client-and-key.pem")),
		// leads to nothing yet
		os.Link(victim, filepath.Join(dir, "sealed-key.pem")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	open, err := os.Open(filepath.Join(dir, "key.pem")) // somebody waits for the key
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := NewPeer(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 10 {
		t.Fatalf("%v: %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the links' target holds %q: %v", text, err)
	}
	if n, err := open.Read(make([]byte, 1)); n > 0 {
		t.Errorf("who had the old file open reads the key: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(other, "new")); err == nil {
		t.Error("a link that leads to nothing is followed")
	}
	// A folder in the way is an error, and leaves no half file.
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "key.pem", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPeer(dir); err == nil {
		t.Error("a folder is written over")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}
