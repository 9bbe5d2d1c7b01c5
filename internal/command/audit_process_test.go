package command

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// waiting starts a copy of this program, which has Go's crypto/tls, and which waits for its standard input.
func waiting(t *testing.T, path string, wrap ...string) *exec.Cmd {
	t.Helper()
	if out, err := exec.Command("cp", program, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	argv := append(wrap, path, "explain", "-")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TLSFLOOR_COLOR=never")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	for { // until the program itself has begun
		exe, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/exe")
		if err != nil || filepath.Base(exe) == filepath.Base(path) {
			return cmd
		}
	}
}

// A program that was removed while it runs is looked at all the same, or is a gap: never nothing.
func TestAuditDeletedProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy-of-tlsfloor")
	cmd := waiting(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r, err := auditProcess(t.Context(), cmd.Process.Pid)
	if err != nil || r.Worst() != audit.Below || len(r.Stacks) != 1 || r.Stacks[0].File != path {
		t.Errorf("%v, %+v", err, r)
	}
	// One of the same name is another file, and is not taken for it.
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r, err := auditProcess(t.Context(), cmd.Process.Pid); err != nil || r.Worst() != audit.Below {
		t.Errorf("%v, %+v", err, r)
	}
}

// A process that sees other files by the same names is looked at with its own.
func TestAuditOtherView(t *testing.T) {
	try := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt")
	if out, err := try.CombinedOutput(); err != nil {
		t.Skipf("no mount namespace of one's own: %v, %s", err, out)
	}
	dir := t.TempDir()
	script := filepath.Join(t.TempDir(), "enter")
	copied := dir + "/hidden-copy"
	text := "#!/bin/sh\nmount -t tmpfs none " + dir + " && cp \"$1\" " + copied +
		" && exec " + copied + " explain -\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-m", "--propagation=private", script, program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	for {
		exe, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/exe")
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(exe, "hidden-copy") {
			break
		}
	}
	r, err := auditProcess(t.Context(), cmd.Process.Pid)
	if err != nil || r.Worst() != audit.Below || len(r.Stacks) != 1 || r.Stacks[0].File != dir+"/hidden-copy" {
		t.Errorf("%v, %+v", err, r)
	}
	// Its name leads to nothing here, so only its own view has it.
	if _, err := os.Stat(dir + "/hidden-copy"); err == nil {
		t.Error("the file is here too")
	}
}

// A process that has ended has not been looked into.
func TestAuditEndedProcess(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "x")
	in.Close()
	cmd.Wait()
	if r, err := auditProcess(t.Context(), cmd.Process.Pid); err == nil {
		t.Errorf("%+v", r)
	}
}

// Code in memory without a file is a gap, and the kernel's own is none; of two files of one name each counts.
func TestRegionsWithoutFile(t *testing.T) {
	for line, want := range map[string]int{
		"7f00-7f01 rwxp 00000000 00:00 0 \n":                              1,
		"7f00-7f01 r-xp 00000000 00:00 0                  [anon:jit/x]\n": 1,
		"7f00-7f01 rwxp 00000000 00:00 0                  [heap]\n":       1,
		"7f00-7f01 r-xp 00000000 00:00 0                  [vdso]\n":       0,
		"7f00-7f01 rw-p 00000000 00:00 0                  [heap]\n":       0,
	} {
		if all := regions(line); len(all) != want || want > 0 && (all[0].path != "" || !all[0].code) {
			t.Errorf("%s: %+v", line, all)
		}
	}
}

// A process that maps memory for code of its own has not been looked into.
func TestAuditCodeWithoutFile(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	for prot, want := range map[string]bool{"7": true, "3": false} {
		cmd := exec.Command(python, "-c", "import mmap, sys\nm = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | "+
			"mmap.MAP_ANONYMOUS, "+prot+")\nprint(flush=True)\nsys.stdin.read()")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1)) // it is mapped
		r, err := auditProcess(t.Context(), cmd.Process.Pid)
		in.Close()
		cmd.Wait()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, g := range r.Gaps {
			found = found || strings.Contains(g.Text, "have code and no file")
		}
		if found != want {
			t.Errorf("protection %s: %+v", prot, r.Gaps)
		}
	}
}

// Lines of a process's address space, as the kernel writes them.
func TestRegions(t *testing.T) {
	all := regions("55d0-55d1 r-xp 00000000 fd:01 77 /usr/bin/a b\n7f00-7f01 rw-p 0 00:00 0 \n" +
		"7f02-7f03 r--p 0 00:01 9 /memfd:x (deleted)\n")
	first := region{"55d0-55d1", "/usr/bin/a b", true, 77, "fd:01"}
	if len(all) != 2 || all[0] != first || all[1].path != "/memfd:x (deleted)" || all[1].code {
		t.Errorf("%+v", all)
	}
}
