package repository

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// TestHostileDraft lays a root.json with a key of somebody else's before keys:sign, in every form.
func TestHostileDraft(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	evil := Publisher{Keys: t.TempDir()}
	whole, keys := w.Dir, w.of(metadata.ROOT)
	type root = metadata.Metadata[metadata.RootType]
	for name, test := range map[string]struct {
		by     []privateKey
		change func(*root)
	}{
		"nobody's":          {nil, func(*root) {}},
		"by a targets key":  {w.of(metadata.TARGETS), func(*root) {}},
		"by his own key":    {nil, func(m *root) { w.ok(evil.newKey(m, metadata.ROOT)) }},
		"a later version":   {keys[:1], func(m *root) { m.Signed.Version = 3 }},
		"the same version":  {keys[:1], func(m *root) { m.Signed.Version = 1 }},
		"more than keys":    {keys[:1], func(m *root) { m.Signed.ConsistentSnapshot = false }},
		"another's ID":      {keys[:1], func(m *root) { swapped(m) }},
		"without threshold": {keys[:1], func(m *root) { m.Signed.Roles[metadata.TARGETS].Threshold = 0 }},
		"a fifth role": {keys[:1], func(m *root) {
			m.Signed.Roles["mirrors"] = m.Signed.Roles[metadata.TARGETS]
		}},
	} {
		w.Dir = whole
		w.Dir = w.copied()
		m, err := metadata.Root().FromBytes(w.trusted)
		w.ok(err)
		m.ClearSignatures()
		m.Signed.Version = 2
		w.ok(evil.newKey(m, metadata.TARGETS))
		test.change(m)
		by := test.by
		if name == "by his own key" {
			signers, err := evil.keys()
			w.ok(err)
			by = signers
		}
		for _, k := range by {
			_, err := m.Sign(tufSigner{t.Context(), k.by})
			w.ok(err)
		}
		w.ok(m.ToFile(w.file(draftFile), true))
		before := inFolder(t, w.Dir)
		shown, err := w.Draft()
		if fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" {
			t.Errorf("%s: shown: %v, %v", name, shown, err)
		}
		is, err := digestOf(m)
		w.ok(err)
		if done, err := w.Publisher.Sign(t.Context(), is); fault.CodeOf(err) != fault.BadSignature || done {
			t.Errorf("%s: signed: %v, %v", name, done, err)
		}
		if inFolder(t, w.Dir) != before {
			t.Errorf("%s: it wrote", name)
		}
	}
}

// swapped gives a key of the root the ID of another.
func swapped(m *metadata.Metadata[metadata.RootType]) {
	theirs := m.Signed.Keys[m.Signed.Roles[metadata.TARGETS].KeyIDs[1]]
	for _, role := range []string{metadata.SNAPSHOT, metadata.TIMESTAMP} {
		m.Signed.Keys[m.Signed.Roles[role].KeyIDs[0]] = theirs
	}
}

// TestExchangedDraft: what was looked at is signed, and nothing that lies there a moment later.
func TestExchangedDraft(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	away := t.TempDir()
	for _, k := range w.of(metadata.ROOT)[1:] {
		w.ok(os.Rename(k.file, filepath.Join(away, filepath.Base(k.file))))
	}
	if done, err := w.Rotate(t.Context(), metadata.TIMESTAMP, ""); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	shown, err := w.Draft()
	w.ok(err)
	first := w.text(draftFile)
	w.ok(os.Remove(w.file(draftFile)))
	if _, err := w.Rotate(t.Context(), metadata.SNAPSHOT, ""); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []digest.Digest{shown.Digest, {}} {
		if _, err := w.Publisher.Sign(t.Context(), wrong); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%v", err)
		}
	}
	w.ok(os.WriteFile(w.file(draftFile), first, 0o644))
	files, err := filepath.Glob(filepath.Join(away, "*.pem"))
	w.ok(err)
	for _, file := range files {
		w.ok(os.Rename(file, filepath.Join(w.Keys, filepath.Base(file))))
	}
	if done, err := w.Publisher.Sign(t.Context(), shown.Digest); err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	w.sees(1)
}
