package audit

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever the loader brings counts, by whichever tag of a file it comes; what cannot be told is a gap.
func TestNeeds(t *testing.T) {
	const empty, gap = "int main(void) { return 0; }", Verdict("gap")
	lib := libFolder(elf.EM_X86_64) + libFolder(elf.EM_AARCH64)
	if lib == "" {
		t.Skip("no C library where one is looked for")
	}
	for name, test := range map[string]struct {
		args []string // OUT is the folder of the library
		want Verdict
	}{
		"RUNPATH with LIB": {[]string{"-Wl,--no-as-needed", "LIB", "-Wl,-rpath,OUT/$LIB"}, Below},
		"RPATH with LIB in braces": {[]string{"-Wl,--no-as-needed", "LIB",
			"-Wl,--disable-new-dtags,-rpath,OUT/${LIB}"}, Below},
		"RUNPATH with PLATFORM":      {[]string{"-Wl,--no-as-needed", "LIB", "-Wl,-rpath,OUT/$PLATFORM"}, gap},
		"a relative RUNPATH":         {[]string{"-Wl,--no-as-needed", "LIB", "-Wl,-rpath,../lib"}, gap},
		"an empty part of RUNPATH":   {[]string{"-Wl,-rpath,/usr/lib::/lib"}, gap},
		"a name with ORIGIN":         {[]string{"-Wl,--no-as-needed", "ORIGIN", "-Wl,-rpath-link,OUT"}, Below},
		"a filter":                   {[]string{"-shared", "-fPIC", "-Wl,-F,PATH"}, Below},
		"an auxiliary filter":        {[]string{"-shared", "-fPIC", "-Wl,-f,PATH"}, Below},
		"an auditor":                 {[]string{"-Wl,--audit,PATH"}, Below},
		"an auditor of a library":    {[]string{"-Wl,--depaudit,PATH"}, Below},
		"its own loader":             {[]string{"-Wl,--dynamic-linker,PATH"}, Below},
		"a loader that is not there": {[]string{"-Wl,--dynamic-linker,OUT/no-such-loader"}, gap},
		"a name that is not found":   {[]string{"-Wl,--no-as-needed", "LIB"}, gap},
		"a library for a newer processor": {[]string{"-Wl,--no-as-needed", "FINE", "-Wl,-rpath,OUT/fast"},
			Below},
		"the C library's alone": {[]string{"-lm", "-Wl,--no-as-needed", "-ldl", "-lpthread"}, Holds},
	} {
		t.Run(name, func(t *testing.T) {
			out, dir := t.TempDir(), t.TempDir()
			weak := func(path, soname string) string {
				return cc(t, out, path, version+tableText, "-fPIC", "-shared", "-DLOW=0x0301",
					"-Wl,-soname,"+soname)
			}
			path := weak(lib+"/libevil.so.7", "libevil.so.7")
			fine := cc(t, out, "fast/libfine.so.7", "int x;", "-fPIC", "-shared", "-Wl,-soname,libfine.so.7")
			weak("fast/glibc-hwcaps/x86-64-v3/libfine.so.7", "libfine.so.7")
			named := strings.NewReplacer("LIB", path, "FINE", fine, "PATH", path, "OUT", out)
			var args []string
			for _, a := range test.args {
				switch {
				case a == "ORIGIN":
					a = weak("o.so", "$ORIGIN/o.so")
				case !strings.Contains(a, "{LIB}") && !strings.Contains(a, "$LIB"):
					a = named.Replace(a)
				default:
					a = strings.ReplaceAll(a, "OUT", out)
				}
				args = append(args, a)
			}
			cc(t, dir, "program", empty, args...)
			if name == "a name with ORIGIN" {
				os.Rename(filepath.Join(out, "o.so"), filepath.Join(dir, "o.so"))
			}
			r, err := Tree(t.Context(), dir)
			got := r.Worst()
			if len(r.Gaps) > 0 && len(r.Stacks) == 0 {
				got = gap
			}
			if err != nil || got != test.want {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
}

// A library that another one of the tree's has loaded already is found by its name.
func TestLoadedAlready(t *testing.T) {
	dir, far := t.TempDir(), t.TempDir()
	ssl := cc(t, dir, "libs/libown.so.7.1", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301",
		"-Wl,-soname,libown.so.7")
	module := cc(t, dir, "module.so", "int x;", "-fPIC", "-shared", "-Wl,--no-as-needed", ssl)
	if r, err := Tree(t.Context(), dir); err != nil || len(r.Gaps) > 0 || r.Count(Below) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
	os.Rename(ssl, filepath.Join(far, "libown.so.7.1"))
	if r, err := Tree(t.Context(), dir); err != nil || len(r.Gaps) != 1 || r.Gaps[0].File != module {
		t.Errorf("%v, %+v", err, r)
	}
	// Of a process all that is loaded is known.
	r, err := Process(t.Context(), "process", []Mapped{{module, module}})
	if err != nil || len(r.Gaps) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
}
