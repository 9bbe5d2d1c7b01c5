package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childName is the name under which the program runs itself to become a sandbox.
const childName = "tlsfloor-sandbox"

// The child's file descriptors. The command's own ones follow, and last, if any, the report's.
const (
	worldFD = 3
	lifeFD  = 4
	extraFD = 5
)

// setupStatus is the child's exit status when the command could not be started and nobody reads the report.
const setupStatus = 125

// world is what the child needs to know; it comes as JSON through worldFD.
type world struct {
	Mode    Mode
	Argv    []string // none for a probe: the world is made and left
	Dir     string
	Env     []string
	Root    []op
	Network bool
	NoASLR  bool
	As      int // the process is the host's root, and has to be this uid and gid; 0: it stays who it is
	Grace   time.Duration
	Extra   int // number of the command's further file descriptors
	Report  int // file descriptor that takes a report; 0 for none
}

// report is what the child says in the end, as JSON.
type report struct {
	Step   string         `json:",omitempty"` // the step of the set-up that went wrong
	Text   string         `json:",omitempty"`
	Errno  syscall.Errno  `json:",omitempty"`
	Code   int            `json:",omitempty"`
	Signal syscall.Signal `json:",omitempty"`
}

func init() {
	if len(os.Args) == 0 || os.Args[0] != childName {
		return
	}
	// Capabilities, personality and no_new_privs belong to a thread: all is done in this one.
	runtime.LockOSThread()
	syscall.Exit(child()) // os.Exit would wait a second under the race detector
}

// child makes the world, runs the command in it and returns the exit status.
func child() int {
	var w world
	if err := json.NewDecoder(os.NewFile(worldFD, "world")).Decode(&w); err != nil {
		fmt.Fprintf(os.Stderr, "%s: not started by tlsfloor: %v\n", childName, err)
		return setupStatus
	}
	closeOnExec()
	warden := newWarden(&w)
	pid, err := w.start()
	if err != nil {
		return w.refuse(err)
	}
	if pid == 0 {
		return w.say(report{})
	}
	warden.watch(pid)
	status := reap(pid)
	if w.Mode == None {
		killDescendants()
	}
	if status.Signaled() {
		return w.say(report{Code: 128 + int(status.Signal()), Signal: status.Signal()})
	}
	return w.say(report{Code: status.ExitStatus()})
}

// say writes the report, if one is wanted, and returns the exit status that fits it.
func (w *world) say(r report) int {
	if w.Report != 0 {
		if text, err := json.Marshal(r); err == nil {
			syscall.Write(w.Report, text)
		}
	}
	return r.Code
}

func (w *world) refuse(err error) int {
	r := report{Step: "starting the child", Text: err.Error(), Code: setupStatus}
	if s, ok := errors.AsType[*SetupError](err); ok {
		r.Step, r.Text = s.Step, s.Err.Error()
	}
	r.Errno, _ = errors.AsType[syscall.Errno](err)
	if w.Report == 0 {
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", childName, r.Step, r.Text)
	}
	return w.say(r)
}

// start makes the world and starts the command in it; a probe gets the pid 0.
func (w *world) start() (pid int, err error) {
	steps := []func() error{
		w.names, w.limits, w.personality, w.root, w.become, w.keyring, dropPrivileges, w.seccomp,
	}
	if w.Mode == None {
		steps = []func() error{w.limits, w.personality, subreaper, dropPrivileges}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return 0, err
		}
	}
	if len(w.Argv) == 0 {
		return 0, nil
	}
	path, err := lookPath(w.Argv[0], w.Dir, w.Env)
	if err != nil {
		return 0, &SetupError{"starting " + w.Argv[0], err}
	}
	if err := os.Chdir(w.Dir); err != nil {
		return 0, &SetupError{"entering " + w.Dir, errno(err)}
	}
	resetSignals()
	files := []uintptr{0, 1, 2}
	for i := range w.Extra {
		files = append(files, uintptr(extraFD+i))
	}
	pid, err = syscall.ForkExec(path, w.Argv, &syscall.ProcAttr{
		Dir: w.Dir, Env: append([]string{}, w.Env...), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, &SetupError{"starting " + path, err}
	}
	return pid, nil
}

// names sets the host name and the domain, and brings the loopback up (which gives it 127.0.0.1).
func (w *world) names() error {
	if err := unix.Sethostname([]byte("tlsfloor")); err != nil {
		return &SetupError{"setting the host name", err}
	}
	if err := unix.Setdomainname([]byte("(none)")); err != nil {
		return &SetupError{"setting the domain name", err}
	}
	if w.Network {
		return nil
	}
	if err := loopbackUp(); err != nil {
		return &SetupError{"bringing the loopback up", err}
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// addrNoRandomize is ADDR_NO_RANDOMIZE of personality(2).
const addrNoRandomize = 0x0040000

// personality sets the execution domain, whatever the caller's was. Containers may forbid a change.
func (w *world) personality() error {
	var want uintptr
	step := "setting the personality"
	if w.NoASLR {
		want, step = addrNoRandomize, StepNoASLR
	}
	if now, _, _ := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0); now == want {
		return nil
	}
	if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, want, 0, 0); e != 0 {
		return &SetupError{step, e}
	}
	return nil
}

func (w *world) root() error { return enterRoot(w.Root) }

// become makes the process, and so the command, nobody of the host. Until here it was the host's root,
// which can pass through folders that are root's alone. All threads change: the warden sends its signals
// from any of them.
func (w *world) become() error {
	if w.As == 0 {
		return nil
	}
	err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(w.As, w.As, w.As),
		syscall.Setresuid(w.As, w.As, w.As))
	if err != nil {
		return &SetupError{fmt.Sprintf("becoming uid %d", w.As), errno(err)}
	}
	return nil
}

// dropPrivileges gives up the namespace's capabilities: the command gets none, and no set-uid program
// brings any back.
//
// The process's other threads, which are the Go runtime's own, keep theirs. So that the command, which
// has the same uid, cannot reach them by ptrace(2) or /proc/1/mem, the process ceases to be dumpable
// first (PR_SET_DUMPABLE(2const)); the command's exec makes the command dumpable again.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return &SetupError{"closing the child to tracing", err}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return &SetupError{"renouncing new privileges", err}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return &SetupError{"dropping capabilities", err}
	}
	return nil
}

// subreaper makes orphans of the command this process's children, so that they can be found.
func subreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return &SetupError{"becoming the orphans' reaper", err}
	}
	return nil
}

// resetSignals undoes what the caller blocked or ignored (nohup): exec resets a caught signal to its default.
func resetSignals() {
	signal.Notify(make(chan os.Signal, 1))
	var none unix.Sigset_t
	unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil)
}

// closeOnExec keeps the child's descriptors, and those that the caller's caller leaked, from the command.
func closeOnExec() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// reap waits for the command and for the orphans that the child inherits meanwhile.
func reap(pid int) syscall.WaitStatus {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		if got == pid && (status.Exited() || status.Signaled()) {
			return status
		}
		if err == syscall.ECHILD {
			return syscall.WaitStatus(setupStatus << 8)
		}
	}
}

// killDescendants ends every process that descends from this one, until none is left. Without a pid
// namespace that is the only way to catch a daemon in a session of its own. It never waits for one: while it
// would, the orphans of what it has ended become children that nobody ends, and reap waits in another thread.
func killDescendants() {
	for ; ; time.Sleep(time.Millisecond) {
		children, _ := os.ReadFile(filepath.Join("/proc/self/task", strconv.Itoa(os.Getpid()), "children"))
		pids := strings.Fields(string(children))
		if len(pids) == 0 {
			return
		}
		for _, p := range pids {
			if pid, err := strconv.Atoi(p); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err == syscall.ECHILD {
			return
		}
	}
}
