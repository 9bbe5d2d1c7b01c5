package command

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
)

// connectPy connects with what a program gets that asks for nothing special, and prints why that fails.
const connectPy = `import socket, ssl, sys, urllib.request
try:
    print(urllib.request.urlopen("https://localhost:" + sys.argv[1] + "/").read().decode(), end="")
except OSError as e:
    print(getattr(e, "reason", e))
`

// trust tries the built OpenSSL and Python with a server of a CA that nobody knows, then added, then named by
// the environment.
func (r *real) trust(t *testing.T) {
	ours, err := newAuthority("Real Test CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ours.pem")
	if err := os.WriteFile(file, ours.pem(), 0o644); err != nil {
		t.Fatal(err)
	}
	port := greet(t, ours)
	refused := "certificate verify failed: unable to get local issuer certificate"
	connects := func(what, want string, env ...string) {
		t.Helper()
		if got := r.with(t, env, python3, "-c", connectPy, port); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	connects("a CA that was not added", refused)

	// The environment's own, beside what OpenSSL reads by default: SSL_CERT_FILE takes the place of cert.pem.
	hash := strings.TrimSpace(r.with(t, nil, "/opt/openssl-with-min-tls1_2/bin/openssl", "x509", "-noout", "-subject_hash", "-in", file))
	hashed := filepath.Join(dir, "certs")
	if err := os.Mkdir(hashed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hashed, hash+".0"), ours.pem(), 0o644); err != nil {
		t.Fatal(err)
	}
	connects("SSL_CERT_FILE", "hello\n", "SSL_CERT_FILE="+file)
	connects("SSL_CERT_DIR", "hello\n", "SSL_CERT_DIR="+hashed)

	if stdout, _ := r.tlsfloor(t, "trust:add", "-cafiles="+file); !strings.Contains(stdout, "added: CN=Real Test CA") {
		t.Errorf("trust:add says %q", stdout)
	}
	connects("a CA that was added", "hello\n")
	got := r.with(t, nil, "/bin/sh", "-c", "/opt/openssl-with-min-tls1_2/bin/openssl s_client -connect localhost:"+port+" -verify_return_error -verify_hostname localhost </dev/null 2>&1 | grep 'Verify return code'")
	if !strings.Contains(got, "Verify return code: 0 (ok)") {
		t.Errorf("openssl s_client: %q", got)
	}
	connects("SSL_CERT_FILE without it", refused, "SSL_CERT_FILE="+filepath.Join(dir, "nothing"), "SSL_CERT_DIR="+dir)

	// OpenSSL reads all of what was written.
	list, _ := r.tlsfloor(t, "trust:list")
	loaded := r.with(t, nil, python3, "-c", "import ssl; print(len(ssl.create_default_context().get_ca_certs()))")
	if want := strings.Count(list, "\n") - 2; loaded != fmt.Sprintln(want) {
		t.Errorf("trust:list has %d certificates, and Python loads %s", want, loaded)
	}
	// A build that has nothing to do keeps it.
	if _, stderr := r.tlsfloor(t, "build"); strings.Contains(stderr, "note: trust:") || strings.Contains(stderr, "repairing") {
		t.Errorf("the next build changes what is trusted:\n%s", stderr)
	}
	connects("after the next build", "hello\n")
	r.tlsfloor(t, "trust:check")
	r.tlsfloor(t, "trust:remove", "-subject=Real Test CA")
	connects("a CA that was removed", refused)
}

// greet serves "hello" over HTTPS on 127.0.0.1 with a certificate of a, and returns the port.
func greet(t *testing.T, a authority) string {
	t.Helper()
	cert, err := a.server()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 1024)); err == nil {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
				}
			}()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// with runs a command as inside does, with the network and more variables.
func (r *real) with(t *testing.T, env []string, argv ...string) string {
	t.Helper()
	mode, reason := sandbox.Probe(t.Context())
	if mode != sandbox.Namespaces {
		t.Skip("no namespaces here: " + reason)
	}
	var reach trial.Reach // the files that it is told of
	reach.Command(strings.Join(slices.Concat(env, argv), " "))
	cmd, err := sandbox.Command(t.Context(), sandbox.Spec{Mode: mode, Argv: argv, Dir: "/", HostView: true, Network: true,
		Env:    append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, env...),
		Mounts: append(reach.Mounts(), sandbox.Mount{From: filepath.Join(r.root, "opt"), To: "/opt"})})
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}
