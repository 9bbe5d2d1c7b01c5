package elfpolicy

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// tls is a program or library that holds an OpenSSL and the methods named.
func tls(methods ...string) string {
	var b strings.Builder
	b.WriteString("const char *Py_text(void) { return \"OpenSSL 3.5.7 9 Jun 2026\"; }\n")
	for _, name := range methods {
		b.WriteString("__attribute__((visibility(\"hidden\"))) void *" + name + "(void) { return 0; }\n")
	}
	return b.String()
}

func TestMethods(t *testing.T) {
	const all = "SSLv3_method TLSv1_client_method TLSv1_1_server_method DTLSv1_method"
	for name, c := range map[string]struct {
		methods, floor string
		want           []string // that are found, or one word of another finding
	}{
		"hardened":         {"TLS_method TLSv1_2_method DTLSv1_2_client_method DTLS_method tlsv1_1_method SSLv23_method TLSv1_methods", "1.2", nil},
		"hardened for 1.3": {"TLS_method", "1.3", nil},
		"weak":             {"TLS_method " + all, "1.2", strings.Fields(all)},
		"floor 1.3":        {"TLS_method TLSv1_2_method DTLSv1_2_client_method", "1.3", []string{"TLSv1_2_method", "DTLSv1_2_client_method"}},
		"no symbols":       {"", "1.2", []string{"unproven"}},
	} {
		for kind, make := range map[string]func(w workshop, text string){
			"library": func(w workshop, text string) { w.ar("lib/libssl.a", text, compiled...) },
			"program": func(w workshop, text string) {
				w.cc("bin/program", code+mainText+text, slices.Concat(asProgram, []string{"-rdynamic"})...)
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				w := newWorkshop(t)
				make(w, tls(strings.Fields(c.methods)...))
				report, err := Scan(w.tree, Policy{Floor: c.floor})
				if err != nil || len(report.Findings) != len(c.want) {
					t.Fatalf("want %v, found %v, %v", c.want, report.Findings, err)
				}
				for _, want := range c.want {
					if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Rule == Methods && strings.Contains(f.Detail, want) }) {
						t.Errorf("%s is not found in %v", want, report.Findings)
					}
				}
			})
		}
	}
}

func TestStrippedIsUnproven(t *testing.T) {
	for name, c := range map[string]struct {
		methods string
		keep    bool
		want    string
	}{
		"nothing kept":    {"TLS_method", false, "stripped of its symbols"},
		"kept and right":  {"TLS_method", true, ""},
		"kept and wrong":  {"TLS_method TLSv1_method", true, "defines TLSv1_method"},
		"kept, no method": {"", true, "unproven: its symbols do not have TLS_method"},
	} {
		t.Run(name, func(t *testing.T) {
			w, before := newWorkshop(t), newWorkshop(t)
			w.cc("bin/program", code+mainText+tls(strings.Fields(c.methods)...), slices.Concat(asProgram, []string{"-rdynamic", "-Wl,--build-id=sha1"})...)
			if c.keep {
				w.run("cp", "bin/program", before.path("another-name"))
				before.cc("other", code+mainText, slices.Concat(asProgram, []string{"-Wl,--build-id=sha1", "-c"})...)
			}
			w.run("strip", "bin/program")
			rules, text := w.found(Policy{Floor: "1.2", Unstripped: before.tree})
			if c.want == "" && text != "" || !strings.Contains(text, c.want) || len(rules) > 1 {
				t.Errorf("want %q, found %s", c.want, text)
			}
		})
	}
}

const sslHeader = `/* TLSv1_method() in a comment,
   and in TLSv1_1_method() a longer one */
#ifndef OPENSSL_SSL_H
# define OPENSSL_SSL_H
# ifndef OPENSSL_NO_TLS1_METHOD
#  ifndef OPENSSL_NO_DEPRECATED_1_1_0
OSSL_DEPRECATEDIN_1_1_0 const SSL_METHOD *TLSv1_method(void); /* TLSv1.0 */
#  endif
# else
int nothing; // TLSv1_method
# endif
const SSL_METHOD *TLS_method(void);
const SSL_METHOD *TLSv1_2_method(void);
#endif
`

func TestHeaders(t *testing.T) {
	guarded := "#ifndef OPENSSL_CONFIGURATION_H\n# define OPENSSL_CONFIGURATION_H\n# ifndef OPENSSL_NO_TLS1_METHOD\n#  define OPENSSL_NO_TLS1_METHOD\n# endif\n#endif\n"
	for name, c := range map[string]struct{ file, configuration, header, want string }{
		"left out":                  {"configuration.h", guarded, sslHeader, ""},
		"left out before 3.0":       {"opensslconf.h", strings.Replace(guarded, "CONFIGURATION_H", "OPENSSLCONF_H", 2), sslHeader, ""},
		"no configuration":          {"other.h", guarded, sslHeader, "TLSv1_method"},
		"left in":                   {"configuration.h", "", sslHeader, "TLSv1_method"},
		"defined in some cases":     {"configuration.h", "#ifndef SOMETHING\n" + guarded + "#endif\n", sslHeader, "TLSv1_method"},
		"defined in other cases":    {"configuration.h", "#if defined(SOMETHING)\n" + guarded + "#endif\n", sslHeader, "TLSv1_method"},
		"defined in a comment":      {"configuration.h", "/*\n#define OPENSSL_NO_TLS1_METHOD\n*/", sslHeader, "TLSv1_method"},
		"declared where it is off":  {"configuration.h", guarded, strings.Replace(sslHeader, "int nothing;", "void *TLSv1_1_method(void);", 1), "TLSv1_1_method"},
		"declared beyond the guard": {"configuration.h", guarded, sslHeader + "void *DTLSv1_server_method(void);\n", "DTLSv1_server_method"},
		"broken conditions":         {"configuration.h", guarded, "#endif\n#else\n#elif x\nvoid *SSLv3_method(void);\n#if\n", "SSLv3_method"},
	} {
		t.Run(name, func(t *testing.T) {
			w := workshop{t, t.TempDir()}
			w.write("include/openssl/"+c.file, c.configuration)
			w.write("include/openssl/ssl.h", c.header)
			_, text := w.found(Policy{Floor: "1.2"})
			if c.want == "" && text != "" || c.want != "" && text != "include/openssl/ssl.h: methods: declares "+c.want+", which speaks a version below 1.2\n" {
				t.Errorf("want %q, found:\n%s", c.want, text)
			}
		})
	}
}

func TestOpenSSLVersionsInPieces(t *testing.T) {
	const text = "OpenSSL 1.1.1w  11 Sep 2023"
	const piece = 256 << 10
	for _, at := range []int{0, 1, piece - len(text), piece - len(text) + 1, piece - 9, piece - 1, piece, 2*piece - longestText - 3, 3*piece - 70} {
		b := bytes.Repeat([]byte{'.'}, at)
		b = append(b, text...)
		b = append(b, bytes.Repeat([]byte{0}, 100)...)
		b = append(b, "OpenSSL 3.5.7 9 Jun 2026 OpenSSL 3.5 OpenSSL 3.5.8 soon"...)
		got, err := OpenSSLVersions(iotest.HalfReader(bytes.NewReader(b)))
		if err != nil || !slices.Equal(got, []string{"1.1.1w", "3.5.7"}) {
			t.Errorf("at %d: got %v, %v", at, got, err)
		}
	}
	planted := errors.New("planted")
	if _, err := OpenSSLVersions(iotest.ErrReader(planted)); !errors.Is(err, planted) {
		t.Errorf("got %v", err)
	}
}

func TestBrokenFiles(t *testing.T) {
	w := newWorkshop(t)
	w.ar("lib/libfull.a", "void Py_x(void) {}", compiled...)
	w.cc("bin/full", code+mainText, asProgram...)
	library, err := os.ReadFile(w.path("lib/libfull.a"))
	if err != nil {
		t.Fatal(err)
	}
	object, err := os.ReadFile(w.path("bin/full"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("cut.so", string(object[:len(object)/2]))
	w.write("magic.so", elfMagic)
	w.write("cut.a", string(library[:len(library)-200]))
	w.write("thin.a", thinMagic)
	w.write("text.a", archiveMagic+"note/           0           0     0     644     4         `\ntext")
	w.write("size.a", archiveMagic+"note/           0           0     0     644     -4        `\ntext")
	w.ar("lto.a", "void Py_x(void) {}", "-O2", "-flto", "-fno-fat-lto-objects")
	report, err := Scan(w.tree, Policy{Floor: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Findings {
		if f.Rule != Readable {
			t.Error(f)
		}
		got = append(got, f.Path)
	}
	want := []string{"cut.a", "cut.so", "lto.a(member.o)", "magic.so", "size.a", "text.a(note)", "thin.a"}
	if !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", report.Findings, want)
	}
}

// FuzzObject looks for a file that ends the program instead of being found.
func FuzzObject(f *testing.F) {
	f.Add([]byte("!<arch>\n/               0           0     0     0       14        `\n\x00\x00\x00\x01\x00\x00\x00\x08TLS_m\x00"))
	f.Add([]byte(archiveMagic + "//                                              6         `\nlong/\n/0              0           0     0     644     4         `\n\x7fELF"))
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00\x01\x00\x00\x00"))
	f.Add([]byte(sslHeader))
	if b, err := os.ReadFile("/bin/true"); err == nil && len(b) < 100<<10 {
		f.Add(b)
		f.Add(b[:len(b)-100])
	}
	empty := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &scan{Policy: Policy{Floor: "1.2"}, tree: empty, methods: forbidden["1.2"], needed: map[string]bool{}, report: &Report{}}
		for _, path := range []string{"bin/file", "include/openssl/ssl.h"} {
			if err := s.file(path, bytes.NewReader(b), int64(len(b))); err != nil {
				t.Fatal(err)
			}
		}
	})
}
