package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
	"golang.org/x/sys/unix"
)

// courtName is the name under which the program runs itself to become the trial's process.
const courtName = "tlsfloor-court"

// doorFD is the process's socket to whoever dials for it.
const doorFD = 3

// backstop is how long a cancelled process may take until it is killed.
const backstop = 10 * time.Second

// message is one line of what the process says: events, and in the end a proof or an error.
type message struct {
	Event *event.Event  `json:"event,omitempty"`
	Proof *verify.Proof `json:"proof,omitempty"`
	Error string        `json:"error,omitempty"`
}

func init() {
	if len(os.Args) > 0 && os.Args[0] == courtName {
		os.Exit(court())
	}
}

// court makes the proof that standard input asks for. Standard input is also the lifeline: at its end the
// caller has ended, or wants no more.
func court() int {
	var q Request
	input := json.NewDecoder(os.Stdin)
	if err := input.Decode(&q); err != nil {
		fmt.Fprintf(os.Stderr, "%s: not started by tlsfloor: %v\n", courtName, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	out := newWriter(os.Stdout)
	proof, err := hold(ctx, q, func(e event.Event) { out.say(message{Event: &e}) })
	if err != nil {
		out.say(message{Error: err.Error()})
		return 1
	}
	out.say(message{Proof: proof})
	return 0
}

// hold proves in this process's own network.
func hold(ctx context.Context, q Request, sink event.Sink) (*verify.Proof, error) {
	if err := sandbox.LoopbackUp(); err != nil {
		return nil, fmt.Errorf("bringing the trial's loopback up: %w", err)
	}
	if err := Loopback(ctx); err != nil {
		return nil, err
	}
	d, err := newDoor(os.NewFile(doorFD, "door"))
	if err != nil {
		return nil, err
	}
	return verify.Run(ctx, q.options(sink, d.dial))
}

// kept are the variables that the process gets: those that a client command is given, and where temporary
// files go.
var kept = []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR"}

func environment() (env []string) {
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// own gives a file or folder to who the subjects are outside of their namespaces.
func own(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return sandbox.Own(int(f.Fd()))
}

// inCourt has a process of its own make the proof.
func inCourt(ctx context.Context, q Request, sink event.Sink) (*verify.Proof, error) {
	var refused error
	for _, attributes := range courts() {
		proof, started, err := attempt(ctx, q, sink, attributes)
		if started || ctx.Err() != nil {
			return proof, err
		}
		refused = err
	}
	return nil, fault.New(fault.Failed,
		"allow network namespaces to this user or container, or run without the sandbox (-sandbox=none)",
		"making the trial's network: %w", refused)
}

// courts are the ways to get a network of one's own: root needs no user namespace for it, and where it may
// not do that it is an ordinary user. Every id is the same inside as outside.
func courts() []*syscall.SysProcAttr {
	own := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	user := &syscall.SysProcAttr{
		Setpgid: true, Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN},
		UidMappings: own(os.Geteuid()), GidMappings: own(os.Getegid()),
	}
	if os.Geteuid() == 0 {
		return []*syscall.SysProcAttr{{Setpgid: true, Cloneflags: syscall.CLONE_NEWNET}, user}
	}
	return []*syscall.SysProcAttr{user}
}

// attempt starts the process with these attributes, and if that is allowed waits for what it says.
func attempt(ctx context.Context, q Request, sink event.Sink,
	attributes *syscall.SysProcAttr) (proof *verify.Proof, started bool, err error) {
	ours, theirs, err := doors()
	if err != nil {
		return nil, false, err
	}
	defer ours.Close()
	defer theirs.Close()
	var said tail
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Stderr = []string{courtName}, environment(), &said
	cmd.ExtraFiles, cmd.SysProcAttr, cmd.WaitDelay = []*os.File{theirs}, attributes, backstop
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, false, err
	}
	cmd.Cancel = in.Close
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, false, err
	}
	theirs.Close()
	go answer(ctx, ours, q.Reachable)
	if err = json.NewEncoder(in).Encode(q); err == nil {
		proof, err = listen(out, sink)
	}
	in.Close()
	if waited := cmd.Wait(); errors.Is(err, io.EOF) { // it said nothing to the end
		err = fmt.Errorf("the trial's process ended: %w", errors.Join(waited, said.error()))
	}
	if ctx.Err() != nil {
		return nil, true, fmt.Errorf("proving the floor: %w", ctx.Err())
	}
	return proof, true, err
}

// listen hands events on until the proof or an error comes.
func listen(out io.Reader, sink event.Sink) (*verify.Proof, error) {
	for lines := json.NewDecoder(out); ; {
		var m message
		switch err := lines.Decode(&m); {
		case err != nil:
			return nil, err
		case m.Event != nil:
			sink.Emit(*m.Event)
		case m.Proof != nil:
			return m.Proof, nil
		default:
			return nil, errors.New(m.Error)
		}
	}
}

// tail keeps the last of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

func (t *tail) error() error {
	if text := strings.TrimSpace(string(t.text)); text != "" {
		return errors.New(text)
	}
	return nil
}

// doors are the two ends over which connected sockets are passed.
func doors() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "door"), os.NewFile(uintptr(fds[1]), "door"), nil
}

// maxAddress bounds in bytes what is asked and answered over a door.
const maxAddress = 512

// answer dials what the trial's process asks for, where that is one of reachable, until its end of the door
// is closed.
func answer(ctx context.Context, ours *os.File, reachable []string) {
	conn, err := net.FileConn(ours)
	if err != nil {
		return
	}
	door := conn.(*net.UnixConn)
	defer door.Close()
	defer context.AfterFunc(ctx, func() { door.Close() })()
	for buf := make([]byte, maxAddress); ; {
		n, err := door.Read(buf)
		if err != nil || n == 0 {
			return
		}
		reply, rights, dialled := dialFor(ctx, string(buf[:n]), reachable)
		_, _, err = door.WriteMsgUnix([]byte(reply), rights, nil)
		if dialled != nil {
			dialled.Close()
		}
		if err != nil {
			return
		}
	}
}

// dialFor returns the answer, and for one without a text the rights to the socket that is open until it was
// sent.
func dialFor(ctx context.Context, addr string, reachable []string) (reply string, rights []byte,
	open *os.File) {
	if !slices.Contains(reachable, addr) {
		return "no address that the trial may reach: " + addr, nil, nil
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err == nil {
		defer conn.Close()
		open, err = conn.(*net.TCPConn).File()
	}
	if err != nil {
		text := err.Error()
		return text[:min(len(text), maxAddress)], nil, nil
	}
	return "ok", unix.UnixRights(int(open.Fd())), open
}
