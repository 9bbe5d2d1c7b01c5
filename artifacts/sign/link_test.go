package sign

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// TestLinksOfStrangersAreNotFollowed has a trusted file reached by a link that somebody else can lead
// elsewhere after it was looked at.
func TestLinksOfStrangersAreNotFollowed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving links to somebody else needs root")
	}
	dir := t.TempDir()
	file, middle, path := filepath.Join(dir, "key.pem"), filepath.Join(dir, "middle"), filepath.Join(dir,
		"path.pem")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Symlink(file, middle), os.Symlink(middle,
		path)); err != nil {
		t.Fatal(err)
	}
	if err := RootOwned(path); err != nil {
		t.Fatalf("links of root's: %v", err)
	}
	if err := os.Lchown(middle, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := RootOwned(path); fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" {
		t.Errorf("a link of a stranger's: %v", err)
	}
}
