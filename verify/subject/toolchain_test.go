package subject

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
)

// real gives the toolchain with a floor of 1.2 that the environment names, or skips.
func real(t *testing.T) verify.Options {
	t.Helper()
	var missing []string
	get := func(name string) string {
		value := os.Getenv("TLSFLOOR_TEST_" + name)
		if value == "" {
			missing = append(missing, "TLSFLOOR_TEST_"+name)
		}
		return value
	}
	tools := verify.Toolchain{OpenSSL: get("OPENSSL"), Python: get("PYTHON"), WeakOpenSSL: get("WEAK_OPENSSL"), WeakSSL: get("WEAK_SSL")}
	if missing != nil {
		t.Skipf("no real toolchain: %s not set", strings.Join(missing, ", "))
	}
	return verify.Options{Toolchain: tools, Open: Open, OpenSSLVersion: versionOf(t, tools.OpenSSL, "version"), PythonVersion: versionOf(t, tools.Python, "--version")}
}

// versionOf takes the second word of what the program says.
func versionOf(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if words := strings.Fields(string(out)); err == nil && len(words) > 1 {
		return words[1]
	}
	t.Fatalf("%v: %q, %v", argv, out, err)
	return ""
}

func prove(t *testing.T, o verify.Options) *verify.Proof {
	t.Helper()
	p, err := verify.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func page(p *verify.Proof) string {
	var b strings.Builder
	p.WriteTable(&b, false)
	return b.String()
}

func TestRealToolchainPasses(t *testing.T) {
	o := real(t)
	first := prove(t, o)
	o.Toolchain.HostPython, o.Toolchain.HostOpenSSL = "/usr/bin/python3", "/usr/bin/openssl" // another host, or none, is no other verdict
	second := prove(t, o)
	if first.Status != verify.Pass {
		t.Fatal(page(first))
	}
	if !bytes.Equal(first.Verdict(), second.Verdict()) {
		t.Errorf("two runs, two verdicts:\n%s\n%s", first.Verdict(), second.Verdict())
	}
}

// The weak peers as subjects must fail every case that is about the floor.
func TestWeakPeersFail(t *testing.T) {
	o := real(t)
	o.Toolchain.OpenSSL, o.Toolchain.OpenSSLPrefix = o.Toolchain.WeakOpenSSL, ""
	o.Open = func(b verify.Bench) verify.Subjects {
		s := Open(b)
		s[verify.Python] = newPython(b, b.WeakPython, b.WeakSSL)
		return s
	}
	p := prove(t, o)
	want := []string{"client-tls11-perm", "client-tls10-perm", "client-seclevel0", "client-conf", "client-conf-openssl", "client-max12-sec0",
		"client-max11", "client-method11", "client-raw0302-perm", "client-raw0301-perm", "client-raw0300", "server-conf-openssl", "server-tls11-openssl", "server-tls10-openssl",
		"server-tls11-scsv-openssl", "server-ssl3-openssl", "server-tls11-python", "server-tls10-python", "server-tls11-scsv-python", "server-ssl3-python",
		"static-link", "static-versions", "static-macros", "static-has", "static-import", "static-dtls1",
		"client-tls11-script", "server-tls11-script"}
	failed := failures(p)
	for _, name := range want {
		if !slices.Contains(failed, name) {
			t.Errorf("%s does not fail\n%s", name, page(p))
		}
	}
}

// A toolchain with a floor of 1.2 is none of 1.3.
func TestRealToolchainIsNotOfAnotherFloor(t *testing.T) {
	o := real(t)
	o.Floor = verify.TLS13
	p := prove(t, o)
	for _, name := range []string{"client-tls12", "server-tls12-openssl", "server-tls12-python", "static-link", "static-has"} {
		if !slices.Contains(failures(p), name) {
			t.Errorf("%s does not fail\n%s", name, page(p))
		}
	}
	if p.Status != verify.Fail {
		t.Error(p.Summary())
	}
}

func failures(p *verify.Proof) (names []string) {
	for _, f := range p.Findings {
		if f.Status == verify.Fail {
			names = append(names, f.Case.Name)
		}
	}
	return names
}

// distributions are the cases that a stack fails which has TLS 1.0 and 1.1 compiled in and lets a program ask
// for them: Debian's OpenSSL 3.0 and its Python.
var distributions = []string{
	"client-tls13", "client-tls12", "client-tls11-default", "client-tls11-perm", "client-tls10-default", "client-tls10-perm", "client-seclevel0", "client-conf",
	"client-conf-openssl", "client-max12-sec0", "client-max11", "client-method11", "client-hello-size", "client-raw0302-perm", "client-raw0301-perm", "client-raw0300",
	"client-sv0302", "client-sentinel", "client-sentinel11", "client-null", "client-export", "client-no-ri",
	"server-tls11-openssl", "server-tls10-openssl", "server-tls11-scsv-openssl", "server-sv-openssl", "server-ssl2-tls11-openssl",
	"server-tls11-python", "server-tls10-python", "server-tls11-scsv-python", "server-sv-python", "server-ssl2-tls11-python", "server-conf-openssl",
	"client-tls11-script", "server-tls11-script", "static-import",
	"static-link", "static-ctypes", "static-has", "static-needed", "static-maps", "static-dtls1",
}

// The host's own stack has no floor: with the weak peers as controls it fails exactly what such a stack must
// fail, and passes the rest.
func TestHostFails(t *testing.T) {
	o := real(t)
	o.Toolchain.WeakPython = o.Toolchain.Python
	o.Toolchain.Python, o.Toolchain.OpenSSL, o.Toolchain.OpenSSLPrefix = "/usr/bin/python3", "/usr/bin/openssl", "/usr"
	if out, err := exec.Command("/usr/bin/openssl", "ciphers", "-tls1_1", "-s").CombinedOutput(); err != nil {
		t.Skipf("the host's openssl is none that knows TLS 1.1: %v %s", err, out)
	}
	said, err := exec.Command("/usr/bin/python3", "-c", "import ssl; print(ssl.HAS_TLSv1_1, ssl.OPENSSL_VERSION.split()[1])").Output()
	if words := strings.Fields(string(said)); err != nil || len(words) != 2 || words[0] != "True" || !strings.HasPrefix(words[1], "3.0.") {
		t.Skipf("the list is for a Python on OpenSSL 3.0 with TLS 1.1, and the host's says %q, %v", said, err)
	}
	p := prove(t, o)
	if p.Status != verify.Fail || p.Complete() {
		t.Error(p.Summary())
	}
	got, want := failures(p), slices.Clone(distributions)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it fails %v, not %v\n%s", got, want, page(p))
	}
	for _, f := range p.Findings {
		if f.Case.Role == verify.Trust && f.Status != verify.Pass {
			t.Errorf("%s: %s: %s", f.Case.Name, f.Status, f.Reason)
		}
	}
}

// Without the weak peers, what is seen below the floor still is a breach.
func TestBreachWithoutControls(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import ssl").Run(); err != nil {
		t.Skipf("the host has no python3 with ssl: %v", err)
	}
	p := prove(t, verify.Options{Toolchain: verify.Toolchain{Python: "/usr/bin/python3"}, Kind: verify.KindPython, Open: Open, OpenSSLVersion: "3.5.7"})
	if p.Status != verify.Fail || !p.Breached() || p.Complete() {
		t.Fatal(page(p))
	}
	for _, name := range []string{"static-needed", "static-maps"} {
		if !slices.Contains(failures(p), name) {
			t.Errorf("%s does not fail\n%s", name, page(p))
		}
	}
}

// The flags that people give by hand, and no more, leave the fixed-version methods in the library, in the
// interpreter and in s_client, and the headers without the macros that would say that they are gone.
// Everything that is negotiated is refused.
func TestGuidesFlagsFail(t *testing.T) {
	o := real(t)
	openssl, module := os.Getenv("TLSFLOOR_TEST_GUIDE_OPENSSL"), os.Getenv("TLSFLOOR_TEST_GUIDE_SSL")
	if openssl == "" || module == "" {
		t.Skip("no such build: TLSFLOOR_TEST_GUIDE_OPENSSL and TLSFLOOR_TEST_GUIDE_SSL are not set")
	}
	o.Toolchain.WeakPython = o.Toolchain.Python
	o.Toolchain.OpenSSL, o.Toolchain.OpenSSLPrefix = openssl, ""
	o.Toolchain.Module = module
	p := prove(t, o)
	if got, want := failures(p), []string{"static-link", "static-ctypes", "static-macros", "static-dtls1"}; !slices.Equal(got, want) {
		t.Errorf("it fails %v, not %v\n%s", got, want, page(p))
	}
}

func TestNothingGiven(t *testing.T) {
	p := prove(t, verify.Options{Open: Open})
	if p.Status != verify.Unproven || p.Breached() || p.Complete() {
		t.Error(p.Summary())
	}
}
