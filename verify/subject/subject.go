// Package subject drives the programs that verify judges: a Python's ssl module through one embedded driver
// script per process, and openssl's s_client and s_server. It reports what they said in verify's terms and
// decides nothing.
//
// It promises that every process it starts is in a group of its own, and that the group is gone when its
// leader has ended or after Close; that it starts with an environment of a few constant variables, to which a
// client command has PATH and HOME besides; and that what a program writes is read to a bound of 1 MiB.
package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

// maxOutput bounds in bytes what is kept of a program's output, and the length of one line.
const maxOutput = 1 << 20

// Open returns a Subject for each program of the bench that has a path; they are started when they are first
// needed.
func Open(b verify.Bench) verify.Subjects {
	s := verify.Subjects{}
	if b.Python != "" {
		s[verify.Python] = newPython(b, b.Python, b.Module)
	}
	if b.OpenSSL != "" {
		s[verify.OpenSSL] = &openSSL{bench: b, path: b.OpenSSL}
	}
	if b.WeakPython != "" && b.WeakSSL != "" {
		s[verify.WeakPython] = newPython(b, b.WeakPython, b.WeakSSL)
	}
	if b.WeakOpenSSL != "" {
		s[verify.WeakOpenSSL] = &openSSL{bench: b, path: b.WeakOpenSSL}
	}
	if b.HostPython != "" {
		s[verify.HostPython] = newPython(b, b.HostPython, "")
	}
	if b.HostOpenSSL != "" {
		s[verify.HostOpenSSL] = &openSSL{bench: b, path: b.HostOpenSSL}
	}
	if b.Command != "" {
		s[verify.Command] = &command{bench: b}
	}
	if b.Endpoint != "" {
		s[verify.Endpoint] = &endpoint{addr: b.Endpoint, startTLS: b.StartTLS}
	}
	return s
}

// environment is the whole environment of a subject. Conf points OpenSSL at the file that allows everything.
func environment(b verify.Bench, conf bool) []string {
	env := []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	if conf {
		env = append(env, "OPENSSL_CONF="+b.Files.Conf)
	}
	return env
}

// process is a started program, leader of a group of its own.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when it has ended and its output is read
	stop  func() bool
	err   error // of Wait, when done
}

// start runs argv until it ends or ctx does. out gets both outputs unless errOut is given.
func start(ctx context.Context, b verify.Bench, argv []string, conf bool, out, errOut io.Writer) (*process, error) {
	cmd := b.Launch(ctx, argv, environment(b, conf))
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // a session's leader has its group already
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.WaitDelay = time.Second // for a grandchild that keeps the output open
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	p := &process{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	p.stop = context.AfterFunc(ctx, p.kill)
	go func() {
		p.ended()
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ended waits until the leader has ended, and ends what is left of its group: until the leader is reaped, its
// id cannot be another's.
func (p *process) ended() {
	const byPid, exited, noWait = 1, 0x4, 0x01000000 // P_PID, WEXITED, WNOWAIT: waitid(2)
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(p.cmd.Process.Pid), 0, exited|noWait, 0, 0)
		if err != syscall.EINTR {
			break
		}
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// kill ends the group. After the leader was waited for its id may be another's, so nothing is sent then.
func (p *process) kill() {
	select {
	case <-p.done:
	default:
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// close ends the process and waits for it.
func (p *process) close() {
	p.stdin.Close()
	p.kill()
	<-p.done
	p.stop()
}

// wait returns when the process has ended, or ctx.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lines is a Writer that keeps what is written, to a bound, and hands on each whole line.
type lines struct {
	mu   sync.Mutex
	all  strings.Builder
	rest []byte
	each func(string)
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(p[:min(len(p), maxOutput-l.all.Len())])
	if l.each == nil {
		return len(p), nil
	}
	begin, from := 0, len(l.rest) // only what is new can have a line's end
	if l.rest = append(l.rest, p...); len(l.rest) > maxOutput {
		return 0, errors.New("a line beyond 1 MiB")
	}
	for {
		i := bytes.IndexByte(l.rest[from:], '\n')
		if i < 0 {
			l.rest = append(l.rest[:0], l.rest[begin:]...)
			return len(p), nil
		}
		l.each(string(l.rest[begin : from+i]))
		begin = from + i + 1
		from = begin
	}
}

// String returns what was kept.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// tail returns the last line of l that says something.
func (l *lines) tail() string {
	text := strings.TrimSpace(l.String())
	return text[strings.LastIndexByte(text, '\n')+1:]
}
