package fetch

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// answer is what a server does, and what Fetch must make of it.
type answer struct {
	name    string
	answers []http.HandlerFunc
	code    fault.Code // OK: delivered
	want    string
	asked   int
}

func answers() []answer {
	page := []byte("\n<!DOCTYPE html><html><body>Please log in</body></html>")
	endless := func(w http.ResponseWriter, q *http.Request) {
		for _, err := w.Write(payload); err == nil; _, err = w.Write(payload) {
		}
	}
	encoded := func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(payload)
	}
	return []answer{
		{"right", []http.HandlerFunc{content(payload)}, fault.OK, "", 1},
		{"gzip as an encoding", []http.HandlerFunc{encoded}, fault.OK, "", 1},
		{"wrong bytes", []http.HandlerFunc{content(flipped(payload))}, fault.BadDigest, "want ", 1},
		{"shorter", []http.HandlerFunc{content(payload[:9999])}, fault.BadDigest, "9999 bytes with", 1},
		{"empty", []http.HandlerFunc{content(nil)}, fault.BadDigest, "not a .tar.gz file", 1},
		{"not an archive", []http.HandlerFunc{content(bytes.Repeat([]byte("x"), len(payload)))}, fault.BadDigest, "begins with 78 78 78", 1},
		{"HTML page", []http.HandlerFunc{content(page)}, fault.Failed, "answered an HTML page", 1},
		{"large HTML page", []http.HandlerFunc{content(append(page, payload...))}, fault.Failed, "answered an HTML page", 1},
		{"endless", []http.HandlerFunc{endless}, fault.BadDigest, "sent more than the 300000 bytes", 1},
		{"one byte more", []http.HandlerFunc{content(append(bytes.Clone(payload), 0))}, fault.BadDigest, "sent more", 1},
		{"500 then right", []http.HandlerFunc{status(500), status(429), content(payload)}, fault.OK, "", 3},
		{"always 503", []http.HandlerFunc{status(503)}, fault.Failed, "answered 503 service unavailable", 4},
		{"404", []http.HandlerFunc{status(404)}, fault.Failed, "answered 404", 1},
		{"403", []http.HandlerFunc{status(403)}, fault.Failed, "answered 403", 1},
		{"410", []http.HandlerFunc{status(410)}, fault.Failed, "answered 410", 1},
		{"401", []http.HandlerFunc{status(401)}, fault.Failed, "answered 401", 1},
		{"204", []http.HandlerFunc{status(204)}, fault.Failed, "answered 204", 1},
		{"redirect to nowhere", []http.HandlerFunc{status(302)}, fault.Failed, "answered 302", 1},
		{"unasked 206", []http.HandlerFunc{func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-9/300000")
			w.WriteHeader(206)
		}}, fault.Failed, "does not continue", 2},
		{"redirect loop", []http.HandlerFunc{redirect("/x")}, fault.Failed, "more than 10 redirects", 10},
		{"redirect to a file", []http.HandlerFunc{redirect("file:///etc/passwd")}, fault.Failed, "redirects from http to file:///etc/passwd", 1},
		{"redirect to ftp", []http.HandlerFunc{redirect("ftp://127.0.0.1/x")}, fault.Failed, "redirects from http to ftp", 1},
		{"redirect", []http.HandlerFunc{redirect("/elsewhere"), content(payload)}, fault.OK, "", 2},
		{"go-getter's own redirect", []http.HandlerFunc{func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Terraform-Get", "/other")
			w.WriteHeader(404)
		}}, fault.Failed, "answered 404", 1},
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range answers() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.answers...)
			r := newRig(t, Options{})
			if c.code == fault.OK {
				r.brings(t, source(s.URL+"/x"), s.URL+"/x")
			} else {
				r.fails(t, source(s.URL+"/x"), c.code, s.URL+"/x: ", c.want)
			}
			if len(s.asked()) != c.asked {
				t.Errorf("asked %d times, want %d", len(s.asked()), c.asked)
			}
			if left := r.store.partials(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestBroken cuts a download short in several ways: the next request must go on where it stopped.
func TestBroken(t *testing.T) {
	const n = 100_000
	for name, then := range map[string]func(*http.Request){
		"closed":  func(*http.Request) {},
		"stalled": func(q *http.Request) { <-q.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, half(payload, n, then), status(502), content(payload))
			r := newRig(t, Options{Timeout: 500 * time.Millisecond})
			r.brings(t, source(s.URL+"/x"), s.URL+"/x")
			if got := s.asked()[2].Header.Get("Range"); got != fmt.Sprintf("bytes=%d-", n) {
				t.Errorf("Range %q", got)
			}
			if len(r.pauses) != 2 || r.pauses[0] < 250*time.Millisecond || r.pauses[0] > 750*time.Millisecond || r.pauses[1] < 500*time.Millisecond {
				t.Errorf("pauses %v", r.pauses)
			}
			if !strings.Contains(r.said(), "trying again") {
				t.Errorf("said %s", r.said())
			}
		})
	}
	t.Run("stalled for good", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
		r := newRig(t, Options{Timeout: 50 * time.Millisecond, Retries: 1})
		r.fails(t, source(s.URL+"/x"), fault.Failed, "no byte came for too long (50ms)")
		if len(s.asked()) != 2 {
			t.Errorf("asked %d times", len(s.asked()))
		}
	})
	t.Run("kept for the next run", func(t *testing.T) {
		s := serve(t, half(payload, n, func(*http.Request) {}), content(payload))
		r := newRig(t, Options{Retries: -1})
		r.fails(t, source(s.URL+"/x"), fault.Failed, "unexpected EOF")
		r.brings(t, source(s.URL+"/x"), s.URL+"/x")
		if s.asked()[1].Header.Get("Range") == "" {
			t.Error("began anew")
		}
	})
}

// TestSlowIsNoStall trickles for longer than the time-out in all, but never without a byte for so long.
func TestSlowIsNoStall(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, q *http.Request) {
		for part := range slices.Chunk(payload, 20_000) {
			w.Write(part)
			w.(http.Flusher).Flush()
			time.Sleep(40 * time.Millisecond)
		}
	})
	r := newRig(t, Options{Timeout: 500 * time.Millisecond, Retries: -1})
	r.brings(t, source(s.URL+"/x"), s.URL+"/x")
}

func TestResume(t *testing.T) {
	const n = 1000
	ranged := func(header string) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			if q.Header.Get("Range") == "" {
				w.Write(payload)
				return
			}
			w.Header().Set("Content-Range", header)
			w.WriteHeader(206)
			w.Write(payload[n:])
		}
	}
	for _, c := range []struct {
		name    string
		planted []byte
		answer  http.HandlerFunc
		asked   int
	}{
		{"206", payload[:n], content(payload), 1},
		{"206 of unknown length", payload[:n], ranged("bytes 1000-299999/*"), 1},
		{"Range ignored", payload[:n], whole(payload), 2},
		{"another start", payload[:n], ranged("bytes 999-299999/300000"), 2},
		{"another length", payload[:n], ranged("bytes 1000-299999/300001"), 2},
		{"no Content-Range", payload[:n], ranged(""), 2},
		{"416", payload[:n], func(w http.ResponseWriter, q *http.Request) {
			if q.Header.Get("Range") != "" {
				w.WriteHeader(416)
				return
			}
			w.Write(payload)
		}, 2},
		{"another's bad bytes", bytes.Repeat([]byte("\x1f\x8b"), n/2), content(payload), 2},
		{"another's page", []byte("<html>"), content(payload), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.answer)
			r := newRig(t, Options{})
			r.store.plant(t, source(), c.planted)
			r.brings(t, source(s.URL+"/x"), s.URL+"/x")
			if len(s.asked()) != c.asked {
				t.Errorf("asked %d times, want %d", len(s.asked()), c.asked)
			}
			if got := s.asked()[0]; got.Method != "GET" || got.Header.Get("Range") != fmt.Sprintf("bytes=%d-", len(c.planted)) {
				t.Errorf("first %s with Range %q", got.Method, got.Header.Get("Range"))
			}
		})
	}
}

// TestDowngrade goes from https to http, which must fail, and back, which may work.
func TestDowngrade(t *testing.T) {
	plain := serve(t, content(payload))
	secure := httptest.NewTLSServer(redirect(plain.URL + "/x?token=s3cret"))
	defer secure.Close()
	target := httptest.NewTLSServer(content(payload))
	defer target.Close()
	trust := func(r *rig) {
		r.net.TLSClientConfig.RootCAs = x509.NewCertPool()
		r.net.TLSClientConfig.RootCAs.AddCert(secure.Certificate())
	}
	r := newRig(t, Options{})
	trust(r)
	err := r.fails(t, source(secure.URL+"/x"), fault.Failed, "redirects from https to http://")
	if strings.Contains(err.Error(), "s3cret") || len(plain.asked()) > 0 {
		t.Errorf("got %v, %d requests", err, len(plain.asked()))
	}
	up := serve(t, redirect(target.URL+"/x"))
	r = newRig(t, Options{})
	trust(r)
	r.brings(t, source(up.URL+"/x"), up.URL+"/x")

	target.Config.ErrorLog = log.New(io.Discard, "", 0)
	r = newRig(t, Options{}) // trusts no one
	r.fails(t, source(target.URL+"/x"), fault.Failed, "certificate")
	if len(r.pauses) > 0 {
		t.Error("a bad certificate was tried again")
	}
}

// TestCredentials plants secrets wherever a URL may hold one and looks for them in all that comes out.
func TestCredentials(t *testing.T) {
	far := serve(t, status(404))
	user := strings.Replace(far.URL, "http://", "http://us3r:s3cret@", 1)
	loop := serve(t, redirect("/y?token=s3cret"))
	hop := serve(t, redirect(far.URL+"/far"))
	closed := serve(t, status(404))
	closed.Close()
	mad := serve(t, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Location", "http://us3r:s3cret@%zz/?token=s3cret")
		w.WriteHeader(302)
	})
	ends := serve(t, half(payload, 5, func(*http.Request) {}))
	name := func(s *server, rest string) string {
		return strings.Replace(s.URL, "http://", "http://us3r:s3cret@", 1) + rest
	}
	r := newRig(t, Options{
		Mirrors: []string{user + "/m?token=s3cret", name(closed, "/?key=s3cret"), name(loop, ""), name(ends, "")},
		Apt:     bases{user + "/debian"}, Retries: 1,
	})
	src := source(user+"/x?sig=s3cret", name(hop, "/hop?token=s3cret"), name(mad, "/mad"), "http://us3r:s3cret@%zz/", "gopher://us3r:s3cret@h/?a=s3cret")
	_, err := r.Fetch(t.Context(), src)
	for what, text := range map[string]string{"error": err.Error(), "hint": fault.HintOf(err), "events": r.said()} {
		if text == "" || strings.Contains(text, "s3cret") || strings.Contains(text, "us3r") {
			t.Errorf("%s: %s", what, text)
		}
	}
	if n := strings.Count(err.Error(), "***@"); n < 7 {
		t.Errorf("only %d places with a user in %v", n, err)
	}
	if u, p, ok := far.asked()[0].BasicAuth(); !ok || u != "us3r" || p != "s3cret" || far.asked()[0].URL.Query().Get("token") != "s3cret" {
		t.Error("the credentials did not reach the mirror that they are for")
	}
	for _, q := range far.asked() {
		if q.URL.Path == "/far" && (q.Header.Get("Authorization") != "" || q.Header.Get("Referer") != "") {
			t.Errorf("another host was told: %v", q.Header)
		}
	}
	right := serve(t, content(payload))
	r = newRig(t, Options{})
	r.brings(t, source(name(right, "/x?token=s3cret")), strings.Replace(right.URL, "http://", "http://***@", 1)+"/x?***")
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/x":                       "http://h/x",
		"https://u:p@ss@h:1/a@b?q=1 then":  "https://***@h:1/a@b?*** then",
		`Get "https://tok@h/x?y": EOF`:     `Get "https://***@h/x?***": EOF`,
		`invalid proxy address "u:p@h": x`: `invalid proxy address "***@h": x`,
		"dial tcp 127.0.0.1:80: refused":   "dial tcp 127.0.0.1:80: refused",
		"http://a:b@h/ and s3://c:d@e/?f":  "http://***@h/ and s3://***@e/?***",
		"libfoo@2 is no secret":            "libfoo@2 is no secret",
	} {
		if got := redact(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestProxy(t *testing.T) {
	r := newRig(t, Options{})
	r.brings(t, source("http://far.test/x"), "http://far.test/x")
	proxied.Lock()
	defer proxied.Unlock()
	if len(proxied.urls) != 1 || proxied.urls[0] != "http://far.test/x" {
		t.Errorf("the proxy was asked for %v", proxied.urls)
	}
}

func TestDeadHost(t *testing.T) {
	gone := serve(t, status(404))
	gone.Close()
	r := newRig(t, Options{})
	var dials atomic.Int32
	dial := r.net.DialContext
	r.net.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, addr)
	}
	for range 2 {
		r.fails(t, source(gone.URL+"/a", gone.URL+"/b"), fault.Failed, "connection refused")
	}
	if dials.Load() != 1 || len(r.pauses) > 0 {
		t.Errorf("%d dials, pauses %v", dials.Load(), r.pauses)
	}
}

func TestProgress(t *testing.T) {
	s := serve(t, content(payload))
	r := newRig(t, Options{})
	r.brings(t, source(s.URL+"/x"), s.URL+"/x")
	var last int64 = -1
	count := 0
	for _, e := range r.events {
		if e.Kind != event.Progress {
			continue
		}
		if count++; e.Bytes < last || e.Total != int64(len(payload)) || e.Step != "tool-1.0" {
			t.Errorf("after %d: %+v", last, e)
		}
		last = e.Bytes
	}
	if last != int64(len(payload)) || count > 20 {
		t.Errorf("%d events, the last at %d", count, last)
	}
}

// TestProgressIsRare reads byte by byte, which takes far less than a second.
func TestProgressIsRare(t *testing.T) {
	count := 0
	w := &wanted{limit: 5000}
	tr := &transfer{w: w, sink: func(event.Event) { count++ }}
	b := &body{ReadCloser: io.NopCloser(iotest.OneByteReader(bytes.NewReader(payload[:5000]))), t: tr}
	if n, err := io.Copy(io.Discard, b); n != 5000 || err != nil {
		t.Fatal(n, err)
	}
	if count < 2 || count > 200 {
		t.Errorf("%d events for 5000 reads", count)
	}
}

// TestCheck holds that only the bytes that come next are taken.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		offset int64
		status int
		header string
		want   error
	}{
		{0, 200, "", nil},
		{5, 200, "", errNoRange},
		{5, 206, "bytes 5-9/10", nil},
		{5, 206, "bytes 5-9/*", nil},
		{5, 206, "bytes 4-9/10", errNoRange},
		{5, 206, "bytes 5-9/11", errNoRange},
		{5, 206, "5-9/10", errNoRange},
		{5, 206, "", errNoRange},
		{0, 206, "bytes 0-9/10", errNoRange},
		{5, 416, "bytes */10", errNoRange},
		{5, 404, "", statusError(404)},
	} {
		tr := &transfer{offset: c.offset, w: &wanted{limit: 10}}
		if err := tr.check(&http.Response{StatusCode: c.status, Header: http.Header{"Content-Range": {c.header}}}); err != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWorthRetrying(t *testing.T) {
	for err, want := range map[error]bool{
		statusError(500): true, statusError(503): true, statusError(429): true, statusError(408): true,
		statusError(404): false, statusError(403): false, statusError(410): false, statusError(400): false,
		transport.ErrStalled: true, transport.ErrSlow: true, io.ErrUnexpectedEOF: true, io.EOF: true,
		syscall.ECONNRESET: true, broken{io.ErrClosedPipe}: true,
		errAbsent: false, errNoRange: false, x509.UnknownAuthorityError{}: false, syscall.ECONNREFUSED: false,
		&badBytes{error: io.ErrNoProgress}: false,
	} {
		if got := worthRetrying(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	for n := range 40 {
		if d := backoff(n); d <= 0 || d > 15*time.Second {
			t.Errorf("pause %d is %v", n, d)
		}
	}
}
