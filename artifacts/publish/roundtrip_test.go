package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

// shelf is a registry that takes what is pushed, and has no referrers API.
type shelf struct {
	mu        sync.Mutex
	blobs     map[string][]byte
	manifests map[string][]byte // by digest and by tag
	upload    string            // where a file is to be sent, "" for here
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, blob := filepath.Base(r.URL.Path), strings.Contains(r.URL.Path, "/blobs/")
	switch {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", s.upload+"/v2/tools/python/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		d := digest.FromBytes(b).String()
		if blob {
			s.blobs[d] = b
		} else {
			s.manifests[d], s.manifests[name] = b, b
		}
		w.Header().Set("Docker-Content-Digest", d)
		w.WriteHeader(http.StatusCreated)
	case blob && s.blobs[name] != nil:
		w.Header().Set("Content-Length", fmt.Sprint(len(s.blobs[name])))
		w.Write(s.blobs[name])
	case !blob && s.manifests[name] != nil:
		b := s.manifests[name]
		var m struct{ MediaType string }
		if err := json.Unmarshal(b, &m); err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", m.MediaType)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(b).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestThereAndBack publishes a bundle and takes it again; referrers that others attach hide nothing.
func TestThereAndBack(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	dir := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Controls: true})
	s := &shelf{blobs: map[string][]byte{}, manifests: map[string][]byte{}}
	server := httptest.NewServer(s)
	defer server.Close()
	logged(t)
	address := strings.Replace(server.URL, "http://", Schemes[1], 1) + "/tools/python:1"
	for _, want := range []bool{false, true} {
		_, there, err := ToOCI(t.Context(), dir, "name", address, nil)
		if err != nil || there != want {
			t.Fatalf("%v, %v", there, err)
		}
	}
	kinds := map[string]int{}
	for name, b := range s.manifests {
		var m ocispec.Manifest
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "sha256:") {
			kinds[m.ArtifactType]++
		}
	}
	for _, kind := range []string{BundleType, SBOMType, ProvenanceType, ProofType, SignatureType} {
		if kinds[kind] != 1 {
			t.Errorf("%d manifests of the type %s", kinds[kind], kind)
		}
	}
	for name := range s.manifests { // all that is attached goes, and what is left is the bundle
		if name != "1" && string(s.manifests[name]) != string(s.manifests["1"]) {
			delete(s.manifests, name)
		}
	}
	err := take(t, func(ctx context.Context) (bundle.Source, error) { return FromOCI(ctx, address, nil) },
		bundle.Trust{Keys: []sign.Key{key}})
	if err != nil {
		t.Error(err)
	}
}

// TestWhereAFileIsSent: a registry that sends the upload elsewhere gets no password sent there, nor
// anything by http.
func TestWhereAFileIsSent(t *testing.T) {
	dir := bundletest.Make(t, t.TempDir(), bundletest.Options{})
	told := "nobody"
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = r.Header.Get("Authorization")
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer other.Close()
	roots = other.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	defer func() { roots = nil }()
	hurried(t, limits)
	for _, upload := range []string{other.URL, "http://far.example", "https://169.254.0.99"} {
		told = "nobody"
		s := &shelf{blobs: map[string][]byte{}, manifests: map[string][]byte{}, upload: upload}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, _, _ := r.BasicAuth(); user != "us3r" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			s.ServeHTTP(w, r)
		}))
		logged(t, hostIn(server.URL))
		_, _, err := ToOCI(t.Context(), dir, "name",
			strings.Replace(server.URL, "http://", Schemes[1], 1)+"/tools/python:1", nil)
		server.Close()
		if err == nil || !strings.Contains(err.Error(), "is on a different host") || told != "nobody" {
			t.Errorf("%s: %v; it was told %q", upload, err, told)
		}
		if len(s.manifests) > 0 {
			t.Errorf("%s: there is a version", upload)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, bundle.Sums)); err != nil {
		t.Fatal("nothing was tried:", err)
	}
}
