package repository

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Whoever holds the share has no key. What they lay there is signed by nobody.

// plants puts another bundle into the targets.json of the share, with the signature as it was.
func (w *world) plants(text string, sequence int64) {
	w.Helper()
	k := w.checked(text)
	files, err := listed(k)
	w.ok(err)
	custom, err := json.Marshal(aboutOf(k.Index, sequence))
	w.ok(err)
	files[k.Index.Name+"/"+bundle.Sums].Custom = (*json.RawMessage)(&custom)
	w.ok(w.storeAll(w.Context(), k, files))
	edit(w, w.current(metadata.TARGETS), nil, func(m *metadata.Metadata[metadata.TargetsType]) {
		m.Signed.Targets = files
	})
}

// signers are all commands that sign.
func (w *world) signers() map[string]func() error {
	return map[string]func() error{
		"publish": func() error {
			_, err := w.Add(context.Background(), w.checked("two"), 2)
			return err
		},
		"keys:refresh": func() error { return w.Refresh(context.Background()) },
		"keys:rotate": func() error {
			_, err := w.Rotate(context.Background(), metadata.TIMESTAMP, "")
			return err
		},
		"keys:sign": func() error {
			_, err := w.Publisher.Sign(context.Background(), digest.Digest{})
			return err
		},
	}
}

// TestHostileShare lays every kind of forgery before every command that signs.
func TestHostileShare(t *testing.T) {
	w := newWorld(t, simple)
	old := w.copied()
	w.add("one", 1)
	stranger := newWorld(t, simple) // somebody else's repository, whole and in order
	stranger.add("evil", 9)
	whole, again := w.Dir, w.knows()
	rooted := func(name string, version int64) {
		edit(w, "1.root.json", nil, func(m *metadata.Metadata[metadata.RootType]) {
			m.Signed.Version = version
			w.ok(Publisher{Keys: stranger.Keys}.newKey(m, metadata.TARGETS))
			w.ok(m.ToFile(w.file(name), true))
		})
		w.ok(os.WriteFile(w.file("1.root.json"), w.trusted, 0o644))
	}
	for name, plant := range map[string]func(){
		"targets.json": func() { w.plants("evil", 9) },
		"a bundle of an older time": func() {
			w.plants("evil", 9)
			edit(w, w.current(metadata.TARGETS), nil, unsigned[metadata.TargetsType])
		},
		"targets.json by other roles": func() {
			w.plants("evil", 9)
			edit(w, w.current(metadata.TARGETS), append(w.of(metadata.SNAPSHOT), w.of(metadata.TIMESTAMP)...),
				unsigned[metadata.TargetsType])
		},
		"snapshot.json": func() {
			edit(w, w.current(metadata.SNAPSHOT), nil, func(m *metadata.Metadata[metadata.SnapshotType]) {
				m.Signed.Meta["targets.json"] = metadata.MetaFile(1)
			})
		},
		"timestamp.json": func() {
			edit(w, "timestamp.json", nil, func(m *metadata.Metadata[metadata.TimestampType]) {
				m.Signed.Meta["snapshot.json"] = metadata.MetaFile(1)
			})
		},
		"fast-forward": func() {
			by := w.of(metadata.TIMESTAMP)
			edit(w, "timestamp.json", by, func(m *metadata.Metadata[metadata.TimestampType]) {
				m.Signed.Version = mostVersions
				m.ClearSignatures()
			})
		},
		"a next root.json":    func() { rooted("2.root.json", 2) },
		"root.json of others": func() { w.Dir = stranger.Dir },
		"rolled back":         func() { w.Dir = old },
		"an old list": func() {
			text, err := os.ReadFile(filepath.Join(old, metadataDir, "1.targets.json"))
			w.ok(err)
			w.ok(os.WriteFile(w.file(w.current(metadata.TARGETS)), text, 0o644))
		},
	} {
		for command := range w.signers() {
			w.Dir = whole
			w.Dir = w.copied()
			again()
			if command == "keys:sign" { // which needs a draft
				root, err := metadata.Root().FromBytes(w.trusted)
				w.ok(err)
				root.Signed.Version = 2
				w.ok(root.ToFile(w.file(draftFile), true))
			}
			plant()
			before := inFolder(t, w.Dir)
			err := w.signers()[command]()
			if fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" {
				t.Errorf("%s before %s: %d, %v", name, command, fault.CodeOf(err), err)
			}
			if after := inFolder(t, w.Dir); before != after {
				t.Errorf("%s before %s: it wrote\n%s\nwhere there was\n%s", name, command, after, before)
			}
		}
	}
	w.Dir = whole
	again()
	for _, command := range []string{"publish", "keys:refresh", "keys:rotate"} { // and without all that
		if err := w.signers()[command](); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	w.sees(2)
}

// inFolder is all metadata, name and text.
func inFolder(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, metadataDir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s\n%s\n", filepath.Base(file), text)
	}
	return all.String()
}

// TestFirstRoot: the trusted root.json is the publisher's, not the 1.root.json that lies on the share.
func TestFirstRoot(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	edit(w, "1.root.json", nil, func(m *metadata.Metadata[metadata.RootType]) {
		w.ok(Publisher{Keys: t.TempDir()}.newKey(m, metadata.TARGETS))
	})
	done, err := w.Rotate(t.Context(), metadata.TIMESTAMP, "")
	if err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	two, err := metadata.Root().FromFile(w.file("2.root.json"))
	w.ok(err)
	if n := len(two.Signed.Roles[metadata.TARGETS].KeyIDs); n != 1 {
		t.Errorf("%d keys of targets", n)
	}
	kept, err := os.ReadFile(filepath.Join(w.Keys, trustedFile))
	w.ok(err)
	if string(kept) != string(w.text("2.root.json")) {
		t.Error("the new root.json is not kept beside the keys")
	}
	// Another folder of the same keys, which knows the first one only, follows.
	w.ok(os.WriteFile(filepath.Join(w.Keys, trustedFile), w.trusted, 0o600))
	w.ok(w.Refresh(t.Context()))
	w.sees(1)
}

// TestStoppedRotation stops a rotation before each of its writes: the next try, or a refresh, mends it.
func TestStoppedRotation(t *testing.T) {
	defer func() { fault.Inject = nil }()
	for _, role := range Roles {
		for n := 1; n < 20; n++ {
			w := newWorld(t, simple)
			w.add("one", 1)
			points := 0
			fault.Inject = func(string) error {
				if points++; points == n {
					return syscall.EIO
				}
				return nil
			}
			_, err := w.Rotate(context.Background(), role, w.of(role)[0].id)
			fault.Inject = nil
			w.ok(w.Refresh(t.Context()))
			w.sees(1)
			if err == nil {
				if n < 4 {
					t.Errorf("only %d writes", n-1)
				}
				break
			}
		}
	}
}

// TestSameLength: a file on the share with the right length is not what was published.
func TestSameLength(t *testing.T) {
	w := newWorld(t, simple)
	k := w.checked("one")
	files, err := listed(k)
	w.ok(err)
	for _, before := range []bool{true, false} { // the first time, and the same once more
		for name, target := range files {
			file := filepath.Join(w.Dir, targetsDir, place(name, target))
			w.ok(os.MkdirAll(filepath.Dir(file), 0o755))
			w.ok(os.WriteFile(file, make([]byte, target.Length), 0o644))
		}
		if there, err := w.Add(t.Context(), k, 1); err != nil || there == before {
			t.Fatalf("%v, %v", there, err)
		}
		w.sees(1)
	}
}
