package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRemovedLockHasOneHolder has everybody who gets the lock remove its file: nobody else may be inside
// meanwhile.
func TestRemovedLockHasOneHolder(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	path := filepath.Join(dir, "lock")
	for name, flock := range map[string]func() (func(), error){
		"by path":     func() (func(), error) { return Flock(t.Context(), path, nil) },
		"in a folder": func() (func(), error) { return FlockIn(t.Context(), root, "lock", nil) },
	} {
		var inside, twice, times atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					release, err := flock()
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if inside.Add(1) != 1 {
						twice.Add(1)
					}
					times.Add(1)
					runtime.Gosched()
					inside.Add(-1)
					os.Remove(path) // with its name, the lock is gone
					release()
				}
			})
		}
		if all.Wait(); times.Load() != 400 || twice.Load() != 0 {
			t.Errorf("%s: held %d times, want 400; %d times by two", name, times.Load(), twice.Load())
		}
	}
}

// TestThirdWaitsForTheSecond has the second wait for a lock whose file the first removes: the third must
// not get in beside it.
func TestThirdWaitsForTheSecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Flock(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	waiting, got := make(chan bool), make(chan func())
	go func() {
		second, err := Flock(context.Background(), path, func() { close(waiting) })
		if err != nil {
			t.Error(err)
		}
		got <- second
	}()
	<-waiting
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first()
	second := <-got
	defer second()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	third, err := Flock(ctx, path, nil)
	if err == nil {
		third()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the third, while the second holds it: %v", err)
	}
}

func TestLockIsNoLink(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Symlink(other, filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if release, err := FlockIn(t.Context(), root, "lock", nil); err == nil {
		release()
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(other); err == nil {
		t.Error("a file was made where the link leads")
	}
}
