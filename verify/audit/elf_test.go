package audit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unsectioned takes a file's section headers away, as sstrip does, or makes them point at nothing.
func unsectioned(t testing.TB, path string, garbage bool) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[0x28:0x30])
	clear(b[0x3c:0x40])
	if garbage {
		copy(b[0x28:], "\xff\xff\xff\x7f\x00\x00")
		copy(b[0x3c:], "\xff\xff\xfe\xff")
	}
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// The loader needs no section headers, and neither does the audit: of a static program, and of one that links
// a library.
func TestWithoutSections(t *testing.T) {
	for _, garbage := range []bool{false, true} {
		for how, args := range map[string][]string{"pie": {"-fPIE", "-pie"}, "fixed": {"-no-pie", "-fno-pie"},
			"shared": {"-fPIC", "-shared"}} {
			for low, want := range map[string]Verdict{"0x0303": Holds, "0x0301": Below} {
				path := unsectioned(t, cc(t, t.TempDir(), "program", version+tableText+mainText, append(args,
					"-s", "-DLOW="+low)...), garbage)
				if r, _ := Files(t.Context(), path, []string{path}); only(t, r).Verdict != want ||
					r.Stacks[0].Library != "OpenSSL" {
					t.Errorf("%s, from %s: %+v", how, low, r)
				}
			}
		}
		dir := t.TempDir()
		ssl := cc(t, dir, "libssl.so.77", version+tableText+"void *TLSv1_1_client_method(void) { return 0; }",
			"-fPIC", "-shared", "-s", "-DLOW=0x0303", "-Wl,-soname,libssl.so.77")
		path := unsectioned(t, cc(t, dir, "program", "int main(void) { return 0; }", "-Wl,--no-as-needed",
			ssl, "-Wl,-rpath,$ORIGIN"), garbage)
		unsectioned(t, ssl, garbage)
		r, _ := Files(t.Context(), path, []string{path})
		if s := only(t, r); s.Verdict != Below || s.Known != "it exports TLSv1_1_client_method" ||
			len(s.Via) != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// Static libraries are judged by the tables in their objects, whose addresses are still to be filled in, and
// by the functions that they define.
func TestStaticLibrary(t *testing.T) {
	for text, want := range map[string]Verdict{"#define LOW 0x0303\n" + version + tableText: Holds,
		"#define LOW 0x0302\n" + version + tableText:                                              Below,
		"#define LOW 0x0303\n" + version + tableText + "void *TLSv1_method(void) { return 0; }\n": Below} {
		dir := t.TempDir()
		object := cc(t, dir, "a_long_name_of_an_object.o", text, "-fPIC", "-c")
		other := cc(t, dir, "other.o", "int nothing;", "-c")
		if out, err := exec.Command("ar", "rcs", filepath.Join(dir, "libssl.a"), other,
			object).CombinedOutput(); err != nil {
			t.Skip("no ar", err, string(out))
		}
		large := cc(t, dir, "large.o", "char x[20000] = {1, 2, 3};", "-c") // and nothing stands behind it
		if r, _ := Files(t.Context(), large, []string{large}); r.Worst() != Holds {
			t.Errorf("%+v", r)
		}
		for _, path := range []string{filepath.Join(dir, "libssl.a"), object} {
			r, _ := Files(t.Context(), path, []string{path})
			if only(t, r).Verdict != want {
				t.Errorf("%s: %+v", filepath.Base(path), r)
			}
		}
	}
}

// A program that names a library for dlopen(3) has what is in it; a name by which one links it is no such
// name, and one without dlopen either.
func TestMayLoad(t *testing.T) {
	dir := t.TempDir()
	ssl := cc(t, dir, "libssl.so.77", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301",
		"-Wl,-soname,libssl.so.77")
	for text, want := range map[string]int{
		"#include <dlfcn.h>\nint main(void) { return dlopen(\"libssl.so.77\", 1) != 0; }":       1,
		"#include <dlfcn.h>\nint main(void) { return dlopen(\"" + ssl + "\", 1) != 0; }":        1,
		"#include <dlfcn.h>\nint main(void) { return dlopen(\"libm.so.6\", 1) != 0; }":          0,
		"int puts(const char *); int main(void) { return puts(\"libssl.so.77 is not here\"); }": 0,
	} {
		path := cc(t, dir, "program", text, "-Wl,-rpath,"+dir)
		r, _ := Files(t.Context(), path, []string{path})
		if len(r.Stacks) != want || want > 0 && (r.Stacks[0].Verdict != Below ||
			!strings.HasPrefix(r.Stacks[0].Known, "it may load libssl.so.77: ")) {
			t.Errorf("%s: %+v", text, r)
		}
	}
	os.Remove(ssl)
	path := cc(t, dir, "program", "#include <dlfcn.h>\nint main(void) { return dlopen(\"libssl.so.77\", 1) "+
		"!= 0; }")
	if r, _ := Files(t.Context(), path, []string{path}); only(t, r).Verdict != Unknown {
		t.Errorf("%+v", r)
	}
}

// Scripts load libraries too; a comment does not, nor does a name that nothing loads.
func TestScriptLoads(t *testing.T) {
	dir := t.TempDir()
	ssl := cc(t, dir, "far/libtls-of-mine.so", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301")
	for text, want := range map[string]int{
		"import ctypes\nctypes.CDLL('" + ssl + "')\n":      1,
		"ffi.dlopen(\"" + ssl + "\")\n":                    1,
		"import ctypes\n# ctypes.CDLL('" + ssl + "')\n":    0,
		"print('" + ssl + "')\n":                           0,
		"import ctypes\nctypes.CDLL('libm.so.6')\n":        0,
		"import ctypes\nctypes.CDLL('libgnutls.so.777')\n": 1,
	} {
		env := t.TempDir()
		write(t, filepath.Join(env, "m.py"), text)
		if r, err := Tree(t.Context(), env); err != nil || len(r.Stacks) != want || want > 0 &&
			r.Worst() == Holds {
			t.Errorf("%s: %v, %+v", text, err, r)
		}
	}
}

// A fork of Go's crypto/tls has its functions by another name, and one whose names were taken away has its
// texts.
func TestGoForks(t *testing.T) {
	for _, mark := range []string{"github.com/somebody/utls.(*Con|n).clientHandshake",
		"tls: server selec|ted unsupported protocol version"} {
		data := []byte(bare(mark))
		if all := inside(evidence{hits: scan(data), form: native, data: data}); len(all) != 1 ||
			all[0].Library != "Go crypto/tls" || all[0].Verdict != Below {
			t.Errorf("%s: %+v", mark, all)
		}
	}
}
