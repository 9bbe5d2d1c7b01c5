package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

const stranger = 1000

// swapping has an ordinary user exchange the folder for a link to the machine's files, over and over, until
// the test stops it: a goroutine on a thread of its own, to which the kernel lets that user's files
// (setfsuid(2)) and nobody else's.
func swapping(t *testing.T, folder, target string) (stop func()) {
	t.Helper()
	end, ended := make(chan bool), make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		unix.SetfsgidRetGid(stranger)
		unix.SetfsuidRetUid(stranger)
		link, times := folder+".link", 0
		for {
			select {
			case <-end:
				ended <- times
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, link,
				unix.RENAME_EXCHANGE); err == nil {
				times++
				continue
			}
			os.Mkdir(folder, 0o755) // one of the two was removed
			os.Symlink(target, link)
		}
	}()
	return func() {
		close(end)
		if times := <-ended; times < 100 {
			t.Errorf("the folder was exchanged %d times: too few to be a race", times)
		}
	}
}

// give gives everything below dir to the ordinary user.
func give(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("chown", "-Rh", fmt.Sprintf("%d:%d", stranger, stranger),
		dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// reach lets the ordinary user come to what the test has made.
func reach(t *testing.T, path string) {
	t.Helper()
	for dir := path; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemovingInARacingTree removes an installed tree in which an ordinary user, to whom it was given,
// exchanges folders for links meanwhile.
func TestRemovingInARacingTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes two users")
	}
	c, dir := newCanary(t), t.TempDir()
	reach(t, dir)
	file := []byte("the machine's")
	tree := store.Tree{{Path: "bin", Mode: os.ModeDir | 0o755}}
	for _, name := range []string{"openssl", "python"} {
		tree = append(tree, store.Entry{Path: "bin/" + name, Mode: 0o644, Size: int64(len(file)),
			Digest: digest.Of(file)})
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "python/bin"), 0o755),
		os.WriteFile(filepath.Join(dir, "python.tree"), tree.Encode(), 0o644)); err != nil {
		t.Fatal(err)
	}
	// so that the folder itself stays
	if err := os.WriteFile(filepath.Join(dir, "python/bin/mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	give(t, filepath.Join(dir, "python"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	// The control: by paths the machine's file is what would go.
	link := filepath.Join(dir, "python", "link")
	if err := os.Symlink(filepath.Join(c.dir, "bin"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(link, "openssl")); err != nil {
		t.Fatalf("the trap is none: %v", err)
	}
	defer swapping(t, filepath.Join(dir, "python", "bin"), filepath.Join(c.dir, "bin"))()
	for range 2000 {
		removeTree(root, "python") // whatever it says
	}
	c.unharmed(t, "removing a tree")
}

// TestWritingInARacingTree repairs such a tree.
func TestWritingInARacingTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes two users")
	}
	w, c := two(t)(), newCanary(t)
	reach(t, w.Dir(2))
	give(t, filepath.Join(w.Dir(2), "python"))
	defer swapping(t, filepath.Join(w.Dir(2), "python", "bin"), c.dir)()
	for range 200 {
		w.Repair(t.Context(), w.st, 2, []string{"python/bin/python"})
	}
	c.unharmed(t, "repairing a tree")
}

// TestRacingFoldersOfStrangers works in a site whose folders an ordinary user owns and exchanges meanwhile:
// at no moment is it taken for root's.
func TestRacingFoldersOfStrangers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes two users")
	}
	w, c := two(t)(), newCanary(t)
	reach(t, w.Home())
	give(t, w.Base)
	defer swapping(t, filepath.Join(w.Home(), "trust"), c.dir)()
	refused := 0
	for range 100 {
		for target, do := range writers {
			if target == "adopt" || strings.HasPrefix(target, "build: ready") {
				continue
			}
			if err := do(w); err == nil {
				t.Fatalf("%s was done", target)
			}
			refused++
		}
		if _, err := w.SetTrust(Trust{Mode: "host", Anchors: cacerts.List{}}); err == nil {
			t.Fatal("trust was set")
		}
	}
	c.unharmed(t, fmt.Sprintf("%d times refused", refused))
}
