package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secrets are places of a host that a program that is tried has no business in.
var secrets = []string{
	"/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssl/private", "/etc/pki/tls/private", "/etc/ssh",
	"/etc/machine-id", "/etc/fstab",
	"/root", "/home", "/run", "/var", "/srv", "/mnt", "/media", "/boot", "/sys", "/opt", "/lost+found",
}

// TestTriedSeesNoSecrets looks for the host's secrets and services from a program that is tried; this
// process, which sees them, is the control.
func TestTriedSeesNoSecrets(t *testing.T) {
	looked := secrets
	for _, parent := range []string{"/tmp", "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "tlsfloor-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		socket := filepath.Join(dir, "socket")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		write(t, filepath.Join(dir, "canary"), "seen", 0o644)
		looked = append(looked, dir, socket, filepath.Join(dir, "canary"))
	}
	there := 0
	for _, path := range looked {
		if _, err := os.Lstat(path); err == nil {
			there++
		}
	}
	if there < 10 {
		t.Fatalf("control: this process sees only %d of them", there)
	}
	self := fmt.Sprintf("/proc/%d", os.Getpid())
	looked = append(looked, self+"/root/etc/shadow", self+"/environ", self+"/cwd")
	script := "for f in " + strings.Join(looked, " ") + `; do test -e $f && echo $f; done
		tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -c . ; ls -A /tmp /etc`
	t.Setenv("TLSFLOOR_TEST_CANARY", "seen")
	out := must(t, Spec{HostView: true, Network: true, Env: []string{"PATH=" + systemPath}}, script)
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "/") && !strings.HasSuffix(line, ":") || strings.Contains(line, "CANARY") {
			t.Errorf("it sees %s", line)
		}
	}
	if !strings.Contains(out, "passwd") {
		t.Errorf("control: nothing of /etc was listed: %q", out)
	}
}
