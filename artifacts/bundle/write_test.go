package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutOfOthers: root writes bundles into no folder that another user could exchange while they are
// written.
func TestOutOfOthers(t *testing.T) {
	if err := makeOut(filepath.Join(t.TempDir(), "new", "folder")); err != nil { // the control
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's folder")
	}
	theirs := t.TempDir()
	mine := filepath.Join(theirs, "mine")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(theirs, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{theirs, mine, filepath.Join(theirs, "link"), filepath.Join(theirs, "new")} {
		if err := makeOut(dir); err == nil || !strings.Contains(err.Error(), "owned by user 65534") {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(theirs, "new")); err == nil {
		t.Error("a folder was made in another user's")
	}
}
