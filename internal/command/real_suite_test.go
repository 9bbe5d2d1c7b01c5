package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
)

// sets builds the default profile with all optional sets and tries what they bring.
func (r *real) sets(t *testing.T) {
	s := &real{t: t, root: filepath.Join(t.TempDir(), "image"), store: r.store}
	s.tlsfloor(t, "build", "-with=tests,static")
	g, err := s.site().Generation(1)
	if err != nil || !slices.Equal(g.With, []string{"static", "tests"}) {
		t.Fatalf("generation 1 is with %v, %v", g.With, err)
	}
	if stdout, _ := s.tlsfloor(t, "status"); !strings.Contains(stdout, "with static+tests") {
		t.Errorf("status says\n%s", stdout)
	}
	t.Run("embedded", s.embedded)
	t.Run("suite", func(t *testing.T) { s.suite(t, g) })
}

// embedded links a program to the static libpython by the flags that python3-config gives, and to nothing
// else but the C library. It has an SSL_read of its own, and exports nothing of ours but Python's names.
func (r *real) embedded(t *testing.T) {
	r.write(t, "embed.c", `
#include <Python.h>
int SSL_read(void) { return 7; }
int main(int argc, char **argv) {
    Py_Initialize();
    int result = PyRun_SimpleString("import bz2, ctypes, curses, decimal, hashlib, lzma, readline, sqlite3, ssl, sys, uuid, zlib\n"
        "print(ssl.OPENSSL_VERSION.split()[1], ssl.HAS_TLSv1, sys.prefix, hashlib.sha256(zlib.compress(b'x')).name, decimal.Decimal(2).sqrt() > 1)");
    return Py_FinalizeEx() || result || SSL_read() != 7;
}
`)
	r.write(t, "embed.sh", `
set -e
config=/opt/python-with-min-tls1_2/bin/python3-config
cc /opt/test/embed.c -o embed $($config --cflags --embed) $($config --ldflags --embed)
./embed
readelf -dW embed | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v ^ld-linux- | sort
cc -rdynamic /opt/test/embed.c -o all $($config --cflags --embed) $($config --ldflags --embed)
./all
nm -D --defined-only all | sed 's/.* //' | grep -E '^(Py_Initialize$|SSL_|EVP_|deflate|sqlite3_|ffi_|lzma_|BZ2_|mpd_|initscr)'
`)
	const says = "3.5.7 False /opt/python-with-min-tls1_2 sha256 True\n"
	if got := r.inside(t, "/bin/sh", "/opt/test/embed.sh"); got != says+"libc.so.6\nlibm.so.6\n"+says+"Py_Initialize\nSSL_read\n" {
		t.Errorf("embed.sh prints\n%s", got)
	}
}

// suiteTime is how long the test suite may take.
const suiteTime = 45 * time.Minute

// suite runs CPython's own tests with the installed interpreter, as an ordinary user and without a network,
// and compares what failed with the list of what has to.
func (r *real) suite(t *testing.T, g deploy.Generation) {
	if os.Geteuid() != 0 {
		t.Skip("a network of its own and another user need root")
	}
	version := strings.Join(strings.Split(g.Components["python"].Version, ".")[:2], ".")
	want, err := readExpected(filepath.Join("..", "..", "recipes", "sets", "tests", "expected", version+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "suite") // a short path: sockets lie there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	const user = 1000
	if err := os.Chown(home, user, user); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), suiteTime) // what it has started dies with unshare
	defer cancel()
	script := fmt.Sprintf(`ip link set lo up && mount --bind "$1" /opt && cd "$2" && exec setpriv --pdeathsig KILL --reuid=%d --regid=%d --clear-groups env -i HOME="$2" TMPDIR="$2" PATH=/usr/bin:/bin `+
		`LANG=C.UTF-8 TERM=xterm %s -m test -j%d -w -u curses --timeout 600`, user, user, python3, runtime.NumCPU())
	begun := time.Now()
	out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", script, "sh", filepath.Join(r.root, "opt"), home).CombinedOutput()
	t.Logf("the test suite took %.0f s, %v", time.Since(begun).Seconds(), err)
	if path := os.Getenv("TLSFLOOR_TEST_SUITE_LOG"); path != "" {
		if err := os.WriteFile(path, out, 0o644); err != nil {
			t.Error(err)
		}
	}
	o := readSuite(string(out))
	t.Log(o.total)
	for _, fault := range o.judge(want) {
		t.Error(fault)
	}
	if t.Failed() {
		t.Logf("the end of the log:\n%s", out[max(0, len(out)-20_000):])
	}
}
