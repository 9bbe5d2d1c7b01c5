package steps

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// TestKeepShut: a step that fails again takes the place of its older failure, whatever the step has shut.
// For root nothing is shut, so root runs the test as an ordinary user.
func TestKeepShut(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t, "TestKeepShut")
		return
	}
	for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
		t.Run(string(mode), func(t *testing.T) {
			j := hostileJob(t, mode)
			script := "mkdir -p shut/deep/er; : >shut/deep/er/file; chmod 0 shut/deep/er shut/deep shut .; "
			if mode == sandbox.None { // elsewhere the folder above is out of reach
				script += "mkdir -p ../enter.sh/shut/x; chmod 0 ../enter.sh/shut ../enter.sh ..; "
			}
			var kept string
			for _, text := range []string{"first", "second"} {
				again := *j
				if text == "second" {
					again = *hostileJob(t, mode)
					again.Store = j.Store
				}
				if err := again.tell(script + "echo " + text + "; exit 1"); err == nil {
					t.Fatal("the step did not fail")
				}
				kept = j.Store.Failed("build/evil")
				log, err := os.ReadFile(filepath.Join(kept, "log"))
				if err != nil || !strings.Contains(string(log), "\n"+text+"\n") {
					t.Errorf("the log of the %s failure: %q, %v", text, log, err)
				}
			}
			for _, made := range []string{"enter.sh", "enter.json"} {
				info, err := os.Lstat(filepath.Join(kept, made))
				if err != nil || !info.Mode().IsRegular() || info.Size() < 40 {
					t.Errorf("kept %s is %v, %v", made, info, err)
				}
			}
			if err := os.RemoveAll(kept); err == nil {
				t.Error("control: nothing is shut")
			}
			store.RemoveAll(kept)
		})
	}
}

// asNobody runs a test of this program again as a user without any right.
func asNobody(t *testing.T, name string) {
	t.Helper()
	const nobody = 65534
	dir, err := os.MkdirTemp("", "tlsfloor-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, tmp := filepath.Join(dir, "build.test"), filepath.Join(dir, "tmp")
	text, err := os.ReadFile("/proc/self/exe")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(self, text, 0o755), os.Mkdir(tmp, 0o755),
		os.Chown(tmp, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+name+"$", "-test.v")
	cmd.Dir, cmd.Env = tmp, []string{"TMPDIR=" + tmp, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("as an ordinary user: %v\n%s", err, out)
	}
}
