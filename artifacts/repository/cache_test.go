package repository

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestForeignCache refuses what somebody else may have put where the newest root is kept.
func TestForeignCache(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("planting as somebody else needs root")
	}
	w := newWorld(t, simple)
	w.add("good", 5)
	c, err := w.open(time.Now())
	w.ok(err)
	for _, file := range []string{"", "root.json"} {
		path := filepath.Join(w.state, c.root.String(), file)
		w.ok(os.Chown(path, 1000, 1000))
		if _, err := w.open(time.Now()); err == nil {
			t.Errorf("%s of another user is taken", path)
		}
		w.ok(os.Chown(path, 0, 0))
	}
	_, err = w.open(time.Now())
	w.ok(err)
}
