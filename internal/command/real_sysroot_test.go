package command

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// sysroot builds the default profile against an older libc, and runs it in a folder of the suite that the
// libc is of. What was built against this host's is the control.
func (r *real) sysroot(t *testing.T) {
	const suite, floor = "bullseye", "2.31"
	old := &real{t: t, root: filepath.Join(t.TempDir(), "image"), store: r.store}
	old.tlsfloor(t, "build", "-sysroot="+suite, "-optimize="+string(recipes.NoOptimize))
	g, err := old.site().Generation(1)
	if err != nil || g.Sysroot != suite {
		t.Errorf("generation 1 is for %q, %v", g.Sysroot, err)
	}
	if stdout, _ := old.tlsfloor(t, "status"); !strings.Contains(stdout, "for "+suite) {
		t.Errorf("status does not name the sysroot:\n%s", stdout)
	}
	for _, name := range []string{"openssl", "python"} {
		newest, err := elfpolicy.GLIBC(filepath.Join(old.site().Dir(1), name))
		t.Logf("%s wants glibc %s", name, newest)
		if err != nil || newest == "" || elfpolicy.Older(floor, newest) {
			t.Errorf("%s wants glibc %s, %v", name, newest, err)
		}
	}
	leaks, err := exec.Command("grep", "-rlE", "--", "--sysroot|/deps/sysroot", filepath.Join(old.site().Dir(1), "python")).Output()
	if len(leaks) > 0 {
		t.Errorf("whoever compiles an extension meets the sysroot in %s%v", leaks, err)
	}
	old.runsIn(t, debootstrapped(t, suite), r.site().Dir(1))
}

// debootstrapped makes a folder of a suite, from where this host's packages come from.
func debootstrapped(t *testing.T, suite string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("debootstrap and chroot need root")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		if out, err := exec.Command("apt-get", "install", "-y", "debootstrap").CombinedOutput(); err != nil {
			t.Skipf("no debootstrap: %v\n%s", err, out)
		}
	}
	bases, err := fetch.HostApt{}.Bases(context.Background())
	if err != nil {
		t.Skip(err)
	}
	for _, base := range bases {
		if strings.HasSuffix(strings.TrimRight(base, "/"), "-security") {
			continue // holds no whole suite
		}
		dir := filepath.Join(t.TempDir(), suite)
		out, err := exec.Command("debootstrap", "--variant=minbase", suite, dir, base).CombinedOutput()
		if err != nil {
			t.Skipf("this host's archive has no %s: %v\n%s", suite, err, out)
		}
		return dir
	}
	t.Skip("no Debian archive is configured here")
	return ""
}

// runsIn runs the generation in the root folder dir, and sees that of the trees in host, which want a newer
// libc, none does.
func (r *real) runsIn(t *testing.T, dir, host string) {
	t.Helper()
	for _, from := range [][2]string{{r.root + "/opt/.", filepath.Join(dir, "opt")}, {host, filepath.Join(dir, "control")}} {
		if out, err := exec.Command("cp", "-a", from[0], from[1]).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	within := func(argv ...string) (string, error) {
		cmd := exec.Command("chroot", append([]string{dir}, argv...)...)
		cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const program = `import importlib.util, ssl, hashlib, zlib, json, socket, math, threading
for name in "_sqlite3", "_ctypes", "_bz2", "_lzma", "_curses", "readline", "_uuid", "_decimal":
    if importlib.util.find_spec(name):
        importlib.import_module(name)
assert zlib.decompress(zlib.compress(b"x" * 999)) == b"x" * 999 and math.pow(2, 3) == 8
ssl.create_default_context()
print(ssl.OPENSSL_VERSION, hashlib.sha256(b"").hexdigest()[:8], ssl.HAS_TLSv1_1)`
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"ldd", "--version"}, " 2.31\n"},
		{[]string{python3, "-c", program}, " e3b0c442 False\n"},
		{[]string{python3, "-m", "venv", "/root/venv"}, ""},
		{[]string{"/root/venv/bin/python", "-c", "import ssl; print(ssl.OPENSSL_VERSION)"}, "OpenSSL 3.5.7"},
		{[]string{"/opt/openssl-with-min-tls1_2/bin/openssl", "version"}, "OpenSSL 3.5.7"},
	} {
		if out, err := within(c.argv...); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v\n%s", c.argv, err, out)
		}
	}
	if newest, err := elfpolicy.GLIBC(filepath.Join(host, "python")); err != nil || !elfpolicy.Older("2.31", newest) {
		t.Logf("no control: this host's libc is asked for no more than %s, %v", newest, err)
	} else if out, err := within("/control/python/bin/python3", "--version"); err == nil || !strings.Contains(out, "GLIBC_"+newest) {
		t.Errorf("what was built against this host's libc runs too: %v\n%s", err, out)
	}
}
