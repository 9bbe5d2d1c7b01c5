package verify

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// table is C text of what OpenSSL's statem_lib.c has, with methods for the versions of entries.
func versionText(tls, dtls string) string {
	return fmt.Sprintf(`typedef const void *(*method)(void);
		extern method m;
		const void *old(void), *new(void);
		typedef struct { int version; method client, server; } version_info;
		static const version_info tls_version_table[] = { {0x0304, new, new}, {0x0303, new, new}, %s, {0, 0,
			0} };
		static const version_info dtls_version_table[] = { {0xfefd, new, new}, %s, {0, 0, 0} };
		const version_info *use(int i) { return i ? dtls_version_table + i : tls_version_table; }`, tls, dtls)
}

// archive compiles text into a static library.
func archiveOf(t *testing.T, text string, flags ...string) string {
	t.Helper()
	for _, tool := range []string{"cc", "ar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + " to plant with")
		}
	}
	dir := t.TempDir()
	source, object, library := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o"), filepath.Join(dir,
		"libssl.a")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{append([]string{"cc", "-fPIC", "-c", "-o", object, source}, flags...),
		{"ar", "rc", library, object}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	return library
}

func TestVersionsIn(t *testing.T) {
	for name, test := range map[string]struct {
		tls, dtls string
		floor     Floor
		want      []string
	}{
		"left out": {"{0x0302, 0, 0}, {0x0301, 0, 0}, {0x0300, 0, 0}",
			"{0xfeff, 0, 0}, {0x0100, 0, 0}", TLS12, nil},
		"TLS 1.1": {"{0x0302, old, old}, {0x0301, 0, 0}", "{0xfeff, 0, 0}", TLS12,
			[]string{"tls has TLS 1.1"}},
		"a client's": {"{0x0302, 0, 0}, {0x0301, old, 0}", "{0xfeff, 0, 0}", TLS12,
			[]string{"tls has TLS 1.0"}},
		"a server's":     {"{0x0300, 0, old}", "{0xfeff, 0, 0}", TLS12, []string{"tls has SSL 3.0"}},
		"DTLS 1.0":       {"{0x0302, 0, 0}", "{0xfeff, old, old}", TLS12, []string{"dtls has TLS 1.1"}},
		"DTLS before it": {"{0x0302, 0, 0}", "{0x0100, old, 0}", TLS12, []string{"dtls has TLS 1.1"}},
		"a higher floor": {"{0x0302, 0, 0}", "{0xfeff, 0, 0}", TLS13, []string{"dtls has TLS 1.2",
			"tls has TLS 1.2"}},
	} {
		got, err := versionsIn(archiveOf(t, versionText(test.tls, test.dtls)), test.floor)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v, not %q", name, got, err, test.want)
		}
	}
	for name, text := range map[string]string{
		"no tables": "int f(void) { return 1; }",
		"one table": `static const long tls_version_table[3] = { 1, 2, 3 };
			const long *f(void) { return tls_version_table; }`,
		"no methods": `static const struct { long a, *b, *c; } tls_version_table[3], dtls_version_table[3];
			const void *f(int i) { return i ? (void *)tls_version_table : (void *)dtls_version_table; }`,
	} {
		if got, err := versionsIn(archiveOf(t, text), TLS12); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Built by what made them, the two libraries differ in what they negotiate.
func TestRealVersionsIn(t *testing.T) {
	for variable, want := range map[string][]string{
		"TLSFLOOR_TEST_OPENSSL": nil,
		"TLSFLOOR_TEST_WEAK_OPENSSL": {"dtls has TLS 1.1", "tls has SSL 3.0", "tls has TLS 1.0",
			"tls has TLS 1.1"},
	} {
		binary := os.Getenv(variable)
		if binary == "" {
			t.Skip(variable + " is not set")
		}
		got, err := versionsIn(filepath.Join(filepath.Dir(filepath.Dir(binary)), "lib", "libssl.a"), TLS12)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, not %q", variable, got, err, want)
		}
	}
}
