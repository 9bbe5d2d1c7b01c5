package command

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// bundle writes a signed bundle of the built toolchain, has others' tools check it, spoils it in every way,
// and installs it.
func (r *real) bundle(t *testing.T) {
	b := &bundled{real: r, work: t.TempDir()}
	b.key(t, "key")
	b.key(t, "other")
	out := b.release(t)
	b.dir = filepath.Join(b.file("out"), "tlsfloor-min-tls1_2-python-3.13.15-openssl-3.5.7-linux-x86_64")
	if !strings.Contains(out, b.dir) || !strings.Contains(out, "signed by key ") {
		t.Fatalf("it says\n%s", out)
	}
	t.Run("others' tools", b.othersTools)
	t.Run("sbom", b.sbom)
	t.Run("provenance", b.provenance)
	t.Run("spoiled", b.spoiled)
	t.Run("install", b.install)
	t.Run("web", b.web)
	t.Run("bare", b.bare)
	t.Run("publish", b.publish)
	t.Run("examples", b.examples)
	t.Run("full disk", b.fullDisk)
	if os.Getenv("TLSFLOOR_TEST") == "long" {
		t.Run("cosign", b.cosign)
	}
}

type bundled struct {
	*real
	work, dir string
}

func (b *bundled) file(name string) string { return filepath.Join(b.work, name) }

func (b *bundled) key(t *testing.T, name string) {
	t.Helper()
	for _, args := range [][]string{{"genpkey", "-algorithm", "ed25519", "-out", b.file(name + ".pem")}, {"pkey", "-in", b.file(name + ".pem"), "-pubout", "-out", b.file(name + ".pub.pem")}} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// tlsfloor runs the program, which has to end with the exit status, and returns all that it prints.
func (b *bundled) tlsfloor(t *testing.T, want int, args ...string) string {
	t.Helper()
	return b.run(t, want, exec.Command(program, args...))
}

func (b *bundled) run(t *testing.T, want int, cmd *exec.Cmd) string {
	t.Helper()
	begun := time.Now()
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"), "TLSFLOOR_STORE="+b.file("store"), "SSL_CERT_FILE="+b.file("web.pem"))
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("%v: exit status %d, want %d: %v\n%s", cmd.Args[1:], got, want, err, out)
	}
	t.Logf("tlsfloor %v took %.1f s", cmd.Args[1:], time.Since(begun).Seconds())
	return string(out)
}

// archive is one of the bundle's, by its ending.
func (b *bundled) archive(ending string) string { return filepath.Base(b.dir) + ending }

// othersTools checks and reads the bundle as somebody without tlsfloor does.
func (b *bundled) othersTools(t *testing.T) {
	for _, sub := range []string{"", bundle.ProofDir} {
		script := `cd "$0" && sha256sum -c --quiet SHA256SUMS && openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig`
		if out, err := exec.Command("sh", "-c", script, filepath.Join(b.dir, sub), b.file("key.pub.pem")).CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", sub, err, out)
		}
		if out, err := exec.Command("sh", "-c", script, filepath.Join(b.dir, sub), b.file("other.pub.pem")).CombinedOutput(); err == nil {
			t.Errorf("%q: another key verifies it: %s", sub, out)
		}
	}
	list := func(ending string) string {
		out, err := exec.Command("tar", "-tvf", filepath.Join(b.dir, b.archive(ending))).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", ending, err, out)
		}
		return string(out)
	}
	xz := list(".tar.xz")
	if xz != list(".tar.zst") {
		t.Error("the two archives hold different things")
	}
	for _, want := range []string{"/LICENSES.txt\n", "/openssl-with-min-tls1_2/bin/openssl\n", "/python-with-min-tls1_2/bin/python3.13\n"} {
		if !strings.Contains(xz, b.archive(want)) {
			t.Errorf("no %s in it", want)
		}
	}
	normal := regexp.MustCompile(`^(?:-rw-r--r--|-rwxr-xr-x|drwxr-xr-x|lrwxrwxrwx) (?:0/0|root/root) `)
	for line := range strings.Lines(xz) {
		if !normal.MatchString(line) {
			t.Errorf("an odd entry: %s", line)
		}
	}
	for ending, limit := range map[string]int64{".tar.xz": 40 << 20, ".tar.zst": 36 << 20} {
		if info, err := os.Stat(filepath.Join(b.dir, b.archive(ending))); err != nil || info.Size() > limit {
			t.Errorf("%s: %v, %d bytes", ending, err, info.Size())
		}
	}
	if readme, err := os.ReadFile(filepath.Join(b.dir, bundle.ReadmeFile)); err != nil || !strings.Contains(string(readme), "7 advisories were read when this was made, and none of them speaks of what is in it.") || !strings.Contains(string(readme), "| openssl | 3.5.7 | 2030-04-08 | Apache-2.0 |") {
		t.Errorf("README.md: %v\n%s", err, readme)
	}
	claims, err := artifacts.ReadClaims(filepath.Join(b.dir, bundle.IndexFile)) // as rebuild -against does
	if err != nil || len(claims.Claims) != 1 || claims.Claims[0].Components["python"].Files < 2000 {
		t.Errorf("as a claim: %+v, %v", claims, err)
	}
	if out := b.tlsfloor(t, 0, "bundle:verify", b.dir, "-key="+b.file("key.pub.pem")); !strings.Contains(out, "TLS floor 1.2: pass") {
		t.Errorf("it says\n%s", out)
	}
}

// schemaModule has the SPDX project's JSON schema of version 2.3 among its files.
const schemaModule, schemaFile = "github.com/anchore/syft@v1.57.1", "schema/spdx-json/spdx-schema-2.3.json"

// holdAgainstSPDX holds an SBOM against SPDX's own schema.
func holdAgainstSPDX(t *testing.T, text []byte) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", schemaModule)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(out, &module) != nil {
		t.Fatalf("the schema is in %s: %v: %s", schemaModule, err, out)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(module.Dir, schemaFile))
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
	if err := valid(text); err != nil {
		t.Errorf("it is not valid: %v", err)
	}
	if err := valid(bytes.Replace(text, []byte(`"dataLicense"`), []byte(`"dataLicence"`), 1)); err == nil {
		t.Error("the schema finds no fault in a wrong document")
	}
}

// sbom holds the SBOM against SPDX's own schema, and looks for what has to be in it.
func (b *bundled) sbom(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(b.dir, bundle.SBOMFile))
	if err != nil {
		t.Fatal(err)
	}
	holdAgainstSPDX(t, text)
	for _, want := range []string{`cpe:2.3:a:openssl:openssl:3.5.7:`, `cpe:2.3:a:libexpat_project:libexpat:`, `pkg:pypi/pip@`, `pkg:pypi/urllib3@`, `PATCH_FOR`, `0001-one-key-share.patch`, `"licenseDeclared": "PSF-2.0"`,
		"a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("it does not have %s", want)
		}
	}
	if bytes.Contains(text, []byte("mpdecimal:2.")) {
		t.Error("it names the copy of mpdecimal, in whose place ours is linked")
	}
}

func (b *bundled) provenance(t *testing.T) {
	var s struct {
		PredicateType string
		Predicate     struct {
			BuildDefinition struct {
				ResolvedDependencies []struct {
					Name   string
					Digest map[string]string
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(b.dir, bundle.ProvenanceFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil || s.PredicateType != bundle.ProvenanceType {
		t.Fatalf("%q, %v", s.PredicateType, err)
	}
	have := map[string]string{}
	for _, d := range s.Predicate.BuildDefinition.ResolvedDependencies {
		have[d.Name] = d.Digest["sha256"]
	}
	for _, want := range []string{"openssl-3.5.7.tar.gz", "Python-3.13.15.tar.xz", "python-profile (profile)", "host: tool cc", "host: tool ld", "patches/openssl/3.5/0001-one-key-share.patch"} {
		if len(have[want]) != 64 {
			t.Errorf("%s: %q", want, have[want])
		}
	}
	b.usedSources(t, have)
	if bytes.Contains(text, []byte(b.store)) || regexp.MustCompile(`20\d\d-\d\d-\d\dT`).Match(text) {
		t.Error("it holds a path or a time of this build")
	}
}

// usedSources holds both descriptions against what the store has recorded: the archives that were used,
// repacked ones included.
func (b *bundled) usedSources(t *testing.T, provenance map[string]string) {
	st, err := store.Open(b.store)
	if err != nil {
		t.Fatal(err)
	}
	sbom, err := os.ReadFile(filepath.Join(b.dir, bundle.SBOMFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"build/zlib", "build/sqlite", "build/openssl", "build/python"} {
		for _, used := range b.record(t, st, step).Sources {
			if !bytes.Contains(sbom, []byte(`"checksumValue": "`+used.String()+`"`)) || !slices.Contains(slices.Collect(maps.Values(provenance)), used.String()) {
				t.Errorf("%s was built from %s, which is not said", step, used)
			}
		}
	}
}

// install installs the bundle as another machine does, goes back, and removes it.
func (b *bundled) install(t *testing.T) {
	root := b.file("image")
	args := []string{"install", "-key=" + b.file("key.pub.pem"), "-root=" + root}
	out := b.tlsfloor(t, 0, append(args, "-from="+b.dir)...)
	if !strings.Contains(out, "generation 1 is in use") || !strings.Contains(out, "verify                       TLS floor 1.2: pass") || !strings.Contains(out, "unpacking "+b.archive(".tar.zst")) {
		t.Errorf("it says\n%s", out)
	}
	site := deploy.Site{Root: root, Base: "/opt", Profile: "min-tls1_2", Prefixes: b.site().Prefixes}
	for _, tree := range []string{"openssl", "python"} { // what a build has installed, as the harness knows it
		got, err := os.ReadFile(filepath.Join(site.Dir(1), tree+".tree"))
		want, err2 := os.ReadFile(filepath.Join(b.site().Dir(1), tree+".tree"))
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what was built: %v, %v", tree, err, err2)
		}
	}
	if altered, _, err := site.Altered(t.Context(), 1, true); err != nil || len(altered) > 0 {
		t.Errorf("altered: %v, %v", altered, err)
	}
	if out := b.tlsfloor(t, 0, append(args, "-from="+b.dir)...); strings.Contains(out, "unpacking") {
		t.Errorf("installed again:\n%s", out)
	}

	b.provedByAnybody(t, root)

	// A generation that somebody edited stays, and is no longer used.
	edited := filepath.Join(site.Dir(1), "python/lib/python3.13/ssl.py")
	if err := os.WriteFile(edited, []byte("# edited\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.tlsfloor(t, 0, append(args, "-from="+filepath.Join(b.dir, b.archive(".tar.xz")))...); !strings.Contains(out, "generation 1 is left as it is") || !strings.Contains(out, "generation 2 is in use") {
		t.Errorf("it says\n%s", out)
	}
	if text, err := os.ReadFile(edited); err != nil || string(text) != "# edited\n" {
		t.Errorf("the edited file: %q, %v", text, err)
	}
	out = b.tlsfloor(t, 9, "rollback", "-root="+root)
	if !strings.Contains(out, "was altered since it was proved") {
		t.Errorf("it says\n%s", out)
	}
	if out := b.tlsfloor(t, 0, "status", "-root="+root); !strings.Contains(out, "*   2 ") ||
		!strings.Contains(out, ", from a bundle that key ") {
		t.Errorf("it says\n%s", out)
	}
	mine := filepath.Join(site.Dir(2), "python/lib/python3.13/site-packages/mine.py")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.tlsfloor(t, 0, "uninstall", "-root="+root); !strings.Contains(out, "left: "+mine) {
		t.Errorf("it says\n%s", out)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	b.tlsfloor(t, 0, "uninstall", "-root="+root)
	left, err := filepath.Glob(filepath.Join(root, "opt", "*"))
	if err == nil {
		var kept []string // which release was in use is not forgotten
		kept, err = filepath.Glob(filepath.Join(root, "opt", ".tlsfloor", "*"))
		left = append(left, kept...)
	}
	if err != nil || len(left) != 2 || filepath.Base(left[1]) != "releases.json" || exists(site.Home()) {
		t.Errorf("left: %v, %v", left, err)
	}
}

// provedByAnybody proves what is installed as somebody who may write nothing there: the proof is not kept.
func (b *bundled) provedByAnybody(t *testing.T, root string) {
	if os.Geteuid() != 0 {
		return // it was proved by an ordinary user just now
	}
	own := filepath.Join(t.TempDir(), "store")
	if err := errors.Join(os.Mkdir(own, 0o755), os.Chown(own, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{program, own, root, b.dir} {
		reachable(t, path)
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "verify", "-root="+root, "-store="+own, "-from="+b.dir, "-key="+b.file("key.pub.pem"))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "warning: the proof was not kept") || !strings.Contains(string(out), "TLS floor 1.2: pass") {
		t.Errorf("as somebody: %v\n%s", err, out)
	}
}

// web installs over https, and refuses what comes over http from who knows where.
func (b *bundled) web(t *testing.T) {
	var asked []string
	files := http.FileServer(http.Dir(b.file("out")))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, filepath.Base(r.URL.Path))
		files.ServeHTTP(w, r)
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(b.file("web.pem"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	path := "/" + filepath.Base(b.dir)
	for i, one := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-from=" + secure.URL + path, "-key=" + b.file("key.pub.pem")}, 0, "generation 1 is in use"},
		{[]string{"-from=" + secure.URL + path + "/" + b.archive(".tar.xz"), "-unsigned"}, 0, "unpacking " + b.archive(".tar.xz")},
		{[]string{"-from=" + plain.URL + path, "-key=" + b.file("key.pub.pem")}, 0, "generation 1 is in use"},
		{[]string{"-from=" + plain.URL + path, "-unsigned"}, 6, "neither the connection nor a signature"},
		{[]string{"-from=" + secure.URL + path, "-key=" + b.file("other.pub.pem")}, 6, "no trusted key made this signature"},
		{[]string{"-from=" + secure.URL + "/nowhere", "-key=" + b.file("key.pub.pem")}, 6, "404"},
		{[]string{"-from=" + secure.URL + path, "-key=" + b.file("key.pub.pem"), "-offline"}, 2, "-offline"},
	} {
		asked = nil
		root := b.file("web" + string(rune('0'+i)))
		out := b.tlsfloor(t, one.code, append([]string{"install", "-root=" + root}, one.args...)...)
		if !strings.Contains(out, one.says) {
			t.Errorf("%v: it says\n%s", one.args, out)
		}
		if one.code != 0 && (exists(filepath.Join(root, "opt")) || slices.ContainsFunc(asked, func(f string) bool { return strings.Contains(f, ".tar.") })) {
			t.Errorf("%v: something was installed, or an archive was asked for: %v", one.args, asked)
		}
		if one.code == 0 && slices.Contains(asked, b.archive(".tar.xz")) == slices.Contains(asked, b.archive(".tar.zst")) {
			t.Errorf("%v: asked for both archives, or none: %v", one.args, asked)
		}
		os.RemoveAll(root)
	}
}

// fullDisk installs where there is no room, in a small file system of its own.
func (b *bundled) fullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	small := b.file("small")
	if err := os.MkdirAll(small, 0o755); err != nil {
		t.Fatal(err)
	}
	for size, says := range map[string]string{"60m": "error: disk: ", "300m,nr_inodes=1000": "error: disk full: "} {
		script := `mount -t tmpfs -o mode=755,size=` + size + ` small "$0" && mkdir "$0/opt" &&
			{ "$@"; code=$?; find "$0" -mindepth 2; exit $code; }`
		out := b.run(t, 1, exec.Command("unshare", "-m", "sh", "-c", script, small, program, "install", "-from="+b.dir, "-key="+b.file("key.pub.pem"), "-root="+small))
		if !strings.Contains(out, says) || strings.Contains(out, small+"/opt/.tlsfloor/min-tls1_2/1") || strings.Contains(out, ".new-") {
			t.Errorf("%s: it says\n%s", size, out)
		}
	}
}

// copyOf copies the bundle, to be spoiled.
func (b *bundled) copyOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.Base(b.dir))
	if out, err := exec.Command("cp", "-a", b.dir, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// digestOf is the digest of a file of a bundle.
func digestOf(t *testing.T, path string) digest.Digest {
	t.Helper()
	d, _, err := digest.OfFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
