package sandbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// witness returns a pipe: its read end comes to the end only when every process that has the write end is
// dead.
func witness(t *testing.T) (read, end *os.File) {
	t.Helper()
	read, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); end.Close() })
	return read, end
}

// allDead waits for the end of a witness; a process that survived makes it time out.
func allDead(t *testing.T, read *os.File) {
	t.Helper()
	read.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, read); err != nil {
		t.Errorf("something survived: %v", err)
	}
}

func TestWorldCancel(t *testing.T) {
	for _, mode := range []Mode{Namespaces, None} {
		before := mountTable(t)
		read, end := witness(t)
		out, up, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the user had enough")
		go func() {
			bufio.NewReader(out).ReadString('\n') // "up": the daemon has a session of its own
			cancel(why)
		}()
		err = Run(ctx, Spec{Mode: mode, Argv: []string{"sh", "-c", stubborn}, Env: []string{"PATH=" + systemPath},
			Stdout: up, ExtraFiles: []*os.File{end}, Grace: 50 * time.Millisecond})
		if !errors.Is(err, why) {
			t.Errorf("%s: got %v, want the cause", mode, err)
		}
		end.Close()
		allDead(t, read)
		equal(t, "the host's mounts", mountTable(t), before)
		cancel(nil)
		out.Close()
		up.Close()
	}
}

// TestWorldPolite has a command that cleans up at SIGTERM, and is given the time.
func TestWorldPolite(t *testing.T) {
	for _, mode := range []Mode{Namespaces, None} {
		work := t.TempDir()
		out, up, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			bufio.NewReader(out).ReadString('\n')
			cancel()
		}()
		script := `trap 'echo cleaned >done; kill $!; exit 0' TERM; sleep 1000 & echo up; wait`
		err = Run(ctx, Spec{Mode: mode, Argv: []string{"sh", "-c", script}, Env: []string{"PATH=" + systemPath},
			Work: work, Stdout: up, Grace: time.Minute})
		if err != nil {
			t.Errorf("%s: a command that ended well when asked to: %v", mode, err)
		}
		if text, _ := os.ReadFile(work + "/done"); string(text) != "cleaned\n" {
			t.Errorf("%s: it had no time to clean up", mode)
		}
		out.Close()
		up.Close()
	}
}

// TestWorldLeftovers: a daemon does not outlive the command that started it.
func TestWorldLeftovers(t *testing.T) {
	for _, mode := range []Mode{Namespaces, None} {
		read, end := witness(t)
		script := `perl -MPOSIX -e 'fork && exit; POSIX::setsid(); fork && exit; sleep 1000' & wait`
		err := Run(t.Context(), Spec{Mode: mode, Argv: []string{"sh", "-c", script}, Env: []string{"PATH=" + systemPath}, ExtraFiles: []*os.File{end}})
		if err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		end.Close()
		allDead(t, read)
	}
}

// TestWorldKilledParent kills the process that called Run, which can then do nothing for its children.
func TestWorldKilledParent(t *testing.T) {
	for _, mode := range []Mode{Namespaces, None} {
		before := mountTable(t)
		read, end := witness(t)
		cmd := part(t, "holder", "SANDBOX_TEST_MODE="+string(mode))
		cmd.ExtraFiles = []*os.File{end}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end.Close()
		if line, _ := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
			t.Errorf("%s: the command did not start: %q", mode, line)
		}
		cmd.Process.Kill()
		allDead(t, read)
		cmd.Wait()
		equal(t, "the host's mounts", mountTable(t), before)
	}
}

func TestWorldCommand(t *testing.T) {
	work := t.TempDir()
	spec := Spec{Mode: Namespaces, Argv: []string{"cat"}, Env: Namespaces.Environ(work), Work: work}
	cmd, err := Command(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader("through a pipe")
	out, err := cmd.Output()
	if err != nil || string(out) != "through a pipe" {
		t.Errorf("got %q, %v", out, err)
	}

	spec.Argv = []string{"no-such-tool"}
	if cmd, err = Command(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	_, err = cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 125 || !strings.Contains(string(e.Stderr), "starting no-such-tool") {
		t.Errorf("a command that cannot start: %v", err)
	}
}

func TestWorldProbe(t *testing.T) {
	if mode, reason := Probe(t.Context()); mode != Namespaces || reason != "" {
		t.Errorf("got %s, %s", mode, reason)
	}
	cmd := part(t, "prober")
	cmd.SysProcAttr = ownUser(0)
	out, err := cmd.CombinedOutput()
	if want := "(user.max_user_namespaces is 0)\n"; err != nil || !strings.HasPrefix(string(out), "none ") || !strings.HasSuffix(string(out), want) {
		t.Errorf("where they are forbidden: %q, %v", out, err)
	}
}

// TestVerdict covers reports that no kernel here gives.
func TestVerdict(t *testing.T) {
	ended := exec.Command("/bin/false").Run()
	spec := &Spec{Argv: []string{"make"}}
	err := verdict(t.Context(), spec, ended, []byte(`{"Step":"`+StepNoASLR+`","Text":"operation not permitted","Errno":1,"Code":125}`))
	s, ok := errors.AsType[*SetupError](err)
	if !ok || s.Step != StepNoASLR || !errors.Is(err, syscall.EPERM) || !strings.Contains(fault.HintOf(err), "personality") {
		t.Errorf("randomisation cannot be switched off: %v", err)
	}
	e, ok := errors.AsType[*ExitError](verdict(t.Context(), spec, ended, nil))
	if !ok || e.Signal != syscall.SIGKILL || e.Error() != "make: killed by signal 9 (killed)" {
		t.Errorf("the child was killed: %v", e)
	}
	if err := verdict(t.Context(), spec, nil, []byte(`{}`)); err != nil {
		t.Errorf("a good end: %v", err)
	}
	if err := verdict(t.Context(), spec, io.ErrShortWrite, []byte(`{}`)); err != io.ErrShortWrite {
		t.Errorf("the log could not be written: %v", err)
	}
}
