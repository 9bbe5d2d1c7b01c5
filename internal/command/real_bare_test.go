package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// bare installs in a root folder that holds a C library, the program and the bundle, and nothing else; not
// even a shell.
func (b *bundled) bare(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another root folder needs root")
	}
	root := b.file("bare")
	var files []string
	for _, exe := range []string{filepath.Join(b.site().Dir(1), "python/bin/python3.13"), filepath.Join(b.site().Dir(1), "openssl/bin/openssl")} {
		out, err := exec.Command("ldd", exe).Output()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)...)
	}
	for _, dir := range []string{"tmp", "proc", "dev", "opt", "etc", "var/cache"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(files)
	for _, file := range append(slices.Compact(files), program, b.file("key.pub.pem")) {
		to := filepath.Join(root, file)
		if file == program || file == b.file("key.pub.pem") {
			to = filepath.Join(root, filepath.Base(file))
		}
		if out, err := exec.Command("sh", "-c", `mkdir -p "$(dirname "$1")" && cp -L "$0" "$1"`, file, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.Command("cp", "-a", b.dir, filepath.Join(root, "bundle")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A proc of its own, as a container has one.
	in := func(argv ...string) *exec.Cmd {
		script := `mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" "$@"`
		return exec.Command("unshare", append([]string{"-m", "sh", "-c", script, root}, argv...)...)
	}
	says := b.saying(t, in)
	says("generation 1 is in use", "/tlsfloor", "install", "-from=/bundle", "-key=/key.pub.pem", "-store=/var/cache/tlsfloor", "-offline")
	says("OpenSSL 3.5.7", "/opt/python-with-min-tls1_2/bin/python3", "-c", "import ssl; print(ssl.OPENSSL_VERSION)")
	says("TLS floor 1.2: pass", "/tlsfloor", "bundle:verify", "/bundle", "-key=/key.pub.pem")
	says("signed", "/tlsfloor", "status")
	says("removed", "/tlsfloor", "uninstall")
	if err := os.RemoveAll(filepath.Join(root, "bundle")); err != nil {
		t.Fatal(err)
	}
	t.Run("chain", func(t *testing.T) { b.chain(t, root, in) })
}

// saying returns a function that runs a command, which has to end well and to say something.
func (b *bundled) saying(t *testing.T, in func(...string) *exec.Cmd) func(want string, argv ...string) {
	return func(want string, argv ...string) {
		t.Helper()
		if out := b.run(t, 0, in(argv...)); !strings.Contains(out, want) {
			t.Errorf("%v says\n%s", argv, out)
		}
	}
}

// chain takes what was built, bundled and signed through a registry to the bare folder, and uses it there.
func (b *bundled) chain(t *testing.T, root string, in func(...string) *exec.Cmd) {
	says := b.saying(t, in)
	from := distribution(t, nil).address("tools/python:1.0")
	key := "-key=" + b.file("key.pub.pem")
	if out := b.tlsfloor(t, 0, "publish", b.dir, "-to="+from, key); !strings.Contains(out, "published, and read back") {
		t.Errorf("it says\n%s", out)
	}
	install := []string{"/tlsfloor", "install", "-from=" + from, "-key=/key.pub.pem", "-store=/var/cache/tlsfloor"}
	says("generation 1 is in use", install...)
	says("TLS floor 1.2: pass", append([]string{"/tlsfloor", "verify"}, install[2:]...)...)
	// Root builds nothing without a sandbox; where it wants to, there is no compiler.
	for _, refused := range []struct {
		flag string
		code int
	}{{"-sandbox=auto", 1}, {"-sandbox=none", 7}} {
		out := b.run(t, refused.code, in("/tlsfloor", "verify", "-store=/var/cache/tlsfloor", refused.flag))
		if !strings.Contains(out, "the weak peers in it need no compiler") {
			t.Errorf("without a compiler and with %s it says\n%s", refused.flag, out)
		}
	}
	says("3.5.7", "/tlsfloor", "audit:env", "/opt/python-with-min-tls1_2")
	altered := filepath.Join(root, "opt/.tlsfloor/min-tls1_2/1/python/lib/python3.13/this.py")
	if err := os.WriteFile(altered, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.run(t, 9, in("/tlsfloor", "status")); !strings.Contains(out,
		"altered: python/lib/python3.13/this.py") {
		t.Errorf("status says\n%s", out)
	}
	says("generation 2 is in use", install...)
	says("generation 1 is in use", "/tlsfloor", "rollback")
	says("generation 2 is in use", "/tlsfloor", "rollback", "-to=2")
	says("TLS floor 1.2: pass", append([]string{"/tlsfloor", "verify"}, install[2:]...)...)
	says("removed", "/tlsfloor", "uninstall")
}
