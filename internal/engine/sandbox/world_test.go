package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"golang.org/x/sys/unix"
)

const constant = `id -u; id -g; id -un; pwd; uname -n; cat /proc/sys/kernel/domainname; umask
ulimit -s; ulimit -c; ulimit -n; ulimit -Hn
grep -E '^(SigIgn|CapInh|CapEff|CapAmb|NoNewPrivs)' /proc/self/status | tr -d '\t'
ls -A /; ls /dev; ls /etc | grep -v -e ld.so -e alternatives; ls /proc/self/fd; env | sort | grep -v '^PWD='`

const constantWant = `1000 1000 build /tlsfloor/work tlsfloor (none) 0022
8192 0 4096 4096
SigIgn:0000000000000000 CapInh:0000000000000000 CapEff:0000000000000000 CapAmb:0000000000000000 NoNewPrivs:1
bin dev etc lib LIB proc sbin tlsfloor tmp usr
fd full null random shm stderr stdin stdout urandom zero
group hosts nsswitch.conf passwd 0 1 2 3 A=1 HOME=/tlsfloor/home LC_ALL=C PATH=/tlsfloor/bin TZ=UTC`

// TestWorldConstant changes everything that a process hands down to its children, and looks for it inside.
func TestWorldConstant(t *testing.T) {
	t.Setenv("LEAK", "1")
	defer syscall.Umask(syscall.Umask(0o077))
	signal.Ignore(syscall.SIGHUP, syscall.SIGTSTP)
	defer signal.Reset(syscall.SIGHUP, syscall.SIGTSTP)
	block(t, syscall.SIGUSR2)
	loosen(t, syscall.RLIMIT_CORE, 1<<20)
	loosen(t, syscall.RLIMIT_STACK, 16<<20)
	leak, err := unix.Open("/etc/hosts", unix.O_RDONLY, 0) // no close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	work := t.TempDir()
	out := must(t, Spec{Work: work, Env: append(Namespaces.Environ(work), "A=1")}, constant)

	var libs []string
	for _, name := range []string{"lib32", "lib64", "libx32"} {
		if _, err := os.Lstat("/" + name); err == nil {
			libs = append(libs, name)
		}
	}
	want := strings.Join(strings.Fields(strings.Replace(constantWant, "LIB", strings.Join(libs, " "), 1)), " ")
	equal(t, "the world", strings.Join(strings.Fields(out), " "), want)

	// Not through a shell: some clear the mask themselves.
	var blocked strings.Builder
	err = Run(t.Context(), Spec{Mode: Namespaces, Argv: []string{"/usr/bin/grep", "^SigBlk", "/proc/self/status"}, Stdout: &blocked})
	if err != nil || blocked.String() != "SigBlk:\t0000000000000000\n" {
		t.Errorf("blocked signals: %q, %v", blocked.String(), err)
	}
}

// block blocks a signal in this test's thread, and so in what it starts.
func block(t *testing.T, sig syscall.Signal) {
	t.Helper()
	runtime.LockOSThread()
	var set, old unix.Sigset_t
	set.Val[0] = 1 << (sig - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
		runtime.UnlockOSThread()
	})
}

// loosen changes a soft limit of this process, and so of what it starts, as far as the hard limit allows.
func loosen(t *testing.T, resource int, soft uint64) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(resource, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: min(soft, old.Max), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(resource, &old) })
}

func TestWorldModeNone(t *testing.T) {
	t.Setenv("LEAK", "1")
	defer syscall.Umask(syscall.Umask(0o077))
	work := t.TempDir()
	out := must(t, Spec{Mode: None, Work: work}, `pwd; umask; ulimit -s; ulimit -c; ulimit -n; env | sort | grep -v ^PWD=; id -u; : >file`)
	want := fmt.Sprintf("%s 0022 8192 0 4096 HOME=%s/.home LC_ALL=C PATH=%s TZ=UTC %d", work, work, systemPath, os.Geteuid())
	equal(t, "the environment", strings.Join(strings.Fields(out), " "), want)
	equal(t, "the inner path", None.InnerPath(work)+" "+Namespaces.InnerPath(work), work+" "+WorkPath)
	if info, err := os.Stat(filepath.Join(work, "file")); err != nil || info.Mode() != 0o644 {
		t.Errorf("file made inside: %v, %v", info, err)
	}
}

// dial connects to a port of an address and says how that went.
const dial = `perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or die; print connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) ? "connected" : "$!"' `

func TestWorldNetwork(t *testing.T) {
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	port := outer.Addr().(*net.TCPAddr).Port
	// 192.0.2.1 is nobody's (RFC 5737), and no packet can leave an empty network.
	equal(t, "outside", must(t, Spec{}, dial+"192.0.2.1 80"), "Network is unreachable")
	equal(t, "the caller's loopback", must(t, Spec{}, fmt.Sprintf("%s127.0.0.1 %d", dial, port)), "Connection refused")
	equal(t, "the caller's loopback, shared", must(t, Spec{Network: true}, fmt.Sprintf("%s127.0.0.1 %d", dial, port)), "connected")
	own := `perl -MSocket -e 'socket(my $l, PF_INET, SOCK_STREAM, 0); bind($l, sockaddr_in(0, INADDR_LOOPBACK)) or die $!; listen($l, 1);
		socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, getsockname $l) or die $!; print "connected"'`
	equal(t, "its own loopback", must(t, Spec{}, own), "connected")
}

func TestWorldReadOnly(t *testing.T) {
	before := mountTable(t)
	work := t.TempDir()
	marker := write(t, filepath.Join(t.TempDir(), "outside"), "x", 0o644)
	script := `for f in /x /etc/x /usr/x /usr/bin/x /usr/include/x /usr/local/x /dev/x /tlsfloor/x /tlsfloor/bin/x /usr/lib/x; do
		(: >$f) 2>/dev/null && echo "wrote $f"; done
	for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do (echo x >$f) 2>/dev/null && echo "wrote $f"; done
	for d in /tmp /dev/shm /tlsfloor/home /tlsfloor/work; do (echo x >$d/left-behind) || echo "cannot write in $d"; done
	ls /tmp /home /root /opt /sys /var /run ` + marker + ` 2>/dev/null; ls -A /usr/local`
	equal(t, "what could be written and seen", must(t, Spec{Work: work}, script), "/tmp:\nleft-behind")
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		if _, err := os.Stat(dir + "/left-behind"); err == nil {
			t.Errorf("%s is the host's", dir)
		}
	}
	info, err := os.Stat(filepath.Join(work, "left-behind"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != Outside().UID {
		t.Errorf("a file made inside belongs to uid %d outside, want %d", uid, Outside().UID)
	}
	equal(t, "the host's mounts", mountTable(t), before)
}

// TestWorldHides compiles against what is libc's and what is not. Each refusal has its control: the
// same program compiles without the sandbox, or there is nothing to hide.
func TestWorldHides(t *testing.T) {
	hidden := 0
	for _, c := range []struct{ name, include, flags string }{
		{"libc", "stdio.h", ""},
		{"kernel", "linux/types.h", ""},
		{"compiler", "stdarg.h", ""},
		{"libm and its like", "math.h", "-lm -lpthread -ldl -lrt -lutil"},
		{"static libc", "stdio.h", "-static"},
		{"!openssl headers", "openssl/ssl.h", ""},
		{"!zlib header", "zlib.h", ""},
		{"!ffi header in the triple's folder", "ffi.h", ""},
		{"!libz", "stdio.h", "-lz"},
		{"!libssl", "stdio.h", "-lssl"},
		{"!libcrypt, not libc's any more", "stdio.h", "-lcrypt"},
		{"!static libz", "stdio.h", "-Wl,-Bstatic -lz -Wl,-Bdynamic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := fmt.Sprintf("echo '#include <%s>\nint main(void) { return 0; }' | cc -x c -o out - -x none %s && ./out", c.include, c.flags)
			out, err := shell(t, Spec{Work: t.TempDir()}, script)
			if c.name[0] != '!' {
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				return
			}
			// The control is the same for every user: once is enough.
			if !testing.Short() {
				if _, err := shell(t, Spec{Mode: None, Work: t.TempDir()}, script); err != nil {
					t.Skip("the host has none")
				}
			}
			if hidden++; err == nil {
				t.Error("it compiled")
			}
		})
	}
	const descriptions = `for f in /usr/lib*/pkgconfig/* /usr/lib/*/pkgconfig/* /usr/share/pkgconfig/*; do test ! -e "$f" || echo "$f"; done`
	equal(t, "descriptions of packages", must(t, Spec{}, descriptions), "")
	if hidden == 0 {
		t.Skip("nothing to hide on this host: no -dev package but libc's")
	}
}

func TestWorldExit(t *testing.T) {
	for _, mode := range []Mode{Namespaces, None} {
		for script, want := range map[string]ExitError{
			"exit 3":              {Code: 3},
			"kill -9 $$":          {Code: 137, Signal: syscall.SIGKILL},
			"kill $$; sleep 1000": {Code: 143, Signal: syscall.SIGTERM},
		} {
			_, err := shell(t, Spec{Mode: mode}, script)
			e, ok := errors.AsType[*ExitError](err)
			if !ok || e.Code != want.Code || e.Signal != want.Signal || e.Argv[0] != "sh" {
				t.Errorf("%s, %s: got %v, want code %d, signal %d", mode, script, err, want.Code, want.Signal)
			}
		}
	}
}

func TestWorldSetupErrors(t *testing.T) {
	file, dir := write(t, filepath.Join(t.TempDir(), "f"), "x", 0o644), t.TempDir()
	for name, c := range map[string]struct {
		spec  Spec
		step  string // of the SetupError, when it is one
		text  string
		argv0 string
	}{
		"no such command": {spec: Spec{}, argv0: "no-such-tool", step: "starting no-such-tool", text: "not in PATH /tlsfloor/bin"},
		"host's command":  {spec: Spec{}, argv0: file, step: "starting " + file, text: "no such file"},
		"no such folder":  {spec: Spec{Dir: "/opt/x"}, step: "entering /opt/x", text: "no such file"},
		"bind in a file": {spec: Spec{Mounts: []Mount{{From: file, To: "/opt/a"}, {From: dir, To: "/opt/a/b"}}},
			step: "binding " + dir + " at /opt/a/b", text: "not a directory"},
		"no work folder":  {spec: Spec{Work: dir + "/none"}, text: "no such file"},
		"mount on /usr":   {spec: Spec{Mounts: []Mount{{From: dir, To: "/usr/lib/x"}}}, text: "the system's"},
		"mount on /proc":  {spec: Spec{Mounts: []Mount{{From: dir, To: "/proc/x"}}}, text: "the sandbox's own"},
		"unclean mount":   {spec: Spec{Mounts: []Mount{{From: dir, To: "/opt/../usr"}}}, text: "clean absolute"},
		"mount and none":  {spec: Spec{Mode: None, Mounts: []Mount{{From: dir, To: "/opt/x"}}}, text: "no mounts"},
		"unknown mode":    {spec: Spec{Mode: "jail"}, text: `unknown mode "jail"`},
		"none: no folder": {spec: Spec{Mode: None, Dir: dir + "/none"}, step: "entering " + dir + "/none", text: "no such file"},
	} {
		if c.spec.Mode == "" {
			c.spec.Mode = Namespaces
		}
		if c.argv0 == "" {
			c.argv0 = "true"
		}
		c.spec.Argv, c.spec.Env = []string{c.argv0}, c.spec.Mode.Environ("")
		err := Run(t.Context(), c.spec)
		if err == nil || !strings.Contains(err.Error(), c.text) || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v with hint %q, want %q", name, err, fault.HintOf(err), c.text)
		}
		if s, ok := errors.AsType[*SetupError](err); c.step != "" && (!ok || s.Step != c.step) {
			t.Errorf("%s: got %#v, want step %q", name, err, c.step)
		}
	}
}

func TestWorldMounts(t *testing.T) {
	tree := t.TempDir()
	write(t, filepath.Join(tree, "a/version"), "1", 0o644)
	write(t, filepath.Join(tree, "b/version"), "2", 0o644)
	spec := Spec{Mounts: []Mount{
		{From: filepath.Join(tree, "a"), To: "/opt/openssl"},
		{From: filepath.Join(tree, "b"), To: "/opt/deep/er/python", Writable: true},
		{From: filepath.Join(tree, "a"), To: "/usr/local/openssl"},
		{From: filepath.Join(tree, "b/version"), To: "/opt/file"},
	}}
	out := must(t, spec, `cat /opt/openssl/version /opt/deep/er/python/version /usr/local/openssl/version /opt/file
		ls /opt /usr/local | tr '\n' ' '; (: >/opt/openssl/x) 2>/dev/null && echo wrote; (: >/opt/x) 2>/dev/null && echo wrote; : >/opt/deep/er/python/new`)
	equal(t, "the mounts", out, "1212/opt: deep file openssl  /usr/local: openssl")
	if _, err := os.Stat(filepath.Join(tree, "b/new")); err != nil {
		t.Errorf("a writable mount: %v", err)
	}
}

// TestWorldHostView mounts at folders and links of the host, which itself stays as it is.
func TestWorldHostView(t *testing.T) {
	dir, tree := t.TempDir(), t.TempDir()
	write(t, filepath.Join(tree, "version"), "staged", 0o644)
	write(t, filepath.Join(dir, "old/version"), "installed", 0o644)
	write(t, filepath.Join(dir, "other"), "other", 0o644)
	if err := os.Symlink("old", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	spec := Spec{HostView: true, Env: []string{"PATH=" + systemPath}, Work: t.TempDir(), Mounts: []Mount{
		{From: tree, To: filepath.Join(dir, "old")},
		{From: tree, To: filepath.Join(dir, "link")},
		{From: tree, To: filepath.Join(dir, "new/prefix")},
		{From: tree, To: "/usr/local/tlsfloor-test-new"},
		{From: tree, To: "/opt/tlsfloor-test-new"},
	}}
	before := mountTable(t)
	out := must(t, spec, fmt.Sprintf(`cd %s; cat old/version link/version new/prefix/version
		cat /usr/local/tlsfloor-test-new/version /opt/tlsfloor-test-new/version
		for f in /x /usr/x /usr/local/x /opt/x new/prefix/x; do (: >$f) 2>/dev/null &&
			echo "wrote $f"; done; test -e other && echo "the other"
		echo >/tmp/x && echo >/tlsfloor/work/x && id -u
		test $(ls -d /proc/[0-9]* | wc -l) -lt 9 && echo alone`, dir))
	equal(t, "the view", strings.Join(strings.Fields(out), " "), "stagedstagedstagedstagedstaged1000 alone")
	if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "old" {
		t.Errorf("the host's link: %q, %v", target, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("the host has the new mount point")
	}
	equal(t, "the host's mounts", mountTable(t), before)
}

// TestWorldSubmount binds a tree that has a mount in it, which is as read-only as the rest.
func TestWorldSubmount(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub/hidden"), "below the mount", 0o644)
	cmd := part(t, "submount", "SANDBOX_TEST_DIR="+dir)
	cmd.SysProcAttr = ownUser(syscall.CLONE_NEWNS)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "file\nread-only\nwritable\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestWorldAddresses(t *testing.T) {
	const script = "cat /proc/self/personality; grep -E 'stack|libc' /proc/self/maps"
	fixed := must(t, Spec{NoASLR: true}, script)
	if !strings.HasPrefix(fixed, "00040000") {
		t.Errorf("personality: %s", fixed)
	}
	if again := must(t, Spec{NoASLR: true}, script); again != fixed {
		t.Errorf("addresses differ without randomisation:\n%s\n%s", fixed, again)
	}
	if loose := must(t, Spec{}, script); !strings.HasPrefix(loose, "00000000") || loose == must(t, Spec{}, script) {
		t.Errorf("control: addresses do not differ with randomisation:\n%s", loose)
	}
}

func TestWorldConcurrent(t *testing.T) {
	var all sync.WaitGroup
	for i := range 6 {
		work := t.TempDir()
		all.Go(func() {
			out, err := shell(t, Spec{Work: work}, fmt.Sprintf("echo %d >id; mkdir /tmp/same; cat id; pwd", i))
			if want := fmt.Sprintf("%d\n/tlsfloor/work", i); err != nil || out != want {
				t.Errorf("run %d: %q, %v", i, out, err)
			}
		})
	}
	all.Wait()
}
