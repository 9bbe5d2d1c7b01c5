package owned

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestInAShare: of a folder in which others write, a regular file is read, and nothing that leads elsewhere,
// waits or is too long.
func TestInAShare(t *testing.T) {
	path := t.TempDir()
	dir, err := Share(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	at := func(name string) string { return filepath.Join(path, name) }
	if err := ReplaceIn(dir, "good", []byte("1234"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Symlink("good", at("link")), os.Symlink("/etc/passwd", at("out")),
		syscall.Mkfifo(at("pipe"), 0o644), os.Mkdir(at("folder"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text, err := ReadIn(dir, "good", 4); err != nil || string(text) != "1234" {
		t.Errorf("the control: %q, %v", text, err)
	}
	for name, limit := range map[string]int64{"good": 3, "link": 9, "out": 9999, "pipe": 9, "folder": 9,
		"none": 9, "../" + filepath.Base(path) + "/good": 9} {
		if text, err := ReadIn(dir, name, limit); err == nil && (name == "good" || !strings.HasPrefix(name, "..")) {
			t.Errorf("%s: %q is read", name, text)
		}
	}
}

// TestReplaceInKeepsOrReplaces: the old file stays until the new one is whole, a link is replaced and not
// followed, and nothing is left behind.
func TestReplaceInKeepsOrReplaces(t *testing.T) {
	path := t.TempDir()
	dir, err := Share(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(path, "name")); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceIn(dir, "name", []byte("ours"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(path, "name"))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(outside); string(text) != "theirs" {
		t.Errorf("what a link leads to was written: %q", text)
	}
	if err := os.Mkdir(filepath.Join(path, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "folder", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ReplaceIn(dir, "folder", nil, 0o644) == nil {
		t.Error("a folder was replaced by a file")
	}
	if left, _ := filepath.Glob(filepath.Join(path, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestShareOfOthers: as root only a folder that nobody else can exchange.
func TestShareOfOthers(t *testing.T) {
	path := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's folder")
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if dir, err := Share(path); err == nil {
		dir.Close()
		t.Error("root works in a folder of user 65534")
	}
}
