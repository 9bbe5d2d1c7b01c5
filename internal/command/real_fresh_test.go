package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// freshMachine follows the README in a root folder that has nothing but a distribution's smallest system and
// Go: as root, and as somebody.
func (r *real) freshMachine(t *testing.T) {
	m := &fresh{debootstrapped(t, "bookworm")}
	for _, from := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/apt/apt.conf.d", "/etc/ssl/certs"} { // how this machine reaches its mirrors
		if _, err := os.Stat(from); err == nil {
			m.host(t, "mkdir -p \"$0$(dirname \"$1\")\" && cp -rL \"$1\" \"$0$(dirname \"$1\")\"", m.root, from)
		}
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	m.host(t,
		`mkdir -p "$0/usr/local" "$0/src" && cp -a "$1" "$0/usr/local/go" && cd "$2" &&
			git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$0/src"`,
		m.root, strings.TrimSpace(string(goroot)), filepath.Join("..", ".."))
	t.Run("root", func(t *testing.T) {
		out := m.within(t, `cd /src && go tool mage build && /opt/python-with-min-tls1_2/bin/python3 --version && go tool mage build`)
		if strings.Count(out, "min-tls1_2: generation 1 is in use") != 1 || !strings.Contains(out,
			"\nPython 3.13.15\n") || !strings.Contains(out, "68 of 72 cases pass") ||
			!regexp.MustCompile(`proof of .* reused`).MatchString(out) {
			t.Errorf("it prints\n%s", out)
		}
	})
	t.Run("somebody", func(t *testing.T) {
		out := m.within(t, `useradd -m somebody && cp -r /src /home/somebody/src && chown -R somebody: /home/somebody/src && exec setpriv --reuid=somebody --regid=somebody --init-groups sh -c '
			export HOME=/home/somebody && cd ~/src && go tool mage build -prefix=$HOME/opt -optimize=none && ~/opt/python-with-min-tls1_2/bin/python3 --version'`)
		if !strings.Contains(out, "min-tls1_2: generation 1 is in use") || !strings.HasSuffix(out,
			"\nPython 3.13.15\n") || !strings.Contains(out, "68 of 72 cases pass") {
			t.Errorf("it prints\n%s", out)
		}
	})
}

// fresh is a root folder with a system in it.
type fresh struct{ root string }

func (m *fresh) host(t *testing.T, script string, args ...string) {
	t.Helper()
	if out, err := exec.Command("sh", append([]string{"-ec", script}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// within runs a script with the folder as its whole world: a changed root alone would forbid user namespaces
// to what runs in it.
func (m *fresh) within(t *testing.T, script string) string {
	t.Helper()
	const enter = `mount --rbind "$0" "$0" && cd "$0" && mkdir -p old && for d in proc sys dev; do mount --rbind /$d $d; done && mount -t tmpfs tmpfs tmp && pivot_root . old && exec chroot . sh -ec 'umount -l /old; cd /; '"$1"`
	cmd := exec.Command("unshare", "--mount", "--propagation=private", "sh", "-ec", enter, m.root, "eval \"$SCRIPT\"")
	cmd.Env = []string{"PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "SCRIPT=" + script}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOFLAGS"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil && len(strings.TrimSpace(string(out))) > 0 {
			cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
