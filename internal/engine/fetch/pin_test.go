package fetch

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipeInAMirror: a named pipe has no bytes until somebody writes; it must not hold the fetch up.
func TestPipeInAMirror(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "a.tar.gz"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := &wanted{names: []string{"a.tar.gz"}, path: filepath.Join(dir, "out"), limit: 10}
	ended := make(chan error, 1)
	go func() { ended <- folder{dir: dir}.get(context.Background(), nil, w) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a pipe was taken for a source")
		}
	case <-time.After(10 * time.Second):
		if f, err := os.OpenFile(filepath.Join(dir, "a.tar.gz"), os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
		t.Fatal("it waits for a writer")
	}
}
