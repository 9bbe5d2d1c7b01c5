package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// record stores a tree of one file with the bytes text, as the n-th record of build/a.
func record(t *testing.T, s *Store, n int, text string) digest.Digest {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "own"), []byte(text), 0o644), os.WriteFile(filepath.Join(dir, "shared"), []byte("shared"), 0o644)); err != nil {
		t.Fatal(err)
	}
	output, err := s.AddTree(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	source, err := s.Put([]byte("source of " + text))
	if err != nil {
		t.Fatal(err)
	}
	key := digest.Of(fmt.Append(nil, "key", n))
	if err := s.PutRecord(Record{Step: "build/a", Profile: "p", Key: key, Output: output, Sources: []digest.Digest{source}, Finished: time.Unix(int64(n), 0)}); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestGCKeepsTheNewest(t *testing.T) {
	s := open(t)
	var keys []digest.Digest
	for n, text := range []string{"one", "two", "three"} {
		keys = append(keys, record(t, s, n, text))
	}
	orphan, err := s.Put([]byte("nobody needs this"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Put([]byte("a signature"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetSignature(digest.Of([]byte("k")), signature); err != nil {
		t.Fatal(err)
	}
	dry, err := s.GC(Limits{Generations: 2}, true)
	if err != nil || dry.Records != 1 || dry.Blobs != 4 { // the orphan, and tree, file and source of the oldest
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	if _, err := s.Record(keys[0]); err != nil {
		t.Fatal("a dry run removed something")
	}
	if wet, err := s.GC(Limits{Generations: 2}, false); err != nil || wet != dry {
		t.Fatalf("%+v, %v; the dry run said %+v", wet, err, dry)
	}
	for i, want := range []bool{false, true, true} {
		if _, err := s.Record(keys[i]); (err == nil) != want {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if s.Exists(orphan) || !s.Exists(digest.Of([]byte("source of three"))) || !s.Exists(signature) {
		t.Error("the orphan stayed, or the source or signature of a kept record went")
	}
}

func TestGCBySize(t *testing.T) {
	s := open(t)
	record(t, s, 1, strings.Repeat("a", 10_000))
	newest := record(t, s, 2, strings.Repeat("b", 10_000))
	got, err := s.GC(Limits{Bytes: 25_000}, false)
	if err != nil || got.Records != 1 || got.Kept > 25_000 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.Record(newest); err != nil {
		t.Errorf("the newest went: %v", err)
	}
}

func TestGCLeavesABusyStoreAlone(t *testing.T) {
	s := open(t)
	other, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(Limits{}, false); err == nil || fault.HintOf(err) == "" {
		t.Fatalf("a store in use was swept: %v", err)
	}
	other.use.Close()
	if _, err := s.GC(Limits{}, false); err != nil {
		t.Errorf("nobody uses it any more: %v", err)
	}
}

func TestCheckForgets(t *testing.T) {
	s := open(t)
	good := record(t, s, 1, "one")
	bad := record(t, s, 2, "two")
	cut := record(t, s, 3, "three")
	if c, err := s.Check(t.Context()); err != nil || len(c.Forgotten) > 0 || c.Records != 3 {
		t.Fatalf("a good store: %+v, %v", c, err)
	}
	corrupt(t, s, digest.Of([]byte("two")), "TWO")
	if err := os.Truncate(s.recordPath(cut), 10); err != nil {
		t.Fatal(err)
	}
	c, err := s.Check(t.Context())
	if err != nil || len(c.Forgotten) != 3 { // the blob, the record that needs it, and the cut record
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := s.Record(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
	for _, key := range []digest.Digest{bad, cut} {
		if _, err := os.Stat(s.recordPath(key)); err == nil {
			t.Error("a bad record stayed")
		}
	}
}

// TestGCAfterTheClockJumpedBack: the record that was written last says that it is the oldest.
func TestGCAfterTheClockJumpedBack(t *testing.T) {
	s := open(t)
	record(t, s, 1000, "before the jump")
	newest := record(t, s, 1, "after the jump")
	if _, err := s.GC(Limits{Generations: 1}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(newest); err != nil {
		t.Errorf("the newest went: %v", err)
	}
}

// TestRecordOfANewerTlsfloor: another version may write more into a record; what this one knows of it is
// still right.
func TestRecordOfANewerTlsfloor(t *testing.T) {
	s := open(t)
	key := record(t, s, 1, "one")
	sealed, err := os.ReadFile(s.recordPath(key))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(sealed), "\n")
	body = strings.Replace(body, "{", `{"invented_later": {"x": [1]},`, 1)
	if err := errors.Join(os.Remove(s.recordPath(key)), os.WriteFile(s.recordPath(key), []byte(digest.Of([]byte(body)).String()+"\n"+body), 0o444)); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Record(key); err != nil || r.Step != "build/a" {
		t.Errorf("%+v, %v", r, err)
	}
}
