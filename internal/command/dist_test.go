package command

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Which words openssl verifies with, by the kind of key.
var verifies = map[string][]string{
	"ed25519": {"pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", "KEY", "-in", "FILE",
		"-sigfile", "FILE.sig"},
	"EC": {"dgst", "-sha256", "-verify", "KEY", "-signature", "FILE.sig", "FILE"},
}

// newPair makes a key in a folder of its own.
func newPair(t *testing.T, kind string) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	private, public = filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub.pem")
	args := []string{"genpkey", "-algorithm", kind, "-out", private}
	if kind == "EC" {
		args = append(args, "-pkeyopt", "ec_paramgen_curve:P-256")
	}
	for _, args := range [][]string{args, {"pkey", "-in", private, "-pubout", "-out", public}} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return private, public
}

// opensslTakes reports whether openssl verifies the signature beside the file.
func opensslTakes(kind, public, file string) bool {
	words := strings.NewReplacer("KEY", public, "FILE", file)
	var args []string
	for _, a := range verifies[kind] {
		args = append(args, words.Replace(a))
	}
	return exec.Command("openssl", args...).Run() == nil
}

func listed(file string) bool {
	cmd := exec.Command("sha256sum", "-c", "--quiet", "--strict", filepath.Base(file)+distSums)
	cmd.Dir = filepath.Dir(file)
	return cmd.Run() == nil
}

// described is a copy of the program with what `dist` writes beside it.
func described(t *testing.T, where string, public *sign.Key) (*dist, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tlsfloor")
	if out, err := exec.Command("cp", program, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var signer *sign.Signer
	if where != "" {
		var err error
		if signer, err = sign.Apart(where, public); err != nil {
			t.Fatal(err)
		}
	}
	return describe(t.Context(), file, signer)
}

func flipByte(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(file, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAlteredProgramsAreFound: a byte of the program, of its SBOM or of a signature is another, and
// coreutils, openssl and what reads back find it, and take what was written.
func TestAlteredProgramsAreFound(t *testing.T) {
	for kind := range verifies {
		private, public := newPair(t, kind)
		_, stranger := newPair(t, kind)
		key, err := sign.ReadKey(public)
		if err != nil {
			t.Fatal(err)
		}
		d, err := described(t, private, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.Key != key.ID || !listed(d.File) || d.signed(&key) != nil {
			t.Errorf("%s: what was written is not taken: %+v", kind, d)
		}
		for _, of := range []string{"", distSBOM} {
			if !opensslTakes(kind, public, d.File+of) || opensslTakes(kind, stranger, d.File+of) {
				t.Errorf("%s: openssl takes the wrong key, or not the right one", kind)
			}
			for _, end := range []string{"", bundle.Signature} {
				flipByte(t, d.File+of+end)
				if listed(d.File) != (end != "") {
					t.Errorf("%s: sha256sum does not find an altered %q", kind, of+end)
				}
				if opensslTakes(kind, public, d.File+of) {
					t.Errorf("%s: openssl does not find an altered %q", kind, of+end)
				}
				if err := d.signed(&key); fault.CodeOf(err) != fault.BadSignature {
					t.Errorf("%s: reading back an altered %q: %v", kind, of+end, err)
				}
				flipByte(t, d.File+of+end)
			}
		}
	}
}

// TestWrongSignersOfPrograms: what a command says is no signature, or another key's.
func TestWrongSignersOfPrograms(t *testing.T) {
	other, _ := newPair(t, "ed25519")
	_, public := newPair(t, "ed25519")
	key, err := sign.ReadKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"cat >/dev/null; printf x",
		"cat >in; openssl pkeyutl -sign -inkey " + other + " -rawin -in in; rm in"} {
		t.Chdir(t.TempDir())
		if _, err := described(t, "exec:"+command, &key); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// TestUnsignedProgramsKeepNoSignature: what an earlier program had beside it goes with it.
func TestUnsignedProgramsKeepNoSignature(t *testing.T) {
	private, _ := newPair(t, "ed25519")
	out := filepath.Join(t.TempDir(), "tlsfloor")
	for _, where := range []string{private, ""} {
		d, err := described(t, where, nil)
		if err == nil {
			err = d.put(out)
		}
		if err != nil || !listed(out) {
			t.Fatal(d, err)
		}
		for _, of := range []string{"", distSBOM} {
			if there := exists(out + of + bundle.Signature); there != (where != "") {
				t.Errorf("-sign=%q: a signature of %q: %v", where, of, there)
			}
		}
	}
}

// spdxPackages are the packages of an SBOM, by name.
func spdxPackages(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var doc struct {
		Packages []struct{ Name, VersionInfo, SourceInfo string }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range doc.Packages {
		all[p.Name] = p.VersionInfo + " " + p.SourceInfo
	}
	return all
}

// TestProgramSBOM holds the SBOM against what the program itself says is in it.
func TestProgramSBOM(t *testing.T) {
	text, err := bundle.ProgramSBOM(program, "tlsfloor")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := bundle.ProgramSBOM(program, "tlsfloor"); err != nil || !bytes.Equal(text, again) {
		t.Errorf("it is another the second time: %v", err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil || len(info.Deps) < 20 {
		t.Fatal(info, err)
	}
	packages := spdxPackages(t, text)
	for _, m := range info.Deps {
		if m.Sum == "" { // tlsfloor's own
			continue
		}
		got := packages[m.Path]
		if !strings.HasPrefix(got, m.Version+" ") || !strings.HasSuffix(got, " "+m.Sum) {
			t.Errorf("%s %s %s: %q", m.Path, m.Version, m.Sum, got)
		}
	}
	if got := packages["stdlib"]; !strings.HasPrefix("go"+got, info.GoVersion+" ") {
		t.Errorf("the standard library: %q", got)
	}
	if len(packages) != len(info.Deps)+1 { // stdlib, and tlsfloor by its own name
		t.Errorf("%d packages of %d modules", len(packages), len(info.Deps))
	}
	if _, err := bundle.ProgramSBOM("/bin/sh", "sh"); err == nil {
		t.Error("a program that Go did not compile has an SBOM")
	}
}

// TestDist compiles the program from two folders and with its key in two places: all of it is the same, valid
// by SPDX's schema, and verified by others' tools.
func TestDist(t *testing.T) {
	if os.Getenv("TLSFLOOR_TEST") == "" {
		t.Skip("compiles the program twice: run `go tool mage test`")
	}
	private, public := newPair(t, "ed25519")
	text, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	sources, checkout := filepath.Join("..", ".."), filepath.Join(t.TempDir(), "checkout")
	script := `mkdir "$1" && git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1"`
	cp := exec.Command("sh", "-ec", script, "sh", checkout)
	cp.Dir = sources
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var made []string
	for dir, key := range map[string]string{sources: private, checkout: "env:SIGNING_KEY"} {
		file := filepath.Join(t.TempDir(), "tlsfloor")
		cmd := exec.Command("go", "tool", "mage", "dist", "-o="+file, "-sign="+key)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SIGNING_KEY="+string(text))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "signed by key ") {
			t.Fatalf("%v: %s", err, out)
		}
		if !listed(file) || !opensslTakes("ed25519", public, file) ||
			!opensslTakes("ed25519", public, file+distSBOM) {
			t.Errorf("%s: others' tools do not take it", dir)
		}
		made = append(made, file)
	}
	for _, end := range []string{"", distSums, distSBOM, bundle.Signature, distSBOM + bundle.Signature} {
		a, err := os.ReadFile(made[0] + end)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(made[1] + end); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%q depends on the folder: %v", end, err)
		}
		if end == distSBOM {
			holdAgainstSPDX(t, a)
		}
	}
}
