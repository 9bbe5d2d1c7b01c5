package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// verdictOn runs a filter as the kernel does, on a call of an architecture.
func verdictOn(t *testing.T, code []unix.SockFilter, arch, call uint32, args ...uint32) uint32 {
	t.Helper()
	data := map[uint32]uint32{seeCall: call, seeArch: arch}
	for i, arg := range args {
		data[seeArg0+8*uint32(i)] = arg
	}
	var a uint32
	for pc := 0; pc < len(code); pc++ {
		c := code[pc]
		var holds bool
		switch c.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = data[c.K]
			continue
		case unix.BPF_RET | unix.BPF_K:
			return c.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = a == c.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = a >= c.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			holds = a&c.K != 0
		default:
			t.Fatalf("line %d: code %#x is not known", pc, c.Code)
		}
		if holds {
			pc += int(c.Jt)
		} else {
			pc += int(c.Jf)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}

// asked is what must be refused, written from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl and
// include/uapi/asm-generic/unistd.h) and not from the filter: name, number on amd64, number on arm64.
const asked = `
	add_key 248 217, request_key 249 218, keyctl 250 219
	mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, move_mount 429 429, open_tree 428 428
	fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442
	unshare 272 97, setns 308 268, open_by_handle_at 304 265
	bpf 321 280, perf_event_open 298 241, userfaultfd 323 282
	init_module 175 105, finit_module 313 273, delete_module 176 106
	kexec_load 246 104, kexec_file_load 320 294
	reboot 169 142, swapon 167 224, swapoff 168 225, acct 163 89, quotactl 179 60, quotactl_fd 443 443
	syslog 103 116, settimeofday 164 170, clock_settime 227 112, vhangup 153 58, fanotify_init 300 262
	lookup_dcookie 212 18`

// TestFilterList holds the filter against that list, on this architecture; on another the filter is made of
// that one's numbers when it is compiled there.
func TestFilterList(t *testing.T) {
	code, arch := filter(runtime.GOARCH), architectures[runtime.GOARCH]
	if len(code) == 0 {
		t.Skip("no filter for ", runtime.GOARCH)
	}
	list := strings.FieldsFunc(asked, func(r rune) bool { return r == ',' || r == '\n' })
	tried := 0
	for _, line := range list {
		var name string
		var amd64, arm64 uint32
		if n, _ := fmt.Sscan(line, &name, &amd64, &arm64); n != 3 {
			continue
		}
		call := map[string]uint32{"amd64": amd64, "arm64": arm64}[runtime.GOARCH]
		if got := verdictOn(t, code, arch, call); got != denied(unix.EPERM) {
			t.Errorf("%s (%d): %#x", name, call, got)
		}
		tried++
	}
	if tried != len(refused) {
		t.Errorf("%d calls are on this list, %d on the filter's", tried, len(refused))
	}
	for call, name := range map[uint32]string{435: "clone3", 425: "io_uring_setup", 426: "io_uring_enter",
		427: "io_uring_register"} { // alike everywhere
		if got := verdictOn(t, code, arch, call); got != denied(unix.ENOSYS) {
			t.Errorf("%s (%d): %#x", name, call, got)
		}
	}
}

func TestFilter(t *testing.T) {
	const allow, kill = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_KILL_PROCESS
	for goarch, arch := range architectures {
		code := filter(goarch)
		if len(code) == 0 || len(code) > 4096 { // BPF_MAXINSNS
			t.Fatalf("%s: %d lines", goarch, len(code))
		}
		is := func(what string, want, call uint32, args ...uint32) {
			t.Helper()
			if got := verdictOn(t, code, arch, call, args...); got != want {
				t.Errorf("%s: %s: %#x, want %#x", goarch, what, got, want)
			}
		}
		for _, call := range []uint32{unix.SYS_READ, unix.SYS_EXECVE, unix.SYS_PTRACE, unix.SYS_PERSONALITY} {
			is(fmt.Sprint("control: call ", call), allow, call)
		}
		is("a thread", allow, unix.SYS_CLONE, 0x3d0f00)
		is("fork", allow, unix.SYS_CLONE, unix.CLONE_CHILD_CLEARTID|uint32(syscall.SIGCHLD))
		for _, flag := range []uint32{
			unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWNET, unix.CLONE_NEWPID, unix.CLONE_NEWIPC,
			unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP,
		} {
			is(fmt.Sprintf("a namespace, %#x", flag), denied(unix.EPERM), unix.SYS_CLONE, flag|17)
		}
		is("a terminal's size", allow, unix.SYS_IOCTL, 1, unix.TIOCGWINSZ)
		is("typing", denied(unix.EPERM), unix.SYS_IOCTL, 1, unix.TIOCSTI)
		is("pasting", denied(unix.EPERM), unix.SYS_IOCTL, 1, tiocLinux)
		calls := map[string]uint32{"socket": unix.SYS_SOCKET, "socketpair": unix.SYS_SOCKETPAIR}
		for name, call := range calls {
			for _, family := range []uint32{1, 2, 10, 16} { // unix, inet, inet6, netlink
				is(fmt.Sprint(name, " of family ", family), allow, call, family)
			}
			for _, family := range []uint32{0, 17, 30, 38, 40} { // unspec, packet, TIPC, alg, vsock
				is(fmt.Sprint(name, " of family ", family), denied(unix.EAFNOSUPPORT), call, family)
			}
		}
		if got := verdictOn(t, code, unix.AUDIT_ARCH_I386, unix.SYS_READ); got != kill {
			t.Errorf("%s: another architecture: %#x", goarch, got)
		}
		if goarch == "amd64" {
			is("x32", kill, x32|unix.SYS_MOUNT)
		}
	}
	if filter("riscv64") != nil {
		t.Error("there is a filter for an architecture whose calls have not been looked at")
	}
}

// TestWorldFilter makes calls that the filter refuses; without a sandbox they fail for another reason, or
// not at all.
func TestWorldFilter(t *testing.T) {
	const script = `$! = 0; my $r = syscall(%d, %s); print $r < 0 ? $!+0 : "done"`
	for _, c := range []struct {
		name string
		call int
		args string
		want syscall.Errno
	}{
		{"keyctl", unix.SYS_KEYCTL, "6, -1, 0, 0, 0", syscall.EPERM},
		{"unshare", unix.SYS_UNSHARE, "0", syscall.EPERM},
		{"clone3", unix.SYS_CLONE3, "0, 0", syscall.ENOSYS},
		{"io_uring", unix.SYS_IO_URING_SETUP, "0, 0", syscall.ENOSYS},
		{"vsock", unix.SYS_SOCKET, "40, 1, 0", syscall.EAFNOSUPPORT},
		{"a pair of vsock", unix.SYS_SOCKETPAIR, `40, 1, 0, my $p = "x" x 8`, syscall.EAFNOSUPPORT},
		{"a pair of TIPC", unix.SYS_SOCKETPAIR, `30, 1, 0, my $p = "x" x 8`, syscall.EAFNOSUPPORT},
		{"bpf", unix.SYS_BPF, "-1, 0, 0", syscall.EPERM},
	} {
		perl := fmt.Sprintf("perl -e '"+script+"'", c.call, c.args)
		equal(t, c.name, must(t, Spec{}, perl), fmt.Sprint(int(c.want)))
		// A container may refuse the same.
		if out, err := shell(t, Spec{Mode: None}, perl); err != nil || out == fmt.Sprint(int(c.want)) {
			t.Logf("%s: no control: without a sandbox it is %s, %v", c.name, out, err)
		}
	}
	const mode = "grep ^Seccomp: /proc/self/status | tr -d '\\t'"
	equal(t, "the filter's mode", must(t, Spec{}, mode), "Seccomp:2")
	tried := Spec{HostView: true, Env: []string{"PATH=" + systemPath}}
	equal(t, "the filter's mode", must(t, tried, mode), "Seccomp:2")
}

// TestWorldLimits reads the limits, and runs into that of memory.
func TestWorldLimits(t *testing.T) {
	const ask = "ulimit -p 2>/dev/null || ulimit -u; ulimit -d; ulimit -f; cat /proc/self/oom_score_adj"
	lines := strings.Fields(must(t, Spec{}, ask))
	want := []string{fmt.Sprint(processes()), fmt.Sprint(memory() >> 10), "unlimited", "1000"}
	if !slices.Equal(lines, want) {
		t.Errorf("limits %v, want %v (or the host's, where those are lower)", lines, want)
	}
	const hungry = `perl -e 'my $x = "x" x %d; print "got it"'`
	if out, err := shell(t, Spec{}, fmt.Sprintf(hungry, memory()+(1<<30))); err == nil {
		t.Errorf("more memory than there is: %s", out)
	}
	equal(t, "control", must(t, Spec{}, fmt.Sprintf(hungry, 1<<20)), "got it")
	now, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil || strings.TrimSpace(string(now)) == "1000" {
		t.Errorf("this process is the first to end: %s, %v", now, err)
	}
}
