package cli

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// killed kills a real build at five moments with SIGKILL, each time going on with what the one before has left, and lets it finish then.
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
}

// rebuild builds everything once more under all variations together.
func (r *real) rebuild(t *testing.T) {
	cmd := exec.Command(program, "rebuild", "-store="+r.store, "-report="+t.TempDir())
	cmd.Env = append(os.Environ(), "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	t.Log("\n" + string(out))
	if err != nil || !regexp.MustCompile(`(?m)^reproducible: \d{3,} files of 12 components are equal under \d\d variations`).Match(out) {
		t.Errorf("rebuilding: %v", err)
	}
}
