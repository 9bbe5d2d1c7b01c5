package command

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/verify"
)

// connecting is a program that connects with four clients, each over and over, until its standard input ends.
// All trust what the toolchain trusts by default. It prints a line for each connection: which client, and
// what failed.
const connecting = `import json, os, ssl, sys, threading, urllib.request
https, mongo, postgres = sys.argv[1:]
os.environ.update(AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="example", AWS_MAX_ATTEMPTS="1")
import boto3, psycopg2, pymongo

def by_ssl():
    # Without a context of its own urlopen keeps the one that it made first, and what that trusted.
    urllib.request.urlopen("https://localhost:" + https, timeout=20, context=ssl.create_default_context()).read()

def by_boto3():
    boto3.session.Session().client("sts", endpoint_url="https://localhost:" + https, region_name="us-east-1").get_caller_identity()

def by_pymongo():
    with pymongo.MongoClient("mongodb://localhost:%s/?directConnection=true" % mongo, tls=True, serverSelectionTimeoutMS=2000) as client:
        client.admin.command("ping")

def by_psycopg2():
    psycopg2.connect("host=localhost hostaddr=127.0.0.1 port=%s user=proof dbname=postgres sslmode=verify-full sslrootcert=system" % postgres).close()

out, over = threading.Lock(), threading.Event()

def loop(name, connect):
    while not over.is_set():
        error = ""
        try:
            connect()
        except Exception as e:
            error = "%s: %s" % (type(e).__name__, e)
        with out:
            print(json.dumps({"client": name, "error": error}), flush=True)

threads = [threading.Thread(target=loop, args=pair) for pair in (("ssl", by_ssl), ("boto3", by_boto3), ("pymongo", by_pymongo), ("psycopg2", by_psycopg2))]
for t in threads:
    t.start()
sys.stdin.read()
over.set()
for t in threads:
    t.join()
`

// busy are the running clients, and what they have said.
type busy struct {
	hold  io.Closer
	mu    sync.Mutex
	count map[string]int
	last  map[string]string // the last error of each, "" where its last connection came about
	bad   []string
}

// rotated exchanges the CA of four servers while four clients connect to them: old CA, both, the servers'
// certificates, new CA. No connection fails. In the other order all do.
func (r *real) rotated(t *testing.T, next *pool, mongo string) {
	old, err := newAuthority("One CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	later, err := newAuthority("One CA", 20)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, a := range map[string]authority{"old": old, "new": later} {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), a.pem(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	front := newFront(t, mongo)
	p := startPostgres(t, old)
	serve := func(a authority) {
		front.certify(t, a)
		p.certify(t, a)
		p.reload(t, a)
	}
	serve(old)
	r.tlsfloor(t, "trust:add", "-cafiles="+filepath.Join(dir, "old.pem"))
	b := r.connect(t, next.unpacked(t, clientPackages...), front.port(front.https), front.port(front.mongo), p.port())
	b.more(t)
	r.tlsfloor(t, "trust:add", "-cafiles="+filepath.Join(dir, "new.pem"))
	b.more(t)
	serve(later)
	b.more(t)
	r.tlsfloor(t, "trust:remove", "-sha256="+digest.Of(old.cert.Raw).String())
	b.more(t)
	b.mu.Lock()
	t.Logf("connections: %v, failed: %d", b.count, len(b.bad))
	if len(b.bad) > 0 {
		t.Errorf("a client was without its server: %v", b.bad)
	}
	b.mu.Unlock()

	// What would have been the outage: a certificate of a CA that is not trusted.
	serve(old)
	polled(t, "all clients fail", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !slices.Contains([]string{b.last["ssl"], b.last["boto3"], b.last["pymongo"], b.last["psycopg2"]}, "")
	})
	b.hold.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for client, text := range b.last {
		if !strings.Contains(strings.ToLower(strings.ReplaceAll(text, "_", " ")), "certificate verify failed") {
			t.Errorf("%s: %s", client, text)
		}
	}
	r.tlsfloor(t, "trust:remove", "-sha256="+digest.Of(later.cert.Raw).String())
}

// connect starts the clients on the installed Python, at its prefix.
func (r *real) connect(t *testing.T, packages string, args ...string) *busy {
	t.Helper()
	mode, reason := sandbox.Probe(t.Context())
	if mode != sandbox.Namespaces {
		t.Skip("no namespaces here: " + reason)
	}
	cmd, err := sandbox.Command(t.Context(), sandbox.Spec{Mode: mode, Argv: append([]string{python3, "-c", connecting}, args...), Dir: "/", HostView: true, Network: true,
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PYTHONPATH=" + packages,
			"AWS_CA_BUNDLE=/opt/openssl-with-min-tls1_2/ssl/cert.pem"},
		Mounts: []sandbox.Mount{{From: packages, To: packages}, {From: filepath.Join(r.root, "opt"),
			To: "/opt"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := &busy{count: map[string]int{}, last: map[string]string{}}
	if b.hold, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(piped(t, cmd))
	go func() {
		for lines.Scan() {
			var said struct{ Client, Error string }
			if json.Unmarshal(lines.Bytes(), &said) != nil {
				continue
			}
			b.mu.Lock()
			b.count[said.Client]++
			if b.last[said.Client] = said.Error; said.Error != "" {
				b.bad = append(b.bad, said.Client+": "+said.Error)
			}
			b.mu.Unlock()
		}
	}()
	t.Cleanup(func() { b.hold.Close() })
	return b
}

// more waits until each client has connected a few times since now.
func (b *busy) more(t *testing.T) {
	t.Helper()
	seen := func() map[string]int {
		b.mu.Lock()
		defer b.mu.Unlock()
		now := map[string]int{}
		for name, n := range b.count {
			now[name] = n
		}
		return now
	}
	before := seen()
	polled(t, "all clients connect", func() bool {
		now := seen()
		for _, name := range []string{"ssl", "boto3", "pymongo", "psycopg2"} {
			if now[name] < before[name]+3 {
				return false
			}
		}
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		t.Fatalf("a client is without its server after %v connections: %s", b.count, b.bad[0])
	}
}

// front is TLS before HTTP and before a server of MongoDB's protocol, with a certificate that can be
// exchanged.
type front struct {
	https, mongo net.Listener
	serving      atomic.Pointer[tls.Certificate]
}

func newFront(t *testing.T, mongo string) *front {
	t.Helper()
	f := &front{}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.serving.Load(), nil }}
	for _, l := range []*net.Listener{&f.https, &f.mongo} {
		var err error
		if *l, err = tls.Listen("tcp4", "127.0.0.1:0", config); err != nil {
			t.Fatal(err)
		}
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, body := verify.CloudAnswer(q)
		fmt.Fprint(w, body)
	})}
	go web.Serve(f.https)
	t.Cleanup(func() { web.Close(); f.mongo.Close() })
	go func() {
		for {
			conn, err := f.mongo.Accept()
			if err != nil {
				return
			}
			go passOn(t.Context(), conn, mongo)
		}
	}()
	return f
}

// passOn copies between a client and the server at addr until one of them ends, or the test.
func passOn(ctx context.Context, conn net.Conn, addr string) {
	defer conn.Close()
	server, err := net.Dial("tcp4", addr)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close(); server.Close() })
	defer stop()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{server, conn}, {conn, server}} {
		go func() {
			io.Copy(pair[0], pair[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (f *front) certify(t *testing.T, a authority) {
	t.Helper()
	cert, err := a.server()
	if err != nil {
		t.Fatal(err)
	}
	f.serving.Store(&cert)
}

func (f *front) port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
