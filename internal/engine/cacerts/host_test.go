package cacerts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipeInAnImage has a pipe in the place of each bundle: nobody ever writes to it.
func TestPipeInAnImage(t *testing.T) {
	root := t.TempDir()
	for _, name := range HostBundles() {
		file := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err := errors.Join(err, syscall.Mkfifo(file, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := FromHost(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pipes are read as %v", err)
	}
}
