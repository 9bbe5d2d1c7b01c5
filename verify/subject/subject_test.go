package subject

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// script writes a program that stands in for a subject.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func bench() verify.Bench {
	launch := func(ctx context.Context, argv, env []string) *exec.Cmd {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = env
		return cmd
	}
	return verify.Bench{Launch: launch, Timeout: time.Second}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, out string
		want      verify.Report
	}{
		{"3.x refusal", "Connecting to 127.0.0.1\n40A7:error:0A000102:SSL routines::unsupported protocol:ssl/statem/statem_lib.c:2165:\n",
			verify.Report{Reason: "UNSUPPORTED_PROTOCOL"}},
		{"1.1.1 refusal", "1397:error:1425F102:SSL routines:ssl_choose_client_version:unsupported protocol:ssl/statem/statem_lib.c:1942:\n",
			verify.Report{Reason: "UNSUPPORTED_PROTOCOL"}},
		{"alert from the peer", "x:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:ssl/record/rec_layer_s3.c:916:SSL alert number 70\n",
			verify.Report{Reason: "TLSV1_ALERT_PROTOCOL_VERSION"}},
		{"the first error counts", "x:error:0A000102:SSL routines::unsupported protocol:f:1:\nx:error:0A000126:SSL routines::unexpected eof while reading:f:2:\n",
			verify.Report{Reason: "UNSUPPORTED_PROTOCOL"}},
		{"eof", "x:error:0A000126:SSL routines::unexpected eof while reading:ssl/record/rec_layer_s3.c:692:\n", verify.Report{Reason: verify.EOF}},
		{"connected", "CONNECTION ESTABLISHED\nProtocol version: TLSv1.3\nCiphersuite: TLS_AES_128_GCM_SHA256\n",
			verify.Report{OK: true, Version: wire.TLS13, Cipher: "TLS_AES_128_GCM_SHA256"}},
		{"3.x option", "s_client: Unknown option: -dtls1\ns_client: Use -help for summary.\n", verify.Report{Reason: "UNKNOWN_OPTION"}},
		{"1.1.1 option", "s_client: Option unknown option -dtls1\n", verify.Report{Reason: "UNKNOWN_OPTION"}},
		{"another complaint", "s_client: Unknown option or cipher: foo\n", verify.Report{}},
		{"an error of another library", "x:error:80000002:system library::No such file or directory:f:1:\n", verify.Report{}},
		{"nothing", "", verify.Report{}},
	} {
		got := parse(test.out)
		got.Text = ""
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %+v, not %+v", test.name, got, test.want)
		}
	}
}

func TestFlags(t *testing.T) {
	got := flags(verify.Setup{Min: wire.TLS10, Max: wire.TLS12, Level0: true, Context: "dtls1"})
	want := []string{"-min_protocol", "TLSv1", "-max_protocol", "TLSv1.2", "-cipher", "DEFAULT@SECLEVEL=0", "-dtls1"}
	if !slices.Equal(got, want) {
		t.Error(got)
	}
}

// A program that does not do its part is an error, never a report that could count as a refusal.
func TestBrokenOpenSSL(t *testing.T) {
	for name, body := range map[string]string{
		"dies":        "echo cannot start >&2; exit 1",
		"says little": "exit 0",
		"hangs":       "exec sleep 60",
		"floods":      "exec yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			o := &openSSL{bench: bench(), path: script(t, body)}
			if s, err := o.Serve(ctx, verify.Setup{}); err == nil {
				t.Errorf("serves at %s", s.Addr())
			}
			if r, err := o.Connect(ctx, verify.Setup{}, "127.0.0.1:1"); err == nil && (r.OK || r.Reason != "") {
				t.Errorf("connecting gives %+v", r)
			}
		})
	}
}

func TestOpenSSLServerIsReadyWhenItSaysSo(t *testing.T) {
	o := &openSSL{bench: bench(), path: script(t, `echo "Using default temp DH parameters"; echo "ACCEPT 127.0.0.1:4711"; read line`)}
	s, err := o.Serve(t.Context(), verify.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr() != "127.0.0.1:4711" {
		t.Error(s.Addr())
	}
	pid := s.(*opensslServer).cmd.Process.Pid
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestBrokenPython(t *testing.T) {
	for name, body := range map[string]string{
		"dies":            "echo no encodings >&2; exit 1",
		"answers garbage": `while read line; do echo "not json"; done`,
		"answers others":  `while read line; do echo '{"id": 99, "report": {"ok": true}}'; done`,
		"hangs":           "exec sleep 60",
		"has a problem":   `read line; echo '{"id": 1, "problem": "boom"}'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			p := newPython(bench(), script(t, body), "")
			defer p.Close()
			if r, err := p.Connect(ctx, verify.Setup{}, "127.0.0.1:1"); err == nil {
				t.Errorf("connecting gives %+v", r)
			}
			if s, err := p.Serve(ctx, verify.Setup{}); err == nil {
				t.Errorf("serves at %s", s.Addr())
			}
		})
	}
	missing := newPython(bench(), filepath.Join(t.TempDir(), "none"), "")
	defer missing.Close()
	if _, err := missing.Connect(t.Context(), verify.Setup{}, ""); err == nil {
		t.Error("a missing interpreter connects")
	}
}

func TestEnvironmentIsConstant(t *testing.T) {
	t.Setenv("OPENSSL_CONF", "/of/the/caller")
	t.Setenv("PYTHONPATH", "/of/the/caller")
	b := bench()
	b.Files.Conf = "/run/all.cnf"
	out := &lines{}
	for conf, want := range map[bool]string{false: "LC_ALL=C\nPATH=/usr/bin:/bin\n", true: "LC_ALL=C\nOPENSSL_CONF=/run/all.cnf\nPATH=/usr/bin:/bin\n"} {
		*out = lines{}
		p, err := start(t.Context(), b, []string{"/usr/bin/env"}, conf, out, out)
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		slices.Sort(got)
		if strings.Join(got, "\n")+"\n" != want {
			t.Errorf("conf %v: %q", conf, got)
		}
	}
}

func TestCloseEndsTheWholeGroup(t *testing.T) {
	out := make(chan string, 1)
	p, err := start(t.Context(), bench(), []string{"/bin/sh", "-c", "sleep 60 & echo $!; wait"}, false, &lines{each: func(s string) { out <- s }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	fmt.Sscan(<-out, &child)
	p.close()
	for range 200 { // it is a zombie until init has waited for it
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("the child %d outlives its group's end", child)
}

func TestMapped(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "cat; true")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	io.WriteString(in, "up\n")
	bufio.NewReader(out).ReadString('\n') // cat runs now
	names, err := mapped(cmd.Process.Pid, "/usr/bin/cat")
	if err != nil || names[0] != "cat" || !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "libc") }) {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := mapped(cmd.Process.Pid, "/usr/bin/python3"); err == nil {
		t.Error("cat is taken for python3")
	}
}

// TestMappedBehind has a process in between that is closed to tracing: whoever may not read a program's
// file may not read its maps. For that the test needs to be an ordinary user.
func TestMappedBehind(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	text, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	shell := filepath.Join(t.TempDir(), "shell")
	if err := os.WriteFile(shell, text, 0o111); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shell, "-c", "cat; true")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	io.WriteString(in, "up\n")
	bufio.NewReader(out).ReadString('\n') // cat runs now
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid)); err == nil {
		t.Fatal("control: the maps can be read")
	}
	if names, err := mapped(cmd.Process.Pid, "/usr/bin/cat"); err != nil || names[0] != "cat" {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := mapped(cmd.Process.Pid, "/usr/bin/python3"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("looking for what is not there: %v", err)
	}
}

// asNobody runs this test again as a user without any right.
func asNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	self := filepath.Join(dir, "subject.test")
	// The folder above is the test's own, but only root may enter it.
	err = errors.Join(os.WriteFile(self, text, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

// TestLines: lines are handed on whole and once, however they were written, and one without an end is
// refused.
func TestLines(t *testing.T) {
	var got []string
	l := &lines{each: func(line string) { got = append(got, line) }}
	for _, part := range []string{"a", "b\nc\n", "", "\n", "d\ne", "f", "\n", "g"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := []string{"ab", "c", "", "d", "ef"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	allocs := testing.AllocsPerRun(1, func() { l.Write([]byte(strings.Repeat("\n", 64<<10))) })
	if allocs > 100 { // what is left is not copied for each line
		t.Errorf("%v allocations for many short lines", allocs)
	}
	for range 3 {
		if _, err := l.Write(make([]byte, maxOutput/2)); err != nil {
			return
		}
	}
	t.Error("a line without an end is kept")
}
