package command

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// A program that was never in a file, but in memory (memfd_create(2)), is looked at: its own user may read
// it.
func TestAuditMemoryProgram(t *testing.T) {
	fd, err := unix.MemfdCreate("tls floor", 0)
	if err != nil {
		t.Skip(err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	defer f.Close()
	text, err := os.ReadFile(program)
	if err == nil {
		_, err = f.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/fd/3", "explain", "-")
	cmd.ExtraFiles = []*os.File{f}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	for { // until the program itself has begun
		exe, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/exe")
		if err != nil || strings.HasPrefix(exe, "/memfd:") {
			break
		}
	}
	r, err := auditProcess(t.Context(), cmd.Process.Pid)
	if err != nil || r.Worst() != audit.Below || len(r.Stacks) != 1 || r.Stacks[0].File != "/memfd:tls floor" ||
		r.Stacks[0].Library != "Go crypto/tls" {
		t.Errorf("%v, %+v", err, r)
	}
}

// inMemory loads two libraries from memory, both by one name.
const inMemory = `
import ctypes, os, sys
for path in sys.argv[1:]:
    fd = os.memfd_create("lib.so", 0)
    os.write(fd, open(path, "rb").read())
    ctypes.CDLL(f"/proc/self/fd/{fd}")
print("ready", flush=True)
sys.stdin.read()
`

// Libraries that are loaded from memory are looked at, as root, or are a gap each: of several by one name
// too.
func TestAuditMemoryLibraries(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import ctypes, os; os.memfd_create('x', 0)").Run() != nil {
		t.Skip("no Python on this host, or one without memfd_create")
	}
	var libraries []string
	for n, text := range []string{"(compatible; AWS" + "-LC", "(compatible; Bor" + "ingSSL)"} {
		out := filepath.Join(t.TempDir(), "lib"+strconv.Itoa(n)+".so")
		cmd := exec.Command("cc", "-shared", "-fPIC", "-o", out, "-x", "c", "-")
		cmd.Stdin = strings.NewReader("int code(void) { return 1; }\nconst char says[] = \"" + text + "\";\n")
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("no C compiler: %v, %s", err, msg)
		}
		libraries = append(libraries, out)
	}
	cmd := exec.Command(python, append([]string{"-c", inMemory}, libraries...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := piped(t, cmd)
	t.Cleanup(func() { in.Close() })
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	r, err := auditProcess(t.Context(), cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ours := func(path string) bool { return strings.HasPrefix(path, "/memfd:lib.so") }
	if os.Geteuid() == 0 {
		var found []string
		for _, s := range r.Stacks {
			if ours(s.File) {
				found = append(found, s.Library)
			}
		}
		if slices.Sort(found); !slices.Equal(found, []string{"AWS-LC", "BoringSSL"}) {
			t.Errorf("%+v", r)
		}
		return
	}
	gaps := slices.DeleteFunc(r.Gaps, func(g audit.Gap) bool { return !ours(g.File) })
	if len(gaps) != 2 || gaps[0].File == gaps[1].File {
		t.Errorf("%+v", r)
	}
}

// anybody runs the program as a user who is not root, in a folder of the test's that everybody may enter, and
// gives the report and the exit status.
func anybody(t *testing.T, args ...string) (report audit.Report, code int) {
	t.Helper()
	cmd := exec.Command(program, append(args, "-json")...)
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME=/nonexistent"), "/"
	asAnybody(cmd)
	out, _ := cmd.Output()
	if err := json.Unmarshal(out, &report); err != nil && cmd.ProcessState.ExitCode() == 9 {
		t.Fatalf("%v: %s", err, out)
	}
	return report, cmd.ProcessState.ExitCode()
}

// asAnybody has a program started as an ordinary user.
func asAnybody(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// open is a folder of the test's that everybody may enter and read.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tlsfloor-audit-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// What an ordinary user may not read is said to be that, and the audit is not complete.
func TestAuditUnreadable(t *testing.T) {
	dir := open(t)
	for _, err := range []error{os.WriteFile(dir+"/secret.so", []byte("\x7fELF"), 0),
		os.Mkdir(dir+"/closed", 0o755), os.WriteFile(dir+"/closed/a.so", []byte("\x7fELF"), 0o644),
		os.Symlink("closed/a.so", dir+"/link.so"), os.WriteFile(dir+"/text", []byte("hello"), 0o644),
		os.Chmod(dir+"/closed", 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir+"/closed", 0o755) })
	r, code := anybody(t, "audit:env", dir)
	var got []string
	for _, g := range r.Gaps {
		got = append(got, filepath.Base(g.File)+" "+string(g.Reason))
	}
	if want := "closed unreadable, link.so unreadable, secret.so unreadable"; code != 9 ||
		strings.Join(got, ", ") != want || len(r.Stacks) > 0 {
		t.Errorf("exit status %d, %v, %+v", code, got, r.Stacks)
	}
}

// So is a program that its own process runs and may not read, and one that was removed, which only root
// finds.
func TestAuditUnreadableProcess(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"closed":  func(path string) error { return os.Chmod(path, 0) },
		"removed": func(path string) error { return os.Remove(path) },
	} {
		path := filepath.Join(open(t), "copy")
		if out, err := exec.Command("cp", program, path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.Command(path, "explain", "-")
		cmd.Env, cmd.Dir = append(os.Environ(), "HOME=/nonexistent"), "/"
		asAnybody(cmd)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
		for exe := ""; exe != path; exe, err = os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/exe") {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		r, code := anybody(t, "audit:pid", strconv.Itoa(cmd.Process.Pid))
		switch {
		case name == "closed" && (code != 9 || len(r.Gaps) != 1 || r.Gaps[0].File != path):
			t.Errorf("%s: exit status %d, %+v", name, code, r)
		case name == "removed" && (code != 3 || len(r.Stacks) != 1 || r.Stacks[0].File != path):
			t.Errorf("%s: exit status %d, %+v", name, code, r)
		}
	}
}

// Somebody else's process is refused, and never a report without a finding.
func TestAuditOthersProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("wants two users")
	}
	cmd := waiting(t, filepath.Join(t.TempDir(), "copy-of-tlsfloor"))
	if r, code := anybody(t, "audit:pid", strconv.Itoa(cmd.Process.Pid)); code != 1 {
		t.Errorf("exit status %d, %+v", code, r)
	}
}
