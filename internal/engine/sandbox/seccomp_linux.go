package sandbox

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What commands may not ask of the kernel, in depth behind namespaces and ids: no build, test suite or TLS
// client needs it, and most faults by which programs have left namespaces went through it. A refused call
// returns an error, as it does where a kernel or a container lacks it: programs that only ask whether it is
// there go on.
//
// Not refused are ptrace(2) and its like, as a command sees no process but those that it started itself,
// and personality(2).

// refused are calls that end with EPERM.
var refused = []uint32{
	// Keys outlive processes, and are the uid's on the whole host.
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	// Mounts and namespaces: with capabilities in a namespace of its own, a command could reach what only
	// root reaches.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT,
	unix.SYS_OPEN_TREE, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_UNSHARE,
	unix.SYS_SETNS,
	// Files by number, past every folder and mount.
	unix.SYS_OPEN_BY_HANDLE_AT,
	// Programs and pages in the kernel.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_INIT_MODULE,
	unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	// The host as a whole.
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
	unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_VHANGUP, unix.SYS_FANOTIFY_INIT,
	unix.SYS_LOOKUP_DCOOKIE,
}

// unknown are calls that end with ENOSYS, as on a kernel from before they were invented: libc then takes an
// older one. The flags of clone3 lie in memory, where a filter cannot look.
var unknown = []uint32{
	unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
}

// families are the address families of sockets that there are for a command. Others are not of its network
// namespace (AF_VSOCK leads to the machine's hypervisor, whatever the namespace), or are nobody's in a
// build.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// newNamespaces are the flags of clone(2) that make namespaces.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// terminals are the requests of ioctl(2) that type into a terminal: the one that `enter` was started from.
var terminals = []uint32{unix.TIOCSTI, tiocLinux}

const tiocLinux = 0x541c // TIOCLINUX, ioctl_console(2)

// What a filter sees: struct seccomp_data of seccomp(2), on a little-endian machine.
const (
	seeCall = 0
	seeArch = 4
	seeArg0 = 16
	seeArg1 = 24
)

// x32 marks the calls of x86-64's ABI with short pointers, which have numbers of their own.
const x32 = 0x40000000

// architectures are the kernel's names of those that the list has been written for (AUDIT_ARCH_*).
var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// filter returns the list as a program for the kernel; nil for another architecture.
func filter(goarch string) []unix.SockFilter {
	arch, known := architectures[goarch]
	if !known {
		return nil
	}
	var f program
	f.load(seeArch)
	f.unless(arch, unix.SECCOMP_RET_KILL_PROCESS)
	f.load(seeCall)
	if goarch == "amd64" {
		f.add(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, x32, 0, 1)
		f.end(unix.SECCOMP_RET_KILL_PROCESS)
	}
	for _, call := range refused {
		f.when(call, denied(unix.EPERM))
	}
	for _, call := range unknown {
		f.when(call, denied(unix.ENOSYS))
	}
	f.on(unix.SYS_CLONE, seeArg0, func(p *program) {
		p.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, newNamespaces, 0, 1)
		p.end(denied(unix.EPERM))
	})
	f.on(unix.SYS_IOCTL, seeArg1, func(p *program) {
		for _, request := range terminals {
			p.when(request, denied(unix.EPERM))
		}
	})
	for _, call := range []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR} {
		f.on(call, seeArg0, func(p *program) {
			for _, family := range families {
				p.when(family, unix.SECCOMP_RET_ALLOW)
			}
			p.end(denied(unix.EAFNOSUPPORT))
		})
	}
	f.end(unix.SECCOMP_RET_ALLOW)
	return f
}

// program is a filter that is being written: see linux/bpf_common.h.
type program []unix.SockFilter

func (p *program) add(code uint16, k uint32, yes, no uint8) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
}

func (p *program) load(offset uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0) }

func (p *program) end(action uint32) { p.add(unix.BPF_RET|unix.BPF_K, action, 0, 0) }

// when ends with the action for a value that equals k.
func (p *program) when(k, action uint32) {
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, 0, 1)
	p.end(action)
}

// unless ends with the action for a value that does not equal k.
func (p *program) unless(k, action uint32) {
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, 1, 0)
	p.end(action)
}

// on looks at the low half of an argument of one call, and then allows what the rules have not ended.
func (p *program) on(call, argument uint32, rules func(*program)) {
	var inner program
	inner.load(argument)
	rules(&inner)
	inner.end(unix.SECCOMP_RET_ALLOW)
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, call, 0, uint8(len(inner)))
	*p = append(*p, inner...)
}

func denied(e syscall.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// seccomp puts this thread, and so the command, behind the filter. A kernel without filters has none.
func (w *world) seccomp() error {
	code := filter(runtime.GOARCH)
	if len(code) == 0 {
		return nil
	}
	list := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&list)), 0, 0)
	runtime.KeepAlive(code)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return &SetupError{"filtering system calls", err}
	}
	return nil
}

// keyring gives the command an empty session keyring of its own instead of the caller's
// (session-keyring(7)). Where the kernel has no keys, or a container forbids them, there is nothing to
// leave; and a full quota of keys must not stop a build, as the filter lets nobody look into a keyring.
func (w *world) keyring() error {
	unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // others could join one with a name
	return nil
}
