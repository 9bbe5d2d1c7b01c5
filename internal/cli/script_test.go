package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tlsfloor/tlsfloor/internal/digest"
)

var program string // the compiled tlsfloor

// TestMain compiles the program once, as a user without Go gets it.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "tlsfloor-script-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Chmod(dir, 0o755) // scripts run the program as an ordinary user too
	program = filepath.Join(dir, "tlsfloor")
	cmd := exec.Command("go", "tool", "mage", "-compile", program)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "compiling: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tiny":   tiny,
			"flip":   flip,
			"status": status,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
			env.Setenv("TLSFLOOR_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("TLSFLOOR_PREFIX", filepath.Join(env.WorkDir, "opt"))
			env.Setenv("TLSFLOOR_OFFLINE", "true")
			env.Setenv("TLSFLOOR_DEPS", "check")
			return errors.Join(os.Chmod(filepath.Dir(env.WorkDir), 0o755), os.Chmod(env.WorkDir, 0o755)) // for ordinary users
		},
	})
}

// status runs a command and holds its exit status against the first argument: status 5 tlsfloor build.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status <code> command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// flip changes one byte in the middle of each file that matches.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	for _, pattern := range args {
		files, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(files) == 0 {
			ts.Fatalf("no file matches %s", pattern)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			ts.Check(err)
			b[len(b)/2] ^= 1
			ts.Check(os.Chmod(file, 0o644))
			ts.Check(os.WriteFile(file, b, 0o644))
		}
	}
}

const tinyRecipe = `name: tiny
role: install
summary: a component of a few bytes
license: Apache-2.0
homepage: https://tiny.example/
versions:
  - version: 1.0.0
    sources:
      - file: tiny-1.0.0.tar.gz
        sha256: %s
        size: %d
        urls: [https://tiny.example/tiny-1.0.0.tar.gz]
        signature: none
        unsigned: a test has no key
        vouched: the test that made it
build:
  - run: [sh, build.sh]
install:
  - run: [sh, install.sh, "{dest}{prefix}"]
checks: []
`

const tinyProfile = `name: tiny
summary: one component of a few bytes
floor: "1.2"
versions: {tiny: 1.0.0}
prefixes: {tiny: tiny-prefix}
controls: []
`

// tiny writes a site's overlay with one small component, its source in a mirror folder. Arguments of the form name=text change a file
// of the source, or add an entry of that name. Later commands use that overlay and that mirror.
func tiny(ts *testscript.TestScript, _ bool, args []string) {
	files := [][2]string{
		{"tiny-1.0.0/build.sh", "echo building; echo built >result\n"},
		{"tiny-1.0.0/install.sh", "mkdir -p \"$1/bin\" && cp result \"$1/bin/result\"\n"},
		{"tiny-1.0.0/text", "one\ntwo\nthree\n"},
	}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("usage: tiny [name=text ...]")
		}
		found := false
		for i := range files {
			if files[i][0] == name {
				files[i][1], found = text+"\n", true
			}
		}
		if !found {
			files = append(files, [2]string{name, text + "\n"})
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range files {
		ts.Check(w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(f[1]))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(z.Close())
	for path, text := range map[string]string{
		"mirror/tiny-1.0.0.tar.gz": b.String(),
		"site/tiny.yaml":           fmt.Sprintf(tinyRecipe, digest.Of(b.Bytes()), b.Len()),
		"site/profiles/tiny.yaml":  tinyProfile,
	} {
		path = ts.MkAbs(path)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
	ts.Setenv("TLSFLOOR_RECIPES", ts.MkAbs("site"))
	ts.Setenv("TLSFLOOR_MIRROR", ts.MkAbs("mirror"))
}
