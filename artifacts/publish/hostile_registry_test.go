package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
)

// fake is a registry that holds one artifact.
type fake struct {
	s        *scene
	files    map[string][]byte // what is in the artifact
	manifest ocispec.Manifest
	text     []byte // of the manifest
	kind     string // as which it is served
	blobs    map[digest.Digest][]byte
	url      string
	sent     atomic.Int64
	asked    atomic.Int64

	// What a way changes: the manifest before it is written, and answers. A handler says whether it has
	// answered.
	any    func(w http.ResponseWriter, r *http.Request) bool
	onText func(w http.ResponseWriter, r *http.Request) bool
	onBlob map[string]http.HandlerFunc
}

func newFake(s *scene) *fake {
	f := &fake{s: s, files: map[string][]byte{}, kind: ocispec.MediaTypeImageManifest,
		onBlob: map[string]http.HandlerFunc{}}
	for name, b := range s.honest {
		f.files[name] = b
	}
	return f
}

// describe makes the manifest of the files.
func (f *fake) describe() {
	f.blobs = map[digest.Digest][]byte{}
	f.manifest = ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: BundleType,
		Config: ocispec.DescriptorEmptyJSON}
	f.manifest.SchemaVersion = 2
	for name, b := range f.files {
		d := digest.FromBytes(b)
		f.blobs[d] = b
		f.manifest.Layers = append(f.manifest.Layers,
			ocispec.Descriptor{MediaType: mediaType(name), Digest: d, Size: int64(len(b)),
				Annotations: map[string]string{ocispec.AnnotationTitle: name}})
	}
}

// layer is that of a file.
func (f *fake) layer(name string) *ocispec.Descriptor {
	for i := range f.manifest.Layers {
		if f.manifest.Layers[i].Annotations[ocispec.AnnotationTitle] == name {
			return &f.manifest.Layers[i]
		}
	}
	panic(name)
}

// add adds n layers of a name.
func (f *fake) add(n int, name string) {
	for range n {
		f.manifest.Layers = append(f.manifest.Layers,
			ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString("x"), Size: 1,
				Annotations: map[string]string{ocispec.AnnotationTitle: name}})
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	w = counted{w, &f.sent}
	switch {
	case f.any != nil && f.any(w, r):
	case strings.Contains(r.URL.Path, "/manifests/"):
		if f.onText != nil && f.onText(w, r) {
			return
		}
		f.give(w, f.text)
	case strings.Contains(r.URL.Path, "/blobs/"):
		d := digest.Digest(filepath.Base(r.URL.Path))
		for _, l := range f.manifest.Layers {
			if h := f.onBlob[l.Annotations[ocispec.AnnotationTitle]]; h != nil && l.Digest == d {
				h(w, r)
				return
			}
		}
		if b, ok := f.blobs[d]; ok {
			w.Write(b)
			return
		}
		w.WriteHeader(404)
	default:
		w.WriteHeader(404)
	}
}

// give answers with a manifest.
func (f *fake) give(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(text).String())
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.Write(text)
}

// start makes the registry what a way changes, and returns its address.
func (f *fake) start(t *testing.T, change func(f *fake), secure bool) string {
	t.Helper()
	f.describe()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = quiet
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
		roots = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		t.Cleanup(func() { roots = nil })
	} else {
		server.Start()
	}
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	f.url = server.URL
	change(f)
	if f.text == nil {
		text, err := json.Marshal(f.manifest)
		if err != nil {
			t.Fatal(err)
		}
		f.text = text
	}
	host := f.url[strings.Index(f.url, "://")+3:]
	if secure {
		return Schemes[0] + host + "/tools/python:1"
	}
	return Schemes[1] + host + "/tools/python:1"
}

// registryWay is something that a registry does.
type registryWay struct {
	name   string
	change func(f *fake)
	want   string
	limits transport.Limits
	secure bool // by TLS and HTTP/2
	login  bool // the user has a password there
}

func manifestWays() []registryWay {
	text := func(b []byte) func(f *fake) { return func(f *fake) { f.text = b } }
	named := func(name string) func(f *fake) { return func(f *fake) { f.add(1, name) } }
	file := func(name string, b func(s *scene) []byte) func(f *fake) {
		return func(f *fake) {
			if f.files[name] = b(f.s); f.files[name] == nil {
				delete(f.files, name)
			}
			f.describe()
		}
	}
	size := func(name string, n int64) func(f *fake) {
		return func(f *fake) {
			if name == archived {
				name = f.s.archive
			}
			f.layer(name).Size = n
		}
	}
	const none = "nothing of a bundle is"
	return []registryWay{
		{name: "nothing has the tag", change: func(f *fake) {
			f.onText = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true }
		}, want: "not found"},
		{name: "another media type",
			change: func(f *fake) { f.kind = "application/vnd.docker.distribution.manifest.v2+json" },
			want:   "a manifest of the type"},
		{name: "a list of manifests", change: func(f *fake) { f.kind = ocispec.MediaTypeImageIndex },
			want: "a manifest of the type"},
		{name: "no type", change: func(f *fake) { f.kind = "text/html" }, want: "a manifest of the type"},
		{name: "another type inside",
			change: func(f *fake) { f.manifest.MediaType = ocispec.MediaTypeImageIndex },
			want:   "it says that it is of the type"},
		{name: "another version inside", change: func(f *fake) { f.manifest.SchemaVersion = 1 },
			want: "and version 1"},
		{name: "an image", change: func(f *fake) { f.manifest.ArtifactType = "" }, want: "it is no bundle"},
		{name: "somebody else's artifact",
			change: func(f *fake) {
				f.manifest.ArtifactType = "application/x" +
					strings.Repeat("y", 9999)
			}, want: "it is no bundle"},
		{name: "no JSON", change: text([]byte("{{")), want: "manifest: invalid character"},
		{name: "JSON of 10,000 levels", change: text([]byte(strings.Repeat("[", 20_000))),
			want: "manifest: "},
		{name: "another JSON", change: text([]byte(`"text"`)), want: "manifest: json"},
		{name: "empty", change: text([]byte("")), want: "a manifest of 0 bytes"},
		{name: "5 MiB", change: text(bytes.Repeat([]byte(" "), 5<<20)), want: "a manifest of 5242880 bytes"},
		{name: "a manifest without end", change: func(f *fake) {
			f.onText = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					return false
				}
				w.Header().Set("Content-Type", f.kind)
				endless(w)
				return true
			}
		}, want: "manifest: "},
		{name: "another digest in the header", change: func(f *fake) {
			f.onText = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Type", f.kind)
				w.Header().Set("Docker-Content-Digest", digest.FromString("x").String())
				w.Header().Set("Content-Length", fmt.Sprint(len(f.text)))
				w.Write(f.text)
				return true
			}
		}, want: "manifest: "},
		{name: "no digest in the header", change: func(f *fake) {
			f.onText = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Type", f.kind)
				w.Header().Set("Docker-Content-Digest", "sha512:"+strings.Repeat("0", 128))
				w.Header().Set("Content-Length", fmt.Sprint(len(f.text)))
				return true
			}
		}, want: "digest"},
		{name: "the tag is moved in between", change: func(f *fake) {
			f.onText = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet {
					f.give(w, append(bytes.Clone(f.text), ' '))
				}
				return r.Method == http.MethodGet
			}
		}, want: "mismatch"},
		{name: "no layers", change: func(f *fake) { f.manifest.Layers = nil }, want: "SHA256SUMS"},
		{name: "1,001 layers", change: func(f *fake) { f.add(1001, "x") }, want: "1000 are the most"},
		{name: "a layer without a title",
			change: func(f *fake) { f.manifest.Layers[0].Annotations = nil }, want: none},
		{name: "two layers with one title", change: named(index), want: "two files named"},
		{name: "titles that differ in case", change: named("INDEX.json"), want: "two files named"},
		{name: "a title with ..", change: named("../../etc/passwd"), want: none},
		{name: "an absolute title", change: named("/etc/passwd"), want: none},
		{name: "a title with a NUL", change: named("a\x00b"), want: none},
		{name: "a title with a line", change: named("a\nb"), want: none},
		{name: "a title with an escape", change: named("\x1b]0;x\x07"), want: none},
		{name: "a title with a backslash", change: named(`..\x`), want: none},
		{name: "a title of 4,000 bytes", change: named(strings.Repeat("n", 4000)), want: none},
		{name: "a hidden title", change: named(".bashrc"), want: none},
		{name: "a title in another folder", change: named("etc/passwd"), want: none},
		{name: "a title that goes out of proof", change: named("proof/../x"), want: none},
		{name: "another algorithm",
			change: func(f *fake) { f.layer(index).Digest = digest.SHA512.FromString("x") },
			want:   "is no SHA-256"},
		{name: "a digest with a path", change: func(f *fake) { f.layer(index).Digest = "sha256:../../x" },
			want: "is no SHA-256"},
		{name: "a negative size", change: size(index, -1), want: "has -1 bytes"},
		{name: "an index of 1 TiB", change: size(index, 1<<40), want: "67108864 are the most"},
		{name: "an archive of 5 GiB", change: size(archived, 5<<30), want: "4294967296 are the most"},
		{name: "a list of 2 MiB", change: size(sums, 2<<20), want: "larger than it may be"},
		{name: "an archive larger than the index says", change: size(archived, 1<<30), want: "more than the"},
		{name: "40 GiB in all", change: func(f *fake) {
			for i := range 10 {
				f.add(1, fmt.Sprintf("%d.tar.zst", i))
				f.layer(fmt.Sprintf("%d.tar.zst", i)).Size = 4 << 30
			}
		}, want: "bytes in all"},
		{name: "a file elsewhere",
			change: func(f *fake) { f.layer(index).URLs = []string{"https://169.254.169.254/"} },
			want:   "is to be had elsewhere"},
		{name: "no list", change: file(sums, func(*scene) []byte { return nil }), want: "SHA256SUMS"},
		{name: "no signature", change: file(sig, func(*scene) []byte { return nil }), want: "not signed"},
		{name: "no archive", change: func(f *fake) { delete(f.files, f.s.archive); f.describe() },
			want: "is missing"},
		{name: "another bundle's signature",
			change: file(sig, func(s *scene) []byte { return s.other[sig] }), want: "no trusted key"},
		{name: "another bundle's list", change: file(sums,
			func(s *scene) []byte { return s.stolen[sums] }), want: "no trusted key"},
		{name: "another bundle's index", change: file(index,
			func(s *scene) []byte { return s.other[index] }), want: "index.json was altered"},
		{name: "another bundle's archive",
			change: func(f *fake) { f.files[f.s.archive] = f.s.other[f.s.archive]; f.describe() },
			want:   "altered"},
		{name: "another proof's list", change: file(proofSums,
			func(s *scene) []byte { return flipped(s.honest[proofSums]) }), want: "no trusted key"},
	}
}
