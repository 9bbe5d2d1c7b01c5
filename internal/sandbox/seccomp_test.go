package sandbox

import (
	"fmt"
	"os"
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
		for _, call := range refused {
			is(fmt.Sprint("refused call ", call), denied(unix.EPERM), call)
		}
		for _, call := range unknown {
			is(fmt.Sprint("unknown call ", call), denied(unix.ENOSYS), call)
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
		for _, family := range []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} {
			is(fmt.Sprint("family ", family), allow, unix.SYS_SOCKET, family)
		}
		for _, family := range []uint32{unix.AF_VSOCK, unix.AF_PACKET, unix.AF_ALG, unix.AF_UNSPEC} {
			is(fmt.Sprint("family ", family), denied(unix.EAFNOSUPPORT), unix.SYS_SOCKET, family)
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
