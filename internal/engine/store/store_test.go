package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree makes a small installed tree and returns its folder.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{"bin/tool": "#!/bin/sh\n", "lib/a.txt": "a", "lib/twin.txt": "a", "lib/with space\n.txt": "b"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "bin/tool"), 0o755), os.Symlink("tool", filepath.Join(dir, "bin/link")), os.Mkdir(filepath.Join(dir, "empty"), 0o700)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTreeRoundTrip(t *testing.T) {
	s, src := open(t), tree(t)
	output, err := s.AddTree(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "restored")
	if err := s.Restore(context.Background(), output, dst); err != nil {
		t.Fatal(err)
	}
	again, err := s.AddTree(context.Background(), dst)
	if err != nil || again != output {
		t.Fatalf("restored tree has output %s, %v; want %s", again, err, output)
	}
	// An edit of the copy must not reach the store.
	if err := os.WriteFile(filepath.Join(dst, "lib/a.txt"), []byte("edited"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !s.Has(digest.Of([]byte("a"))) {
		t.Error("an edit below the restored folder changed the store")
	}
}

func TestOutputIgnoresUmaskAndTimes(t *testing.T) {
	s, a := open(t), tree(t)
	first, err := s.AddTree(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1, 0)
	if err := errors.Join(os.Chmod(filepath.Join(a, "lib/a.txt"), 0o600), os.Chtimes(filepath.Join(a, "bin/tool"), old, old)); err != nil {
		t.Fatal(err)
	}
	if second, err := s.AddTree(context.Background(), a); err != nil || second != first {
		t.Errorf("output changed with permissions of others or times: %s, %v", second, err)
	}
	if err := os.Chmod(filepath.Join(a, "lib/a.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if third, err := s.AddTree(context.Background(), a); err != nil || third == first {
		t.Errorf("an executable bit did not change the output (%v)", err)
	}
}

// corrupt overwrites a blob as a failing disk would.
func corrupt(t *testing.T, s *Store, d digest.Digest, bytes string) {
	t.Helper()
	if err := errors.Join(os.Chmod(s.blob(d), 0o644), os.WriteFile(s.blob(d), []byte(bytes), 0o444)); err != nil {
		t.Fatal(err)
	}
}

func TestCorruptBlobIsAMiss(t *testing.T) {
	for name, bytes := range map[string]string{"flipped": "b", "truncated": "", "longer": "aa"} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			d, err := s.Put([]byte("a"))
			if err != nil {
				t.Fatal(err)
			}
			corrupt(t, s, d, bytes)
			if _, err := s.Read(d); !errors.Is(err, ErrMiss) {
				t.Fatalf("reading a corrupt blob: %v", err)
			}
			if _, err := s.Put([]byte("a")); err != nil || !s.Has(d) {
				t.Errorf("the right bytes could not be put back: %v", err)
			}
		})
	}
}

func TestRestoreRefusesCorruptFile(t *testing.T) {
	s := open(t)
	output, err := s.AddTree(context.Background(), tree(t))
	if err != nil {
		t.Fatal(err)
	}
	corrupt(t, s, digest.Of([]byte("b")), "B")
	dst := filepath.Join(t.TempDir(), "restored")
	if err := s.Restore(context.Background(), output, dst); !errors.Is(err, ErrMiss) {
		t.Fatalf("restoring a corrupt file: %v", err)
	}
	if _, err := os.Lstat(dst); err == nil {
		t.Error("half a tree was left behind")
	}
	if s.Exists(digest.Of([]byte("b"))) {
		t.Error("the corrupt blob was not forgotten")
	}
}

func TestRecord(t *testing.T) {
	s := open(t)
	output, err := s.AddTree(context.Background(), tree(t))
	if err != nil {
		t.Fatal(err)
	}
	key := digest.Of([]byte("key"))
	if _, err := s.Record(key); !errors.Is(err, ErrMiss) {
		t.Fatalf("a record that was never put: %v", err)
	}
	if err := s.PutRecord(Record{Step: "build/a", Profile: "p", Key: key, Output: output}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Record(key); err != nil || r.Output != output {
		t.Fatalf("record: %+v, %v", r, err)
	}
	for _, profile := range []string{"p", "another"} {
		if r, err := s.Last(profile, "build/a"); err != nil || r.Key != key {
			t.Errorf("last record for %s: %+v, %v", profile, r, err)
		}
	}
	path := s.recordPath(key)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string][]byte{"cut": whole[:len(whole)/2], "empty": nil, "altered": []byte(strings.Replace(string(whole), "build/a", "build/b", 1))} {
		if err := errors.Join(os.Remove(path), os.WriteFile(path, bytes, 0o444)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(key); !errors.Is(err, ErrMiss) {
			t.Errorf("%s record: %v", name, err)
		}
	}
	// A record under another key's name must not answer for it.
	other := digest.Of([]byte("other"))
	if err := os.WriteFile(s.recordPath(other), whole, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(other); !errors.Is(err, ErrMiss) {
		t.Errorf("a record under a wrong name: %v", err)
	}
	// A record whose tree or whose file is gone is a miss too.
	if err := errors.Join(os.Remove(path), os.WriteFile(path, whole, 0o444), os.Remove(s.blob(digest.Of([]byte("b"))))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(key); !errors.Is(err, ErrMiss) {
		t.Errorf("a record with a missing file: %v", err)
	}
}

func TestFailingWritesLeaveNothing(t *testing.T) {
	defer func() { fault.Inject = nil }()
	for _, op := range []string{"write", "sync", "close", "rename", "stage"} {
		for _, errno := range []error{syscall.ENOSPC, syscall.EIO} {
			s := open(t)
			src := tree(t)
			fault.Inject = func(at string) error {
				if strings.HasPrefix(at, "store: "+op+" ") {
					return errno
				}
				return nil
			}
			_, err := s.AddTree(context.Background(), src)
			fault.Inject = nil
			if !errors.Is(err, errno) || fault.HintOf(err) == "" {
				t.Errorf("%s %v: got %v, hint %q", op, errno, err, fault.HintOf(err))
			}
			if left := leftovers(t, s); len(left) > 0 {
				t.Errorf("%s %v left %v", op, errno, left)
			}
			if _, err := s.AddTree(context.Background(), src); err != nil {
				t.Errorf("%s %v: the next try: %v", op, errno, err)
			}
		}
	}
}

// leftovers lists temporary files and work folders.
func leftovers(t *testing.T, s *Store) []string {
	t.Helper()
	var left []string
	for _, pattern := range []string{"work/*", "blobs/*/.tmp-*", ".tmp-*", "records/.tmp-*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer")
	if err := errors.Join(os.Mkdir(newer, 0o755), os.WriteFile(filepath.Join(newer, "layout"), []byte("2\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared")
	if err := errors.Join(os.Mkdir(shared, 0o755), os.Chmod(shared, 0o777)); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := errors.Join(os.Mkdir(garbage, 0o755), os.WriteFile(filepath.Join(garbage, "layout"), []byte("?"), 0o644)); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "mine")
	if err := errors.Join(os.MkdirAll(filepath.Join(mine, "work"), 0o755), os.WriteFile(filepath.Join(mine, "work", "thesis"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{newer: "newer than layout", shared: "others may write", garbage: "not a number", file: "not a directory", mine: "holds other things"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q), want %q", filepath.Base(path), err, fault.HintOf(err), want)
		}
	}
	if os.Geteuid() == 0 {
		foreign := filepath.Join(dir, "foreign")
		if err := errors.Join(os.Mkdir(foreign, 0o755), os.Chown(foreign, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(foreign); err == nil || !strings.Contains(err.Error(), "not by root") {
			t.Errorf("a folder of another user: %v", err)
		}
	}
}

func TestLockWaits(t *testing.T) {
	s := open(t)
	release, err := s.Lock(context.Background(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	waited, got := make(chan bool), make(chan error)
	go func() {
		second, err := s.Lock(context.Background(), "k", func() { close(waited) })
		if err == nil {
			second()
		}
		got <- err
	}()
	<-waited
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Lock(ctx, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
	release()
	if err := <-got; err != nil {
		t.Errorf("the waiting one: %v", err)
	}
}

func TestWorkOfTheDeadIsSwept(t *testing.T) {
	s := open(t)
	dead := filepath.Join(s.dir, "work", "openssl-123")
	if err := os.MkdirAll(filepath.Join(dead, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	mine, release, err := s.Work(context.Background(), "build/openssl", false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := os.Stat(dead); err == nil {
		t.Error("the folder of a dead process is still there")
	}
	if s, err = Open(s.dir); err != nil {
		t.Fatal(err)
	}
	_, second, err := s.Work(context.Background(), "build/zlib", false)
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the folder of a living process was swept: %v", err)
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("d \"bin\"\nf 0755 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad \"bin/x\"\nl \"bin/y\" \"x\"\n"))
	f.Add([]byte("d \"../x\"\n"))
	f.Add([]byte("l \"a\" \"\n"))
	f.Add([]byte("d \"a\"\nl \"a/b\" \"../..\"\nd \"a/c\"\n"))
	f.Add([]byte("l \"a\" \"..\"\nd \"a/b\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := ParseTree(b)
		if err != nil {
			return
		}
		folders := map[string]bool{".": true}
		for i, e := range tree {
			if !filepath.IsLocal(e.Path) {
				t.Errorf("path %q leaves the tree", e.Path)
			}
			if !folders[filepath.Dir(e.Path)] || i > 0 && tree[i-1].Path >= e.Path {
				t.Errorf("%q stands behind what is no folder, or twice", e.Path)
			}
			folders[e.Path] = e.Mode.IsDir()
		}
		if string(tree.Encode()) != string(b) {
			t.Error("not canonical")
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	body := `{"step":"build/a"}`
	f.Add([]byte(digest.Of([]byte(body)).String() + "\n" + body))
	f.Add([]byte("x\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseRecord(b); err == nil && len(b) < 65 {
			t.Error("a record without a seal was taken")
		}
	})
}

// TestWorkFoldersOfManySteps makes many at once: none may sweep another's away.
func TestWorkFoldersOfManySteps(t *testing.T) {
	s := open(t)
	errs := make(chan error)
	for range 4 {
		go func() {
			for range 100 {
				other, err := Open(s.dir)
				if err == nil {
					dir, release, workErr := other.Work(context.Background(), "build/a", false)
					if err = workErr; err == nil {
						_, err = os.Stat(dir)
						release()
					}
					other.use.Close()
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestSweepAsksBeside: a work folder is another host's as long as the file beside it is locked. On NFS that
// host's lock on the folder itself would not be seen here.
func TestSweepAsksBeside(t *testing.T) {
	s := open(t)
	dir, release, err := s.Work(t.Context(), "build/x", false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the folder itself is locked (%v), so that the rest says nothing", err)
	}
	f.Close()
	dead := filepath.Join(s.Dir(), "work", "dead-1")
	for _, path := range []string{dead, dead + "-folder"} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dead + ".lock", filepath.Join(s.Dir(), "work", "alone.lock")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a work folder in use: %v", err)
	}
	release()
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "work")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v is left", left, err)
	}
}

// TestWorkShut: an owner may take from himself the right to enter a folder; it goes all the same.
func TestWorkShut(t *testing.T) {
	s := open(t)
	dir, release, err := s.Work(t.Context(), "build/x", false)
	if err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.MkdirAll(filepath.Join(dir, "shut", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(dir, "shut", "deep")
	err = errors.Join(os.Mkdir(precious, 0o500), os.Symlink(precious, filepath.Join(deep, "link")),
		os.Chmod(deep, 0), os.Chmod(filepath.Dir(deep), 0))
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the folder is still there")
	}
	if info, err := os.Stat(precious); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("what a link led to is %v, %v", info, err)
	}
}
