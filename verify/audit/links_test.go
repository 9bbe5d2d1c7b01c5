package audit

import (
	"fmt"
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
		"a line of a .pth file behind a long one": pthOf("#" + strings.Repeat("x", 70_000) + "\n%s\n"),
		"a .pth file with a mark of its order":    pthOf("\ufeff%s\n"),
		"a line that ends with a form feed":       pthOf("# x\x0c%s\n"),
		"a line that ends with a next line":       pthOf("# x\u0085%s\n"),
		"a line that ends with a return":          pthOf("#\r%s\n"),
		"what a .pth file imports": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			write(t, env+"/"+site+"/x.pth", "import os, hook.deep as h\n")
			return write(t, env+"/"+site+"/hook/__init__.py", "import sys\nsys.path.append('"+out+"')\n")
		},
		"a .pth file by a link": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			link(t, write(t, t.TempDir()+"/x.txt", out+"\n"), env+"/"+site+"/x.pth")
			return env + "/" + site + "/x.pth"
		},
		"sitecustomize": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/sitecustomize.py", "import sys\nsys.path.append(\""+out+"\")\n")
		},
		"usercustomize, a package": func(t *testing.T, env, out string) string {
			write(t, out+"/p/a.class", weak)
			return write(t, env+"/"+site+"/usercustomize/__init__.py",
				"import site\nsite.addsitedir('"+out+"')\n")
		},
		"the base's sitecustomize": func(t *testing.T, env, out string) string {
			far := t.TempDir()
			write(t, far+"/p/a.class", weak)
			write(t, env+"/pyvenv.cfg",
				"home = "+out+"/bin\ninclude-system-site-packages = false\nversion = 3.13.15\n")
			return write(t, out+"/lib/python3.13/sitecustomize.py", "import sys\nsys.path.append('"+far+"')\n")
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
		"the base's packages, below many lines": func(t *testing.T, env, out string) string {
			write(t, out+"/lib/python3.13/site-packages/p/a.class", weak)
			return write(t, env+"/pyvenv.cfg", "home = "+out+"/bin\n"+strings.Repeat("# a comment\n", 200)+
				"version = 3.13.15\ninclude-system-site-packages = true\n")
		},
		"the base's packages, unless they are refused": func(t *testing.T, env, out string) string {
			write(t, out+"/lib/python3.13/site-packages/p/a.class", weak)
			return write(t, env+"/pyvenv.cfg", "home = "+out+"/bin\nversion = 3.13.15\n")
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

// pthOf makes a .pth file of a text, in which %s is a folder outside.
func pthOf(text string) func(t *testing.T, env, out string) string {
	return func(t *testing.T, env, out string) string {
		write(t, out+"/p/a.class", weak)
		return write(t, env+"/lib/python3.13/site-packages/x.pth", fmt.Sprintf(text, out))
	}
}

// What Python follows and the audit cannot is a gap.
func TestNotFollowed(t *testing.T) {
	site := "lib/python3.13/site-packages/"
	for name, lay := range map[string]func(t *testing.T, env, out string){
		"a hook that hides its place": func(t *testing.T, env, _ string) {
			write(t, env+"/"+site+"x.pth", "import hook\n")
			write(t, env+"/"+site+"hook.py", "import sys\nsys.path.append(bytes([47]).decode() + 'x')\n")
		},
		"a hook of setuptools' name with more": func(t *testing.T, env, _ string) {
			write(t, env+"/"+site+"x.pth", "import os; __import__('_distutils_hack').add_shim()\n")
			write(t, env+"/"+site+"_distutils_hack/__init__.py",
				"sys.meta_path.insert(0, DISTUTILS_FINDER)\nsys.meta_path.append(other)\n")
		},
		"a hook without its source": func(t *testing.T, env, _ string) {
			write(t, env+"/"+site+"sitecustomize.pyc", "\xa7\x0d\x0d\x0a")
		},
		"a .pth file in another encoding": func(t *testing.T, env, out string) {
			write(t, env+"/"+site+"x.pth", "# \xe9\n"+out+"\n")
		},
		"a .pth file that is too long": func(t *testing.T, env, out string) {
			write(t, env+"/"+site+"x.pth", strings.Repeat("#\n", maxText/2)+out+"\n")
		},
		"a Python beside whoever starts it": func(t *testing.T, env, _ string) {
			write(t, env+"/pyvenv.cfg", "home = bin\n")
		},
		"a link by way of a process": func(t *testing.T, env, _ string) {
			link(t, "/proc/self/cwd/nothing.so", env+"/a.so")
		},
		"a link whose path is too long": func(t *testing.T, env, out string) {
			half := strings.Repeat("/"+strings.Repeat("d", 200), 11)
			write(t, out+half+"/x", "")
			root, err := os.OpenRoot(out + half)
			if err == nil {
				err = root.MkdirAll(half[1:], 0o755)
			}
			if err == nil {
				err = root.WriteFile(half[1:]+"/a.class", []byte(weak), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { root.RemoveAll(half[1:202]) }) // RemoveAll of a path does not reach it
			link(t, out+half, env+"/near")
			link(t, "near"+half+"/a.class", env+"/a.class")
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, out := t.TempDir(), t.TempDir()
			lay(t, env, out)
			if r, err := Tree(t.Context(), env); err != nil || len(r.Gaps) == 0 || r.Worst() != Unknown {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
}

// The hooks of setuptools and virtualenv, and the weights of a model, are none.
func TestStart(t *testing.T) {
	env := t.TempDir()
	site := env + "/lib/python3.13/site-packages/"
	write(t, site+"distutils-precedence.pth", "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; "+
		"enabled = os.environ.get(var, 'local') == 'local'; enabled and "+
		"__import__('_distutils_hack').add_shim(); \n")
	write(t, site+"_distutils_hack/__init__.py", "def ensure_shim():\n    "+
		"DISTUTILS_FINDER in sys.meta_path or insert_shim()\n\ndef insert_shim():\n    "+
		"sys.meta_path.insert(0, DISTUTILS_FINDER)\n\ndef remove_shim():\n    "+
		"sys.meta_path.remove(DISTUTILS_FINDER)\n")
	write(t, site+"_virtualenv.pth", "import _virtualenv")
	write(t, site+"_virtualenv.py", "sys.meta_path.insert(0, _Finder())\n")
	write(t, env+"/model.pth", "\x80\x02\x8a\x00\xff\n/usr\n")
	if r, err := Tree(t.Context(), env); err != nil || r.Worst() != Holds || len(r.Gaps) > 0 {
		t.Errorf("%v, %+v", err, r)
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
