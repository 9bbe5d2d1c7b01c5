package publish

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
)

// TestPlantedInShare: what others have laid at the bundle's name is neither waited for nor followed, and root
// publishes into no folder of another user.
func TestPlantedInShare(t *testing.T) {
	dir := folder(t, "one")
	outside := folder(t, "one")
	for name, plant := range map[string]func(at string) error{
		"a pipe": func(at string) error {
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
			return syscall.Mkfifo(filepath.Join(at, bundle.Sums), 0o644)
		},
		"a link": func(at string) error { return os.Symlink(outside, at) },
	} {
		to := t.TempDir()
		if err := plant(filepath.Join(to, "name")); err != nil {
			t.Fatal(err)
		}
		if _, there, err := ToFolder(t.Context(), dir, "name", to); err == nil || there ||
			!strings.Contains(err.Error(), "something else") {
			t.Errorf("%s: %v, %v", name, there, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a folder of another user's")
	}
	to := t.TempDir()
	if err := os.Chown(to, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ToFolder(t.Context(), dir, "name", to); err == nil ||
		!strings.Contains(err.Error(), "owned by user 1234") {
		t.Errorf("%v", err)
	}
	if got := names(t, to); got != "" {
		t.Errorf("there is %q", got)
	}
}
