package deploy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// cc compiles text to a file.
func cc(t *testing.T, path, text string, flags ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cc", append([]string{"-o", path, "-x", "c", "-"}, flags...)...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
}

// plantLibc puts a C library of a version below root.
func plantLibc(t *testing.T, root, version string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(script, []byte("GLIBC_2.2.5 { planted; };\nGLIBC_"+version+" { planted2; } GLIBC_2.2.5;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cc(t, filepath.Join(root, "lib64/libc.so.6"), "void planted(void) {} void planted2(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,--version-script="+script)
}

func TestOlderGLIBCIsRefused(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no cc to plant with")
	}
	w := newWorld(t)
	w.Root, w.Base = t.TempDir(), "/opt"
	src := t.TempDir()
	cc(t, filepath.Join(src, "bin/python"), "int main(void) { return 0; }")
	output, err := w.st.AddTree(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	g := Generation{Profile: w.Profile, Components: map[string]Component{"python": {Version: "1", Prefix: w.Prefix("python"), Output: output}}}
	staged, err := w.Stage(context.Background(), FromStore(w.st), g)
	if err != nil || w.GLIBC() != "" {
		t.Fatalf("a root without a C library (%q): %v", w.GLIBC(), err)
	}
	want, err := elfpolicy.GLIBC(src)
	kept, keptErr := w.Generation(staged.Number)
	if err != nil || keptErr != nil || want == "" || staged.GLIBC != want || kept.GLIBC != want {
		t.Fatalf("staged with glibc %q, kept %q, want %q: %v, %v", staged.GLIBC, kept.GLIBC, want, err, keptErr)
	}
	plantLibc(t, w.Root, "2.10")
	for name, do := range map[string]func() error{
		"staging":   func() error { _, err := w.Stage(context.Background(), FromStore(w.st), g); return err },
		"switching": func() error { return w.use(staged) },
	} {
		err := do()
		if err == nil || fault.CodeOf(err) != fault.Failed || fault.HintOf(err) == "" {
			t.Fatalf("%s with an older C library: %v, hint %q", name, err, fault.HintOf(err))
		}
		for _, text := range []string{"need glibc " + want, w.Root + " has 2.10"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q does not say %q", name, err, text)
			}
		}
	}
	if _, err := os.Stat(w.Dir(staged.Number + 1)); !errors.Is(err, fs.ErrNotExist) || w.Current() != 0 {
		t.Errorf("the refused generation is there: %v; in use is %d", err, w.Current())
	}
	plantLibc(t, w.Root, want)
	if err := w.use(staged); err != nil {
		t.Errorf("the same version is refused: %v", err)
	}
}
