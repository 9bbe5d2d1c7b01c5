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
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil { // else it is nobody's but ours
		t.Fatal(err)
	}
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

// TestReachIsNotChosen: what a script says in its lines shows a program in a folder bin, and nothing else.
func TestReachIsNotChosen(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	at := func(name string) string { return filepath.Join(home, name) }
	put(t, at("real/bin/tool"), "")
	put(t, at("keys/id"), "")
	put(t, at(".ssh/bin/tool"), "")
	put(t, at(".ssh/id"), "")
	if err := os.Chmod(at(".ssh/id"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, at("data/bin/id"), "")
	put(t, at("shut/real/bin/tool"), "")
	link(t, at(".ssh"), at("open"))
	if err := os.Chmod(at("data/bin/id"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at("shut"), 0o700); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"exec " + at("real/bin/tool"):        "real", // the control
		"exec 'AT/real/bin/tool' \"$@\" # x": "real",
		"# exec AT/real/bin/tool":            "",
		"true # exec AT/real/bin/tool":       "",
		"exec AT/keys/id":                    "", // not in a folder bin
		"exec AT/.ssh/bin/tool":              "", // hidden
		"exec AT/open/bin/tool":              "", // hidden behind a link
		"exec AT/data/bin/id":                "", // no program
		"exec AT/real/bin/../../keys/id":     "",
		"link real/bin/tool":                 "real", // the control
		"link .ssh/bin/tool":                 ".ssh", // as pyenv's and uv's are
		"link .ssh/id":                       "",
		"link open/id":                       "",
		"exec AT/shut/real/bin/tool":         map[bool]string{false: "shut/real"}[os.Geteuid() == 0],
	} {
		script := put(t, at("scripts/x"), "#!/bin/sh\n"+strings.ReplaceAll(line, "AT", home)+"\n")
		if to, is := strings.CutPrefix(line, "link "); is {
			script = at("scripts/link")
			os.Remove(script)
			link(t, at(to), script)
		}
		r := &Reach{}
		r.Program(script)
		var got []string
		for _, m := range r.Mounts() {
			if name := strings.TrimPrefix(m.To, home+"/"); name != "scripts" {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: shows %q, not %q", line, got, want)
		}
	}
	for dir, want := range map[string]bool{at("real/lib"): true, at("real/lib/x"): true, at("keys"): false,
		at(".ssh/lib"): false, at("shut/lib"): os.Geteuid() != 0} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := libraries.MatchString(dir) && mayChoose(dir); got != want {
			t.Errorf("a RUNPATH of %s is shown: %v", dir, got)
		}
		r := &Reach{}
		r.Chosen(dir)
		if want = want || dir == at("keys"); want != (len(r.Mounts()) == 1) {
			t.Errorf("a path of packages %s: shown is %v", dir, r.Mounts())
		}
	}
	for _, dir := range []string{"/", "/etc", "/root", home, "/home/me"} {
		r := &Reach{}
		if r.Chosen(dir); len(r.Mounts()) > 0 {
			t.Errorf("all of %s is shown", dir)
		}
	}
}
