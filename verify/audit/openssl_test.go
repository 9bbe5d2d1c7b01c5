package audit

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// parts of files as OpenSSL makes them, beside tableText.
const (
	second = `const struct version_info more[] = { { 0x0304, make, make }, { 0x0303, make, make }, { 0x0302, make, make }, { 0x0301, 0, 0 }, { 0x0300, 0, 0 }, { 0, 0, 0 } };` + "\n"
	old    = `const struct version_info oldest[] = { { 0x0303, make, make }, { 0x0302, LOW < 0x0303 ? make : 0, 0 }, { 0x0301, 0, 0 }, { 0x0300, 0, 0 }, { 0, 0, 0 } };` + "\n"
	dtls   = `const struct version_info datagrams[] = { { 0xfefd, make, make }, { 0xfeff, LOW == 0xfeff ? make : 0, 0 }, { 0x100, 0, 0 }, { 0, 0, 0 } };` + "\n"
	// struct ssl_method_st: version, flags, mask, functions.
	method = `struct method { int version; unsigned flags; unsigned long mask; maker all[30]; };
const struct method alone = { 0x0302, 2, 0x10000000, { make, make, make, make, make, make, make, make } };` + "\n"
	types = `
typedef const void *(*maker)(void);
static const void *make(void) { return 0; }
struct version_info { int version; maker client, server; };
`
)

// What a copy has is the least of all that is in it.
func TestCopies(t *testing.T) {
	for name, test := range map[string]struct {
		text, low string
		want      Verdict
		known     string
	}{
		"two copies":                 {tableText + second, "0x0303", Below, "its table of versions has TLS 1.1"},
		"1.1.0":                      {types + old, "0x0303", Holds, "its table of versions begins with TLS 1.2"},
		"1.1.0, with TLS 1.1":        {types + old, "0x0302", Below, "its table of versions has TLS 1.1"},
		"DTLS 1.2":                   {tableText + dtls, "0x0303", Holds, "its table of versions begins with TLS 1.2"},
		"DTLS 1.0":                   {types + dtls, "0xfeff", Below, "its table of versions has DTLS 1.0"},
		"a method that is left":      {tableText + method, "0x0303", Below, "it has the code of a method for TLS 1.1 alone"},
		"a table without any method": {tableText, "0x0305", Unknown, "it has OpenSSL's libssl, and the table of versions was not found in it"},
	} {
		mark := "const char *const state = \"SSLv3/TLS write client hello\";\n"
		path := cc(t, t.TempDir(), "lib.so", version+mark+test.text, "-fPIC", "-shared", "-DLOW="+test.low)
		r, _ := Files(t.Context(), path, []string{path})
		if s := only(t, r); s.Verdict != test.want || s.Known != test.known {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// Another stack in the same file hides none.
func TestBesideRustls(t *testing.T) {
	path := cc(t, t.TempDir(), "program", version+tableText+mainText+`const char *const path = "/cargo/registry/src/rustls-0.21.10/src/conn.rs";`+"\n", "-fPIE", "-pie", "-DLOW=0x0301")
	r, _ := Files(t.Context(), path, []string{path})
	if r.Worst() != Below || len(r.Stacks) != 2 {
		t.Errorf("%+v", r.Stacks)
	}
}

// A library whose name says what it is, and in which nothing is recognised, is Unknown.
func TestUnrecognised(t *testing.T) {
	dir := t.TempDir()
	ssl := cc(t, dir, "libssl.so.77", "int y(void) { return 1; }", "-fPIC", "-shared", "-Wl,-soname,libssl.so.77")
	path := cc(t, dir, "module.so", "int x(void) { return 1; }", "-fPIC", "-shared", "-Wl,--no-as-needed", ssl, "-Wl,-rpath,"+dir)
	r, _ := Files(t.Context(), path, []string{path})
	if s := only(t, r); s.Verdict != Unknown || !strings.Contains(s.Known, "nothing in it was recognised") {
		t.Errorf("%+v", s)
	}
}

// What a program's RPATH finds for its library's needs, the audit finds too; a RUNPATH is the library's own
// affair. Each name counts once.
func TestLoaderOrder(t *testing.T) {
	for tag, found := range map[string]bool{"--disable-new-dtags": true, "--enable-new-dtags": false} {
		dir := t.TempDir()
		ssl := cc(t, dir, "far/libssl.so.77", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301", "-Wl,-soname,libssl.so.77")
		middle := cc(t, dir, "near/libmiddle.so", "int m(void) { return 1; }", "-fPIC", "-shared", "-Wl,-soname,libmiddle.so", "-Wl,--no-as-needed", ssl)
		program := cc(t, dir, "program", "int main(void) { return 0; }", "-Wl,--no-as-needed", middle, "-Wl,--allow-shlib-undefined", "-Wl,"+tag, "-Wl,-rpath,"+dir+"/near:"+dir+"/far", "-Wl,-rpath-link,"+dir+"/far")
		r, _ := Files(t.Context(), program, []string{program})
		if s := only(t, r); (s.Verdict == Below) != found || !found && s.Verdict != Unknown {
			t.Errorf("%s: %+v", tag, s)
		}
	}
}

// A virtual environment's interpreter stands outside of it, and its TLS is the environment's.
func TestVirtualEnvironment(t *testing.T) {
	base, env := t.TempDir(), t.TempDir()
	cc(t, base, "bin/python3", version+tableText+mainText, "-fPIE", "-pie", "-DLOW=0x0303")
	cc(t, base, "lib/python3.13/lib-dynload/_ssl.so", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301")
	if err := os.WriteFile(filepath.Join(env, "pyvenv.cfg"), []byte("home = "+base+"/bin\nversion = 3.13.15\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Tree(t.Context(), env)
	if err != nil || len(r.Stacks) != 2 || r.Count(Holds) != 1 || r.Count(Below) != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Pipes and devices are not opened, wherever they stand.
func TestIrregular(t *testing.T) {
	dir := tree(t)
	info := filepath.Join(dir, "lib/python3.13/site-packages/pipe-1.dist-info")
	if err := os.Mkdir(info, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"METADATA", "RECORD", "top_level.txt"} {
		if err := syscall.Mkfifo(filepath.Join(info, name), 0o644); err != nil {
			t.Skip(err)
		}
	}
	r, err := Tree(t.Context(), dir)
	if err != nil || len(r.Stacks) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
	pipe := filepath.Join(info, "METADATA")
	if r, err = Files(t.Context(), pipe, []string{pipe}); err != nil || r.Worst() != Unknown {
		t.Errorf("a pipe: %v, %+v", err, r)
	}
}

// An unknown stack beside one that is known shows by a label of its own, where the linker did not join both.
func TestBeside(t *testing.T) {
	const known = `const char *const label = "key expansion", *const done = "client finished";` + "\n"
	const further = `const char own[] = "key expansion";` + "\n"
	for text, want := range map[string]Verdict{known: Holds, known + further: Unknown} {
		for _, args := range [][]string{{"-s"}, {"-shared", "-fPIC"}} {
			path := cc(t, t.TempDir(), "program", tableText+version+text+mainText,
				append(args, "-DLOW=0x0303", "-O1")...)
			r, err := Files(t.Context(), path, []string{path})
			if err != nil || len(r.Stacks) == 0 || r.Stacks[0].Library != "OpenSSL" ||
				r.Stacks[0].Verdict != Holds || r.Worst() != want {
				t.Errorf("%v: %+v, %v", args, r, err)
			}
		}
	}
}
