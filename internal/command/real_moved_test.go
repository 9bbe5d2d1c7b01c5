package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
)

// moved copies both trees into another folder and uses them there while nothing stands at their prefixes.
func (r *real) moved(t *testing.T) {
	work := t.TempDir()
	m := &movedTrees{real: r, work: work, opt: t.TempDir(), base: filepath.Join(work, "moved")}
	for _, tree := range []string{"openssl", "python"} {
		m.copy(t, filepath.Join(r.site().Dir(1), tree), filepath.Join(m.base, tree))
	}
	m.interpreter(t)
	m.sysconfig(t)
	m.scripts(t)
	m.pkgConfig(t)
	m.extension(t)
	m.trust(t)
	m.names(t)
}

// movedTrees are an openssl and a python folder below base; what a command sees at /opt is opt.
type movedTrees struct {
	*real
	work, opt, base string
}

func (m *movedTrees) copy(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// try runs a command in the work folder, and returns all that it prints.
func (m *movedTrees) try(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	mode, reason := sandbox.Probe(context.Background())
	if mode != sandbox.Namespaces {
		t.Skip("no namespaces here: " + reason)
	}
	cmd, err := sandbox.Command(context.Background(), sandbox.Spec{Mode: mode, Argv: argv, Dir: m.work, HostView: true, Network: true,
		Env:    []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + m.work, "PYTHONDONTWRITEBYTECODE=1"},
		Mounts: []sandbox.Mount{{From: m.opt, To: "/opt"}, {From: m.work, To: m.work, Writable: true}}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *movedTrees) run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := m.try(t, argv...)
	if err != nil {
		t.Errorf("%v: %v\n%s", argv, err, out)
	}
	return out
}

func (m *movedTrees) python(t *testing.T, program string) string {
	t.Helper()
	return m.run(t, filepath.Join(m.base, "python/bin/python3"), "-c", program)
}

func (m *movedTrees) interpreter(t *testing.T) {
	got := m.python(t, "import sys, json, ssl, zlib; print(sys.prefix, json.__file__, ssl.OPENSSL_VERSION)")
	if want := m.base + "/python " + m.base + "/python/lib/python3.13/json/__init__.py OpenSSL 3.5.7 "; !strings.HasPrefix(got, want) {
		t.Errorf("the interpreter says %q, want %q", got, want)
	}
	python := filepath.Join(m.base, "python/bin/python3")
	got = m.run(t, "/bin/sh", "-c", python+" -m venv venv && venv/bin/pip --version && venv/bin/python -c 'import sys, ssl; print(sys.base_prefix, ssl.get_default_verify_paths().openssl_cafile)'")
	if want := m.base + "/python " + m.base + "/openssl/ssl/cert.pem\n"; !strings.Contains(got, "pip ") || !strings.HasSuffix(got, want) {
		t.Errorf("a venv says %q, want %q", got, want)
	}
}

// sysconfig looks for paths of the build in all variables, and in those that go into others' builds for more.
func (m *movedTrees) sysconfig(t *testing.T) {
	got := m.python(t, `
import re, sys, sysconfig
values = {k: v for k, v in sysconfig.get_config_vars().items() if isinstance(v, str)}
for name, value in sorted(values.items()):
    if re.search('/opt/python-with|/tlsfloor/(work|bin|home)', value):
        print(name, '=', value)
for name in ('CC CXX CFLAGS CPPFLAGS CCSHARED LDFLAGS LDSHARED LDCXXSHARED AR ARFLAGS OPT BASECFLAGS LIBS SYSLIBS LIBM LIBC '
             'LINKFORSHARED INCLUDEPY CONFINCLUDEPY LIBDIR LIBPL BINDIR').split():
    if re.search('/opt|/deps|-fprofile|-flto|-frandom-seed|prefix-map|exclude-libs', values[name]):
        print(name, '=', values[name])
for name in 'prefix exec_prefix BINDIR LIBDIR INCLUDEPY LIBPL'.split():
    if not (values[name] + '/').startswith(sys.prefix + '/'):
        print(name, '=', values[name])
`)
	if got != "" {
		t.Errorf("sysconfig knows of the build:\n%s", got)
	}
}

// scripts runs what stands in bin, by its own path and through a link from elsewhere.
func (m *movedTrees) scripts(t *testing.T) {
	if err := os.Symlink(filepath.Join(m.base, "python/bin/pydoc3"), filepath.Join(m.work, "documentation")); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{filepath.Join(m.base, "python/bin/pydoc3"), "./documentation"} {
		if got := m.run(t, script, "json"); !strings.Contains(got, m.base+"/python/lib/python3.13/json/__init__.py") {
			t.Errorf("%s prints %q", script, got)
		}
	}
	got := m.run(t, filepath.Join(m.base, "python/bin/python3-config"), "--includes", "--configdir", "--ldflags")
	if !strings.Contains(got, "-I"+m.base+"/python/include/python3.13") || strings.Contains(got, "/opt/") {
		t.Errorf("python3-config prints %q", got)
	}
	if got := m.run(t, filepath.Join(m.base, "python/bin/python3-config"), "--prefix"); got != m.base+"/python\n" {
		t.Errorf("python3-config --prefix prints %q", got)
	}
	if err := filepath.WalkDir(filepath.Join(m.base, "python/bin"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if first, _, _ := strings.Cut(string(text), "\n"); strings.HasPrefix(first, "#!") && strings.Contains(first, "/opt/") {
			t.Errorf("%s begins with %q", path, first)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func (m *movedTrees) pkgConfig(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(m.base, "*/lib/pkgconfig/*.pc"))
	if err != nil || len(files) < 5 {
		t.Fatalf("pkg-config files: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "/opt/") || !strings.Contains(string(text), "prefix=${pcfiledir}/../..\n") {
			t.Errorf("%s:\n%s", file, text)
		}
	}
}

// extension compiles a module with what sysconfig says and nothing else, as setuptools does.
func (m *movedTrees) extension(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Log("no compiler here, no extension")
		return
	}
	got := m.python(t, `
import shlex, subprocess, sys, sysconfig
v = sysconfig.get_config_vars()
with open('answer.c', 'w') as f:
    f.write('''#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", 0, -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
''')
name = 'answer' + v['EXT_SUFFIX']
for command in (v['CC'], v['CFLAGS'], v['CCSHARED'], '-I' + v['INCLUDEPY'], '-c answer.c -o answer.o'), (v['LDSHARED'], 'answer.o -o', name):
    subprocess.run(shlex.split(' '.join(command)), check=True)
import answer
print(answer.answer())
`)
	if got != "42\n" {
		t.Errorf("the extension says %q", got)
	}
}

// trust connects with verification on: in vain before the moved openssl trusts the server's root, and well
// after that.
func (m *movedTrees) trust(t *testing.T) {
	root, port := serveTLS(t)
	program := `
import socket, ssl
try:
    with socket.create_connection(('127.0.0.1', ` + port + `)) as s:
        with ssl.create_default_context().wrap_socket(s, server_hostname='localhost') as s:
            print(s.version())
except ssl.SSLCertVerificationError as e:
    print(e.reason)
`
	cert := filepath.Join(m.base, "openssl/ssl/cert.pem")
	if err := os.Remove(cert); err != nil && !os.IsNotExist(err) { // a site's link to its own
		t.Fatal(err)
	}
	if got := m.python(t, program); got != "CERTIFICATE_VERIFY_FAILED\n" {
		t.Errorf("without a root it says %q", got)
	}
	if err := os.WriteFile(cert, root, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := m.python(t, program); got != "TLSv1.3\n" {
		t.Errorf("with the root it says %q", got)
	}
	openssl := filepath.Join(m.base, "openssl/bin/openssl")
	got := m.run(t, "/bin/sh", "-c", openssl+" s_client -brief -verify_return_error -verify_hostname localhost -connect 127.0.0.1:"+port+" </dev/null")
	if !strings.Contains(got, "Verification: OK") {
		t.Errorf("openssl s_client says %q", got)
	}
	if got := m.run(t, openssl, "version", "-d", "-m"); !strings.Contains(got, `OPENSSLDIR: "`+m.base+`/openssl/ssl"`) || !strings.Contains(got, `MODULESDIR: "`+m.base+`/openssl/lib/ossl-modules"`) {
		t.Errorf("openssl version says %q", got)
	}
	m.run(t, openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem")
	m.run(t, openssl, "list", "-providers", "-provider", "legacy")
}

// names looks where the default certificates come from when the trees have the prefixes' names, when another
// OpenSSL has ours, when only Python was moved, and when nothing was.
func (m *movedTrees) names(t *testing.T) {
	const show = "import ssl; print(ssl.get_default_verify_paths().openssl_cafile)"
	base, opt := m.base, m.opt
	defer func() { m.base, m.opt = base, opt }()
	expect := func(what, got, want string) {
		t.Helper()
		if got != want+"/ssl/cert.pem\n" {
			t.Errorf("%s: certificates from %q, want those of %s", what, got, want)
		}
	}
	const prefix = "/opt/openssl-with-min-tls1_2"

	named := filepath.Join(m.work, "named")
	m.copy(t, filepath.Join(base, "python"), filepath.Join(named, "python"))
	m.copy(t, filepath.Join(base, "openssl"), filepath.Join(named, "openssl-with-min-tls1_2"))
	m.base = named
	expect("the prefix's name", m.python(t, show), named+"/openssl-with-min-tls1_2")

	if err := os.WriteFile(filepath.Join(named, "openssl-with-min-tls1_2/ssl/openssldir"), []byte("/usr/lib/ssl\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect("a foreign OpenSSL", m.python(t, show), prefix)

	m.opt = filepath.Join(m.root, "opt")
	expect("only Python moved", m.python(t, show), prefix)
	expect("nothing moved", m.run(t, python3, "-c", show), prefix)
	if got := m.run(t, python3, "-c", "import sysconfig; print(sysconfig.get_config_var('INCLUDEPY'))"); got != "/opt/python-with-min-tls1_2/include/python3.13\n" {
		t.Errorf("nothing moved: headers in %q", got)
	}
	if got := m.run(t, "/opt/python-with-min-tls1_2/bin/python3-config", "--prefix"); got != "/opt/python-with-min-tls1_2\n" {
		t.Errorf("nothing moved: python3-config says %q", got)
	}
}

// serveTLS serves localhost until the test ends, and returns its root certificate and port.
func serveTLS(t *testing.T) (root []byte, port string) {
	t.Helper()
	now := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tlsfloor test root"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil { // with its key identifier, which the leaf's issuer must have
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	chain, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{chain}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if c.(*tls.Conn).HandshakeContext(context.Background()) == nil {
					c.Read(make([]byte, 1)) // until the other side ends it
				}
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), port
}
