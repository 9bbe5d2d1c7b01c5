package publish

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// webWay is something that a file server does to one file.
type webWay struct {
	name, file string
	answer     func(s *scene, w http.ResponseWriter, r *http.Request)
	want       string
	unsigned   bool // whoever takes it asks for no signature
	slow       int  // 1: the time without a byte is short, 2: that of the rate is
}

const (
	sums, sig, index = bundle.Sums, bundle.Sums + bundle.Signature, bundle.IndexFile
	proofSums        = bundle.ProofDir + "/" + bundle.Sums
	archived         = "(the archive)"
)

func webWays() []webWay {
	gives := func(b func(s *scene) []byte) func(*scene, http.ResponseWriter, *http.Request) {
		return func(s *scene, w http.ResponseWriter, _ *http.Request) { w.Write(b(s)) }
	}
	text := func(b []byte) func(*scene, http.ResponseWriter, *http.Request) {
		return gives(func(*scene) []byte { return b })
	}
	raw := func(text string) func(*scene, http.ResponseWriter, *http.Request) {
		return func(_ *scene, w http.ResponseWriter, _ *http.Request) { cut(w, text) }
	}
	to := func(where string) func(*scene, http.ResponseWriter, *http.Request) {
		return func(_ *scene, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", where)
			w.WriteHeader(http.StatusFound)
		}
	}
	code := func(n int) func(*scene, http.ResponseWriter, *http.Request) {
		return func(_ *scene, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
	}
	header := func(key, value string, b func(s *scene) []byte) func(*scene, http.ResponseWriter,
		*http.Request) {
		return func(s *scene, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(key, value)
			w.Write(b(s))
		}
	}
	named := func(name string) []byte { return []byte(strings.Repeat("0", 64) + "  " + name + "\n") }
	zeros := strings.Repeat("0", 64)
	nobody := "no trusted key made this signature"
	noLine := "not a digest, two spaces and the name"
	ways := []webWay{
		{name: "no list", file: sums, answer: code(404), want: "answered 404"},
		{name: "no archive", file: archived, answer: code(404), want: "is missing"},
		{name: "no proof", file: "proof/proof.json", answer: code(404), want: "is missing"},
		{name: "no signature", file: sig, answer: code(404), want: "not signed"},
		{name: "a page for the list", file: sums, answer: text([]byte("<!DOCTYPE html><html>hello")),
			want: nobody},
		{name: "a page for the signature", file: sig, answer: text([]byte("<html>")),
			want: nobody},
		{name: "an empty list", file: sums, answer: text(nil), want: "SHA256SUMS"},
		{name: "an empty list of nobody", file: sums, answer: text(nil), want: "lists nothing",
			unsigned: true},
		{name: "another's list", file: sums,
			answer: gives(func(s *scene) []byte { return s.stolen[sums] }), want: nobody},
		{name: "another bundle's list", file: sums,
			answer: gives(func(s *scene) []byte { return s.other[sums] }), want: nobody},
		{name: "another bundle's signature", file: sig,
			answer: gives(func(s *scene) []byte { return s.other[sig] }), want: nobody},
		{name: "another bundle's index", file: index,
			answer: gives(func(s *scene) []byte { return s.other[index] }), want: "index.json was altered"},
		{name: "another bundle's archive", file: archived,
			answer: gives(func(s *scene) []byte { return s.other[s.archive] }), want: "altered"},
		{name: "another proof's list", file: proofSums,
			answer: gives(func(s *scene) []byte { return flipped(s.honest[proofSums]) }), want: nobody},
		{name: "another proof", file: "proof/proof.json",
			answer: gives(func(s *scene) []byte { return flipped(s.honest["proof/proof.json"]) }),
			want:   "proof.json was altered"},
		{name: "one bit of the archive", file: archived,
			answer: gives(func(s *scene) []byte { return flipped(s.honest[s.archive]) }),
			want:   "was altered"},
		{name: "one byte more", file: archived,
			answer: gives(func(s *scene) []byte {
				return append([]byte(nil),
					append(s.honest[s.archive], 0)...)
			}), want: "more than the"},
		{name: "one byte less", file: archived,
			answer: gives(func(s *scene) []byte { return s.honest[s.archive][1:] }), want: "was altered"},
		{name: "nothing of the archive", file: archived, answer: text(nil), want: "altered"},
		{name: "an archive without end", file: archived,
			answer: func(_ *scene, w http.ResponseWriter, _ *http.Request) { endless(w) },
			want:   "more than the"},
		{name: "a list without end", file: sums,
			answer: func(_ *scene, w http.ResponseWriter, _ *http.Request) { endless(w) },
			want:   "more than the 1048576 bytes"},
		{name: "a list of 100,000 files", file: sums, answer: text(lines(100_000, "file%d")),
			want: "more than the 1048576 bytes", unsigned: true},
		{name: "a list of 10,000 files", file: sums, answer: text(lines(10_000, "f%d")),
			want: "more than 1000 files", unsigned: true},
		{name: "a name with ..", file: sums, answer: text(named("../../../etc/passwd")), want: noLine,
			unsigned: true},
		{name: "an absolute name", file: sums, answer: text(named("/etc/passwd")), want: noLine,
			unsigned: true},
		{name: "a name with a NUL", file: sums, answer: text(named("a\x00b")), want: noLine, unsigned: true},
		{name: "a name with an escape", file: sums, answer: text(named("\x1b[2J")), want: noLine,
			unsigned: true},
		{name: "a hidden name", file: sums, answer: text(named(".bashrc")), want: noLine, unsigned: true},
		{name: "a name of a folder", file: sums, answer: text(named("proof/")), want: noLine, unsigned: true},
		{name: "a name of 4,000 bytes", file: sums, answer: text(named(strings.Repeat("n", 4000))),
			want: "is not listed", unsigned: true},
		{name: "a name twice", file: sums, answer: text([]byte(zeros + "  a\n" + zeros + "  a\n")),
			want: "twice", unsigned: true},
		{name: "the list in itself", file: sums, answer: text(named(sums)), want: noLine, unsigned: true},
		{name: "the answer says another length", file: archived,
			answer: func(s *scene, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(s.honest[s.archive])+100))
				w.Write(s.honest[s.archive])
			}, want: "unexpected EOF"},
		{name: "closed before the header", file: sums, answer: raw(""), want: "EOF"},
		{name: "closed in the header", file: sums, answer: raw("HTTP/1.1 200 OK\r\nContent-"),
			want: "malformed MIME header"},
		{name: "closed in the body", file: sums,
			answer: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), want: "EOF"},
		{name: "closed in a chunk", file: sums,
			answer: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"), want: "EOF"},
		{name: "no HTTP", file: sums, answer: raw("SSH-2.0-OpenSSH\r\n"), want: "malformed HTTP"},
		{name: "two lengths", file: sums,
			answer: raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
			want:   "Content-Length"},
		{name: "a header of 1 MiB", file: sums,
			answer: header("X-Pad", strings.Repeat("x", 1<<20), func(*scene) []byte { return nil }),
			want:   "exceeded"},
		{name: "an encoding", file: index, answer: header("Content-Encoding", "gzip",
			func(s *scene) []byte { return s.honest[s.archive] }), want: "altered"},
		{name: "a part that nobody asked for", file: sums,
			answer: func(_ *scene, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Range", "bytes 0-9/10")
				w.WriteHeader(206)
			}, want: "does not continue"},
		{name: "not modified", file: sums, answer: code(304), want: "answered 304"},
		{name: "no content", file: sums, answer: code(204), want: "answered 204"},
		{name: "an error for ever", file: sums, answer: code(503), want: "answered 503"},
		{name: "redirect to a file", file: sums, answer: to("file:///etc/passwd"),
			want: "redirects from http to file"},
		{name: "redirect to the cloud's credentials", file: sums,
			answer: to("http://169.254.169.254/latest/meta-data"),
			want:   "169.254.169.254: an address that no other host"},
		{name: "redirect there in IPv6", file: sums, answer: to("http://[::ffff:a9fe:a9fe]/"),
			want: "an address that no other host"},
		{name: "redirect to no address", file: sums, answer: to("http://0.0.0.0/"),
			want: "an address that no other host"},
		{name: "redirect to itself", file: sums, answer: to("?again"), want: "more than 10 redirects"},
		{name: "redirect to another scheme", file: sums, answer: to("gopher://127.0.0.1/"),
			want: "redirects from http to gopher"},
		{name: "nothing comes", file: sums, answer: func(_ *scene, _ http.ResponseWriter,
			r *http.Request) {
			<-r.Context().Done()
		}, want: "no byte came for too long", slow: 1},
		{name: "nothing comes behind the header", file: archived,
			answer: func(_ *scene, w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(200)
				flush(w)
				<-r.Context().Done()
			}, want: "no byte came for too long", slow: 1},
		{name: "a byte each millisecond", file: archived,
			answer: func(_ *scene, w http.ResponseWriter, r *http.Request) { dripped(w, r) },
			want:   "come too slowly", slow: 2},
	}
	return ways
}

// fileServer serves the honest bundle, but for what the way does.
func fileServer(t *testing.T, s *scene, way webWay, sent *atomic.Int64) string {
	t.Helper()
	file := way.file
	if file == archived {
		file = s.archive
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/b/")
		if w = (counted{w, sent}); way.answer != nil && name == file {
			way.answer(s, w, r)
			return
		}
		if b, ok := s.honest[name]; ok {
			w.Write(b)
			return
		}
		w.WriteHeader(404)
	}))
	server.Config.ErrorLog = quiet
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL + "/b"
}

func overWeb(t *testing.T, at string, slow int) func(context.Context) (bundle.Source, error) {
	return func(context.Context) (bundle.Source, error) {
		o := fetch.Options{Retries: -1, Sink: func(event.Event) {}}
		switch slow {
		case 1:
			o.Timeout = quick.Wait
		case 2:
			o.Timeout, o.Window = rated.Wait, rated.Window
		}
		f, err := fetch.New(nil, o)
		if err != nil {
			return bundle.Source{}, err
		}
		u, err := url.Parse(at)
		return FromWeb(f, u), err
	}
}

func TestHostileFileServer(t *testing.T) {
	s := newScene(t)
	for _, trust := range []bundle.Trust{{Keys: []sign.Key{s.key}}, {Unsigned: true}} {
		var sent atomic.Int64
		if err := take(t, overWeb(t, fileServer(t, s, webWay{}, &sent), 0), trust); err != nil ||
			sent.Load() == 0 {
			t.Fatalf("the honest server: %v", err)
		}
	}
	ways := webWays()
	if len(ways) < 40 {
		t.Errorf("only %d ways", len(ways))
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			trust := bundle.Trust{Keys: []sign.Key{s.key}}
			if way.unsigned {
				trust = bundle.Trust{Unsigned: true}
			}
			var sent atomic.Int64
			err := take(t, overWeb(t, fileServer(t, s, way, &sent), way.slow), trust)
			refused(t, err, sent.Load(), way.want)
		})
	}
}

// TestFilesAreAskedForOnce: a server that gives each file rightly once, and another bundle's after that,
// can only be taken for what it gave first.
func TestFilesAreAskedForOnce(t *testing.T) {
	s := newScene(t)
	asked := map[string]*atomic.Int32{}
	for name := range s.honest {
		asked[name] = &atomic.Int32{}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/b/")
		from := s.honest
		if n, ok := asked[name]; ok && n.Add(1) > 1 {
			from = s.stolen
		}
		w.Write(from[name])
	}))
	defer server.Close()
	at := overWeb(t, server.URL+"/b", 0)
	if err := take(t, at, bundle.Trust{Keys: []sign.Key{s.key}}); err != nil {
		t.Fatal(err)
	}
	for name, n := range asked {
		if n.Load() > 1 {
			t.Errorf("%s was asked for %d times", name, n.Load())
		}
	}
	if err := take(t, at, bundle.Trust{Keys: []sign.Key{s.key}}); err == nil {
		t.Error("the second time it was taken as well: the server does not lie")
	}
}
