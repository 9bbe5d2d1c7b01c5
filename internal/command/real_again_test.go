package command

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// killed kills a real build at five moments with SIGKILL, each time going on with what the one before has
// left, and lets it finish then.
func (r *real) killed(t *testing.T) {
	args := []string{"build", "-profile=min-tls1_3", "-root=" + r.root, "-store=" + filepath.Join(t.TempDir(), "store")}
	for _, moment := range []string{"fetched in", "build/openssl +building", "built openssl", "build/python +building", "built python "} {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
		errs, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want, seen := regexp.MustCompile(moment), false
		for sc := bufio.NewScanner(errs); !seen && sc.Scan(); {
			seen = want.MatchString(sc.Text())
		}
		cmd.Process.Kill()
		cmd.Wait()
		if !seen {
			t.Fatalf("the build never said %q", moment)
		}
		if _, err := os.Lstat(filepath.Join(r.root, "opt", "python-with-min-tls1_3")); err == nil {
			t.Fatalf("killed at %q, and something is installed", moment)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "min-tls1_3: generation 1 is in use") {
		t.Errorf("the build after five kills: %v\n%s", err, out)
	}
}

// profile builds and proves another profile.
func (r *real) profile(t *testing.T, name string) {
	stdout, _ := r.tlsfloor(t, "build", "-profile="+name, "-alloweol")
	if !strings.Contains(stdout, name+": generation 1 is in use") {
		t.Errorf("it ends with\n%s", stdout)
	}
	if own := r.audited(t, 0, "audit:env", filepath.Join(r.root, "opt", ".tlsfloor", name, "1")); len(own.Stacks) < 2 {
		t.Errorf("its TLS stacks: %+v", own)
	}
	if name == "lts-3.0" { // whose Python is the one that the distribution's compiled packages are for
		t.Run("aws", func(t *testing.T) {
			r.aws(t, filepath.Join(r.root, "opt", ".tlsfloor", name, "1", "python", "bin", "python3"))
		})
	}
}

// awsPackages are the AWS CLI of a suite with Python 3.11, and what it needs. awscrt and cryptography bring
// code of their own, which does not connect here.
var awsPackages = strings.Fields("awscli python3-awscrt python3-colorama python3-cryptography python3-cffi-backend python3-dateutil python3-distro python3-docutils python3-jmespath " +
	"python3-prompt-toolkit python3-roman python3-ruamel.yaml python3-six python3-urllib3 python3-wcwidth")

// aws runs the AWS CLI on the built Python against `serve`.
func (r *real) aws(t *testing.T, built string) {
	python := venv(t, built, newPool(t, "bookworm").unpacked(t, awsPackages...))
	ca, urls := r.serving(t)
	for _, test := range []struct{ scenario, command, want string }{
		{"any", "sts get-caller-identity", `"Arn": "arn:aws:iam::123456789012:user/example"`},
		{"tls12", "s3 ls", " ok\n"},
		{"tls11", "sts get-caller-identity", "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version"},
		{"tls10", "s3 ls", "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version"},
		{"cert-untrusted", "s3 ls", "[SSL: CERTIFICATE_VERIFY_FAILED]"},
	} {
		cmd := exec.Command(python, append([]string{"-m", "awscli", "--endpoint-url", urls[test.scenario]}, strings.Fields(test.command)...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_CA_BUNDLE=" + ca, "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_DEFAULT_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1"}
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), test.want) {
			t.Errorf("%s, aws %s: %q, want %q", test.scenario, test.command, out, test.want)
		}
	}
}

// rebuild builds everything once more under all variations together.
func (r *real) rebuild(t *testing.T) {
	cmd := exec.Command(program, "rebuild", "-packages=rpm", "-store="+r.store, "-report="+t.TempDir())
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	t.Log("\n" + string(out))
	if err != nil || !regexp.MustCompile(`(?m)^reproducible: \d{3,} files of 13 components are equal under \d\d variations`).Match(out) {
		t.Errorf("rebuilding: %v", err)
	}
	// The README's table, whose bytes and digests are of the tools that they were made with; its bundle has
	// no packages in it.
	_, texts := book(t)
	all := blocks(texts["README.md"])
	at := slices.IndexFunc(all, func(block []string) bool { return strings.HasPrefix(block[0], "COMPONENT ") })
	if at < 0 {
		t.Fatal("the README shows no rebuild")
	}
	const others = "^bundle |^reproducible: |^$"
	got := lines(string(out), others)
	if begin := slices.IndexFunc(got, func(line string) bool { return strings.HasPrefix(line, "COMPONENT ") }); begin > 0 {
		got = got[begin:]
	}
	if err := (page{Vary: `\d+ [0-9a-f]{64}`}).printed(got, lines(strings.Join(all[at], "\n"), others), map[string]string{}); err != nil {
		t.Errorf("the README's rebuild: %v", err)
	}
}
