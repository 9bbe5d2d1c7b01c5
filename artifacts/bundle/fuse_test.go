package bundle_test

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	fuse "github.com/hanwen/go-fuse/v2/fs"
	kernel "github.com/hanwen/go-fuse/v2/fuse"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
)

// fickle is a file server's file: it holds one text when it is opened for the first time, and another ever
// after.
type fickle struct {
	fuse.Inode
	name  string
	texts [2][]byte
	count func(name string) int // how often it was opened before
}

type opened struct{ text []byte }

func (f *fickle) Getattr(_ context.Context, h fuse.FileHandle, out *kernel.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o644, uint64(len(f.texts[0]))
	if o, ok := h.(*opened); ok {
		out.Size = uint64(len(o.text))
	}
	return 0
}

func (f *fickle) Open(context.Context, uint32) (fuse.FileHandle, uint32, syscall.Errno) {
	return &opened{f.texts[min(f.count(f.name), 1)]}, kernel.FOPEN_DIRECT_IO, 0
}

func (o *opened) Read(_ context.Context, dest []byte, off int64) (kernel.ReadResult, syscall.Errno) {
	if off >= int64(len(o.text)) {
		return kernel.ReadResultData(nil), 0
	}
	return kernel.ReadResultData(o.text[off:min(off+int64(len(dest)), int64(len(o.text)))]), 0
}

// server mounts a file system in which every file of the bundle first has its text in the folder first, and
// then in second.
func server(t *testing.T, first, second string) (dir string, opens func() map[string]int) {
	t.Helper()
	var lock sync.Mutex
	seen := map[string]int{}
	count := func(name string) int {
		lock.Lock()
		defer lock.Unlock()
		seen[name]++
		return seen[name] - 1
	}
	root := &fuse.Inode{}
	dir = t.TempDir()
	add := func(ctx context.Context) {
		proof := root.NewPersistentInode(ctx, &fuse.Inode{}, fuse.StableAttr{Mode: syscall.S_IFDIR})
		root.AddChild(bundle.ProofDir, proof, true)
		for sub, to := range map[string]*fuse.Inode{"": root, bundle.ProofDir: proof} {
			entries, err := os.ReadDir(filepath.Join(first, sub))
			if err != nil {
				t.Error(err)
			}
			for _, e := range entries {
				if e.IsDir() {
					continue
				}
				f := &fickle{name: path.Join(sub, e.Name()), count: count}
				for i, from := range []string{first, second} {
					f.texts[i], _ = os.ReadFile(filepath.Join(from, f.name)) // the second may lack a signature
				}
				to.AddChild(e.Name(), to.NewPersistentInode(ctx, f, fuse.StableAttr{}), true)
			}
		}
	}
	s, err := fuse.Mount(dir, root, &fuse.Options{OnAdd: add, MountOptions: kernel.MountOptions{DirectMount: true}})
	if err != nil {
		t.Skipf("no FUSE here: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return dir, func() map[string]int {
		lock.Lock()
		defer lock.Unlock()
		return seen
	}
}

// TestAFileServerThatLies: it shows the signed bundle to whoever opens a file for the first time, and an
// attacker's after that. What is unpacked is the signed one, and no file was opened twice.
func TestAFileServerThatLies(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	good := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Text: "good", Controls: true})
	evil := bundletest.Make(t, t.TempDir(), bundletest.Options{Text: "evil", Controls: true})
	for _, all := range []bool{false, true} {
		dir, opens := server(t, good, evil)
		k, err := taken(t, folder(t, dir), all, key)
		if err != nil {
			t.Fatal(err)
		}
		k.Archive = k.Index.Archives[0].File
		if text, err := unpacked(t, k); err != nil || text != "# good" {
			t.Errorf("unpacked: %q, %v", text, err)
		}
		if _, err := k.Controls(t.Context(), filepath.Join(t.TempDir(), "controls")); err != nil {
			t.Error(err)
		}
		read := 0
		err = filepath.WalkDir(good, func(file string, d fs.DirEntry, err error) error {
			name := strings.TrimPrefix(strings.TrimPrefix(file, good), "/")
			if err == nil && !d.IsDir() {
				if n := opens()[name]; n > 1 || n == 0 {
					t.Errorf("%s was opened %d times", name, n)
				}
				read++
			}
			return err
		})
		if err != nil || read < 12 {
			t.Errorf("%d files, %v", read, err)
		}
		// The server does lie: the next one gets the attacker's, whole.
		if text, err := os.ReadFile(filepath.Join(dir, bundle.IndexFile)); err != nil || !strings.Contains(string(text), digestIn(t, evil)) {
			t.Errorf("the second reader gets %s, %v", text, err)
		}
	}
}

// digestIn is a digest that only the bundle in dir names.
func digestIn(t *testing.T, dir string) string {
	t.Helper()
	from, done, err := bundle.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	k, err := taken(t, from, false)
	if err != nil {
		t.Fatal(err)
	}
	return k.Index.Claim.Components["python"].Output.String()
}
