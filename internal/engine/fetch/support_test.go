package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// proxied counts what the proxy of the test's environment was asked for.
var proxied = struct {
	sync.Mutex
	urls []string
}{}

// TestMain sets a proxy: net/http reads the environment once, and never uses a proxy for loopback addresses.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied.Lock()
		proxied.urls = append(proxied.urls, r.URL.String())
		proxied.Unlock()
		w.Write(payload)
	}))
	os.Setenv("HTTP_PROXY", proxy.URL)
	for _, name := range []string{"http_proxy", "NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy"} {
		os.Unsetenv(name)
	}
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

// payload is a source's bytes: a gzip magic and noise.
var payload = func() []byte {
	b := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{7}).Read(b)
	copy(b, "\x1f\x8b\x08\x00")
	return b
}()

func source(urls ...string) Source {
	return Source{Name: "tool-1.0", File: "tool-1.0.tar.gz", SHA256: digest.Of(payload), Size: int64(len(payload)), URLs: urls,
		AptPackage: "tool", AptFile: "tool_1.0.orig.tar.gz"}
}

// dirStore is a store in a folder.
type dirStore struct {
	dir  string
	mu   sync.Mutex
	sigs map[digest.Digest]digest.Digest
}

func newStore(t *testing.T) *dirStore {
	s := &dirStore{dir: t.TempDir(), sigs: map[digest.Digest]digest.Digest{}}
	if err := os.Mkdir(s.Partial(), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *dirStore) path(d digest.Digest) string            { return filepath.Join(s.dir, d.String()) }
func (s *dirStore) Partial() string                        { return filepath.Join(s.dir, "partial") }
func (s *dirStore) Open(d digest.Digest) (*os.File, error) { return os.Open(s.path(d)) }
func (s *dirStore) Signature(k digest.Digest) (digest.Digest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.sigs[k]
	return d, ok
}

func (s *dirStore) SetSignature(k, d digest.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sigs[k] = d
	return nil
}

func (s *dirStore) Has(d digest.Digest) bool {
	got, _, err := digest.OfFile(s.path(d))
	return err == nil && got == d
}

func (s *dirStore) Import(path string, want digest.Digest) error {
	if got, _, err := digest.OfFile(path); err != nil || got != want {
		return fmt.Errorf("importing %s: digest %s, %w", path, got, err)
	}
	return os.Rename(path, s.path(want))
}

// partials lists what stands in the folder for unfinished downloads.
func (s *dirStore) partials(t *testing.T) (names []string) {
	t.Helper()
	list, err := os.ReadDir(s.Partial())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (s *dirStore) plant(t *testing.T, src Source, b []byte) {
	t.Helper()
	write(t, filepath.Join(s.Partial(), src.SHA256.String()+".partial"), b)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// rig is a Fetcher with its store, what it said, and the pauses that it would have made.
type rig struct {
	*Fetcher
	store  *dirStore
	mu     sync.Mutex
	events []event.Event
	pauses []time.Duration
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{store: newStore(t)}
	r.Fetcher = r.another(t, o)
	return r
}

// another is a second Fetcher on the same store, as another process would have.
func (r *rig) another(t *testing.T, o Options) *Fetcher {
	t.Helper()
	also := o.Sink
	o.Sink = func(e event.Event) {
		r.mu.Lock()
		r.events = append(r.events, e)
		r.mu.Unlock()
		also.Emit(e)
	}
	f, err := New(r.store, o)
	if err != nil {
		t.Fatal(err)
	}
	f.sleep = func(ctx context.Context, d time.Duration) error {
		r.mu.Lock()
		r.pauses = append(r.pauses, d)
		r.mu.Unlock()
		return ctx.Err()
	}
	return f
}

func (r *rig) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		fmt.Fprintf(&b, "%s %s %s %s\n", e.Kind, e.Step, e.Text, e.Path)
	}
	return b.String()
}

// brings fails unless src arrives, from the place, and leaves nothing else behind.
func (r *rig) brings(t *testing.T, src Source, from string) Got {
	t.Helper()
	got, err := r.Fetch(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if got.From != from {
		t.Errorf("from %q, want %q", got.From, from)
	}
	if !r.store.Has(got.Source.SHA256) {
		t.Error("not in the store")
	}
	if left := r.store.partials(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return got
}

// fails fails unless Fetch ends with the code, all of the words, a hint, and no byte of src in the store.
func (r *rig) fails(t *testing.T, src Source, code fault.Code, words ...string) error {
	t.Helper()
	_, err := r.Fetch(t.Context(), src)
	if err == nil {
		t.Fatal("no error")
	}
	if fault.CodeOf(err) != code || fault.HintOf(err) == "" {
		t.Errorf("code %d, want %d; hint %q; error %v", fault.CodeOf(err), code, fault.HintOf(err), err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want %q in it", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
	if _, err := os.Stat(r.store.path(src.SHA256)); code != fault.BadSignature && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in the store all the same: %v", err)
	}
	return err
}

// server serves each request with the next handler, the last one again and again, and keeps the requests.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func serve(t *testing.T, handlers ...http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewServer(s.handler(handlers))
	t.Cleanup(s.Close)
	return s
}

func (s *server) handler(handlers []http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		handlers[min(n, len(handlers)-1)](w, r)
	}
}

func (s *server) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Answers of a server.

func content(b []byte) http.HandlerFunc { // knows Range
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(b)))
	}
}

func whole(b []byte) http.HandlerFunc { // ignores Range
	return func(w http.ResponseWriter, r *http.Request) { w.Write(b) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// half sends the first n bytes, announces all, and calls then.
func half(b []byte, n int, then func(r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b[:n])
		w.(http.Flusher).Flush()
		then(r)
		panic(http.ErrAbortHandler)
	}
}

// counted ends the test's wait for a number of bytes that were reported.
func counted(n int64, then func()) event.Sink {
	return func(e event.Event) {
		if e.Kind == event.Progress && e.Bytes >= n {
			then()
		}
	}
}
