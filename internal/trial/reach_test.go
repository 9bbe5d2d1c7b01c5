package trial

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestReach(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	at := func(name string) string { return filepath.Join(home, name) }
	put(t, at("pyenv/versions/3.12/bin/python3.12"), "")
	link(t, "python3.12", at("pyenv/versions/3.12/bin/python3"))
	link(t, at("pyenv/versions/3.12/bin/python3"), at("venv/bin/python3"))
	put(t, at("venv/pyvenv.cfg"), "home = "+at("other/bin")+"\nversion = 3.12\n")
	put(t, at("other/bin/python3"), "")
	put(t, at("jdk/bin/java"), "")
	put(t, at("scripts/check.py"), "#!"+at("venv2/bin/python3")+"\n")
	put(t, at("venv2/bin/python3"), "#!/bin/sh\nexec '"+at("real/bin/python3")+"' \"$@\"\n")
	put(t, at("real/bin/python3"), "")
	put(t, at("alone.sh"), "#!/bin/sh\n")
	put(t, at("bin/tool"), "")
	put(t, at("secret"), "")
	link(t, "pyenv/versions", at("current"))
	put(t, at("named/bin/client"), "")
	put(t, at("maven/driver.jar"), "")
	link(t, at("maven/driver.jar"), at("share/java/driver.jar"))
	t.Setenv("PATH", at("named/bin")+":/usr/bin:/bin")
	for name, test := range map[string]struct {
		ask  func(*Reach)
		want []string
	}{
		"a virtual environment": {func(r *Reach) { r.Program(at("venv/bin/python3")) }, []string{"other",
			"pyenv/versions/3.12", "venv"}},
		"by a link to a folder": {func(r *Reach) { r.Program(at("current/3.12/bin/python3")) },
			[]string{"current/3.12", "pyenv/versions/3.12"}},
		"a JDK and a script": {func(r *Reach) {
			r.Command(at("jdk/bin/java") + " -jar x && '" +
				at("scripts/check.py") + "' {url}")
		}, []string{"jdk", "real", "scripts", "venv2"}},
		"a file of a home folder": {func(r *Reach) { r.Command(at("alone.sh") + " --ca=" + at("secret")) },
			[]string{"alone.sh", "secret"}},
		"a program of its bin": {func(r *Reach) { r.Program(at("bin/tool")) }, []string{"bin"}},
		"a class path": {func(r *Reach) {
			r.Command("client -cp '" + at("share/java/*") + ":" + at("none/*") + "' Main")
		}, []string{"maven", "named", "share/java"}},
		"a program in PATH": {func(r *Reach) { r.Command("env A=1 client {port}") }, []string{"named"}},
		"the system's":      {func(r *Reach) { r.Command("/usr/bin/env curl /etc /") }, []string{"/etc"}},
		"in another":        {func(r *Reach) { r.Add(at("jdk/bin")); r.Add(at("jdk")) }, []string{"jdk"}},
		"what is not there": {func(r *Reach) { r.Add(at("none")); r.Program(at("none/x")) }, nil},
	} {
		r := &Reach{}
		test.ask(r)
		var got []string
		for _, m := range r.Mounts() {
			got = append(got, strings.TrimPrefix(m.To, home+"/"))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
}
