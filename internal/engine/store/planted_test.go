package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// plant makes a store with a record for a key that anybody can compute, which leads to a tree of the
// planter's.
func plant(t *testing.T, dir string) (key digest.Digest) {
	t.Helper()
	st, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "libssl.a"), []byte("EVIL"), 0o644); err != nil {
		t.Fatal(err)
	}
	output, err := st.AddTree(context.Background(), tree)
	if err != nil {
		t.Fatal(err)
	}
	log, err := st.Put([]byte("log"))
	key = digest.Of([]byte("the key of build/openssl, computed from public things"))
	if err := errors.Join(err, st.PutRecord(Record{Step: "build/openssl", Profile: "p", Key: key,
		Output: output, Log: log})); err != nil {
		t.Fatal(err)
	}
	return key
}

const planter = 1000

// given gives everything below path, links included, to the planter.
func given(path string) error {
	return filepath.WalkDir(path, func(file string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(file, planter, planter))
	})
}

// TestPlantedStoresAreRefused gives parts of a store, or what leads to it, to somebody else.
func TestPlantedStoresAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("planting as somebody else needs root")
	}
	for name, test := range map[string]struct {
		do   func(store string) error
		says string // what opening says; "" where it opens and the record is a miss
	}{
		"the whole":        {given, "owned by user 1000"},
		"the folder alone": {func(s string) error { return os.Chown(s, planter, 0) }, "owned by user 1000"},
		"what leads to it": {func(s string) error { return os.Chown(filepath.Dir(s), planter, 0) },
			"owned by user 1000"},
		"a sticky folder": {func(s string) error { return os.Chmod(s, os.ModeSticky|0o777) },
			"others may write"},
		"a group's folder": {func(s string) error {
			return errors.Join(os.Chown(s, 0, planter),
				os.Chmod(s, 0o775))
		}, "others may write"},
		"a group leads there": {func(s string) error {
			return errors.Join(os.Chown(filepath.Dir(s), 0, planter), os.Chmod(filepath.Dir(s), 0o775))
		}, "others may write"},
		"records": {func(s string) error { return given(s + "/records") },
			"records: owned by user 1000"},
		"open records": {func(s string) error { return os.Chmod(s+"/records", 0o777) },
			"records: others may write"},
		"blobs": {func(s string) error { return given(s + "/blobs") },
			"blobs: owned by user 1000"},
		"one folder of blobs": {func(s string) error { return eachOf(s+"/blobs/*", given) },
			"owned by user 1000"},
		"locks": {func(s string) error { return given(s + "/locks") },
			"locks: owned by user 1000"},
		"a lock": {func(s string) error { return given(s + "/locks/work") },
			"owned by user 1000"},
		"a lock that is a link": {func(s string) error {
			return errors.Join(os.Remove(s+"/locks/work"), os.Symlink("/etc/passwd", s+"/locks/work"))
		}, "a link"},
		"unfinished downloads": {func(s string) error { return os.Chown(s+"/partial", planter, 0) },
			"partial: owned by user 1000"},
		"records are a link": {func(s string) error {
			return errors.Join(os.Rename(s+"/records", s+"/r"), os.Symlink("r", s+"/records"))
		}, "no folder"},
		"the record": {func(s string) error { return eachOf(s+"/records/[0-9a-f]*", given) }, ""},
		"an open record": {func(s string) error {
			return eachOf(s+"/records/[0-9a-f]*", func(f string) error { return os.Chmod(f, 0o666) })
		}, ""},
		"a linked record": {func(s string) error {
			return eachOf(s+"/records/[0-9a-f]*", func(f string) error {
				return errors.Join(os.Rename(f,
					s+"/kept"), os.Symlink(s+"/kept", f))
			})
		}, ""},
		"the blobs in it": {func(s string) error { return eachOf(s+"/blobs/*/*", given) }, ""},
	} {
		dir := filepath.Join(t.TempDir(), "way", "store")
		key := plant(t, dir)
		if st, err := Open(dir); err != nil {
			t.Fatal(err)
		} else if _, err := st.Record(key); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		if err := test.do(dir); err != nil {
			t.Fatal(err)
		}
		st, err := Open(dir)
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) || fault.HintOf(err) == "" {
				t.Errorf("%s: %v (hint %q), want %q", name, err, fault.HintOf(err), test.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := st.Record(key)
		if !errors.Is(err, ErrMiss) || st.Restore(t.Context(), r.Output, filepath.Join(t.TempDir(),
			"x")) == nil {
			t.Errorf("%s: its record is taken: %v", name, err)
		}
	}
}

func eachOf(pattern string, do func(string) error) error {
	files, err := filepath.Glob(pattern)
	if err == nil && len(files) == 0 {
		err = errors.New("nothing at " + pattern)
	}
	for _, file := range files {
		err = errors.Join(err, do(file))
	}
	return err
}

// TestForeignBlobIsWrittenAnew keeps the bytes of one's own under the same name.
func TestForeignBlobIsWrittenAnew(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("planting as somebody else needs root")
	}
	st, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := st.Put([]byte("text"))
	if err == nil {
		err = os.Chown(st.blob(d), planter, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if st.Exists(d) {
		t.Error("somebody else's blob counts as there")
	}
	if _, err := st.Put([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if b, err := st.Read(d); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
}
