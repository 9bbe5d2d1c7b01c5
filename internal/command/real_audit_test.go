package command

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// auditPackages are real packages, each with a TLS stack, of the newer suite.
var auditPackages = strings.Fields("python3-cryptography python3-pycurl python3-psycopg2 python3-grpcio python3-awscrt nodejs libnode115 ntpd-rs gh libnss3 libcurl3t64-gnutls libpq5 libgrpc29t64")

// audit holds the audit against our own trees, where nothing may be found, and against a tree of real
// packages, where all has to be.
func (r *real) audit(t *testing.T) {
	own := r.audited(t, 0, "audit:env", r.site().Dir(1))
	if own.Worst() != audit.Holds || len(own.Stacks) < 2 {
		t.Errorf("our own trees: %+v", own)
	}
	weak := r.audited(t, 3, "audit:env", r.restored(t, nil, "openssl-weak", "python-weak"))
	if len(weak.Stacks) < 2 || weak.Count(audit.Below) != len(weak.Stacks) {
		t.Errorf("the weak peers: %+v", weak)
	}
	tree := newPool(t, "trixie").rooted(t, auditPackages...)
	found := r.audited(t, 3, "audit:env", tree)
	got := map[string]audit.Verdict{}
	for _, s := range found.Stacks {
		key := filepath.Base(s.File) + " " + s.Library
		if len(s.Via) > 0 {
			key = filepath.Base(s.File) + " by " + filepath.Base(s.Via[0])
		}
		if got[key] != audit.Below {
			got[key] = s.Verdict
		}
	}
	// What is linked is judged by this machine's libraries, or is unknown where it has none.
	for key, want := range map[string]audit.Verdict{
		"_rust.abi3.so by libssl.so.3": "", "pycurl.cpython-313-x86_64-linux-gnu.so by libcurl-gnutls.so.4": "", "_psycopg.cpython-313-x86_64-linux-gnu.so by libpq.so.5": "",
		"cygrpc.cpython-313-x86_64-linux-gnu.so by libssl.so.3": "", "libnode.so.115 by libssl.so.3": "", "libgrpc.so.29.0.0 by libssl.so.3": "", "libpq.so.5.17 by libssl.so.3": "",
		"_awscrt.abi3.so s2n-tls": audit.Below, "gh Go crypto/tls": audit.Below, "libssl3.so NSS": audit.Below, "ntp-daemon rustls": audit.Holds,
	} {
		verdict, ok := got[key]
		if !ok || want != "" && verdict != want || want == "" && verdict == audit.Holds {
			t.Errorf("%s: %q", key, verdict)
		}
	}
	t.Logf("%d files, %d programs, %d bytes, %d stacks", found.Files, found.Programs, found.Bytes, len(found.Stacks))
	r.auditProcesses(t)
	r.gate(t, tree)
	t.Run("probe", r.probe)
	t.Run("libraries", r.libraries)
}

// gate runs the example of a check for images and logins: what is not accepted is printed, and what is
// accepted passes.
func (r *real) gate(t *testing.T, tree string) {
	run := func(accepted string, folders ...string) (string, int) {
		file := filepath.Join(t.TempDir(), "accepted")
		if err := os.WriteFile(file, []byte(accepted), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", append([]string{filepath.Join("..", "..", "docs", "examples", "audit", "gate.sh"), file}, folders...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "TLSFLOOR=" + program, "HOME=" + t.TempDir()}
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run("", r.site().Dir(1), filepath.Join(tree, "none")); code != 0 || out != "" {
		t.Errorf("our own trees: exit status %d, %s", code, out)
	}
	out, code := run("", tree)
	first, list, _ := strings.Cut(out, "\n")
	if code != 3 || !strings.HasPrefix(first, "TLS stacks that may go below the floor") || !strings.Contains(list, "/gh Go\n") {
		t.Errorf("exit status %d, %s", code, out)
	}
	if out, code := run(list, tree); code != 0 || out != "" {
		t.Errorf("what is accepted: exit status %d, %s", code, out)
	}
}

// audited runs a target of the audit.
func (r *real) audited(t *testing.T, code int, args ...string) *audit.Report {
	t.Helper()
	cmd := exec.Command(program, append(args, "-json")...)
	out, _ := cmd.Output()
	var report audit.Report
	if err := json.Unmarshal(out, &report); err != nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%v: exit status %d, not %d, %v: %.500s", args, cmd.ProcessState.ExitCode(), code, err, out)
	}
	return &report
}

// auditProcesses looks at our Python and at the host's, while each has ssl loaded.
func (r *real) auditProcesses(t *testing.T) {
	for python, want := range map[string]audit.Verdict{filepath.Join(r.site().Dir(1), "python", "bin", "python3"): audit.Holds, "/usr/bin/python3": audit.Below} {
		if exec.Command(python, "-c", "import ssl; assert ssl.HAS_TLSv1_1 == "+map[bool]string{true: "True", false: "False"}[want == audit.Below]).Run() != nil {
			continue // the host has none
		}
		cmd := exec.Command(python, "-c", "import ssl, sys; print('ready', flush=True); sys.stdin.read()")
		hold, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out := piped(t, cmd)
		if _, err := out.Read(make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		report := r.audited(t, map[audit.Verdict]int{audit.Holds: 0, audit.Below: 3}[want], "audit:pid", strconv.Itoa(cmd.Process.Pid))
		if report.Worst() != want || len(report.Stacks) == 0 || !slices.ContainsFunc(report.Stacks, func(s audit.Stack) bool { return s.Library == "OpenSSL" }) {
			t.Errorf("%s: %+v", python, report)
		}
		hold.Close()
	}
}

// probe drives PyOpenSSL on the built Python: it goes below the floor, as its file says, and everything else
// there does not.
func (r *real) probe(t *testing.T) {
	if os.Geteuid() == 0 {
		cmd := exec.Command(program, "audit:env", r.site().Dir(1)+"/python", "-probe")
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "never as root") {
			t.Errorf("as root: %s", out)
		}
	}
	stable, next := newPool(t, "bookworm"), newPool(t, "trixie")
	python := venv(t, filepath.Join(r.site().Dir(1), "python", "bin", "python3"), next.unpacked(t, ocspPackages...))
	buildCFFI(t, python, stable)
	report := r.probed(t, filepath.Dir(filepath.Dir(python)))
	driven := 0
	for _, s := range report.Stacks {
		if s.Live != "" {
			driven++
			if s.Verdict != audit.Below || !strings.Contains(s.Live, "pyopenssl 2") || !strings.Contains(s.Live, "connects at TLS 1.0") {
				t.Errorf("%+v", s)
			}
		}
	}
	if driven == 0 {
		t.Errorf("nothing was driven: %+v", report)
	}
}

// probed runs the audit with -probe as an ordinary user.
func (r *real) probed(t *testing.T, env string) *audit.Report {
	t.Helper()
	argv := []string{program, "audit:env", env, "-probe", "-json"}
	if os.Geteuid() == 0 {
		for _, path := range []string{program, env, r.root} {
			reachable(t, path)
		}
		argv = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "TMPDIR=/tmp"}
	out, err := cmd.Output()
	var report audit.Report
	if json.Unmarshal(out, &report) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return &report
}
