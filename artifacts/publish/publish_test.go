package publish

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// folder makes something that looks like a bundle.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, bundle.ProofDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.tar.xz", "proof/proof.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := bundle.WriteSums(dir, []string{"a.tar.xz"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func names(t *testing.T, dir string) (all string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			all += strings.TrimPrefix(path, dir+"/") + " "
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

func TestFolderIsWhole(t *testing.T) {
	to := filepath.Join(t.TempDir(), "to")
	dir := folder(t, "one")
	for _, want := range []bool{false, true} {
		at, there, err := ToFolder(t.Context(), dir, "name", to)
		if err != nil || there != want || at != filepath.Join(to, "name") {
			t.Fatalf("%s, %v, %v", at, there, err)
		}
	}
	const whole = "name name/SHA256SUMS name/a.tar.xz name/proof name/proof/proof.json "
	if got := names(t, to); got != whole {
		t.Errorf("there is %q", got)
	}
	if info, err := os.Stat(filepath.Join(to, "name", "a.tar.xz")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if _, _, err := ToFolder(t.Context(), folder(t, "two"), "name", to); err == nil || !strings.Contains(err.Error(), "something else") || fault.HintOf(err) == "" {
		t.Errorf("other bytes: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "name", "a.tar.xz")); err != nil || string(text) != "one" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFolderStoppedAnywhere stops it at each of its points: nothing is there, and the next try finishes.
func TestFolderStoppedAnywhere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	dir := folder(t, "one")
	for n := 1; ; n++ {
		to := filepath.Join(t.TempDir(), "to")
		count := 0
		fault.Inject = func(at string) error {
			if count++; count == n {
				return errors.New("stopped at " + at)
			}
			return nil
		}
		_, _, err := ToFolder(t.Context(), dir, "name", to)
		fault.Inject = nil
		if err == nil {
			if n < 4 {
				t.Fatalf("only %d points: the test stops nothing", n)
			}
			return
		}
		if got := names(t, to); got != "" {
			t.Fatalf("point %d: there is %q", n, got)
		}
		if _, there, err := ToFolder(t.Context(), dir, "name", to); err != nil || there {
			t.Fatalf("point %d: the next: %v, %v", n, there, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"oci://registry.example/tools/python:1.0": "registry.example/tools/python:1.0", "oci://registry.example:5000/p": "registry.example:5000/p:tag",
		"oci+http://127.0.0.1:5000/p:2": "127.0.0.1:5000/p:2", "oci+http://[::1]:5000/p:2": "[::1]:5000/p:2", "oci+http://localhost/p:2": "localhost/p:2",
	} {
		p, err := open(address, "tag")
		if err != nil || p.Reference.Registry+"/"+p.Reference.Repository+":"+p.tag != want || p.PlainHTTP != strings.HasPrefix(address, "oci+http") {
			t.Errorf("%s: %v, %v", address, p, err)
		}
	}
	for _, address := range []string{"oci://", "oci://registry.example", "oci://registry.example/UPPER:1", "oci+http://registry.example/p:1", "oci+http://10.0.0.1/p:1"} {
		if p, err := open(address, "tag"); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, %v", address, p, err)
		}
	}
	if _, err := open("oci://registry.example/p", ""); err == nil {
		t.Error("no tag, and none wanted")
	}
}

func TestWhatGoesWhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "proof"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a.tar.xz": BundleType, "index.json": BundleType, "LICENSES.txt": BundleType, "SHA256SUMS": BundleType, "sbom.spdx.json": SBOMType, "provenance.intoto.json": ProvenanceType,
		"provenance.dsse.json": ProvenanceType, "verdict.txt": ProofType, "cases.json": ProofType, "test-result.intoto.json": ProofType, "test-result.dsse.json": ProofType, "proof/SHA256SUMS": ProofType,
		"proof/proof.html": ProofType, "proof/svr.dsse.json": ProofType, "SHA256SUMS.sig": SignatureType, "proof/SHA256SUMS.sig": SignatureType}
	for name := range want {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	groups, err := grouped(dir)
	if err != nil || groups[0].kind != BundleType {
		t.Fatal(groups, err)
	}
	if got := len(groups[0].files); got != len(want) {
		t.Errorf("%d of %d files are in the bundle itself", got, len(want))
	}
	for _, g := range groups[1:] {
		for _, name := range g.files {
			if want[name] != g.kind {
				t.Errorf("%s is in %s", name, g.kind)
			}
			delete(want, name)
		}
	}
	maps.DeleteFunc(want, func(_, kind string) bool { return kind == BundleType })
	if len(want) > 0 {
		t.Errorf("left: %v", want)
	}
}
