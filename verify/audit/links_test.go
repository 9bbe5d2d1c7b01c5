package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a file, and the folders around it.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// weak is a class file with the marks of a stack that goes below the floor: the smallest thing that has a
// verdict.
var weak = "\xca\xfe\xba\xbe\x00\x00\x00\x34" + bare("sun/security/|ssl/ProtocolVersion") + "\x00"

func link(t testing.TB, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// Each way in which an environment leads outside of itself is followed: each case is called "holds" by an
// audit that follows no links.
func TestOutside(t *testing.T) {
	site := "lib/python3.13/site-packages"
	for name, lay := range map[string]func(t *testing.T, env, out string) string{
		"a link to a file": func(t *testing.T, env, out string) string {
			link(t, write(t, out+"/a.class", weak), env+"/"+site+"/p/a.class")
			return env + "/" + site + "/p/a.class"
		},
		"a link to a folder": func(t *testing.T, env, out string) string {
			write(t, out+"/deep/er/a.class", weak)
			link(t, out, env+"/"+site+"/p")
			return env + "/" + site + "/p"
		},
		"a link to a link": func(t *testing.T, env, out string) string {
			link(t, write(t, out+"/a.class", weak), out+"/other")
			link(t, out+"/other", env+"/bin/tool")
			return env + "/bin/tool"
		},
		"a link in a folder that a link leads to": func(t *testing.T, env, out string) string {
			link(t, write(t, t.TempDir()+"/a.class", weak), out+"/view/a.class")
			link(t, out+"/view", env+"/share")
			return out + "/view/a.class"
		},
		"a line of a .pth file": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/p.pth", "# a comment\n\n"+out+"\n")
		},
		"a relative line of a .pth file": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			rel, _ := filepath.Rel(env+"/"+site, out)
			return write(t, env+"/"+site+"/p.pth", rel+"\n")
		},
		"a line of Python in a .pth file": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/p.pth", "import sys; sys.path.insert(0, '"+out+"')\n")
		},
		"an editable install, with its finder": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			write(t, env+"/"+site+"/__editable__.p-1.pth",
				"import __editable___p_1_finder; __editable___p_1_finder.install()")
			return write(t, env+"/"+site+"/__editable___p_1_finder.py",
				"MAPPING: dict[str, str] = {'p': '"+out+"/p'}\n")
		},
		"an editable install, by its URL": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/p-1.dist-info/direct_url.json",
				`{"dir_info": {"editable": true}, "url": "file://`+out+`"}`)
		},
		"an egg's link": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/p.egg-link", out+"\n.\n")
		},
		"the base's packages": func(t *testing.T, env, out string) string {
			write(t, out+"/lib/python3.13/site-packages/p/a.class", weak)
			return write(t, env+"/pyvenv.cfg",
				"home = "+out+"/bin\ninclude-system-site-packages = true\nversion = 3.13.15\n")
		},
		"the base's packages, of Debian's": func(t *testing.T, env, out string) string {
			write(t, out+"/lib/python3/dist-packages/p/a.class", weak)
			return write(t, env+"/pyvenv.cfg",
				"home = "+out+"/bin\nInclude-System-Site-Packages=TRUE\nversion_info = 3.13.15.final.0\n")
		},
		"a script's interpreter": func(t *testing.T, env, out string) string {
			return write(t, env+"/bin/tool", "#!"+write(t, out+"/bin/vm", weak)+" -x\nprint()\n")
		},
		"a script's Python": func(t *testing.T, env, out string) string {
			write(t, out+"/lib/python3.13/site-packages/p/a.class", weak)
			return write(t, env+"/bin/tool", "#!"+write(t, out+"/bin/python3.13", "")+"\nprint()\n")
		},
		"a script's interpreter in the second line": func(t *testing.T, env, out string) string {
			return write(t, env+"/bin/tool", "#!/bin/sh\n'''exec' \""+write(t, out+"/bin/vm",
				weak)+"\" \"$0\" \"$@\"\n' '''\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, out := t.TempDir(), t.TempDir()
			from := lay(t, env, out)
			r, err := Tree(t.Context(), env)
			if err != nil || len(r.Stacks) != 1 || r.Stacks[0].Verdict != Below || r.Stacks[0].Link != from {
				t.Fatalf("%v, %+v; want a link of %s", err, r, from)
			}
			if strings.HasPrefix(r.Stacks[0].File, env) || !filepath.IsAbs(r.Stacks[0].File) {
				t.Errorf("%s is not where the file is", r.Stacks[0].File)
			}
		})
	}
}

// What is not said to be used is not looked at: a base without its packages, and a package that was installed
// from a folder by copying.
func TestNotOutside(t *testing.T) {
	env, out := t.TempDir(), t.TempDir()
	write(t, out+"/lib/python3.13/site-packages/a.class", weak)
	write(t, env+"/pyvenv.cfg", "home = "+out+"/bin\ninclude-system-site-packages = false\nversion = "+
		"3.13.15\n")
	write(t, env+"/lib/python3.13/site-packages/p-1.dist-info/direct_url.json",
		`{"dir_info": {}, "url": "file://`+out+`"}`)
	write(t, env+"/lib/python3.13/site-packages/ns.pth", "import os; p = os.path.join('a', 'b')\n")
	if r, err := Tree(t.Context(), env); err != nil || r.Worst() != Holds || len(r.Stacks) != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Loops end, each target counts once, a folder around the tree is said and not walked, and a line of Python
// that hides its place is a gap.
func TestLoops(t *testing.T) {
	around := t.TempDir()
	env := around + "/env"
	write(t, around+"/outside.class", weak)
	write(t, env+"/a.class", weak)
	for _, name := range []string{"b.class", "sub/c.class"} {
		link(t, env+"/a.class", env+"/"+name)
	}
	link(t, ".", env+"/self")
	link(t, "../sub", env+"/sub/again")
	link(t, env+"/ping", env+"/pong")
	link(t, env+"/pong", env+"/ping")
	link(t, "nothing", env+"/dangling")
	if r, err := Tree(t.Context(), env); err != nil || len(r.Stacks) != 1 || len(r.Gaps) != 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	link(t, "/", env+"/root")
	link(t, "..", env+"/up")
	link(t, "/proc", env+"/proc")
	write(t, env+"/x.pth", "import base64, sys; sys.path.append(base64.b64decode('L3Vzcg==').decode())\n")
	r, err := Tree(t.Context(), env)
	if err != nil || len(r.Stacks) != 1 || len(r.Gaps) != 3 || slices.ContainsFunc(r.Gaps,
		func(g Gap) bool { return g.Reason != Elsewhere }) {
		t.Errorf("%v, %+v", err, r)
	}
}

// The package that a farm of links is of is known by the link.
func TestFarmOwner(t *testing.T) {
	env, cache := t.TempDir(), t.TempDir()
	site := env + "/lib/python3.13/site-packages/"
	link(t, write(t, cache+"/a.class", weak), site+"p/a.class")
	write(t, site+"p-1.dist-info/METADATA", "Name: p\nVersion: 1\n")
	write(t, site+"p-1.dist-info/RECORD", "p/a.class,,\n")
	if r, _ := Tree(t.Context(), env); len(r.Stacks) != 1 || r.Stacks[0].Package != "p 1" {
		t.Errorf("%+v", r)
	}
}
