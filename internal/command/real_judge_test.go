package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/verify"
)

// judge runs the judge's own tests of real toolchains on what was built: the weak peers, the host's own stack
// and another floor must fail. And the advice on errors is held against what this Python prints.
func (r *real) judge(t *testing.T) {
	r.judgeWith(t, "./verify/subject", "RealToolchain|WeakPeers|HostFails", 4)
	r.judgeWith(t, "./verify/advice", "RealClients", 1)
	r.judgeWith(t, "./verify/balancer", "RealPython", 1)
}

// judgeWith runs those of a package that match, of which at least so many have to pass.
func (r *real) judgeWith(t *testing.T, room, tests string, least int, env ...string) {
	t.Helper()
	dir := r.restored(t, nil, "openssl-weak", "python-weak")
	cmd := exec.Command("go", "test", "-count=1", "-v", "-run", tests, room)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(),
		"TLSFLOOR_TEST_OPENSSL="+filepath.Join(r.site().Dir(1), "openssl", "bin", "openssl"),
		"TLSFLOOR_TEST_PYTHON="+filepath.Join(r.site().Dir(1), "python", "bin", "python3"),
		"TLSFLOOR_TEST_WEAK_OPENSSL="+filepath.Join(dir, "openssl-weak", "bin", "openssl"),
		"TLSFLOOR_TEST_WEAK_SSL="+filepath.Join(dir, "python-weak", "lib", "_ssl.so"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP: TestHostFails") { // this machine's stack is another one than the list is for
		t.Logf("%s", out)
		least--
	} else if strings.Contains(string(out), "--- SKIP") {
		t.Errorf("something was skipped:\n%s", out)
	}
	if err != nil || strings.Count(string(out), "--- PASS: Test") < least {
		t.Errorf("%v\n%s", err, out)
	}
}

// record is the store's of a step of the build that these flags choose. The last of the profile may be of
// other optional sets.
func (r *real) record(t *testing.T, st *store.Store, step string, flags ...string) store.Record {
	t.Helper()
	out, err := exec.Command(program, append([]string{"plan", "-json", "-store=" + r.store}, flags...)...).Output()
	var steps []planned
	if err == nil {
		err = json.Unmarshal(out, &steps)
	}
	i := slices.IndexFunc(steps, func(p planned) bool { return p.Step == step })
	if err != nil || i < 0 {
		t.Fatalf("%s is not in the plan (%v):\n%s", step, err, out)
	}
	rec, err := st.Record(steps[i].Key)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// restored takes controls out of the store, of the build that these flags choose.
func (r *real) restored(t *testing.T, flags []string, controls ...string) string {
	t.Helper()
	st, err := store.Open(r.store)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, control := range controls {
		rec := r.record(t, st, "build/"+control, flags...)
		if err := st.Restore(context.Background(), rec.Output, filepath.Join(dir, control)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// others holds what tlsfloor did not make to the floor, with the exit codes that people see.
func (r *real) others(t *testing.T) {
	python := filepath.Join(r.site().Dir(1), "python", "bin", "python3")
	openssl := filepath.Join(r.site().Dir(1), "openssl", "bin", "openssl")
	report := t.TempDir()
	addr := r.listening(t, openssl)
	for _, test := range []struct {
		args []string
		code int
		want string // in what it prints
	}{
		{[]string{"-client=" + python + ` -c 'import ssl, sys, urllib.request as u; u.urlopen(sys.argv[2], context=ssl.create_default_context(cafile=sys.argv[1])).read()' {ca} {url}`}, 0, "9 of 9 cases pass"},
		{[]string{"-client=" + openssl + " s_client -brief -CAfile {ca} -verify_return_error -connect {addr}:{port} -servername {host} -verify_hostname {host}"}, 0, "9 of 9 cases pass"},
		{[]string{"-client=/nowhere/program {port}"}, 9, "9 unproven"},
		{[]string{"-server=" + addr}, 0, "7 of 7 cases pass"},
		{[]string{"-server=192.0.2.1:443"}, 2, ""},
		{[]string{"-python=" + python}, 0, "4 warned"},
		{[]string{"-python=" + python, "-openssl=" + openssl, "-report=" + report}, 0, "TLS floor 1.2: pass"},
	} {
		out, code := r.verify(t, test.args...)
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("verify %q: exit status %d, not %d\n%s", test.args, code, test.code, out)
		}
	}
	for _, name := range []string{"proof.html", "junit.xml", "transcripts.txt", "test-result.intoto.json", "scai.intoto.json", "svr.intoto.json"} {
		if info, err := os.Stat(filepath.Join(report, name)); err != nil || info.Size() == 0 {
			t.Errorf("report: %s: %v", name, err)
		}
	}
	r.hostByJSON(t)
}

// hostByJSON is the host's own Python as a program sees the result.
func (r *real) hostByJSON(t *testing.T) {
	if exec.Command("/usr/bin/python3", "-c", "import ssl; assert ssl.HAS_TLSv1_1").Run() != nil {
		t.Skip("the host has no Python with TLS 1.1")
	}
	out, code := r.verify(t, "-python=/usr/bin/python3", "-json")
	var result tried
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Proof.Status != verify.Fail || code != 3 {
		t.Errorf("exit status %d, %v: %.300s", code, err, out)
	}
}

// verify runs the target and returns its standard output and exit status.
func (r *real) verify(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"verify", "-store=" + r.store}, args...)...)
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	t.Logf("verify %q\n%s", args, errs.String())
	return string(out), cmd.ProcessState.ExitCode()
}

// listening starts the built s_server with everything allowed, and returns its address.
func (r *real) listening(t *testing.T, openssl string) string {
	t.Helper()
	dir := t.TempDir()
	key := exec.Command(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem")
	key.Dir = dir
	if out, err := key.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-min_protocol", "TLSv1", "-cipher", "DEFAULT@SECLEVEL=0")
	cmd.Dir = dir
	hold, err := cmd.StdinPipe() // it ends with its standard input
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
	t.Cleanup(func() {
		hold.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	var said []byte
	for buf := make([]byte, 256); ; {
		n, err := out.Read(buf)
		said = append(said, buf[:n]...)
		if m := regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)\s*$`).FindSubmatch(said); m != nil {
			go func() { // or a full pipe would stop it
				for {
					if _, err := out.Read(buf); err != nil {
						return
					}
				}
			}()
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("s_server says %q, %v", said, err)
		}
	}
}

// guidesFlags builds libssl and _ssl with the flags that people give by hand, and has the judge name what
// they leave.
func (r *real) guidesFlags(t *testing.T) {
	overlay := t.TempDir()
	for from, to := range map[string]string{"openssl-weak": "openssl-guide", "python-weak": "python-guide"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "recipes", from+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		guide := strings.NewReplacer("name: "+from, "name: "+to, "openssl-weak", "openssl-guide", `"-Wl,--exclude-libs,ALL", `, "").Replace(string(text))
		for _, protocol := range []string{"ssl3", "tls1", "tls1_1"} { // the methods and DTLS stay as they are by default
			guide = strings.ReplaceAll(guide, "arg: enable-"+protocol+"\n", "arg: no-"+protocol+"\n")
		}
		guide = regexp.MustCompile(`(?m)^  - arg: enable-(\S+-method|dtls1)\n(    when: .*\n)?    why: .*\n`).ReplaceAllString(guide, "")
		if err := os.WriteFile(filepath.Join(overlay, to+".yaml"), []byte(guide), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	profile, err := os.ReadFile(filepath.Join("..", "..", "recipes", "profiles", "min-tls1_2.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	named := strings.NewReplacer("name: min-tls1_2", "name: guides-flags", "[openssl-weak, python-weak]", "[openssl-guide, python-guide]").Replace(string(profile))
	if err := os.MkdirAll(filepath.Join(overlay, "profiles"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(overlay, "profiles", "guides-flags.yaml"), []byte(named), 0o644); err != nil {
		t.Fatal(err)
	}
	// Without weak peers nothing is proved, and the two are in the store all the same.
	cmd := exec.Command(program, "build", "-profile=guides-flags", "-recipes="+overlay, "-store="+r.store, "-root="+filepath.Join(t.TempDir(), "image"))
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 9 {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := r.restored(t, []string{"-profile=guides-flags", "-recipes=" + overlay}, "openssl-guide", "python-guide")
	r.judgeWith(t, "./verify/subject", "GuidesFlags", 1, "TLSFLOOR_TEST_GUIDE_OPENSSL="+filepath.Join(dir, "openssl-guide", "bin", "openssl"), "TLSFLOOR_TEST_GUIDE_SSL="+filepath.Join(dir, "python-guide", "lib", "_ssl.so"))
}
