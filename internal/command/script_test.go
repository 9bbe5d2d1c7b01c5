package command

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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

var program string // the compiled tlsfloor

// TestMain compiles the program once, as a user without Go gets it.
func TestMain(m *testing.M) {
	if spec := os.Getenv("TLSFLOOR_CRASH"); spec != "" {
		os.Exit(crash(spec))
	}
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
	warm := hostTools(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tiny":     tiny,
			"flip":     flip,
			"status":   status,
			"impostor": impostor,
			"killed":   killed,
			"certify":  certify,
			"accept":   accept,
			"mozilla":  mozilla,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "short":
				return testing.Short(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
			env.Setenv("TLSFLOOR_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("TLSFLOOR_PREFIX", filepath.Join(env.WorkDir, "opt"))
			env.Setenv("TLSFLOOR_OFFLINE", "true")
			env.Setenv("TLSFLOOR_DEPS", "check")
			advisories, err := filepath.Abs(filepath.Join("..", "engine", "advisory", "testdata", "osv"))
			if err != nil {
				return err
			}
			env.Setenv("OSV", advisories)
			// A store that knows the host's tools saves half a second; what is not there is not asked for.
			err = os.CopyFS(filepath.Join(env.WorkDir, "store"), os.DirFS(warm))
			// Ordinary users have to come to it.
			return errors.Join(err, os.Chmod(filepath.Dir(env.WorkDir), 0o755), os.Chmod(env.WorkDir, 0o755))
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

// tiny writes a site's overlay with one small component, its source in a mirror folder. Arguments of the form
// name=text change a file of the source, or add an entry of that name. Later commands use that overlay and
// that mirror.
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
		i := slices.IndexFunc(files, func(f [2]string) bool { return f[0] == name })
		if i < 0 {
			i = len(files)
			files = append(files, [2]string{name})
		}
		files[i][1] = strings.ReplaceAll(text, `\n`, "\n") + "\n"
	}
	b := tarball(ts, files)
	site(ts, map[string]string{
		"mirror/tiny-1.0.0.tar.gz": string(b),
		"site/tiny.yaml":           fmt.Sprintf(tinyRecipe, digest.Of(b), len(b)),
		"site/profiles/tiny.yaml":  tinyProfile,
	})
}

const impostorRecipe = `name: %[1]s
role: install
summary: the host's own %[1]s, which has no floor, under another name
license: Apache-2.0
homepage: https://impostor.example/
needs: []
versions:
  - version: %[2]s
    sources:
      - file: %[1]s-%[2]s.tar.gz
        sha256: %[3]s
        size: %[4]d
        urls: [https://impostor.example/]
        signature: none
        unsigned: a test has no key
        vouched: the test that made it
configure: []
env: []
files: []
build:
  - run: [sh, build.sh]
install:
  - run: [sh, install.sh, "{dest}{prefix}"]
checks: []
`

const impostorProfile = `name: impostor
summary: the host's own programs, which have no floor
floor: "1.2"
versions: {openssl: 3.1.99, python: 3.12.99}
prefixes: {openssl: openssl-impostor, python: python-impostor}
controls: []
`

// impostor writes an overlay whose profile installs the host's own openssl and python3 under our prefixes.
func impostor(ts *testscript.TestScript, _ bool, _ []string) {
	files := map[string]string{"site/profiles/impostor.yaml": impostorProfile}
	for _, c := range [][3]string{{"openssl", "3.1.99", "openssl"}, {"python", "3.12.99", "python3"}} {
		name := c[0] + "-" + c[1]
		b := tarball(ts, [][2]string{
			{name + "/build.sh", "printf '#!/bin/sh\\nexec /usr/bin/" + c[2] + " \"$@\"\\n' >wrapper; chmod 755 wrapper\n"},
			{name + "/install.sh", "mkdir -p \"$1/bin\" && cp wrapper \"$1/bin/" + c[2] + "\"\n"},
		})
		files["mirror/"+name+".tar.gz"] = string(b)
		files["site/"+c[0]+".yaml"] = fmt.Sprintf(impostorRecipe, c[0], c[1], digest.Of(b), len(b))
	}
	site(ts, files)
}

// tarball is pack for a script.
func tarball(ts *testscript.TestScript, files [][2]string) []byte {
	b, err := pack(files)
	ts.Check(err)
	return b
}

// pack makes a .tar.gz of files, as an upstream does.
func pack(files [][2]string) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	var errs []error
	for _, f := range files {
		errs = append(errs, w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(f[1]))
		errs = append(errs, err)
	}
	err := errors.Join(append(errs, w.Close(), z.Close())...)
	return b.Bytes(), err
}

// site writes an overlay and a mirror, which later commands use.
func site(ts *testscript.TestScript, files map[string]string) {
	for path, text := range files {
		path = ts.MkAbs(path)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
	ts.Setenv("TLSFLOOR_RECIPES", ts.MkAbs("site"))
	ts.Setenv("TLSFLOOR_MIRROR", ts.MkAbs("mirror"))
}

// killed starts a command, waits until the file that it names appears, and kills it and nothing else with
// SIGKILL: killed <file> command...
func killed(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: killed <file> command...")
	}
	if args[1] != "tlsfloor" {
		ts.Fatalf("usage: killed <file> tlsfloor ...")
	}
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"TLSFLOOR_STORE", "TLSFLOOR_PREFIX", "TLSFLOOR_RECIPES", "TLSFLOOR_MIRROR", "TLSFLOOR_OFFLINE", "TLSFLOOR_DEPS", "HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	for range 600 {
		if found, _ := filepath.Glob(ts.MkAbs(args[0])); len(found) > 0 {
			ts.Check(cmd.Process.Kill())
			cmd.Wait()
			return
		}
		time.Sleep(50 * time.Millisecond) // polls for what the command does; 30 s at most
	}
	cmd.Process.Kill()
	cmd.Wait()
	ts.Fatalf("%s did not appear", args[0])
}
