package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// World is the process that builds, where it is not as its parent is.
type World struct {
	Env    map[string]string
	Umask  int    // negative: as the parent's
	Stack  uint64 // bytes; 0: as the parent's
	Nice   int    // 0: as the parent's
	Host   string
	Domain string
	User   bool // another uid and gid
	NoASLR bool
}

// NewWorld returns the world that the variations make.
func NewWorld(names []string) World {
	w := World{Env: map[string]string{}, Umask: -1}
	for _, v := range named(names) {
		if v.outside != nil {
			v.outside(&w)
		}
	}
	return w
}

// The other user and group, that nobody else is likely to have: root's child's, and that in a user namespace.
const (
	otherRoot = 64711
	otherUser = 4242
)

// Other returns the uid under which the varied child runs for root: it must own what it writes to.
func (w World) Other() (uid int, switched bool) { return otherRoot, w.User && os.Geteuid() == 0 }

// The names under which the program runs itself: first to make the world, then to work in it, as some of it
// counts only from an exec(2) on.
const (
	worldName = "tlsfloor-rebuild-world"
	childName = "tlsfloor-rebuild"
)

// WorldError says that this host does not let a world be made.
type WorldError struct {
	Step string
	Err  error
}

func (e *WorldError) Error() string { return "rebuild: " + e.Step + ": " + e.Err.Error() }
func (e *WorldError) Unwrap() error { return e.Err }

// Refused returns those of the names whose variations this host refused, as err of Job.Run says; none if err
// is about something else.
func Refused(err error, names []string) []string {
	w, ok := errors.AsType[*WorldError](err)
	switch {
	case !ok:
		return nil
	case slices.Contains(names, w.Step):
		return []string{w.Step}
	case w.Step != starting:
		return nil
	}
	// It is not said whether the other user was refused or the namespace of names.
	if slices.Contains(names, "user") {
		return []string{"user"}
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n != "host" && n != "domain" })
}

const starting = "starting the child"

// worldError turns what a sandbox's set-up refused of a variation into a WorldError.
func worldError(err error) (*WorldError, bool) {
	if s, ok := errors.AsType[*sandbox.SetupError](err); ok && s.Step == sandbox.StepNoASLR {
		return &WorldError{"aslr", s.Err}, true
	}
	return errors.AsType[*WorldError](err)
}

// command is the child in its world.
func (w World) command(ctx context.Context, work Work, job string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, work.path("tlsfloor"), job)
	cmd.Args[0] = worldName
	cmd.Env = w.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	a := cmd.SysProcAttr
	if w.Host != "" || w.Domain != "" {
		a.Cloneflags |= syscall.CLONE_NEWUTS
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	uid, switched := w.Other()
	switch {
	case switched:
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	case os.Geteuid() != 0 && (w.User || a.Cloneflags != 0):
		id := os.Geteuid()
		if w.User {
			id = otherUser
		}
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Getegid(), Size: 1}}
		a.GidMappingsEnableSetgroups = false
	}
	return cmd
}

// environ is the parent's environment with the world's variables; what sets flags of this program stays
// behind.
func (w World) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		_, given := w.Env[name]
		return given || strings.HasPrefix(name, "TLSFLOOR_")
	})
	for name, value := range w.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// Main runs the child, if this process was started as one, and does not return then. It is called at the very
// start of the program.
func Main(build Builder) {
	if len(os.Args) != 2 || (os.Args[0] != worldName && os.Args[0] != childName) {
		return
	}
	var j Job
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	var r *Result
	if err == nil && os.Args[0] == worldName {
		err = j.World.enter(j.Work)
	} else if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		r, err = runChild(ctx, j, build)
		stop()
	}
	m := message{Result: r}
	if err != nil {
		m = message{Error: err.Error(), Hint: fault.HintOf(err), Code: fault.CodeOf(err)}
		if w, ok := worldError(err); ok {
			m.World, m.Error = w.Step, w.Err.Error()
		}
	}
	json.NewEncoder(os.Stdout).Encode(m)
	syscall.Exit(0)
}

// addrNoRandomize is ADDR_NO_RANDOMIZE of personality(2).
const addrNoRandomize = 0x0040000

// enter makes the world and starts the program again in it; it returns only with an error.
func (w World) enter(work Work) error {
	runtime.LockOSThread() // personality and capabilities belong to a thread
	if w.Umask >= 0 {
		syscall.Umask(w.Umask)
	}
	if w.Stack != 0 {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &limit); err != nil {
			return &WorldError{"stack", err}
		}
		limit.Cur = min(w.Stack, limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &limit); err != nil {
			return &WorldError{"stack", err}
		}
	}
	if w.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, w.Nice); err != nil { // of this thread, which exec(2) makes the only one
			return &WorldError{"priority", err}
		}
	}
	if w.Host != "" {
		if err := unix.Sethostname([]byte(w.Host)); err != nil {
			return &WorldError{"host", err}
		}
	}
	if w.Domain != "" {
		if err := unix.Setdomainname([]byte(w.Domain)); err != nil {
			return &WorldError{"domain", err}
		}
	}
	if w.NoASLR {
		if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0); e != 0 {
			return &WorldError{"aslr", e}
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return &WorldError{"dropping capabilities", err}
	}
	argv := append([]string{childName}, os.Args[1:]...)
	return fmt.Errorf("starting %s: %w", childName, syscall.Exec(work.path("tlsfloor"), argv, os.Environ()))
}

// serial makes a sink that is called by one goroutine at a time.
func serial(sink event.Sink) event.Sink {
	var mu sync.Mutex
	return func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		sink(e)
	}
}
