package subject

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
)

// What ran is named by digest, however a wrapper leads there; the interpreter itself is the control.
func TestWrappersAreNamed(t *testing.T) {
	const host = "/usr/bin/python3"
	if err := exec.Command(host, "-c", "import ssl").Run(); err != nil {
		t.Skipf("the host has no python3 with ssl: %v", err)
	}
	starter := filepath.Join(t.TempDir(), "starter")
	cc := exec.Command("cc", "-o", starter, "-x", "c", "-")
	cc.Stdin = strings.NewReader(`#include <unistd.h>
		int main(int n, char **v) { v[0] = "` + host + `"; execv(v[0], v); return 1; }`)
	if out, err := cc.CombinedOutput(); err != nil {
		t.Skipf("no cc to plant with: %v %s", err, out)
	}
	for name, test := range map[string]struct{ path, want string }{
		"the interpreter":          {host, ""},
		"a script that becomes it": {script(t, "exec "+host+` "$@"`), "is a script (#!/bin/sh)"},
		"a script that starts it":  {script(t, host+` "$@"; exit $?`), "is a script (#!/bin/sh)"},
		"a program":                {starter, "is a program that starts another"},
	} {
		t.Run(name, func(t *testing.T) {
			tools := verify.Toolchain{Python: test.path}
			p := prove(t, verify.Options{Toolchain: tools, Kind: verify.KindPython, Open: Open,
				OpenSSLVersion: "3.0.1"})
			starts := map[string]bool{}
			for _, e := range p.Executed {
				starts[e.Start] = true
				if len(e.Ran) == 0 {
					t.Fatalf("%q: nothing seen: %+v", e.Start, e)
				}
				if last := e.Ran[len(e.Ran)-1]; !strings.HasPrefix(last.Name, "python3") ||
					len(last.SHA256) != 64 || len(e.Maps) == 0 {
					t.Errorf("%q: ran %+v, maps %+v", e.Start, e.Ran, e.Maps)
				}
				if !strings.Contains(e.Other, test.want) || test.want == "" && e.Other != "" {
					t.Errorf("%q: %q, not %q", e.Start, e.Other, test.want)
				}
			}
			if !starts[""] || !starts["as a script"] {
				t.Errorf("starts %v", starts)
			}
			if text := page(p); strings.Contains(text, "\nwrapper: python") != (test.want != "") {
				t.Errorf("the table: %s", text)
			}
		})
	}
}

// Where no process is seen, the table says so; the interpreter itself is the control.
func TestUnseenProcessesAreSaid(t *testing.T) {
	const host = "/usr/bin/python3"
	if err := exec.Command(host, "-c", "import ssl").Run(); err != nil {
		t.Skipf("the host has no python3 with ssl: %v", err)
	}
	p := prove(t, verify.Options{Toolchain: verify.Toolchain{Python: host}, Kind: verify.KindPython, Open: Open,
		OpenSSLVersion: "3.0.1"})
	for _, e := range p.Executed {
		if e.Other != "" {
			t.Errorf("control: %q: %s", e.Start, e.Other)
		}
	}

	p = prove(t, verify.Options{Toolchain: verify.Toolchain{Python: "/nonexistent/python3"},
		Kind: verify.KindPython, Open: Open, OpenSSLVersion: "3.0.1"})
	if want := "\nwrapper: python: no process was seen: "; !strings.Contains(page(p), want) {
		t.Errorf("no %q in %s", want, page(p))
	}
}

// A link that a subject has put in the way leads to nothing of the host.
func TestDigestInDoesNotLeave(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own"), []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"absolute": filepath.Join(other, "secret"), "up": "../" +
		filepath.Base(other) + "/secret"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"/absolute", "/up", "/none", "/"} {
		if d := digestIn(root, name); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if digestIn(root, "/own") == "" {
		t.Error("control: a file of its own has no digest")
	}
}
