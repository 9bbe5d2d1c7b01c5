package steps

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/recipes"
)

// object compiles a shared object from C text.
func object(t *testing.T, path, text string, flags ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cc", append([]string{"-shared", "-fPIC", "-nostdlib", "-o", path, "-x", "c", "-"}, flags...)...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
}

const (
	sslText  = "static const char version[] = \"OpenSSL 3.5.7 9 Jun 2026\"; const char *PyInit__ssl(void) { return version; }\n"
	hashText = "static const char version[] = \"OpenSSL 3.5.7 9 Jun 2026\"; const char *PyInit__hashlib(void) { return version; }\n"
)

func TestOneOpenSSL(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(dir string)
		want  string // "" is no error
	}{
		"as it should be": {func(string) {}, ""},
		"no _ssl":         {func(dir string) { os.Remove(filepath.Join(dir, "lib-dynload/_ssl.so")) }, "module _ssl was not built"},
		"no _hashlib":     {func(dir string) { os.Remove(filepath.Join(dir, "lib-dynload/_hashlib.so")) }, "module _hashlib was not built"},
		"another OpenSSL": {func(dir string) {
			object(t, filepath.Join(dir, "lib-dynload/_ssl.so"), strings.Replace(sslText, "3.5.7 9 Jun", "3.0.19 27 Jan", 1))
		}, "carries OpenSSL 3.0.19, not 3.5.7"},
		"no OpenSSL inside": {func(dir string) {
			object(t, filepath.Join(dir, "lib-dynload/_ssl.so"), "void PyInit__ssl(void) {}\n")
		}, "does not carry OpenSSL 3.5.7"},
		"loads a libssl": {func(dir string) {
			lib := filepath.Join(t.TempDir(), "libssl.so")
			object(t, lib, "void SSL_new(void) {}\n", "-Wl,-soname,libssl.so.3")
			object(t, filepath.Join(dir, "lib-dynload/other.so"), "void SSL_new(void); void PyInit_other(void) { SSL_new(); }\n", "-L"+filepath.Dir(lib), "-Wl,--no-as-needed", "-lssl")
		}, "loads libssl.so.3"},
		"exports its symbols": {func(dir string) {
			object(t, filepath.Join(dir, "lib-dynload/_ssl.so"), sslText+"void SSL_read(void) {}\n")
		}, "exports SSL_read"},
		"broken ELF": {func(dir string) {
			os.WriteFile(filepath.Join(dir, "lib-dynload/_ssl.so"), []byte("\x7fELFbroken"), 0o755)
		}, "_ssl.so: readable: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			object(t, filepath.Join(dir, "lib-dynload/_ssl.so"), sslText)
			object(t, filepath.Join(dir, "lib-dynload/_hashlib.so"), hashText)
			c.plant(dir)
			matches(t, check(recipes.CheckSSL, subject{tree: dir, openssl: "3.5.7", floor: recipes.TLS12, log: t.Output()}), c.want)
		})
	}
}

func matches(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want no error", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestNoMethods(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		floor recipes.Floor
		want  string
	}{
		"hardened":        {"void TLS_method(void) {} void TLSv1_2_method(void) {}", recipes.TLS12, ""},
		"TLS 1.1 method":  {"void TLS_method(void) {} void TLSv1_1_client_method(void) {}", recipes.TLS12, "TLSv1_1_client_method"},
		"TLS 1.0 method":  {"void TLS_method(void) {} void TLSv1_server_method(void) {}", recipes.TLS12, "TLSv1_server_method"},
		"SSL 3.0 method":  {"void TLS_method(void) {} void SSLv3_method(void) {}", recipes.TLS12, "SSLv3_method"},
		"DTLS 1.0 method": {"void TLS_method(void) {} void DTLSv1_method(void) {}", recipes.TLS12, "DTLSv1_method"},
		"floor 1.3":       {"void TLS_method(void) {} void TLSv1_2_method(void) {}", recipes.TLS13, "TLSv1_2_method"},
		"stripped":        {"int nothing;", recipes.TLS12, "TLS_method"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", "cc -c -x c -o a.o - && ar rc lib/libssl.a a.o")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(c.text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			matches(t, check(recipes.CheckFloor, subject{tree: dir, floor: c.floor, log: t.Output()}), c.want)
		})
	}
	matches(t, check(recipes.CheckFloor, subject{tree: t.TempDir()}), "no such file")
	matches(t, check("nosuch", subject{}), "no such check")
}
