package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy/deploytest"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/turntest"
	"github.com/tlsfloor/tlsfloor/verify"
)

// crash is what TestMain becomes for TestCrash: a build of the profile tiny in this process, in which the
// n-th point of package fault fails as the mode says. It prints how many points there were.
func crash(spec string) int {
	mode, number, _ := strings.Cut(spec, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 99
	}
	points := 0
	fault.Inject = func(string) error {
		if points++; points != n {
			return nil
		}
		switch mode {
		case "kill":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "enospc":
			return syscall.ENOSPC
		case "eio":
			return syscall.EIO
		}
		return nil
	}
	// What is tried here happens around the proof: the small component has no TLS to try.
	pretend = func(b rig, q trial.Request, g deploy.Generation) (*verify.Proof, error) {
		return deploytest.Proof(noTest{}, q.Floor, g.Components,
			func(name string) string { return b.locate(g.Components[name].Prefix) }), nil
	}
	if os.Getenv("TLSFLOOR_CRASH_TARGET") == "verify" {
		err = Run(context.Background(), "verify", Flags{})
	} else {
		err = Run(context.Background(), "build", Flags{})
	}
	fmt.Println("points", points)
	if code, ok := errors.AsType[exit](err); ok {
		return code.ExitStatus()
	}
	return 0
}

// noTest lets a helper of tests run in a process that is none.
type noTest struct{ testing.TB }

func (noTest) Helper()           {}
func (noTest) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// crashSite writes the overlay, the mirror and the environment of a build of the profile tiny. A warm one
// begins with a store that knows the host's tools, which saves half a second.
func crashSite(t *testing.T, warm bool) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	b, err := pack([][2]string{
		{"tiny-1.0.0/build.sh", "echo built >result\n"},
		{"tiny-1.0.0/install.sh", "mkdir -p \"$1/bin\" && for i in 1 2 3; do cp result \"$1/bin/$i\"; echo $i >>\"$1/bin/$i\"; done\n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"mirror/tiny-1.0.0.tar.gz": string(b),
		"site/tiny.yaml":           fmt.Sprintf(tinyRecipe, digest.Of(b), len(b)),
		"site/profiles/tiny.yaml":  tinyProfile,
	} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	env = append(os.Environ(), "TLSFLOOR_PROFILE=tiny", "TLSFLOOR_OFFLINE=true", "TLSFLOOR_DEPS=check", "TLSFLOOR_QUIET=true")
	for _, name := range []string{"store", "mirror", "prefix"} {
		env = append(env, "TLSFLOOR_"+strings.ToUpper(name)+"="+filepath.Join(dir, name))
	}
	if warm {
		if err := os.CopyFS(filepath.Join(dir, "store"), os.DirFS(hostTools(t))); err != nil {
			t.Fatal(err)
		}
	}
	return dir, append(env, "TLSFLOOR_RECIPES="+filepath.Join(dir, "site"))
}

// hostTools is a store that holds nothing but what is known of the host's tools.
var hostTools = func() func(t *testing.T) string {
	var once sync.Once
	var dir string
	return func(t *testing.T) string {
		once.Do(func() {
			dir = filepath.Join(filepath.Dir(program), "store")
			if _, err := store.Open(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := (sandbox.Host{}).Fingerprint(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
		})
		return dir
	}
}()

// TestCrash stops a build at every point at which it makes something last: killed, with a full disk, with a
// failing disk. What a user sees afterwards is the old state or the new one, and the next build finishes by
// itself.
func TestCrash(t *testing.T) {
	var tried atomic.Int32
	t.Cleanup(func() {
		t.Logf("%d points were tried", tried.Load())
		if os.Getenv("TLSFLOOR_TEST") == long && tried.Load() < 100 || tried.Load() < 12 {
			t.Errorf("only %d points were tried", tried.Load())
		}
	})
	for _, mode := range []string{"kill", "enospc", "eio"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			points := crashPoints(t)
			if points < 20 {
				t.Fatalf("only %d points: nothing is tried", points)
			}
			for n := 1; n <= points; n++ {
				if !turntest.Now(n) {
					continue
				}
				dir, env := crashSite(t, n > 8) // the first points are those of a new store
				out, err := crashing(env, mode, n)
				installed := filepath.Join(dir, "prefix", "tiny-prefix", "bin", "3")
				if b, readErr := os.ReadFile(installed); readErr == nil && string(b) != "built\n3\n" {
					t.Fatalf("point %d: half a toolchain is installed: %q", n, b)
				}
				if err == nil { // this build had fewer
					break
				}
				tried.Add(1)
				failedWell(t, mode, n, out, err)
				if out, err := crashing(env, "none", 0); err != nil {
					t.Fatalf("the build after a stop at point %d: %v\n%s", n, err, out)
				}
				leftNothing(t, n, dir)
			}
		})
	}
}

// crashPoints is how many points a build has at which it makes something last.
func crashPoints(t *testing.T) (n int) {
	t.Helper()
	_, env := crashSite(t, true)
	out, err := crashing(env, "none", 0)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(out, "points ")
	fmt.Sscan(rest, &n)
	return n
}

func crashing(env []string, mode string, n int) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(env, fmt.Sprintf("TLSFLOOR_CRASH=%s:%d", mode, n))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// failedWell holds the way in which a build failed: by the signal, or with a hint and exit code 1.
func failedWell(t *testing.T, mode string, n int, out string, err error) {
	t.Helper()
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("point %d: %v", n, err)
	}
	if mode == "kill" {
		if status := ended.Sys().(syscall.WaitStatus); !status.Signaled() {
			t.Fatalf("point %d: it was not killed: %v\n%s", n, err, out)
		}
		return
	}
	want := map[string]string{"enospc": "disk full", "eio": "input/output error"}[mode]
	if ended.ExitCode() != int(fault.Failed) || !strings.Contains(out, want) {
		t.Errorf("point %d: exit status %d, want 1 and %q\n%s", n, ended.ExitCode(), want, out)
	}
	if mode == "enospc" && !strings.Contains(out, "tlsfloor: hint: ") {
		t.Errorf("point %d: no hint\n%s", n, out)
	}
}

// leftNothing looks for what a stopped build could leave for good.
func leftNothing(t *testing.T, n int, dir string) {
	t.Helper()
	for _, pattern := range []string{"store/work/*", "store/blobs/*/.tmp-*", "store/.tmp-*", "prefix/.tlsfloor/tiny/.new-*"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("point %d: %v, %v stayed", n, left, err)
		}
	}
	site := deploy.Site{Base: filepath.Join(dir, "prefix"), Profile: "tiny", Prefixes: map[string]string{"tiny": "tiny-prefix"}}
	if altered, _, err := site.Altered(context.Background(), site.Current(), true); err != nil || len(altered) > 0 || !site.Linked() {
		t.Errorf("point %d: the next build installed generation %d with altered %v, linked %v, %v", n, site.Current(), altered, site.Linked(), err)
	}
}
