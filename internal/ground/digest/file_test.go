package digest

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOfFile waits for nobody, and reads nothing without an end.
func TestOfFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", filepath.Dir(pipe)} {
		if d, _, err := OfFile(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %s, %v", path, d, err)
		}
	}
}
