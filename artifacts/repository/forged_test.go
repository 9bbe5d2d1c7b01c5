package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// edit changes a metadata file, and lets the keys in sign it anew, whether they may or not.
func edit[T metadata.Roles](w *world, name string, keys []privateKey, change func(*metadata.Metadata[T])) {
	w.Helper()
	m, err := new(metadata.Metadata[T]).FromFile(w.file(name))
	w.ok(err)
	change(m)
	for _, k := range keys {
		if _, err := m.Sign(tufSigner{w.Context(), k.by}); err != nil {
			w.Fatal(err)
		}
	}
	w.ok(m.ToFile(w.file(name), true))
}

func unsigned[T metadata.Roles](m *metadata.Metadata[T]) { m.ClearSignatures() }

// of are the private keys of a role.
func (w *world) of(role string) []privateKey {
	w.Helper()
	all, err := w.keys()
	w.ok(err)
	return slices.DeleteFunc(all, func(k privateKey) bool {
		return !strings.HasPrefix(filepath.Base(k.file), role+"-")
	})
}

// TestForgedMetadata changes what is signed, in every file, and signs it with keys of other roles or with
// none.
func TestForgedMetadata(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	whole, now := w.Dir, time.Now()
	for _, by := range []string{"", metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		for _, role := range []string{metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
			if by == role {
				continue
			}
			w.Dir, w.state = whole, t.TempDir()
			w.Dir = w.copied()
			name := w.current(role)
			var keys []privateKey
			if by != "" {
				keys = w.of(by)
			}
			switch role {
			case metadata.TARGETS:
				edit(w, name, keys, func(m *metadata.Metadata[metadata.TargetsType]) {
					m.Signed.Expires = now.AddDate(9, 0, 0)
					m.ClearSignatures()
				})
			case metadata.SNAPSHOT:
				edit(w, name, keys, func(m *metadata.Metadata[metadata.SnapshotType]) {
					m.Signed.Expires = now.AddDate(9, 0, 0)
					m.ClearSignatures()
				})
			case metadata.TIMESTAMP:
				edit(w, name, keys, func(m *metadata.Metadata[metadata.TimestampType]) {
					m.Signed.Version++
					m.ClearSignatures()
				})
			}
			w.refuses(now, "not signed by enough of the keys that are trusted for it")
		}
	}
	// With a stolen timestamp key the number could be moved out of everybody's reach.
	w.Dir = whole
	w.Dir = w.copied()
	edit(w, "timestamp.json", w.of(metadata.TIMESTAMP), func(m *metadata.Metadata[metadata.TimestampType]) {
		m.Signed.Version = mostVersions + 1
		m.ClearSignatures()
	})
	w.refuses(now, "fast-forwarded")
	// Somebody else's repository, whole and in order.
	stranger := newWorld(t, simple)
	stranger.add("evil", 9)
	w.Dir = stranger.Dir
	w.refuses(now, "not signed by enough")
	w.Dir = whole
	w.sees(1)
}

// TestThreshold: where two keys have to sign, one does not count twice, and a publisher with one publishes
// nothing.
func TestThreshold(t *testing.T) {
	roles := maps.Clone(simple)
	roles[metadata.TARGETS] = Role{2, 2}
	w := newWorld(t, roles)
	w.add("one", 1)
	w.sees(1)
	c, err := w.open(time.Now())
	w.ok(err)
	if c.Threshold() != 2 {
		t.Errorf("threshold %d", c.Threshold())
	}
	whole := w.Dir
	for name, change := range map[string]func(*metadata.Metadata[metadata.TargetsType]){
		"one": func(m *metadata.Metadata[metadata.TargetsType]) { m.Signatures = m.Signatures[:1] },
		"one twice": func(m *metadata.Metadata[metadata.TargetsType]) {
			m.Signatures[1].Signature = m.Signatures[0].Signature
		},
	} {
		w.Dir = whole
		w.Dir = w.copied()
		edit(w, w.current(metadata.TARGETS), nil, change)
		w.state = t.TempDir()
		if _, err := w.open(time.Now()); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Dir = whole
	w.ok(os.Rename(w.of(metadata.TARGETS)[0].file, filepath.Join(t.TempDir(), "away.pem")))
	if _, err := w.Add(t.Context(), w.checked("two"), 2); fault.CodeOf(err) != fault.BadSignature ||
		!strings.Contains(err.Error(), "1 of 2 signatures") {
		t.Errorf("%v", err)
	}
	w.sees(1)
}

// TestRotation: every role gets new keys; the old ones sign nothing any more; and who has only the first
// root.json, or was here at any time, follows.
func TestRotation(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	w.sees(1)
	sequence := int64(1)
	for _, role := range Roles {
		old, before := w.of(role), w.Dir
		w.Dir = w.copied()
		before, w.Dir = w.Dir, before
		done, err := w.Rotate(t.Context(), role, old[0].id)
		if err != nil || !done {
			t.Fatalf("%s: %v, %v", role, done, err)
		}
		w.sees(sequence)
		kept := w.state
		w.state = t.TempDir()
		w.sees(sequence) // from the first root.json on
		w.state = kept
		sequence++
		w.add(fmt.Sprint("release ", sequence), sequence)
		w.sees(sequence)
		// What the revoked key has signed, or signs now, counts for nobody who has seen the new root.
		now := w.Dir
		w.Dir = before
		if _, err := w.open(time.Now()); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s, as it was before: %v", role, err)
		}
		w.Dir = now
		w.Dir = w.copied()
		switch role {
		case metadata.TARGETS:
			edit(w, w.current(role), old, unsigned[metadata.TargetsType])
		case metadata.SNAPSHOT:
			edit(w, w.current(role), old, unsigned[metadata.SnapshotType])
		case metadata.TIMESTAMP:
			edit(w, "timestamp.json", old, unsigned[metadata.TimestampType])
		}
		if w.state = t.TempDir(); role != metadata.ROOT {
			w.refuses(time.Now(), "not signed by enough")
		}
		w.Dir, w.state = now, kept
	}
}

// TestFastForward: with a stolen timestamp key somebody counts up as far as is believed; a new key mends
// that.
func TestFastForward(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	good := w.Dir
	w.Dir = w.copied()
	edit(w, "timestamp.json", w.of(metadata.TIMESTAMP), func(m *metadata.Metadata[metadata.TimestampType]) {
		m.Signed.Version = mostVersions
		m.ClearSignatures()
	})
	w.sees(1)
	w.Dir = good
	w.add("two", 2)
	w.refuses(time.Now(), "rolled back or mixed up")
	if done, err := w.Rotate(t.Context(), metadata.TIMESTAMP, ""); err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(2)
}

// TestWithheldRoot: whoever holds a revoked timestamp key hides the root.json that revokes it. Who has
// seen that is not fooled; somebody who never has is, until he sees it.
func TestWithheldRoot(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	before, old := w.copied(), w.of(metadata.TIMESTAMP)
	if done, err := w.Rotate(t.Context(), metadata.TIMESTAMP, ""); err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(1)
	w.Dir = before
	edit(w, "timestamp.json", old, func(m *metadata.Metadata[metadata.TimestampType]) {
		m.Signed.Version += 9
		m.ClearSignatures()
	})
	w.refuses(time.Now(), "not signed by enough")
	w.state = t.TempDir()
	w.sees(1)
}

// TestHalfRotated: a new root.json needs the old root keys and the new ones.
func TestHalfRotated(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	w.sees(1)
	old := w.of(metadata.ROOT)
	for i := range 2 { // two of three keys change: enough of them for the threshold of two
		done, err := w.Rotate(t.Context(), metadata.ROOT, old[i].id)
		if err != nil || !done {
			t.Fatalf("%v, %v", done, err)
		}
	}
	whole, name := w.Dir, w.current(metadata.ROOT)
	previous, err := metadata.Root().FromFile(w.file("2.root.json"))
	w.ok(err)
	current, err := metadata.Root().FromFile(w.file(name))
	w.ok(err)
	in := func(root *metadata.Metadata[metadata.RootType], id string) bool {
		return slices.Contains(root.Signed.Roles[metadata.ROOT].KeyIDs, id)
	}
	for _, root := range []*metadata.Metadata[metadata.RootType]{previous, current} { // alone with enough
		w.Dir = whole
		w.Dir = w.copied()
		edit(w, name, nil, func(m *metadata.Metadata[metadata.RootType]) {
			both := 0
			m.Signatures = slices.DeleteFunc(m.Signatures, func(s metadata.Signature) bool {
				if in(previous, s.KeyID) && in(current, s.KeyID) {
					both++
					return both > 1
				}
				return !in(root, s.KeyID)
			})
			if len(m.Signatures) != 2 {
				t.Fatalf("%d signatures are left", len(m.Signatures))
			}
		})
		w.refuses(time.Now(), "not signed by enough")
	}
	w.Dir = whole
	w.Dir = w.copied()
	w.ok(os.WriteFile(w.file("2.root.json"), w.text(name), 0o644)) // one is left out
	kept := w.state
	w.state = t.TempDir()
	w.refuses(time.Now(), "rolled back or mixed up")
	w.Dir, w.state = whole, kept
	w.sees(1)
}

// TestTwoHolders: root keys lie with two people. The new root.json waits until both have signed.
func TestTwoHolders(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	theirs := filepath.Join(t.TempDir(), "theirs")
	w.ok(os.Mkdir(theirs, 0o700))
	roots := w.of(metadata.ROOT)
	for _, k := range roots[1:] {
		w.ok(os.Rename(k.file, filepath.Join(theirs, filepath.Base(k.file))))
	}
	done, err := w.Rotate(t.Context(), metadata.TARGETS, "")
	if err != nil || done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(1)
	draft, err := w.Draft()
	w.ok(err)
	if says := strings.Join(draft.Changes, "\n"); strings.Count(says, "targets    + key ") != 1 ||
		strings.Count(says, "targets    - key ") != 1 || len(draft.Changes) != 3 {
		t.Errorf("it changes\n%s", says)
	}
	if _, err := w.Rotate(t.Context(), metadata.TARGETS, ""); err == nil || fault.HintOf(err) == "" {
		t.Error("two at once")
	}
	if done, err := w.Publisher.Sign(t.Context(), draft.Digest); err != nil || done {
		t.Errorf("the same keys again: %v, %v", done, err)
	}
	other := w.Publisher
	other.Keys = theirs
	if _, err := other.Draft(); fault.CodeOf(err) != fault.Usage ||
		!strings.Contains(fault.HintOf(err), "-trustroot") {
		t.Errorf("a folder of keys that trusts nobody: %v", err)
	}
	other.TrustRoot = filepath.Join(t.TempDir(), "root.json")
	w.ok(os.WriteFile(other.TrustRoot, w.trusted, 0o644))
	// Enough for root, and nobody there can sign the rest.
	if done, err := other.Sign(t.Context(), draft.Digest); err != nil || done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(1)
	if done, err := w.Publisher.Sign(t.Context(), draft.Digest); err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(1)
	w.add("two", 2)
	w.sees(2)
}

// TestWrongTargets spoils the files themselves.
func TestWrongTargets(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	whole := w.Dir
	for says, spoil := range map[string]func(file string) error{
		"was altered":   func(file string) error { return flip(file) },
		"bytes, and":    func(file string) error { return os.Truncate(file, 10) },
		"has more than": func(file string) error { return os.WriteFile(file, make([]byte, 1<<20), 0o644) },
		"is missing":    os.Remove,
		"no regular": func(file string) error {
			return errors.Join(os.Remove(file), syscall.Mkfifo(file,
				0o644))
		},
		"": func(file string) error {
			return errors.Join(os.Rename(file, file+".aside"), os.Symlink(file+".aside", file))
		},
	} {
		for _, name := range []string{bundle.Sums, bundle.IndexFile, ".tar.zst", "proof/proof.json"} {
			w.Dir = whole
			w.Dir = w.copied()
			found := ""
			w.ok(filepath.WalkDir(filepath.Join(w.Dir, targetsDir), func(file string, d fs.DirEntry,
				err error) error {
				inProof := filepath.Base(filepath.Dir(file)) == bundle.ProofDir
				if err == nil && !d.IsDir() && strings.HasSuffix(file, filepath.Base(name)) &&
					inProof == strings.HasPrefix(name, "proof/") {
					found = file
				}
				return err
			}))
			w.ok(spoil(found))
			c, err := w.open(time.Now())
			w.ok(err)
			if _, _, err := w.take(c); fault.CodeOf(err) != fault.BadSignature || !strings.Contains(err.Error(),
				says) {
				t.Errorf("%s, %q: %d, %v", name, says, fault.CodeOf(err), err)
			}
		}
	}
}

func flip(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text[len(text)/2] ^= 1
	return os.WriteFile(file, text, 0o644)
}

// TestSignedLies: the keys themselves sign something that is not so.
func TestSignedLies(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	whole := w.Dir
	for name, lie := range map[string]func(map[string]*metadata.TargetFiles, string){
		"another floor": func(all map[string]*metadata.TargetFiles, list string) {
			a, _ := aboutIn(all[list])
			a.Floor = "1.3"
			text, _ := json.Marshal(a)
			all[list].Custom = (*json.RawMessage)(&text)
		},
		"no digest": func(all map[string]*metadata.TargetFiles, list string) {
			all[list].Hashes = metadata.Hashes{"sha512": make([]byte, 64)}
		},
		"a missing one": func(all map[string]*metadata.TargetFiles, list string) {
			delete(all, filepath.Dir(list)+"/"+bundle.IndexFile)
		},
	} {
		w.Dir = whole
		w.Dir = w.copied()
		edit(w, w.current(metadata.TARGETS), w.of(metadata.TARGETS),
			func(m *metadata.Metadata[metadata.TargetsType]) {
				for file := range m.Signed.Targets {
					dir, base := filepath.Split(file)
					if base == bundle.Sums && filepath.Base(dir) != bundle.ProofDir {
						lie(m.Signed.Targets, file)
						break
					}
				}
				m.ClearSignatures()
			})
		w.state = t.TempDir()
		c, err := w.open(time.Now())
		w.ok(err)
		if _, _, err := w.take(c); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
}
