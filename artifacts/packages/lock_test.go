package packages

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// TestScriptTakesTheLockOfTheName has a script wait for a lock that its holder removes: afterwards it must
// hold what others find under that name.
func TestScriptTakesTheLockOfTheName(t *testing.T) {
	h := newHost(t)
	home := filepath.Join(h.base, ".tlsfloor", "min_1")
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "lock")
	first, err := store.Flock(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", h.script("lock; echo held; read -r _ || :"))
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	inode, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for !opened(cmd.Process.Pid, inode) { // the script, or its flock, waits for the first
		if t.Context().Err() != nil {
			t.Fatal("the script does not open the lock")
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if third, err := store.Flock(ctx, path, nil); err == nil {
		third()
		t.Error("another one gets in beside the script")
	}
	hold.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// opened reports whether the process has the file open.
func opened(pid int, file os.FileInfo) bool {
	fds, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd", "*"))
	for _, fd := range fds {
		if info, err := os.Stat(fd); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	return err != nil
}
