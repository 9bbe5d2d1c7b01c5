package publish

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// scene is two bundles, signed by the same key, and one that nobody has signed; files by their names in the
// bundle.
type scene struct {
	key                   sign.Key
	honest, other, stolen map[string][]byte
	archive               string // the one that is installed
}

func newScene(t *testing.T) *scene {
	t.Helper()
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	s := &scene{key: key}
	for text, to := range map[string]*map[string][]byte{"honest": &s.honest, "other": &s.other,
		"stolen": &s.stolen} {
		o := bundletest.Options{Signer: signer, Text: text, Controls: true}
		if text == "stolen" {
			o.Signer = nil
		}
		*to = inFolder(t, bundletest.Make(t, t.TempDir(), o))
	}
	for name := range s.honest {
		if strings.HasSuffix(name, ".tar.zst") && !strings.Contains(name, "controls") {
			s.archive = name
		}
	}
	if s.archive == "" {
		t.Fatal("the bundle has no archive")
	}
	return s
}

func inFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err == nil {
			all[name], err = os.ReadFile(file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// quiet is where servers say that their clients have gone.
var quiet = log.New(io.Discard, "", 0)

const mostSent = 80 << 20 // bytes that a hostile server gets rid of: a small file may have 64 MiB

// counted counts what a server sends.
type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func (c counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func flush(w http.ResponseWriter) { http.NewResponseController(w).Flush() }

// take takes a bundle as an installation does, and looks at what is on the disk then.
func take(t *testing.T, open func(context.Context) (bundle.Source, error), trust bundle.Trust) error {
	t.Helper()
	beside := t.TempDir()
	dir := filepath.Join(beside, "in", "copy")
	if err := os.Mkdir(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := open(t.Context())
	if err == nil {
		_, err = bundle.Take(t.Context(), from, dir, trust, bundle.Wish{})
	}
	if left, _ := os.ReadDir(beside); len(left) != 1 {
		t.Errorf("there is more beside the copy: %v", left)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) > 1 {
		t.Errorf("there is more beside the copy: %v", left)
	}
	return err
}

// refused holds that the bundle was not taken, and why.
func refused(t *testing.T, err error, sent int64, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("it was taken")
	case !strings.Contains(err.Error(), want):
		t.Errorf("got %v\nwant %q", err, want)
	case fault.HintOf(err) == "":
		t.Errorf("%v, without a hint", err)
	case strings.Contains(err.Error(), "\n") && !strings.Contains(want, "\n"):
		t.Errorf("more than one line: %v", err)
	}
	if sent > mostSent {
		t.Errorf("%d bytes were taken", sent)
	}
}

// hurried makes slow servers be given up soon, and asked only twice.
func hurried(t *testing.T, l transport.Limits) {
	t.Helper()
	oldLimits, oldAttempts := limits, attempts
	limits = l
	attempts = &retry.GenericPolicy{Retryable: retry.DefaultPredicate, MaxRetry: 1,
		Backoff: func(int, *http.Response) time.Duration { return time.Millisecond }}
	t.Cleanup(func() { limits, attempts = oldLimits, oldAttempts })
}

var (
	quick = transport.Limits{Wait: 200 * time.Millisecond, Window: 200 * time.Millisecond}
	rated = transport.Limits{Wait: time.Minute, Window: 100 * time.Millisecond}
)

// endless writes until nobody reads, and no more than a test may.
func endless(w io.Writer) {
	part := make([]byte, 1<<20)
	for range 4 * mostSent / len(part) {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// dripped writes a byte each millisecond until nobody reads.
func dripped(w http.ResponseWriter, r *http.Request) {
	for range 30_000 {
		if _, err := w.Write([]byte{'x'}); err != nil || r.Context().Err() != nil {
			return
		}
		flush(w)
		time.Sleep(time.Millisecond)
	}
}

// cut sends the beginning of an answer and closes the connection.
func cut(w http.ResponseWriter, text string) {
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	out.WriteString(text)
	out.Flush()
}

func flipped(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[len(b)/2] ^= 1
	return b
}

func lines(n int, each string) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%064x  "+each+"\n", i, i)
	}
	return []byte(b.String())
}
