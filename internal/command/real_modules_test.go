package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// modules uses what people miss most after building Python by hand.
func (r *real) modules(t *testing.T) {
	r.write(t, "modules.py", `
import bz2, ctypes, curses, dbm, decimal, lzma, readline, sqlite3, ssl, sys, uuid, zlib
data = bytes(range(256)) * 100
for module in bz2, lzma, zlib:
    assert module.decompress(module.compress(data)) == data, module
libc = ctypes.CDLL(None)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
assert list(numbers) == [1, 2, 3, 4, 5], "a callback through libffi"
db = sqlite3.connect(":memory:")
db.execute("create virtual table f using fts5(t)")
db.execute("create virtual table r using rtree(id, x0, x1)")
db.execute("insert into f values ('nothing below')")
assert db.execute("select count(*) from f where f match 'below'").fetchone() == (1,)
assert db.execute("select json_extract('{\"a\": 7}', '$.a'), sqrt(9)").fetchone() == (7, 3.0)
db.enable_load_extension(False)
assert db.execute("select sqlite_compileoption_used('THREADSAFE')").fetchone() == (1,)
db.close()
assert uuid.uuid1().is_safe is not None and uuid._generate_time_safe is not None
assert decimal.Decimal(2).sqrt() and decimal.__libmpdec_version__ == "4.0.1", decimal.__libmpdec_version__
assert "libedit" in readline.__doc__ or readline.backend == "editline"
curses.setupterm("xterm")
assert curses.tigetstr("kcuu1") == b"\x1bOA", "the arrow keys of the host's terminal description"
import _curses_panel, _hashlib, _ssl
for module in _ssl, _hashlib, sys.modules["_sqlite3"], sys.modules["_ctypes"]:
    assert not hasattr(module, "__file__"), module
print("all", sqlite3.sqlite_version)
`)
	if got := r.inside(t, python3, "-W", "error", r.file("modules.py")); got != "all 3.53.4\n" {
		t.Errorf("modules.py prints %q", got)
	}
	r.keys(t)
	r.history(t)
	r.listed(t)
}

// history cuts a history file off and reads it again. libedit does that by a file in /tmp, which the sandbox
// keeps read-only: so this runs beside it.
func (r *real) history(t *testing.T) {
	cmd := exec.Command(filepath.Join(r.root, python3), "-c", `import readline
for line in "first", "second", "third":
    readline.add_history(line)
readline.set_history_length(2)
readline.write_history_file("history")
readline.clear_history()
readline.read_history_file("history")
print([readline.get_history_item(i) for i in (1, 2)])`)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "['second', 'third']\n" {
		t.Errorf("a history that was cut off: %v\n%s", err, out)
	}
}

// listed plants faults in the list that the build step holds the interpreter against.
func (r *real) listed(t *testing.T) {
	for _, name := range []string{"check.py", "3.13.txt"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "recipes", "modules", name))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.NewReplacer("builtin: ", "builtin: nonesuch ", " _ssl ", " ", " tkinter ", " ").Replace(string(text))
		r.write(t, "true/"+name, string(text))
		r.write(t, "planted/"+name, changed)
	}
	check := "mkdir lib; printf lib >pybuilddir.txt; " + python3 + " -E -W ignore " + r.file("")
	if got := r.inside(t, "/bin/sh", "-c", check+"true/check.py"); got != "" {
		t.Errorf("the list is not that of what was installed:\n%s", got)
	}
	got := r.inside(t, "/bin/sh", "-c", check+"planted/check.py; echo $?; touch lib/more.so; "+python3+" -E -W ignore "+r.file("true/check.py")+" || true")
	want := "module of the interpreter is missing: nonesuch\nmodule of the interpreter is not expected: _ssl\nmodule that cannot be imported is not expected: nonesuch\n" +
		"module that cannot be imported is not expected: tkinter\n1\nshared module is not expected: more\n"
	if got != want {
		t.Errorf("planted faults: got\n%s\nwant\n%s", got, want)
	}
}

// keys presses the up arrow in the interactive interpreter, on a pseudo-terminal: the line comes back.
func (r *real) keys(t *testing.T) {
	r.write(t, "keys.py", `
import os, pty, select, sys, time
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm", PYTHON_BASIC_REPL="1", HOME="/nonexistent")
    os.execv(sys.executable, [sys.executable, "-q"])
seen = b""
def expect(text):
    global seen
    end = time.monotonic() + 20
    while text not in seen:
        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit("waited for %r, got %r" % (text, seen))
        seen += os.read(terminal, 4096)
    seen = seen.partition(text)[2]
expect(b">>> ")
os.write(terminal, b"print('fl' + 'oor')\n")
expect(b"floor")
expect(b">>> ")
os.write(terminal, b"\x1b[A\n")
expect(b"floor")
os.write(terminal, b"exit()\n")
os.waitpid(child, 0)
print("again")
`)
	// The sandbox has no pseudo-terminals: where the image lies, as a moved tree.
	out, err := exec.Command(filepath.Join(r.root, python3), filepath.Join(r.root, r.file("keys.py"))).CombinedOutput()
	if err != nil || string(out) != "again\n" {
		t.Errorf("keys.py prints %q, %v", out, err)
	}
}

// hello measures the first message of a default connection: firewalls in front of well-known services drop it
// when it needs two packets. The hybrid group is offered without a share, and a server that prefers it asks
// for one.
func (r *real) hello(t *testing.T) {
	r.write(t, "hello.py", `
import ssl
outgoing = ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="sts.eu-central-1.amazonaws.com")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()
print(len(hello), b"\x11\xec" in hello)
`)
	var size int
	var hybrid string
	if got := r.inside(t, python3, r.file("hello.py")); !scan(got, "%d %s", &size, &hybrid) || size < 100 || size > 1400 || hybrid != "True" {
		t.Errorf("the ClientHello has bytes, and offers X25519MLKEM768: %q", got)
	}
	r.write(t, "hybrid.sh", `
set -e
openssl=/opt/openssl-with-min-tls1_2/bin/openssl
$openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
$openssl s_server -accept 127.0.0.1:4434 -key key.pem -cert cert.pem -www >/dev/null 2>&1 &
trap "kill $!" EXIT
for i in $(seq 100); do
  echo | $openssl s_client -connect 127.0.0.1:4434 -servername localhost -CAfile cert.pem -msg >said 2>&1 && break
  sleep 0.1
done
grep -c 'ClientHello' said
grep '^Negotiated TLS1.3 group' said
`)
	if got := r.inside(t, "/bin/sh", "/opt/test/hybrid.sh"); got != "2\nNegotiated TLS1.3 group: X25519MLKEM768\n" {
		t.Errorf("with a server that prefers the hybrid group: %q", got)
	}
}

func scan(text, format string, to ...any) bool {
	n, err := fmt.Sscanf(text, format, to...)
	return err == nil && n == len(to)
}

// pip installs a C extension from source through an HTTPS index with a CA of its own.
func (r *real) pip(t *testing.T) {
	dir := filepath.Join(r.root, "opt", "test", "index", "simple")
	for _, name := range []string{"setuptools", "floordemo"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.wheels(t, filepath.Join(dir, "setuptools"))
	r.write(t, "sdist.py", `
import io, tarfile
files = {
    "setup.py": "from setuptools import Extension, setup\nsetup(name='floordemo', version='1.0', ext_modules=[Extension('floordemo', ['floordemo.c'])])\n",
    "PKG-INFO": "Metadata-Version: 2.1\nName: floordemo\nVersion: 1.0\n",
    "floordemo.c": '''#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "floordemo", "", -1, methods};
PyMODINIT_FUNC PyInit_floordemo(void) { return PyModule_Create(&module); }
''',
}
with tarfile.open("index/simple/floordemo/floordemo-1.0.tar.gz", "w:gz") as archive:
    for name, text in files.items():
        info = tarfile.TarInfo("floordemo-1.0/" + name)
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
`)
	r.write(t, "serve.py", `
import functools, http.server, os, ssl
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory="index"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
with open("port.new", "w") as f:
    f.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
`)
	r.write(t, "pip.sh", `
set -e
openssl=/opt/openssl-with-min-tls1_2/bin/openssl
export PIP_CONFIG_FILE=/dev/null # not the settings of the host that the test runs on
$openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=CA of the index' -keyout ca.key -out ca.pem 2>/dev/null
$openssl req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem 2>/dev/null
printf 'basicConstraints = critical, CA:false\nsubjectAltName = DNS:localhost\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n' >extensions
$openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 2 -extfile extensions -out cert.pem 2>/dev/null
cp -R /opt/test/index .
`+python3+` /opt/test/sdist.py
`+python3+` /opt/test/serve.py 2>serve.log &
trap "kill $!" EXIT
while [ ! -f port ]; do kill -0 $! || { cat serve.log; exit 1; }; sleep 0.05; done
`+python3+` -m venv venv
index=https://localhost:$(cat port)/simple/
venv/bin/pip install --disable-pip-version-check --no-cache-dir --retries 0 --index-url $index floordemo >refused 2>&1 && { echo 'it trusts an unknown CA'; exit 1; }
grep -q CERTIFICATE_VERIFY_FAILED refused || { cat refused; exit 1; }
venv/bin/pip install -q --disable-pip-version-check --no-cache-dir --index-url $index --cert ca.pem floordemo
venv/bin/python -c 'import floordemo; print(floordemo.answer(), floordemo.__file__.endswith(".so"))'
`)
	if got := r.inside(t, "/bin/sh", "/opt/test/pip.sh"); got != "42 True\n" {
		t.Errorf("pip.sh prints\n%s", got)
	}
}

// wheels takes the setuptools that CPython's source carries for its own tests.
func (r *real) wheels(t *testing.T, dir string) {
	t.Helper()
	st, err := store.Open(r.store)
	if err != nil {
		t.Fatal(err)
	}
	rec := r.record(t, st, "build/python")
	src := t.TempDir()
	for _, d := range rec.Sources {
		f, err := st.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.Unpack(context.Background(), f, src, archive.Options{Strip: 1}); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	found, _ := filepath.Glob(filepath.Join(src, "Lib/test/wheeldata/setuptools-*.whl"))
	if len(found) == 0 {
		t.Fatal("the source has no setuptools")
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(found[0])), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// file is the path inside of a file that write has written.
func (r *real) file(name string) string { return "/opt/test/" + name }

func (r *real) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(r.root, r.file(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.TrimPrefix(text, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
