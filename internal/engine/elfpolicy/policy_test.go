package elfpolicy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// workshop compiles objects into a tree.
type workshop struct {
	*testing.T
	tree string
}

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no cc to plant with")
	}
	return workshop{t, t.TempDir()}
}

func (w workshop) path(name string) string {
	path := filepath.Join(w.tree, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	return path
}

func (w workshop) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w workshop) run(argv ...string) {
	w.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = w.tree
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// cc compiles text into the file name.
func (w workshop) cc(name, text string, flags ...string) {
	w.Helper()
	cmd := exec.Command("cc", append([]string{"-o", w.path(name), "-x", "c", "-", "-x", "none"}, flags...)...)
	cmd.Dir, cmd.Stdin = w.tree, strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("cc: %v\n%s", err, out)
	}
}

// ar makes a static library of one object.
func (w workshop) ar(name, text string, flags ...string) {
	w.Helper()
	w.cc("member.o", text, append([]string{"-c"}, flags...)...)
	w.run("ar", "rcs", w.path(name), "member.o")
	os.Remove(w.path("member.o"))
}

// found returns the rules that are broken, and the whole report.
func (w workshop) found(p Policy) ([]Rule, string) {
	w.Helper()
	report, err := Scan(w.tree, p)
	if err != nil {
		w.Fatal(err)
	}
	var rules []Rule
	var text strings.Builder
	for _, f := range report.Findings {
		rules = append(rules, f.Rule)
		fmt.Fprintln(&text, f)
	}
	return slices.Compact(rules), text.String()
}

var (
	compiled  = []string{"-O2", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"}
	linked    = []string{"-Wl,-z,relro,-z,now,-z,noexecstack"}
	asProgram = slices.Concat(compiled, linked, []string{"-fPIE", "-pie"})
	asShared  = slices.Concat(compiled, linked, []string{"-fPIC", "-shared"})
)

const headerText = "#include <stdio.h>\n#include <string.h>\n"

// code has a function to guard and a call to check, in so much machine code that there have to be some.
const code = headerText + `
__asm__(".text\n.skip 20000\n");
__attribute__((noinline, visibility("hidden"))) int f(const char *s) { char b[64]; strcpy(b, s); printf("%s %s\n", b, s); return b[7]; }
`

const (
	mainText   = "int main(int n, char **v) { return f(v[n]); }\n"
	moduleText = "int PyInit_planted(char *s) { return f(s); }\n"
)

func TestCleanTree(t *testing.T) {
	w := newWorkshop(t)
	w.cc("bin/program", code+mainText, asProgram...)
	w.cc("lib/module.so", code+moduleText, asShared...)
	w.cc("lib/small.so", headerText+"int PyInit_small(const char *s) { return (int)strlen(s); }", "-O2", "-fPIC", "-shared", linked[0])
	w.ar("lib/libsmall.a", code+moduleText, compiled...)
	w.write("lib/text.py", "\x7fEL")
	w.write("lib/empty", "")
	report, err := Scan(w.tree, Policy{Floor: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) > 0 || report.Err() != nil {
		t.Errorf("a clean tree has findings: %v", report.Findings)
	}
	if report.Objects != 3 || report.Libraries != 1 || !slices.Contains(report.Needed, "libc.so.6") || report.GLIBC == "" {
		t.Errorf("got %+v", report)
	}
	if v, err := GLIBC(w.tree); err != nil || v != report.GLIBC {
		t.Errorf("GLIBC is %q, %v; the report says %q", v, err, report.GLIBC)
	}
	if _, err := Scan(w.tree, Policy{Floor: "1.1"}); err == nil {
		t.Error("a floor that is not known was accepted")
	}
}

// Each row breaks one rule, and no other one is found.
func TestPlantedBreaches(t *testing.T) {
	program := func(flags ...string) func(workshop) {
		return func(w workshop) { w.cc("bin/program", code+mainText, slices.Concat(asProgram, flags)...) }
	}
	module := func(text string, flags ...string) func(workshop) {
		return func(w workshop) { w.cc("lib/module.so", text, slices.Concat(asShared, flags)...) }
	}
	static := func(flags ...string) func(workshop) {
		return func(w workshop) { w.ar("lib/libx.a", code, slices.Concat(compiled, flags)...) }
	}
	for name, c := range map[string]struct {
		plant func(workshop)
		rule  Rule
		want  string
	}{
		"another library": {func(w workshop) {
			outside := workshop{w.T, w.TempDir()}
			outside.cc("libplanted.so", "void planted(void) {}", "-shared", "-fPIC", "-Wl,-soname,libplanted.so.1")
			module("void planted(void); void PyInit_x(void) { planted(); }", outside.path("libplanted.so"))(w)
		}, Needed, "loads libplanted.so.1"},
		"RUNPATH":           {program("-Wl,--enable-new-dtags,-rpath,/build/lib"), Search, "/build/lib"},
		"RPATH":             {module(code+moduleText, "-Wl,--disable-new-dtags,-rpath,/build/lib:$ORIGIN"), Search, "/build/lib:$ORIGIN"},
		"fixed address":     {program("-fno-pie", "-no-pie"), PIE, "fixed address"},
		"no RELRO":          {program("-Wl,-z,norelro"), RELRO, "becomes read-only"},
		"lazy binding":      {module(code+moduleText, "-Wl,-z,lazy"), BindNow, "while it runs"},
		"stack program":     {program("-Wl,-z,execstack"), Stack, "executable stack"},
		"stack shared":      {module(code+moduleText, "-Wl,-z,execstack"), Stack, "executable stack"},
		"text relocation":   {module("__asm__(\".text\\n.quad target\\ntarget:\\n\"); void PyInit_x(void) {}", "-Wl,-z,notext"), Text, "is changed"},
		"writable code":     {module("__asm__(\".section .wx,\\\"awx\\\"\\n.quad 0\\n.text\\n\"); void PyInit_x(void) {}"), Text, "writable and executable"},
		"no protector":      {program("-fno-stack-protector"), Protector, "guards its stack"},
		"no protector .so":  {module(code+moduleText, "-fno-stack-protector"), Protector, "guards its stack"},
		"no protector .a":   {static("-fno-stack-protector"), Protector, "libx.a: stack-protector"},
		"not fortified":     {program("-U_FORTIFY_SOURCE"), Fortify, "nothing checked"},
		"not fortified .so": {module(code+moduleText, "-U_FORTIFY_SOURCE"), Fortify, "calls printf"},
		"not fortified .a":  {static("-U_FORTIFY_SOURCE"), Fortify, "calls printf"},
		"exported library": {func(w workshop) {
			w.ar("libplanted.a", "void deflate(void) {} void inflate(void) {}", "-fPIC")
			w.cc("bin/program", code+mainText+"void deflate(void); void Py_x(void) { deflate(); }", slices.Concat(asProgram, []string{"-rdynamic", "libplanted.a"})...)
			os.Remove(w.path("libplanted.a"))
		}, Exports, "exports deflate, inflate:"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			c.plant(w)
			rules, text := w.found(Policy{Floor: "1.2"})
			if !slices.Equal(rules, []Rule{c.rule}) || !strings.Contains(text, c.want) {
				t.Errorf("want %s %q, found:\n%s", c.rule, c.want, text)
			}
			if Why(c.rule) == Why("no such rule") {
				t.Errorf("rule %s has no reason", c.rule)
			}
		})
	}
}

func TestExports(t *testing.T) {
	names := []string{"SSL_read", "EVP_md5", "deflate", "crc32", "sqlite3_open", "ffi_call", "lzma_code", "BZ2_bzCompress", "mpd_add", "XML_Parse",
		"rl_insert", "uuid_generate", "initscr", "gdbm_open", "add_history"}
	w := newWorkshop(t)
	for _, name := range names {
		w.cc("lib/"+name+".so", "void "+name+"(void) {} void PyInit_x(void) {}", asShared...)
	}
	w.cc("lib/fine.so", "void PyInit_x(void) {} void _Py_y(void) {} void PyExpat_XML_Parse(void) {} static void deflate(void) {} void *_PyZ = deflate;", asShared...)
	w.cc("lib/_ctypes_test.cpython-313-x86_64-linux-gnu.so", "int tf_b(int x) { return x; } void PyInit__ctypes_test(void) {}", asShared...)
	w.cc("lib/tf_b.so", "int tf_b(int x) { return x; } void PyInit__ctypes_test(void) {}", asShared...)
	w.cc("lib/legacy.so", "void OSSL_provider_init(void) {}", asShared...)
	w.cc("lib/hidden.so", "__attribute__((visibility(\"hidden\"))) void deflate(void) {} void PyInit_x(void) {}", asShared...)
	report, err := Scan(w.tree, Policy{Floor: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Findings {
		got = append(got, strings.TrimSuffix(filepath.Base(f.Path), ".so"))
		if f.Rule != Exports || !strings.Contains(f.Detail, got[len(got)-1]) {
			t.Error(f)
		}
	}
	names = append(names, "tf_b") // the name is fine in the one module that is made to be called
	slices.Sort(names)
	slices.Sort(got)
	if !slices.Equal(got, names) {
		t.Errorf("found %v, want %v", got, names)
	}
	// The same library, left out of what the program exports.
	w = newWorkshop(t)
	w.ar("libplanted.a", "void deflate(void) {}", "-fPIC")
	w.cc("bin/program", code+mainText+"void deflate(void); void Py_x(void) { deflate(); }", slices.Concat(asProgram, []string{"-rdynamic", "libplanted.a", "-Wl,--exclude-libs,libplanted.a"})...)
	if _, text := w.found(Policy{Floor: "1.2"}); text != "" {
		t.Errorf("a hidden library is found:\n%s", text)
	}
	// An older glibc's start files, which a shared object has no business with.
	w = newWorkshop(t)
	const start = "void __libc_csu_init(void) {} void __libc_csu_fini(void) {}"
	w.cc("bin/program", code+mainText+start, slices.Concat(asProgram, []string{"-rdynamic"})...)
	w.cc("lib/planted.so", code+start, asShared...)
	if rules, text := w.found(Policy{Floor: "1.2"}); !slices.Equal(rules, []Rule{Exports}) || !strings.Contains(text, "planted.so") {
		t.Errorf("start files:\n%s", text)
	}
}

func TestStackOfMembers(t *testing.T) {
	w := newWorkshop(t)
	for name, note := range map[string]string{
		"none": "", "data": `.section .note.GNU-stack,"",%progbits`, "code": `.section .note.GNU-stack,"x",%progbits`,
	} {
		w.write(name+".s", ".text\nplanted:\n.long 0\n"+note+"\n")
		w.run("cc", "-c", "-o", name+"-of-a-long-name.o", name+".s")
		w.run("ar", "rcs", "lib"+name+".a", name+"-of-a-long-name.o")
		os.Remove(w.path(name + ".s"))
		os.Remove(w.path(name + "-of-a-long-name.o"))
	}
	_, text := w.found(Policy{Floor: "1.2"})
	want := "libcode.a(code-of-a-long-name.o): stack: asks for an executable stack\n"
	if runtime.GOARCH == "amd64" { // elsewhere the linker takes no note for no
		want += "libnone.a(none-of-a-long-name.o): stack: has no .note.GNU-stack, and so asks for an executable stack\n"
	}
	if text != want {
		t.Errorf("found\n%swant\n%s", text, want)
	}
}

func TestRulesThatAreAskedFor(t *testing.T) {
	w := newWorkshop(t)
	w.cc("lib/module.so", "void SSL_read(void) {} void PyInit_x(void) {}", "-shared", "-fPIC", "-Wl,-z,lazy")
	if rules, text := w.found(Policy{Floor: "1.2", Rules: []Rule{Exports}}); !slices.Equal(rules, []Rule{Exports}) {
		t.Errorf("found %s", text)
	}
	report, err := Scan(w.tree, Policy{Floor: "1.2"})
	if err != nil || report.Err() == nil || !strings.Contains(report.Err().Error(), "lib/module.so: bind-now: ") || !strings.HasSuffix(report.Err().Error(), ", and 1 more findings") {
		t.Errorf("got %v, %v", report.Err(), err)
	}
}
