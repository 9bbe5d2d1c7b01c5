// Package bundletest makes small bundles for tests: the trees are a few short files, and the proof is one
// that nobody made (package verifytest). In all else they are what package bundle writes.
package bundletest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
)

// Options say which bundle is made. The zero value is an unsigned one of the default profile.
type Options struct {
	Profile, OpenSSL, Python string
	Floor                    verify.Floor
	Signer                   *sign.Signer
	Text                     string              // stands in a file of Python's tree
	Spoil                    func(*bundle.Index) // changes the index before it is written
	Release                  *bundle.Release     // of a signed bundle; its name is filled in. nil: one of old has none
	Without                  []string            // files that are left out of the folder after all was signed
	Controls                 bool                // with an archive of weak peers
}

// Key makes a pair of keys, and writes the files name.pem and name.pub.pem.
func Key(t testing.TB, name string) (*sign.Signer, sign.Key) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	must(t, os.WriteFile(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	der, err = x509.MarshalPKIXPublicKey(public)
	must(t, err)
	must(t, os.WriteFile(name+".pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		0o644))
	key, err := sign.ReadKey(name + ".pub.pem")
	must(t, err)
	signer, err := sign.NewSigner(name+".pem", nil)
	must(t, err)
	return signer, key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *Options) defaults() {
	for to, value := range map[*string]string{&o.Profile: "min-tls1_2", &o.OpenSSL: "3.5.7", &o.Python: "3.13.15"} {
		if *to == "" {
			*to = value
		}
	}
	if o.Floor == 0 {
		o.Floor = verify.TLS12
	}
}

// Make writes a bundle into a new folder below dir and returns that.
func Make(t testing.TB, dir string, o Options) string {
	t.Helper()
	o.defaults()
	m := &maker{T: t, Options: o, trees: t.TempDir(), digests: map[string]store.Tree{}}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	m.name = "tlsfloor-" + o.Profile + "-python-" + o.Python + "-openssl-" + o.OpenSSL + "-linux-" + arch
	m.dir = filepath.Join(dir, m.name)
	must(t, os.MkdirAll(filepath.Join(m.dir, bundle.ProofDir), 0o755))
	m.fill()
	x := m.index()
	if o.Spoil != nil {
		o.Spoil(x)
	}
	m.describe(x)
	if o.Release != nil {
		r := *o.Release
		r.Format, r.Name = 1, m.name
		text, err := r.Encode()
		must(t, err)
		must(t, os.WriteFile(filepath.Join(m.dir, bundle.ReleaseFile), text, 0o644))
	}
	Seal(t, m.dir, o.Signer)
	for _, name := range o.Without {
		must(t, os.Remove(filepath.Join(m.dir, name)))
	}
	return m.dir
}

// Copy copies a bundle into a new folder, to be spoiled.
func Copy(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(dir))
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// Seal lists and signs what stands in the folder of a bundle.
func Seal(t testing.TB, dir string, by *sign.Signer) {
	t.Helper()
	for _, sub := range []string{"", bundle.ProofDir} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		must(t, err)
		var names []string
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), bundle.Sums) && !strings.HasSuffix(e.Name(),
				".dsse.json") {
				names = append(names, e.Name())
			}
		}
		must(t, bundle.Seal(context.Background(), filepath.Join(dir, sub), names, by))
	}
}

type maker struct {
	T testing.TB
	Options
	name, dir, trees string
	digests          map[string]store.Tree
}

func (m *maker) folder(component string) string { return component + "-with-" + m.Profile }

// fill writes the trees.
func (m *maker) fill() {
	for component, files := range map[string]map[string]string{
		"openssl": {"bin/openssl": "an openssl " + m.OpenSSL, "lib/libssl.a": "a library"},
		"python":  {"bin/python3": "a python " + m.Python, "lib/_ssl.so": "a module", "lib/text.py": "# " + m.Text + "\n"},
	} {
		for name, text := range files {
			file := filepath.Join(m.trees, m.folder(component), name)
			must(m.T, os.MkdirAll(filepath.Dir(file), 0o755))
			must(m.T, os.WriteFile(file, []byte(text), 0o755))
		}
		tree, err := store.Summed(context.Background(), filepath.Join(m.trees, m.folder(component)))
		must(m.T, err)
		m.digests[component] = tree
	}
	must(m.T, os.WriteFile(filepath.Join(m.trees, bundle.LicencesFile), []byte("licences\n"), 0o644))
}

func (m *maker) pack(name, trees string) bundle.Archive {
	f, err := os.Create(filepath.Join(m.dir, name))
	must(m.T, err)
	top, _, _ := strings.Cut(name, ".tar.")
	must(m.T, archive.Pack(context.Background(), f, trees, top, archive.PackOptions{Format: archive.Zstd,
		Jobs: 1, When: time.Unix(1, 0)}))
	must(m.T, f.Close())
	d, n, err := digest.OfFile(f.Name())
	must(m.T, err)
	return bundle.Archive{File: name, SHA256: d, Bytes: n}
}

// index packs the trees and says what they are.
func (m *maker) index() *bundle.Index {
	x := &bundle.Index{Name: m.name, Floor: m.Floor.String(), OS: "linux", Arch: m.name[strings.LastIndex(m.name, "-")+1:],
		Parts: map[string]bundle.Part{}}
	x.Archives = []bundle.Archive{m.pack(m.name+".tar.zst", m.trees)}
	x.Claim = artifacts.Claim{Profile: m.Profile, Prefix: "/opt", Triple: x.Arch + "-linux-gnu",
		Components: map[string]artifacts.Claimed{}}
	for component, version := range map[string]string{"openssl": m.OpenSSL, "python": m.Python} {
		tree, prefix := m.digests[component], "/opt/"+m.folder(component)
		output := digest.Of(tree.Encode())
		x.Claim.Components[component] = artifacts.NewClaimed(version, prefix, output, tree)
		x.Parts[component] = bundle.Part{Version: version, Role: "install",
			Key: digest.Of([]byte(m.Text + version)), Output: output, Prefix: prefix}
	}
	if m.Controls {
		weak := m.T.TempDir()
		must(m.T, os.MkdirAll(filepath.Join(weak, "openssl-weak", "bin"), 0o755))
		must(m.T, os.WriteFile(filepath.Join(weak, "openssl-weak", "bin", "openssl"),
			[]byte("a weak openssl"), 0o755))
		tree, err := store.Summed(context.Background(), filepath.Join(weak, "openssl-weak"))
		must(m.T, err)
		a := m.pack(m.name+"-controls.tar.zst", weak)
		a.Controls = true
		x.Archives = append(x.Archives, a)
		x.Parts["openssl-weak"] = bundle.Part{Version: m.OpenSSL, Role: "control",
			Output: digest.Of(tree.Encode()), Prefix: "/opt/openssl-weak"}
	}
	return x
}

// proof is one of the trees, as if somebody had made it.
func (m *maker) proof() *verify.Proof {
	p := &verify.Proof{Kind: verify.KindToolchain, Floor: m.Floor, OpenSSLVersion: m.OpenSSL,
		PythonVersion: m.Python,
		Time:          time.Date(2026, 11, 25, 17, 27, 55, 0, time.UTC),
		Controls: []verify.Tested{{Name: "weak openssl", Path: "/w/bin/openssl", SHA256: strings.Repeat("bb",
			32)}}}
	for _, component := range slices.Sorted(maps.Keys(m.digests)) {
		for _, e := range m.digests[component] {
			if e.Mode.IsRegular() && e.Path != "lib/text.py" {
				name := filepath.Base(e.Path)
				p.Subjects = append(p.Subjects, verify.Tested{Name: name,
					Path: "/opt/" + m.folder(component) + "/" + e.Path, SHA256: e.Digest.String()})
			}
		}
	}
	return verifytest.Pass(m.T, p, 1)
}

// describe writes all that is not an archive.
func (m *maker) describe(x *bundle.Index) {
	p := m.proof()
	x.Proof = bundle.ProofSummary{Edition: verify.Edition, Verdict: digest.Of(p.Verdict()),
		Cases: len(p.Findings)}
	index, err := x.Encode()
	must(m.T, err)
	proof, err := json.MarshalIndent(p, "", "  ")
	must(m.T, err)
	said, err := report.Attest(p)
	must(m.T, err)
	type named struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	subjects := []named{}
	for _, a := range slices.Concat(x.Archives, x.Packages) {
		subjects = append(subjects, named{a.File, map[string]string{"sha256": a.SHA256.String()}})
	}
	provenance, err := json.Marshal(map[string]any{"_type": "https://in-toto.io/Statement/v1", "predicateType": bundle.ProvenanceType,
		"subject": subjects, "predicate": map[string]any{}})
	must(m.T, err)
	sbom, err := json.Marshal(map[string]any{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT",
		"name": x.Name, "dataLicense": "CC0-1.0",
		"documentNamespace": x.Namespace(), "creationInfo": map[string]any{"created": "1970-01-01T00:00:00Z",
			"creators": []string{"Tool: x"}}})
	must(m.T, err)
	for name, text := range map[string][]byte{
		bundle.IndexFile: index, bundle.ProvenanceFile: provenance, bundle.SBOMFile: sbom,
		bundle.LicencesFile: []byte("licences\n"),
		report.VerdictFile:  p.Verdict(), report.TestResultFile: said.TestResult,
		"proof/" + report.ProofFile: proof, "proof/" + report.SCAIFile: said.SCAI,
		"proof/" + report.SVRFile: said.SVR,
	} {
		must(m.T, os.WriteFile(filepath.Join(m.dir, name), text, 0o644))
	}
}
