package deploy

import (
	"os"
	"testing"
)

// TestMain keeps the test's files in memory where that can be done: they are synced to the disk thousands
// of times.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/dev/shm", "tlsfloor-deploy-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // for the tests with two users
	}
	if err == nil {
		os.Setenv("TMPDIR", dir)
	}
	code := m.Run()
	if dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
