package command

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

// spoil does one thing to a copy of a bundle.
type spoil struct {
	do     func(t *testing.T, s *spoiled)
	resign bool // by the trusted key: only what the files say to each other can give it away
	says   string
	code   int // of install; 0: 6, as of bundle:verify
}

type spoiled struct {
	*bundled
	dir string
}

// spoiled spoils copies of the bundle: bundle:verify and install refuse each with the exit code and say why,
// and nothing is installed.
func (b *bundled) spoiled(t *testing.T) {
	for name, one := range spoils {
		t.Run(name, func(t *testing.T) {
			s := &spoiled{b, b.copyOf(t)}
			one.do(t, s)
			if one.resign {
				s.resign(t)
			}
			base := filepath.Join(t.TempDir(), "opt")
			code := one.code
			if code == 0 {
				code = 6
				if out := b.tlsfloor(t, 6, "bundle:verify", s.dir, "-key="+b.file("key.pub.pem")); !regexp.MustCompile(one.says).MatchString(out) || !strings.Contains(out, "hint: ") {
					t.Errorf("bundle:verify says\n%s", out)
				}
			}
			if out := b.tlsfloor(t, code, "install", "-from="+s.dir, "-key="+b.file("key.pub.pem"), "-prefix="+base); !regexp.MustCompile(one.says).MatchString(out) || !strings.Contains(out, "hint: ") {
				t.Errorf("install says\n%s", out)
			}
			left, err := filepath.Glob(filepath.Join(base, ".tlsfloor", "*", "*"))
			for _, path := range left {
				if filepath.Base(path) != "lock" {
					t.Errorf("%s was left: %v", path, err)
				}
			}
		})
	}
}

func (s *spoiled) read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *spoiled) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace replaces text of a file, which has to be there.
func (s *spoiled) replace(t *testing.T, name, old, new string) {
	t.Helper()
	text := s.read(t, name)
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s does not hold %q", name, old)
	}
	s.write(t, name, bytes.ReplaceAll(text, []byte(old), []byte(new)))
}

// resign writes the lists, signatures and envelopes of what is there now, by the trusted key.
func (s *spoiled) resign(t *testing.T) {
	t.Helper()
	signer, err := sign.NewSigner(s.file("key.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"", bundle.ProofDir} {
		dir := filepath.Join(s.dir, sub)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), bundle.Sums) && !strings.HasSuffix(e.Name(), ".dsse.json") {
				names = append(names, e.Name())
			}
		}
		if err := bundle.WriteSums(dir, names); err != nil {
			t.Fatal(err)
		}
		sig, err := signer.Sign(t.Context(), s.read(t, filepath.Join(sub, bundle.Sums)))
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, filepath.Join(sub, bundle.Sums+bundle.Signature), sig)
		for _, name := range names {
			if envelope := bundle.EnvelopeOf(name); envelope != "" {
				text, err := signer.Envelope(t.Context(), s.read(t, filepath.Join(sub, name)))
				if err != nil {
					t.Fatal(err)
				}
				s.write(t, filepath.Join(sub, envelope), text)
			}
		}
	}
}

// repack changes entries of the .tar.zst, and lets everything that speaks of the archive speak of the new
// one.
func (s *spoiled) repack(t *testing.T, change func(*tar.Header, []byte) []byte) {
	t.Helper()
	name := s.archive(".tar.zst")
	file := filepath.Join(s.dir, name)
	old, was := digestOf(t, file), size(t, file)
	cmd := exec.Command("zstd", "-dcq", file)
	plain, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(plain)), tar.NewWriter(&packed)
	changed := false
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		body, err2 := io.ReadAll(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		was := *h
		body = change(h, body)
		changed = changed || was.Name != h.Name || was.Size != int64(len(body))
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !changed {
		t.Fatalf("nothing was changed, or %v", err)
	}
	cmd = exec.Command("zstd", "-1", "-qfo", file)
	cmd.Stdin = &packed
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, about := range []string{bundle.IndexFile, bundle.ProvenanceFile} {
		s.replace(t, about, old.String(), digestOf(t, file).String())
	}
	s.replace(t, bundle.IndexFile, fmt.Sprintf(`"bytes": %d`, was), fmt.Sprintf(`"bytes": %d`, size(t, file)))
}

// size is that of a file in bytes.
func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

var spoils = map[string]spoil{
	"missing file":     {do: func(t *testing.T, s *spoiled) { os.Remove(filepath.Join(s.dir, bundle.SBOMFile)) }, says: `sbom.spdx.json is missing`},
	"extra file":       {do: func(t *testing.T, s *spoiled) { s.write(t, "extra", nil) }, says: `extra is extra`},
	"extra in proof":   {do: func(t *testing.T, s *spoiled) { s.write(t, "proof/extra", nil) }, says: `extra is extra`},
	"altered file":     {do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.IndexFile, `"glibc"`, `"glibd"`) }, says: `index.json was altered`},
	"altered licences": {do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.LicencesFile, "Licence", "licence") }, says: `LICENSES.txt was altered`},
	"truncated tarball": {do: func(t *testing.T, s *spoiled) {
		name := s.archive(".tar.zst")
		s.write(t, name, s.read(t, name)[:1<<20])
	}, says: `tar.zst was altered`},
	"no signature":     {do: func(t *testing.T, s *spoiled) { os.Remove(filepath.Join(s.dir, "SHA256SUMS.sig")) }, says: `it is not signed`},
	"cut signature":    {do: func(t *testing.T, s *spoiled) { s.write(t, "SHA256SUMS.sig", s.read(t, "SHA256SUMS.sig")[:60]) }, says: `no trusted key made this signature`},
	"no list":          {do: func(t *testing.T, s *spoiled) { os.Remove(filepath.Join(s.dir, "SHA256SUMS")) }, says: `SHA256SUMS`},
	"no proof":         {do: func(t *testing.T, s *spoiled) { os.RemoveAll(filepath.Join(s.dir, "proof")) }, says: `proof/SHA256SUMS`},
	"no envelope":      {do: func(t *testing.T, s *spoiled) { os.Remove(filepath.Join(s.dir, "provenance.dsse.json")) }, says: `envelope of provenance.intoto.json`},
	"another envelope": {do: func(t *testing.T, s *spoiled) { s.write(t, "provenance.dsse.json", s.read(t, "test-result.dsse.json")) }, says: `holds another Statement`},
	"altered envelope": {do: func(t *testing.T, s *spoiled) { s.replace(t, "provenance.dsse.json", `"sig":"`, `"sig":"AAAA`) }, says: `no trusted key made this signature`},
	"proof of a run": {do: func(t *testing.T, s *spoiled) {
		s.replace(t, "proof/proof.json", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV1_ALERT")
	}, says: `proof.json was altered`},
	"swapped SBOM":     {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.SBOMFile, "/spdx/tlsfloor-", "/spdx/other-") }, says: `sbom.spdx.json is about something else`},
	"other provenance": {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.ProvenanceFile, ".tar.zst", ".tar.zzz") }, says: `does not speak of .*tar.zst`},
	"a proof that fails": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.replace(t, "proof/proof.json", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV1_ALERT")
	}, says: `its proof is not pass`},
	"a proof of another edition": {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.IndexFile, `"edition": `, `"edition": 9`) }, says: `its proof is of edition 9\d+ of the judge, and this is edition`},
	"a proof without a case": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.replace(t, "proof/proof.json", `"client-tls11-perm"`, `"client-tls11-prem"`)
	}, says: `its proof is not pass`},
	"a proof of others": {resign: true, do: func(t *testing.T, s *spoiled) {
		sum := regexp.MustCompile(`"path": "/opt/openssl-with-min-tls1_2/bin/openssl",\s+"sha256": "([0-9a-f]{64})"`).FindSubmatch(s.read(t, "proof/proof.json"))
		if sum == nil {
			t.Fatal("the proof names no openssl")
		}
		for _, file := range []string{"proof/proof.json", "test-result.intoto.json", "proof/scai.intoto.json", "proof/svr.intoto.json"} {
			s.replace(t, file, string(sum[1]), strings.Repeat("a", 64))
		}
	}, says: `the proof is about another .*bin/openssl`},
	"a Statement of more": {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, "test-result.intoto.json", "WARNED", "PASSED") }, says: `test-result.intoto.json is not what the proof shows`},
	"another verdict":     {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, "verdict.txt", "status pass", "status Pass") }, says: `verdict.txt is not what its proof shows`},
	"another file": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.repack(t, func(h *tar.Header, body []byte) []byte {
			if strings.HasSuffix(h.Name, "/lib/python3.13/ssl.py") {
				body = append(body, "# planted\n"...)
			}
			return body
		})
	}, says: `what is in python-with-min-tls1_2 is not what index.json claims`},
	"another folder": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.repack(t, func(h *tar.Header, body []byte) []byte {
			if h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "LICENSES.txt") {
				h.Name = strings.Replace(h.Name, "LICENSES.txt", "etc/passwd", 1)
			}
			return body
		})
	}, says: `index.json does not speak of its folder etc|LICENSES.txt: no such file`},
	"a name that leads out": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.repack(t, func(h *tar.Header, body []byte) []byte {
			if strings.HasSuffix(h.Name, "/lib/python3.13/ssl.py") {
				h.Name = strings.Replace(h.Name, "/lib/", "/../../../../lib/", 1)
			}
			return body
		})
	}, says: `not below the folder|leads outside|\.\.`, code: 0},
	"a component that leads out": {resign: true, do: func(t *testing.T, s *spoiled) { s.replace(t, bundle.IndexFile, `"python": {`, `"../../python": {`) }, says: `"../../python" is no plain name`},
	"a profile that leads out": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.replace(t, bundle.IndexFile, `"profile": "min-tls1_2"`, `"profile": "../../etc"`)
	}, says: `"../../etc" is no plain name`},
	"a folder elsewhere": {resign: true, do: func(t *testing.T, s *spoiled) {
		s.replace(t, bundle.IndexFile, `"folder": "/opt/python-with-min-tls1_2"`, `"folder": "/usr/python-with-min-tls1_2"`)
	}, says: `is no folder below its prefix`},
	"another architecture": {resign: true, code: 1, do: func(t *testing.T, s *spoiled) {
		s.replace(t, bundle.IndexFile, `"triple": "x86_64-linux-gnu"`, `"triple": "s390x-linux-gnu"`)
	}, says: `it is for s390x-linux-gnu, and this machine is`},
	"a newer glibc": {resign: true, code: 1, do: func(t *testing.T, s *spoiled) {
		s.replace(t, bundle.IndexFile, `"glibc": "2.`, `"glibc": "99.`)
	}, says: `the C library is too old: these programs need glibc 99`},
}
