package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The limits of every command. There is none of a file's size: CPython's test_resource wants none, and many
// files fill a disk as well. GCC raises its own stack to 64 MiB, so that the hard limit allows it.
const (
	stackSoft = 8 << 20
	stackHard = 64 << 20
	openFiles = 4096
)

// processes is the limit of a uid's processes and threads in a user namespace (before Linux 5.14: on the
// host). Make, its shells and GCC's parts are some eight for each job.
func processes() uint64 { return uint64(max(8192, 64*runtime.NumCPU())) }

// limits sets the command's limits, or leaves the host's where those are lower.
func (w *world) limits() error {
	syscall.Umask(0o022)
	limits := []limit{
		{"stack", syscall.RLIMIT_STACK, stackSoft, stackHard},
		{"core file", syscall.RLIMIT_CORE, 0, 0},
		{"open file", syscall.RLIMIT_NOFILE, openFiles, openFiles},
	}
	if w.Mode == Namespaces {
		limits = append(limits, limit{"process", unix.RLIMIT_NPROC, processes(), processes()})
		if all := memory(); all > 0 {
			limits = append(limits, limit{"data", syscall.RLIMIT_DATA, all, all})
		}
		w.first()
	}
	for _, l := range limits {
		if err := l.set(); err != nil {
			return &SetupError{fmt.Sprintf("setting the %s limit to %d", l.name, l.soft), err}
		}
	}
	return nil
}

// limit is one resource's limit.
type limit struct {
	name       string
	resource   int
	soft, hard uint64
}

func (l limit) set() error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(l.resource, &now); err != nil {
		return err
	}
	hard := min(l.hard, now.Max)
	return syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: min(l.soft, hard), Max: hard})
}

// memory is the host's, in bytes; 0 where it cannot be known. One process that wants more is stopped by its
// limit.
func memory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}

// first makes the command the first to end when memory runs out, by many processes or by what it has
// written to /tmp: a limit for all processes together is a control group's, which few users may make.
// Whoever runs tlsfloor in a group that has limits (systemd-run, a container) has them for its commands
// too.
func (w *world) first() { os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }
