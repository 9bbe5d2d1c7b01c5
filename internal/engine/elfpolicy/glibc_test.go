package elfpolicy

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestVersionsAreNumbers(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		older bool
	}{
		{"2.9", "2.10", true}, {"2.10", "2.9", false}, {"2.34", "2.34", false}, {"2.2", "2.2.5", true}, {"2.2.5", "2.3", true},
		{"", "2.0", true}, {"2.0", "", false}, {"2.99", "3.0", true},
	} {
		if got := Older(c.a, c.b); got != c.older {
			t.Errorf("Older(%q, %q) is %v", c.a, c.b, got)
		}
	}
	for want, names := range map[string][]string{
		"2.34": {"GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.9", "GLIBC_PRIVATE", "GLIBCXX_3.4", "GLIBC_x"},
		"2.36": {"GLIBC_2.34", "GLIBC_ABI_DT_RELR"},
		"":     {"GLIBC_PRIVATE", "", "GLIBC_99999999999.1"},
	} {
		if got := highest(names); got != want {
			t.Errorf("highest of %v is %q, want %q", names, got, want)
		}
	}
}

// version compiles a C library that defines up to GLIBC_<version>.
func (w workshop) libc(name, version string) {
	w.Helper()
	w.write("map", "GLIBC_2.2.5 { planted; };\nGLIBC_"+version+" { planted2; } GLIBC_2.2.5;\nGLIBC_PRIVATE { planted3; };\n")
	w.cc(name, "void planted(void) {} void planted2(void) {} void planted3(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,--version-script=map,-soname,libc.so.6")
	os.Remove(w.path("map"))
}

func TestInstalled(t *testing.T) {
	loader := loaders[runtime.GOARCH].path
	for name, c := range map[string]struct {
		plant func(w workshop)
		want  string
	}{
		"nothing": {func(workshop) {}, ""},
		"beside a loader": {func(w workshop) {
			w.write("strange"+loader, "")
			w.link(loader, "/strange"+loader)
			w.libc("strange"+filepath.Dir(loader)+"/libc.so.6", "2.31")
		}, "2.31"},
		"in a usual folder": {func(w workshop) { w.libc("usr/lib/libc.so.6", "2.28") }, "2.28"},
		"links": {func(w workshop) {
			w.libc("usr/lib64/libc-2.17.so", "2.17")
			w.link("/usr/lib64/libc.so.6", "libc-2.17.so")
			w.link("/lib64", "usr/lib64")
		}, "2.17"},
		"absolute links": {func(w workshop) {
			w.libc("usr/lib64/libc-2.17.so", "2.17")
			w.link("/usr/lib/libc.so.6", "/../usr/lib64/libc-2.17.so")
		}, "2.17"},
		"link to itself":     {func(w workshop) { w.link("/lib64/libc.so.6", "libc.so.6"); w.libc("usr/lib64/libc.so.6", "2.30") }, "2.30"},
		"link to the host's": {func(w workshop) { w.link("/lib64/libc.so.6", "/bin/sh") }, ""},
		"not ELF": {func(w workshop) {
			w.write("lib64/libc.so.6", "/* GNU ld script */")
			w.libc("usr/lib/libc.so.6", "2.30")
		}, "2.30"},
		"no versions": {func(w workshop) { w.cc("lib64/libc.so.6", "void x(void) {}", "-shared", "-fPIC", "-nostdlib") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			c.plant(w)
			if got := Installed(w.tree); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if here := Installed(""); here == "" || here != Installed("/") {
		t.Errorf("this machine's is %q and %q", here, Installed("/"))
	}
}

func (w workshop) link(name, target string) {
	w.Helper()
	if err := os.Symlink(target, w.path(name)); err != nil {
		w.Fatal(err)
	}
}

func TestNeedOfAnObject(t *testing.T) {
	w, libs := newWorkshop(t), newWorkshop(t)
	libs.libc("libc.so.6", "9.10")
	w.cc("lib/new.so", "void planted2(void); void PyInit_x(void) { planted2(); }", "-shared", "-fPIC", "-nostdlib", libs.path("libc.so.6"))
	w.cc("lib/weak.so", "void planted3(void) __attribute__((weak)); void PyInit_x(void) { if (planted3) planted3(); }", "-shared", "-fPIC", "-nostdlib", libs.path("libc.so.6"))
	w.write("lib/broken.so", elfMagic+"broken")
	if v, err := GLIBC(w.tree); v != "9.10" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	os.Remove(w.path("lib/broken.so"))
	w.cc("lib/private.so", "void planted3(void); void PyInit_x(void) { planted3(); }", "-shared", "-fPIC", "-nostdlib", libs.path("libc.so.6"))
	report, err := Scan(w.tree, Policy{Floor: "1.2", Rules: []Rule{Needed}})
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Path != "lib/private.so" || report.GLIBC != "9.10" {
		t.Errorf("got %+v, %v", report, err)
	}
}
