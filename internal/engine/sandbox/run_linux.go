package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"golang.org/x/sys/unix"
)

// backstop is how much longer than the grace a cancelled child may take before it is killed itself.
const backstop = 2 * time.Second

const namespaceFlags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// Run runs one command to its end. It returns an *ExitError when the command ended badly, a
// *SetupError (in a fault) when its world could not be made, and the context's cause when cancelled.
func Run(ctx context.Context, spec Spec) error {
	w, err := spec.world(ctx)
	if err != nil {
		return err
	}
	said, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("sandbox: making a pipe: %w", err)
	}
	defer said.Close()
	defer end.Close()
	c, err := newCommand(ctx, &spec, w, end)
	if err != nil {
		return err
	}
	defer c.life.Close()
	copied, err := c.outlets(&spec)
	if err != nil {
		c.release()
		return fmt.Errorf("sandbox: %w", err)
	}
	err = c.Start()
	c.release()
	end.Close()
	if err != nil {
		copied()
		return setupFault(ctx, &SetupError{"making the namespaces", errno(err)})
	}
	waited := c.Wait()
	if err := copied(); waited == nil {
		waited = err
	}
	text, _ := io.ReadAll(said)
	return verdict(ctx, &spec, waited, text)
}

// Command prepares the same for a caller that needs the command's pipes: it may set Stdin, Stdout and
// Stderr before Start. When the world cannot be made the process says so on its standard error and
// exits with status 125; a command killed by signal n exits with 128 + n.
//
// The descriptors that lead to the child stay open until the returned Cmd is garbage.
func Command(ctx context.Context, spec Spec) (*exec.Cmd, error) {
	w, err := spec.world(ctx)
	if err != nil {
		return nil, err
	}
	c, err := newCommand(ctx, &spec, w, nil)
	if err != nil {
		return nil, err
	}
	return c.Cmd, nil
}

// Probe tries to make the namespaces, and returns None and the reason where that is refused.
func Probe(ctx context.Context) (mode Mode, reason string) {
	spec := Spec{Mode: Namespaces, Argv: []string{"probe"}}
	root, err := planRoot(ctx, &spec, true)
	if err == nil {
		err = probe(ctx, &spec, &world{Mode: Namespaces, Root: root, As: spec.as()})
	}
	if err == nil {
		return Namespaces, ""
	}
	if why := whyRefused(); why != "" {
		return None, fmt.Sprintf("%v (%s)", err, why)
	}
	return None, err.Error()
}

func probe(ctx context.Context, spec *Spec, w *world) error {
	var said strings.Builder
	spec.Stderr = &said
	c, err := newCommand(ctx, spec, w, nil)
	if err != nil {
		return err
	}
	defer c.life.Close()
	defer c.release()
	err = c.Run()
	if text := strings.TrimPrefix(strings.TrimSpace(said.String()), childName+": "); text != "" {
		return errors.New(text)
	}
	if err != nil {
		return fmt.Errorf("making the namespaces: %w", errno(err))
	}
	return nil
}

// whyRefused names the setting that forbids user namespaces, where one does.
func whyRefused() string {
	for _, s := range []struct{ path, bad string }{
		{"/proc/sys/user/max_user_namespaces", "0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"},
	} {
		if text, err := os.ReadFile(s.path); err == nil && strings.TrimSpace(string(text)) == s.bad {
			return strings.ReplaceAll(strings.TrimPrefix(s.path, "/proc/sys/"), "/", ".") + " is " + s.bad
		}
	}
	return ""
}

// as is the id that the child of root becomes before it starts the command; 0 stands for none.
func (s *Spec) as() int {
	if s.Mode == Namespaces && Outside().changes() {
		return ID
	}
	return 0
}

// world turns a Spec into what the child has to do.
func (s *Spec) world(ctx context.Context) (*world, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	w := &world{
		Mode: s.Mode, Argv: s.Argv, Dir: s.Dir, Env: s.Env, Network: s.Network, NoASLR: s.NoASLR,
		Grace: s.grace(), Extra: len(s.ExtraFiles), As: s.as(),
	}
	if w.Dir == "" {
		if w.Dir = s.Mode.InnerPath(s.Work); s.Work == "" {
			w.Dir = "/"
		}
	}
	if s.Mode == None {
		return w, nil
	}
	var err error
	if w.Root, err = planRoot(ctx, s, false); err != nil {
		return nil, fault.New(fault.Failed, "see that the folders exist and can be read", "sandbox: %w", err)
	}
	return w, nil
}

// command is an exec.Cmd with what holds its child: the lifeline's end, and files to close once it runs.
type command struct {
	*exec.Cmd
	life   *os.File
	handed []*os.File
}

// newCommand prepares the child that makes world w. The child's report goes to end, if given.
func newCommand(ctx context.Context, spec *Spec, w *world, end *os.File) (*command, error) {
	for _, f := range spec.ExtraFiles {
		if spec.as() == 0 {
			break
		}
		if err := ownPipe(f); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	if end != nil {
		w.Report = extraFD + len(spec.ExtraFiles)
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	script, err := memoryFile(text)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	hold, life, err := os.Pipe()
	if err != nil {
		script.Close()
		return nil, fmt.Errorf("sandbox: making a pipe: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{childName}
	cmd.Env = []string{"GOMAXPROCS=1"} // the child's own runtime; the command gets w.Env
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	cmd.ExtraFiles = append(append([]*os.File{script, hold}, spec.ExtraFiles...), filesOf(end)...)
	cmd.SysProcAttr = attributes(spec)
	cmd.WaitDelay = spec.grace() + backstop
	// Cancel also keeps life reachable, and so open, as long as cmd is.
	cmd.Cancel = func() error {
		if _, err := life.Write([]byte{terminate}); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
	return &command{cmd, life, []*os.File{script, hold}}, nil
}

// outlets puts pipes that belong to the command's identity in the place of those that os/exec would make
// for writers, and returns what waits for the end of what comes through them.
func (c *command) outlets(spec *Spec) (wait func() error, err error) {
	ends := make(chan error, 2)
	running := 0
	connect := func(to io.Writer) (io.Writer, error) {
		if _, file := to.(*os.File); file || to == nil || spec.as() == 0 {
			return to, nil
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		c.handed = append(c.handed, w)
		running++
		go func() {
			_, err := io.Copy(to, r)
			r.Close() // when the writer failed, the command is not to wait for it
			ends <- err
		}()
		return w, ownPipe(w)
	}
	both := sameWriter(c.Stdout, c.Stderr)
	if c.Stdout, err = connect(c.Stdout); err != nil {
		return nil, err
	}
	if both {
		c.Stderr = c.Stdout
	} else if c.Stderr, err = connect(c.Stderr); err != nil {
		return nil, err
	}
	return func() error {
		var first error
		for range running {
			if err := <-ends; first == nil {
				first = err
			}
		}
		return first
	}, nil
}

// sameWriter compares writers of any type.
func sameWriter(a, b io.Writer) bool {
	defer func() { recover() }() // of a type that cannot be compared: not the same
	return a == b
}

// release closes the caller's copies of what the child has.
func (c *command) release() {
	for _, f := range c.handed {
		f.Close()
	}
}

func filesOf(f *os.File) []*os.File {
	if f == nil {
		return nil
	}
	return []*os.File{f}
}

// attributes give the child its namespaces, and in them the capabilities to furnish the root. Root gets a
// user namespace too, so that uid and gid inside are the same for everyone. The child of an ordinary user
// is that user outside, and so is the command; the child of root is root until the world is made, and then
// nobody (see Outside).
func attributes(spec *Spec) *syscall.SysProcAttr {
	sys := &syscall.SysProcAttr{Setsid: true}
	if spec.Mode != Namespaces {
		return sys
	}
	sys.Cloneflags = namespaceFlags
	sys.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	if !spec.Network {
		sys.Cloneflags |= syscall.CLONE_NEWNET
		sys.AmbientCaps = append(sys.AmbientCaps, unix.CAP_NET_ADMIN)
	}
	id := Outside()
	sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: ID, HostID: id.UID, Size: 1}}
	sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: ID, HostID: id.GID, Size: 1}}
	if id.changes() {
		root := syscall.SysProcIDMap{ContainerID: overflow, HostID: os.Geteuid(), Size: 1}
		sys.UidMappings = append(sys.UidMappings, root)
		root.HostID = os.Getegid()
		sys.GidMappings = append(sys.GidMappings, root)
		sys.GidMappingsEnableSetgroups = true
		sys.AmbientCaps = append(sys.AmbientCaps, unix.CAP_SETUID, unix.CAP_SETGID,
			unix.CAP_DAC_READ_SEARCH) // for folders between here and a mount that are the identity's alone
	}
	return sys
}

// memoryFile returns an open file with text in it that has no name anywhere.
func memoryFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(childName, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), childName)
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing a memory file: %w", err)
	}
	return f, nil
}

// verdict puts together how the child ended, what it reported, and whether it was asked to end.
func verdict(ctx context.Context, spec *Spec, waited error, text []byte) error {
	var r report
	told := json.Unmarshal(text, &r) == nil
	if told && r == (report{}) && !isExit(waited) {
		if errors.Is(waited, context.Canceled) || errors.Is(waited, context.DeadlineExceeded) {
			return nil // it ended well before the cancellation reached it
		}
		return waited // an error of the Stdout or Stderr writers, or nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", filepath.Base(spec.Argv[0]), context.Cause(ctx))
	}
	switch {
	case told && r.Step != "":
		return setupFault(ctx, &SetupError{r.Step, r.cause()})
	case told:
		return &ExitError{Argv: spec.Argv, Code: r.Code, Signal: r.Signal}
	}
	// No report: the child itself was killed from outside, as by the kernel when memory ran out.
	return &ExitError{Argv: spec.Argv, Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
}

func isExit(err error) bool {
	_, ok := errors.AsType[*exec.ExitError](err)
	return ok
}

func (r report) cause() error {
	if r.Errno == 0 || r.Text == r.Errno.Error() {
		if r.Errno != 0 {
			return r.Errno
		}
		return errors.New(r.Text)
	}
	return fmt.Errorf("%s%w", strings.TrimSuffix(r.Text, r.Errno.Error()), r.Errno)
}

func setupFault(ctx context.Context, err *SetupError) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	hint := "allow user namespaces to this user or container, or run without the sandbox (mode none)"
	switch {
	case strings.HasPrefix(err.Step, "starting ") && errors.Is(err, os.ErrNotExist), strings.Contains(err.Error(), "not in PATH"):
		hint = "see that the command is a tool that the step may use, and is installed"
	case err.Step == StepNoASLR:
		hint = "allow personality(2) to this container, or use a profile that was made elsewhere"
	}
	return fault.New(fault.Failed, hint, "%w", err)
}
