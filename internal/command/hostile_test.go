package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// served is a bundle at a server that lies about the file spoiled, in the way of lie.
type served struct {
	dir     string
	spoiled string
	lie     func(w http.ResponseWriter, honest []byte)
}

// file answers with a file of the bundle.
func (s *served) file(w http.ResponseWriter, name string) {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	switch {
	case err != nil:
		w.WriteHeader(http.StatusNotFound)
	case name == s.spoiled:
		s.lie(w, text)
	default:
		w.Write(text)
	}
}

// website is the bundle as a folder in the web.
func (s *served) website(w http.ResponseWriter,
	r *http.Request) {
	s.file(w, strings.TrimPrefix(r.URL.Path, "/b/"))
}

// registry is the bundle as a registry's artifact.
func (s *served) registry(w http.ResponseWriter, r *http.Request) {
	titles, layers := map[string]string{}, []map[string]any{}
	err := fs.WalkDir(os.DirFS(s.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, size, err := digest.OfFile(filepath.Join(s.dir, name))
		titles["sha256:"+sum.String()] = name
		layers = append(layers, map[string]any{"mediaType": "text/plain", "digest": "sha256:" +
			sum.String(), "size": size,
			"annotations": map[string]string{"org.opencontainers.image.title": name}})
		return err
	})
	if err != nil {
		panic(err)
	}
	if strings.Contains(r.URL.Path, "/blobs/") {
		s.file(w, titles[filepath.Base(r.URL.Path)])
		return
	}
	const kind = "application/vnd.oci.image.manifest.v1+json"
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": kind,
		"artifactType": publish.BundleType, "layers": layers})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.Header().Set("Docker-Content-Digest", "sha256:"+digest.Of(text).String())
	w.Write(text)
}

// TestHostileServersInstallNothing runs the program against servers that lie, and then against the same
// ones that do not.
func TestHostileServersInstallNothing(t *testing.T) {
	m := newReceiving(t)
	s := &served{dir: m.release(bundletest.Options{Release: numbered(1)})}
	other := m.release(bundletest.Options{Text: "another", Release: numbered(2)})
	archive := filepath.Base(s.dir) + ".tar.zst"
	gone := func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusNotFound) }
	flip := func(w http.ResponseWriter, honest []byte) { honest[len(honest)/2] ^= 1; w.Write(honest) }
	half := func(w http.ResponseWriter, honest []byte) { w.Write(honest[:len(honest)/2]) }
	away := func(w http.ResponseWriter, _ []byte) {
		w.Header().Set("Location", "https://169.254.169.254/latest/meta-data")
		w.WriteHeader(http.StatusFound)
	}
	theirs := func(name string) func(http.ResponseWriter, []byte) {
		return func(w http.ResponseWriter, _ []byte) {
			text, err := os.ReadFile(filepath.Join(other, name))
			if err != nil {
				panic(err)
			}
			w.Write(text)
		}
	}
	for kind, handler := range map[string]http.HandlerFunc{"web": s.website, "registry": s.registry} {
		server := httptest.NewServer(handler)
		defer server.Close()
		from := server.URL + "/b"
		if kind == "registry" {
			from = "oci+" + server.URL + "/b:1"
		}
		for name, one := range map[string]struct {
			file string
			lie  func(http.ResponseWriter, []byte)
		}{
			"no signature": {bundle.Sums + bundle.Signature, gone},
			"another's signature": {bundle.Sums + bundle.Signature,
				theirs(bundle.Sums + bundle.Signature)},
			"another list": {bundle.Sums, theirs(bundle.Sums)}, "one bit of the archive": {archive, flip},
			"half an archive": {archive, half},
			"another archive": {archive, theirs(filepath.Base(other) + ".tar.zst")},
			"no archive":      {archive, gone}, "led away": {archive, away},
			"one bit of the proof": {"proof/proof.json", flip},
		} {
			s.spoiled, s.lie = one.file, one.lie
			out := m.refusedFrom(from)
			if !strings.Contains(out, "tlsfloor: error: ") || !strings.Contains(out, "tlsfloor: hint: ") {
				t.Errorf("%s, %s: it says\n%s", kind, name, out)
			}
			if all, err := m.site().Generations(); len(all) > 0 || err != nil &&
				!errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %s: there are %v, %v", kind, name, all, err)
			}
			if left, _ := filepath.Glob(filepath.Join(m.dir, "store", "work", "*")); len(left) > 0 {
				t.Errorf("%s, %s: left behind: %v", kind, name, left)
			}
		}
		s.spoiled = ""
		root := t.TempDir()
		m.install(0, from, "-root="+root)
	}
}

// refusedFrom installs from a server, and wants it to fail: 1 where nothing was to be had, 6 where it was
// wrong.
func (m *receiving) refusedFrom(from string) string {
	m.Helper()
	cmd := exec.Command(program, "install", "-unproved", "-from="+from, "-key="+m.key.From)
	cmd.Env = append(os.Environ(), "TLSFLOOR_STORE="+filepath.Join(m.dir, "store"),
		"TLSFLOOR_PREFIX="+m.site().Base)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 1 && got != 6 {
		m.Errorf("%s: exit status %d\n%s", from, got, out)
	}
	return string(out)
}
