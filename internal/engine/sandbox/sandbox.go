// Package sandbox runs one command in an empty, constant world, and fingerprints the host's tools
// that such a world still shows.
//
// In the mode Namespaces a command sees, on every host and for root and ordinary users alike:
//
//   - its own user, mount, pid, net, ipc and uts namespaces: uid and gid 1000 ("build"), host name
//     "tlsfloor", domain "(none)", a loopback that is up and no other network
//   - the environment of its Spec and nothing more, standard input as given (else /dev/null), a session
//     of its own, umask 022, no signal ignored, no file descriptor but those of its Spec
//   - stack limit 8 MiB (hard limit at most 64 MiB), no core files, 4096 file descriptors, and limits of
//     processes and memory that no build comes near
//   - no capabilities, no way to get any, an empty session keyring, and a filter of system calls
//   - its work folder, or the parts of one that its Spec mounts, at WorkPath, an empty HomePath and /tmp,
//     links to the declared tools in BinPath
//   - /usr, /bin, /sbin, /lib* read-only, without /usr/local and without what -dev packages brought:
//     of the headers, linker names, static libraries and pkgconfig folders only those of libc, the
//     kernel and the compiler. Run-time libraries stay: the host's tools need them.
//   - the few files of /etc that a linker and a getpwuid need, and five devices in /dev
//
// Exceptions, because no process may change them: the kernel's release, the number of CPUs and the
// clock are the host's; process ids are small, but differ from run to run; a user's further groups
// show as 65534, and so does the owner of files that are not the command's; limits not named above, and
// lower ones, are the caller's.
//
// Outside of its namespace a command is the caller, but where the caller is root: then it is nobody of the
// host (Outside), and folders that it may write to are given to that uid. Whoever reads what a command has
// left in them must follow no link and open no pipe there: nothing in them is trustworthy.
//
// In the mode None environment, limits, umask and session are the same, but paths are the host's.
//
// In both modes everything that the command started is dead when Run returns, and dies with the
// caller, also when the caller is killed. The package needs no set-uid program, changes nothing
// outside the work folder and leaves no mount behind. Any number of Runs may go on at once.
//
// It works by running the program's own file again under another name, which init catches: a
// program that imports this package must not start work in the init of an earlier package.
package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Mode says how much of a world of its own a command gets.
type Mode string

// The modes.
const (
	Namespaces Mode = "namespaces"
	None       Mode = "none"
)

// The constant paths and the uid and gid inside Namespaces.
const (
	WorkPath = "/tlsfloor/work"
	HomePath = "/tlsfloor/home"
	BinPath  = "/tlsfloor/bin"
	ID       = 1000
)

// DefaultGrace is the time between SIGTERM and SIGKILL for a cancelled command.
const DefaultGrace = 5 * time.Second

// InnerPath returns the path at which a command sees the host folder work.
func (m Mode) InnerPath(work string) string {
	if m == Namespaces {
		return WorkPath
	}
	return work
}

// Environ returns the least environment of a build step, to which a Spec adds its own: PATH, HOME,
// the C locale and UTC. In the mode None the PATH is the system's and HOME a folder within work.
func (m Mode) Environ(work string) []string {
	path, home := BinPath, HomePath
	if m != Namespaces {
		path, home = systemPath, filepath.Join(work, ".home")
	}
	return []string{"PATH=" + path, "HOME=" + home, "LC_ALL=C", "TZ=UTC"}
}

// Mount shows the host's file or folder From at the inner path To. It is read-only unless Writable.
type Mount struct {
	From, To string
	Writable bool
}

// Spec is one command and its world.
type Spec struct {
	Mode   Mode
	Argv   []string
	Dir    string    // inner path; empty stands for the work folder, or / without one
	Env    []string  // complete: nothing is inherited
	Stdout io.Writer `json:"-"` // a Spec can be kept as JSON, to be entered again
	Stderr io.Writer `json:"-"`

	// ExtraFiles are the command's file descriptors from 3 on, as in os/exec.
	ExtraFiles []*os.File `json:"-"`

	Work    string  // host folder, read-write at Mode.InnerPath(Work); may be empty
	Mounts  []Mount // mode None has only those with From equal to To
	Host    Host    // where BinPath's links lead; the zero value is the system's folders
	Network bool    // share the caller's network instead of having an own, empty one

	// NoLibc hides libc's and the kernel's headers and libc's linker names and static libraries too: the
	// command brings others. Mode None hides nothing.
	NoLibc bool

	// HostView is for running a program that is tried, not for building: the system's folders are shown with
	// nothing hidden in them, and of /etc also what TLS libraries read. Mounts may stand anywhere. Of /root,
	// /home, /run, /var, /srv, /mnt, /media, /opt and the host's /tmp nothing is there but the Mounts.
	HostView bool

	// NoASLR switches address randomisation off. Where a container forbids that, the error is a
	// SetupError with Step StepNoASLR.
	NoASLR bool

	Grace time.Duration // between SIGTERM and SIGKILL when cancelled; 0 stands for DefaultGrace
}

// ExitError says how a command that was started ended badly.
type ExitError struct {
	Argv   []string
	Code   int            // exit status, or 128 + Signal
	Signal syscall.Signal // 0 when the command exited by itself
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("%s: killed by signal %d (%s)", e.Argv[0], int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("%s: exit status %d", e.Argv[0], e.Code)
}

// StepNoASLR is the Step of a SetupError when address randomisation could not be switched off.
const StepNoASLR = "switching address randomisation off"

// SetupError says which step of making the world went wrong. Err is a syscall.Errno where the kernel refused.
type SetupError struct {
	Step string
	Err  error
}

func (e *SetupError) Error() string { return "sandbox: " + e.Step + ": " + e.Err.Error() }

func (e *SetupError) Unwrap() error { return e.Err }

// grace returns the effective time between SIGTERM and SIGKILL.
func (s *Spec) grace() time.Duration {
	if s.Grace > 0 {
		return s.Grace
	}
	return DefaultGrace
}

// check refuses a Spec that cannot mean anything.
func (s *Spec) check() error {
	switch {
	case s.Mode != Namespaces && s.Mode != None:
		return fault.New(fault.Usage, "the modes are namespaces and none", "sandbox: unknown mode %q", s.Mode)
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return fault.New(fault.Failed, "name a command in the step", "sandbox: no command")
	case s.Dir != "" && !filepath.IsAbs(s.Dir):
		return fault.New(fault.Failed, "give the path as the command sees it", "sandbox: folder %q is not absolute", s.Dir)
	case s.Work != "" && !filepath.IsAbs(s.Work):
		return fault.New(fault.Failed, "give the host's path", "sandbox: work folder %q is not absolute", s.Work)
	}
	for _, m := range s.Mounts {
		if err := m.check(s.Mode, s.HostView, s.Work == ""); err != nil {
			return err
		}
	}
	return nil
}

// reserved are the folders that the sandbox makes itself: no mount may stand in them.
var reserved = []string{"/proc", "/dev", "/etc", "/tmp", "/tlsfloor"}

func (m Mount) check(mode Mode, hostView, parts bool) error {
	hint := "mount it at a folder of its own, such as one in /opt"
	if !filepath.IsAbs(m.From) || !filepath.IsAbs(m.To) || filepath.Clean(m.To) != m.To || m.To == "/" {
		return fault.New(fault.Failed, hint, "sandbox: mount %s at %s: want clean absolute paths", m.From, m.To)
	}
	if mode == None {
		if m.From != m.To {
			return fault.New(fault.Failed, "run it where user namespaces are allowed: without them a tree can only be used where it stands",
				"sandbox: mount %s at %s: mode none has no mounts", m.From, m.To)
		}
		return nil
	}
	// Without a work folder its path is free for parts of one, of which only some are writable.
	if hostView || parts && strings.HasPrefix(m.To, WorkPath+"/") {
		return nil
	}
	for _, dir := range reserved {
		if within(m.To, dir) {
			return fault.New(fault.Failed, hint, "sandbox: mount at %s: %s is the sandbox's own", m.To, dir)
		}
	}
	if first := "/" + strings.SplitN(m.To, "/", 3)[1]; systemDir(first) && !strings.HasPrefix(m.To, "/usr/local/") {
		return fault.New(fault.Failed, hint, "sandbox: mount at %s: %s is the system's", m.To, first)
	}
	return nil
}

// systemDir reports whether the top-level folder holds programs and libraries of the system.
func systemDir(top string) bool {
	return top == "/usr" || top == "/bin" || top == "/sbin" || strings.HasPrefix(top, "/lib")
}

// within reports whether path is dir or lies in it; both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
