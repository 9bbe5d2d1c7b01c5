package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain also plays the parts that a test wants another process for.
func TestMain(m *testing.M) {
	switch os.Getenv("SANDBOX_TEST_PART") {
	case "holder":
		holder()
	case "prober":
		prober()
	case "submount":
		submount()
	case "tracer":
		tracer()
	case "hidden":
		hidden()
	default:
		os.Exit(m.Run())
	}
}

// holder runs a command that never ends; its descriptor 3 goes to the command and all its children.
func holder() {
	spec := Spec{
		Mode: Mode(os.Getenv("SANDBOX_TEST_MODE")), Argv: []string{"sh", "-c", stubborn},
		Env: []string{"PATH=" + systemPath}, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles: []*os.File{os.NewFile(3, "witness")},
	}
	fmt.Println(Run(context.Background(), spec))
	os.Exit(1)
}

// prober forbids further user namespaces in the one that it was started in, and probes.
func prober() {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	mode, reason := Probe(context.Background())
	fmt.Println(mode, reason)
	os.Exit(0)
}

// submount mounts a tmpfs in a folder and runs a command that sees the folder, once read-only and once not.
func submount() {
	dir := os.Getenv("SANDBOX_TEST_DIR")
	err := errors.Join(
		syscall.Mount("tmpfs", dir+"/sub", "tmpfs", 0, ""),
		os.WriteFile(dir+"/sub/file", nil, 0o644),
		Run(context.Background(), Spec{
			Mode: Namespaces, Env: Namespaces.Environ(""), Stdout: os.Stdout, Stderr: os.Stderr,
			Argv:   []string{"sh", "-c", "ls /opt/ro/sub; (: >/opt/ro/sub/x) 2>/dev/null || echo read-only; : >/opt/rw/sub/x && echo writable"},
			Mounts: []Mount{{From: dir, To: "/opt/ro"}, {From: dir, To: "/opt/rw", Writable: true}},
		}))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// tracer tries to get hold of each process named by an argument, as a debugger does.
func tracer() {
	const ptraceSeize = 0x4206
	runtime.LockOSThread()
	for _, word := range os.Args[1:] {
		pid, _ := strconv.Atoi(word)
		_, _, seize := syscall.RawSyscall6(syscall.SYS_PTRACE, ptraceSeize, uintptr(pid), 0, 0, 0, 0)
		attach := syscall.PtraceAttach(pid) // of one that is seized already: not permitted
		_, memory := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDONLY, 0)
		fmt.Println(seize == 0, seize == syscall.EPERM && attach == syscall.EPERM, memory == nil)
	}
	os.Exit(0)
}

// ownUser makes a process root of a user namespace of its own.
func ownUser(flags uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

// stubborn ignores SIGTERM, leaves a daemon in a session of its own, and says "up".
const stubborn = `trap '' TERM; (trap '' TERM; exec perl -MPOSIX -e '$| = 1; fork && exit; POSIX::setsid(); fork && exit; print "up\n"; sleep 1000') & while :; do sleep 1000; done`

// part starts this test binary again for one of the parts above.
func part(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(env, "SANDBOX_TEST_PART="+name)
	return cmd
}

// shell runs a script in a sandbox and returns what it prints.
func shell(t *testing.T, spec Spec, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	if spec.Mode == "" {
		spec.Mode = Namespaces
	}
	spec.Argv = []string{"sh", "-c", script}
	if spec.Env == nil {
		spec.Env = spec.Mode.Environ(spec.Work)
	}
	spec.Stdout, spec.Stderr = &out, &out
	err := Run(t.Context(), spec)
	return strings.TrimSpace(out.String()), err
}

// must is shell for a script that has to end well.
func must(t *testing.T, spec Spec, script string) string {
	t.Helper()
	out, err := shell(t, spec, script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func mountTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAsOrdinaryUser runs every test of the world again as a user without any right.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the tests run as an ordinary user already")
	}
	const nobody = 65534
	dir := t.TempDir()
	self := filepath.Join(dir, "sandbox.test")
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	write(t, self, string(text), 0o755)
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	// The folders above are the test's own, but only root may enter them.
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tmp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestWorld", "-test.v", "-test.short")
	cmd.Dir, cmd.Env = tmp, []string{"TMPDIR=" + tmp, "PATH=" + systemPath}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	passed := strings.Count(string(out), "\n--- PASS: TestWorld")
	if err != nil || passed < 10 || strings.Contains(string(out), "no tests to run") {
		t.Fatalf("%d tests of the world passed: %v\n%s", passed, err, out)
	}
}
