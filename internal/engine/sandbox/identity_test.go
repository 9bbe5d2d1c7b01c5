package sandbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOutside(t *testing.T) {
	const whole, podman, one = "0 0 4294967295\n", "0 1000 1\n1 100000 65535\n", "0 1000 1\n"
	const all, none = "CapEff:\t000001ffffffffff\n", "CapEff:\t0000000000000000\n"
	for name, c := range map[string]struct {
		euid   int
		uids   string
		gids   string
		caps   string
		want   int
		reason string
	}{
		"ordinary user":      {1000, whole, whole, none, 1000, ""},
		"root":               {0, whole, whole, all, nobodies[0], ""},
		"root of podman":     {0, podman, podman, all, nobodies[1], ""},
		"root of unshare -r": {0, one, one, all, 0, "has neither id 2100000000 nor 65533"},
		"gids are missing":   {0, whole, one, all, 0, "has neither id"},
		"root without chown": {0, whole, whole, "CapEff:\t000001fffffffffe\n", 0, "lacks a capability"},
		"nothing known":      {0, "", "", "", 0, "lacks a capability"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"uid_map": c.uids, "gid_map": c.gids, "status": c.caps} {
			write(t, filepath.Join(dir, file), text, 0o644)
		}
		id := outside(dir, c.euid, c.euid)
		said := strings.Contains(id.Reason, c.reason) && (c.reason == "") == (id.Reason == "")
		if id.UID != c.want || id.GID != c.want || !said {
			t.Errorf("%s: %+v, want %d and %q", name, id, c.want, c.reason)
		}
	}
}

// TestWorldPeer has a service of the host ask the kernel who speaks to it.
func TestWorldPeer(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			peer <- -1
			return
		}
		defer c.Close()
		raw, _ := c.(*net.UnixConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
			if err != nil {
				cred = &unix.Ucred{Uid: 1}
			}
			peer <- int(cred.Uid)
		})
	}()
	const connect = `perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0); connect(S,sockaddr_un("s")) or die $!'`
	must(t, Spec{Work: dir}, connect)
	if got := <-peer; got != Outside().UID || os.Geteuid() == 0 && got == 0 {
		t.Errorf("the host sees uid %d, want %d", got, Outside().UID)
	}
}

// TestWorldOwners: a folder of root's is the command's to write to, with all that is in it; what a link
// leads to is not. Root can read and remove what comes out, and a script can open its own output by name.
func TestWorldOwners(t *testing.T) {
	work, host := t.TempDir(), write(t, filepath.Join(t.TempDir(), "host"), "x", 0o644)
	write(t, filepath.Join(work, "deep/er/file"), "x", 0o600)
	if err := os.Symlink(host, filepath.Join(work, "deep/link")); err != nil {
		t.Fatal(err)
	}
	script := `echo y >>deep/er/file && mkdir -m 700 deep/er/own && : >deep/er/own/file && cat deep/er/file
		echo by name >/dev/stdout; echo by name >/dev/stderr`
	equal(t, "what it did", must(t, Spec{Work: work}, script), "xy\nby name\nby name")
	info, err := os.Stat(host)
	if err != nil {
		t.Fatal(err)
	}
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != os.Geteuid() {
		t.Errorf("what the link leads to belongs to uid %d", uid)
	}
	if _, err := os.ReadFile(filepath.Join(work, "deep/er/own/file")); err != nil {
		t.Error(err)
	}
	// Files of root's that others may not read stay closed, as for an ordinary user.
	if os.Geteuid() == 0 {
		closed := t.TempDir()
		write(t, filepath.Join(closed, "file"), "x", 0o600)
		spec := Spec{Mounts: []Mount{{From: closed, To: "/opt/x"}}}
		if out, err := shell(t, spec, "cat /opt/x/file"); err == nil {
			t.Errorf("it read root's file: %s", out)
		}
	}
}

// hidden has commands without namespaces look for this process's environment, before and after it hides.
func hidden() {
	look := func() {
		script := fmt.Sprintf(`grep -qas CANARY /proc/%d/environ && echo seen || echo hidden`, os.Getpid())
		err := Run(context.Background(), Spec{
			Mode: None, Dir: "/", Argv: []string{"sh", "-c", script}, Env: None.Environ("/"), Stdout: os.Stdout,
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	look()
	if err := Hide(None); err != nil {
		fmt.Println(err)
	}
	look()
	os.Exit(0)
}

// TestHide: an ordinary user's commands without namespaces cannot look into the process that runs them.
func TestHide(t *testing.T) {
	cmd := part(t, "hidden", "CANARY=a private key")
	if os.Geteuid() == 0 {
		program := filepath.Join(t.TempDir(), "sandbox.test")
		self, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		write(t, program, string(self), 0o755)
		if err := os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Dir = program, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "seen\nhidden\n" {
		t.Errorf("got %q, %v", out, err)
	}
}
