package audit

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tableText is what OpenSSL's table of versions looks like; LOW is the lowest version that has methods.
const tableText = `
typedef const void *(*maker)(void);
static const void *make(void) { return 0; }
struct version_info { int version; maker client, server; };
#define ROW(v) { v, v >= LOW ? make : 0, v >= LOW ? make : 0 }
const struct version_info versions[] = { ROW(0x0304), ROW(0x0303), ROW(0x0302), ROW(0x0301), ROW(0x0300), { 0, 0, 0 } };
`

// text that OpenSSL's libcrypto has.
const version = `const char *const says = "OpenSSL 3.5.7 9 Jun 2026";` + "\n"

const mainText = "int main(int argc, char **argv) { return versions[argc].client != 0; }\n"

// cc compiles a program or a library into dir.
func cc(t testing.TB, dir, name, text string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler")
	}
	out := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cc", append([]string{"-o", out, "-x", "c", "-", "-x", "none"}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}

func only(t *testing.T, r *Report) Stack {
	t.Helper()
	if len(r.Stacks) != 1 || len(r.Gaps) > 0 {
		t.Fatalf("stacks %v, gaps %v", r.Stacks, r.Gaps)
	}
	return r.Stacks[0]
}

// The table is read however a file was linked, stripped or not.
func TestTable(t *testing.T) {
	for how, args := range map[string][]string{"pie": {"-fPIE", "-pie"}, "fixed": {"-no-pie", "-fno-pie"}, "shared": {"-fPIC", "-shared"}, "stripped": {"-fPIE", "-pie", "-s"}, "relr": {"-fPIE", "-pie", "-Wl,-z,pack-relative-relocs"}} {
		for low, want := range map[string]struct {
			verdict Verdict
			known   string
		}{"0x0303": {Holds, "its table of versions begins with TLS 1.2"}, "0x0304": {Holds, "its table of versions begins with TLS 1.3"},
			"0x0302": {Below, "its table of versions has TLS 1.1"}, "0x0300": {Below, "its table of versions has SSLv3"}} {
			path := cc(t, t.TempDir(), "program", version+tableText+mainText, append(args, "-DLOW="+low)...)
			r, err := Files(t.Context(), path, []string{path})
			if err != nil {
				t.Fatal(err)
			}
			if s := only(t, r); s.Library != "OpenSSL" || s.Version != "3.5.7" || s.Verdict != want.verdict || s.Known != want.known || len(s.Via) > 0 {
				t.Errorf("%s, from %s: %+v", how, low, s)
			}
		}
	}
}

// A method for one old version needs no table.
func TestMethod(t *testing.T) {
	dir := t.TempDir()
	path := cc(t, dir, "libssl.so.9", version+tableText+"const void *TLSv1_1_client_method(void) { return 0; }", "-fPIC", "-shared", "-DLOW=0x0303")
	r, _ := Files(t.Context(), path, []string{path})
	if s := only(t, r); s.Verdict != Below || s.Known != "it exports TLSv1_1_client_method" {
		t.Errorf("%+v", s)
	}
}

// tree is a virtual environment with a package that brings a library and one that links it, and one that
// brings nothing.
func tree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	site := "lib/python3.13/site-packages/"
	ssl := cc(t, dir, site+"wheel.libs/libssl-abcd.so.3", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301", "-Wl,-soname,libssl-abcd.so.3")
	cc(t, dir, site+"wheel/_module.so", "int x(void) { return 1; }", "-fPIC", "-shared", "-Wl,--no-as-needed", ssl, "-Wl,-rpath,$ORIGIN/../wheel.libs")
	cc(t, dir, site+"plain/_module.so", "int x(void) { return 1; }", "-fPIC", "-shared")
	for name, text := range map[string]string{
		"wheel-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: Wheel\nVersion: 1.2\n\nName: no\n", "wheel-1.2.dist-info/RECORD": "wheel/_module.so,sha256=x,1\nwheel.libs/libssl-abcd.so.3,,\n",
		"plain-1.dist-info/METADATA": "Name: plain\nVersion: 1\n", "plain/text.py": "print('OpenSSL 3.0.1')\n", "empty": "", "short": "\x7fEL",
	} {
		path := filepath.Join(dir, site, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "device")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTree(t *testing.T) {
	dir := tree(t)
	r, err := Tree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range r.Stacks {
		got = append(got, filepath.Base(s.File)+" "+string(s.Verdict)+" "+s.Package+" "+s.String())
	}
	want := []string{
		"libssl-abcd.so.3 below Wheel 1.2 OpenSSL 3.5.7: its table of versions has TLS 1.0",
		"_module.so below Wheel 1.2 OpenSSL 3.5.7 by libssl-abcd.so.3: its table of versions has TLS 1.0",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || r.Worst() != Below || r.Programs != 3 || len(r.Gaps) > 0 {
		t.Errorf("%s\n%+v", strings.Join(got, "\n"), r)
	}
	// Without the library that it links nothing can be told.
	if err := os.RemoveAll(filepath.Join(dir, "lib/python3.13/site-packages/wheel.libs")); err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(dir, "lib/python3.13/site-packages/wheel/_module.so")
	r, _ = Files(t.Context(), module, []string{module})
	if len(r.Stacks) != 0 { // the name is the wheel's own, and says nothing
		t.Errorf("%+v", r.Stacks)
	}
}

// A library that is not there is Unknown where its name says what it is.
func TestMissingLibrary(t *testing.T) {
	dir := t.TempDir()
	ssl := cc(t, dir, "libssl.so.77", "int y(void) { return 1; }", "-fPIC", "-shared", "-Wl,-soname,libssl.so.77")
	path := cc(t, dir, "module.so", "int x(void) { return 1; }", "-fPIC", "-shared", "-Wl,--no-as-needed", ssl)
	curl := cc(t, dir, "libcurl-gnutls.so.77", "int z(void) { return 1; }", "-fPIC", "-shared", "-Wl,-soname,libcurl-gnutls.so.77")
	other := cc(t, dir, "other.so", "int x(void) { return 1; }", "-fPIC", "-shared", "-Wl,--no-as-needed", curl)
	os.Remove(ssl)
	os.Remove(curl)
	for path, want := range map[string]string{path: "OpenSSL", other: "what libcurl-gnutls.so.77 has"} {
		r, _ := Files(t.Context(), path, []string{path})
		if s := only(t, r); s.Verdict != Unknown || s.Library != want || r.Worst() != Unknown {
			t.Errorf("%+v", s)
		}
	}
}

// Each list of marks by itself gives away its library, in a file of its form, and nothing in a file of
// another.
func TestLibraries(t *testing.T) {
	for _, l := range libraries {
		for n, marks := range l.marks {
			text := ""
			for _, m := range marks {
				if i := strings.IndexByte(m, '|'); i <= 0 || i == len(m)-1 {
					t.Errorf("%s: the mark %q stands in this program as it is", l.name, m)
				}
				if len(bare(m)) < shortest {
					t.Errorf("%s: the mark %q is too short to be found", l.name, m)
				}
				text += "\x00" + bare(m) + "\x00"
			}
			if l.name == "rustls" {
				text += "/cargo/registry/src/rustls-0.21.10/src/conn.rs\x00" +
					bare("received corr|upt message")
			}
			all := inside(evidence{hits: scan([]byte(text)), form: l.form(), data: []byte(text)})
			if len(all) != 1 || all[0].Library != l.name || all[0].Known == "" {
				t.Errorf("%s, list %d: %+v", l.name, n, all)
			}
			if l.name == "rustls" && all[0].Version != "0.21.10" {
				t.Errorf("%+v", all)
			}
			if all := inside(evidence{hits: scan([]byte(text)), form: 1 << 20,
				data: []byte(text)}); len(all) > 0 {
				t.Errorf("%s, in another form: %+v", l.name, all)
			}
		}
	}
}

// A text says less than what is in a file: neither the name of a stack that holds, nor of what is none, hides
// one that nobody knows; and of several versions the oldest counts.
func TestTexts(t *testing.T) {
	labels := keyExpansion + "\x00" + clientFinished + "\x00" + serverFinished + "\x00"
	rustls := "/cargo/registry/src/rustls-0.21.10/src/conn.rs\x00"
	sure := rustls + "received corr|upt message\x00"
	botan := "Policy forbids |all available TLS version\x00"
	for name, test := range map[string]struct {
		text string
		all  []string // exported
		want Verdict
		n    int
	}{
		"labels": {labels,
			nil, Unknown, 1},
		"rustls": {labels + sure,
			nil, Holds, 1},
		"the name of rustls": {labels + rustls,
			nil, Unknown, 1},
		"rustls, and labels of more": {labels + sure + labels,
			nil, Unknown, 2},
		"Botan and rustls": {labels + sure + labels + botan + "Botan 3.7.1 (x",
			nil, Holds, 2},
		"the text of a token": {labels + "NSS Internal| PKCS #11 Module",
			nil, Unknown, 1},
		"a token": {labels + "NSS Internal| PKCS #11 Module",
			[]string{"NSC_GetFunctionList"}, Holds, 0},
		"Botan, and a newer's text": {labels + botan + "Botan 3.1.0 (and\x00Botan 2.19.3 (x",
			nil, Below, 1},
		"Mbed TLS 2 with TLS 1.3": {"mbe|dtls_ssl_handshake\x00mbedtls_ssl_tls1|3_\x00mbed TLS 2.16.3",
			nil, Unknown, 1},
		"Mbed TLS, and a newer's": {"mbe|dtls_ssl_handshake\x00Mbed TLS 3.6.6\x00mbed TLS 2.16.3",
			nil, Unknown, 1},
		"what Mbed TLS's errors say": {"returned by mbe|dtls_ssl_handshake(), mbe|dtls_ssl_read()",
			nil, Holds, 0},
		"Mbed TLS without a version": {"mbe|dtls_ssl_handshake\x00mbedtls_ssl_tls1|3_",
			nil, Holds, 1},
	} {
		data := []byte(strings.ReplaceAll(test.text, "|", ""))
		r := Report{Stacks: inside(evidence{hits: scan(data), form: native, data: data, exports: test.all})}
		if r.Worst() != test.want || len(r.Stacks) != test.n {
			t.Errorf("%s: %+v", name, r.Stacks)
		}
	}
}

// A version without old code holds, and one with it does not.
func TestSince(t *testing.T) {
	for text, want := range map[string]Verdict{"Botan 2.19.3 (x": Below, "Botan 3.7.1 (x": Holds,
		"Mbed TLS 3.6.6": Holds, "mbed TLS 2.28.3": Unknown} {
		mark := map[byte]string{'B': "Policy forbids all available TLS version", 'M': "mbedtls_ssl_handshake",
			'm': "mbedtls_ssl_handshake"}[text[0]]
		data := []byte(mark + "\x00" + text + "\x00")
		if all := inside(evidence{hits: scan(data), form: native, data: data}); len(all) != 1 ||
			all[0].Verdict != want {
			t.Errorf("%s: %+v", text, all)
		}
	}
}

// Marks are found wherever they begin, also at both ends.
func TestMatcher(t *testing.T) {
	m := newMatcher([]string{"nine byte", "nine bytes and more"})
	for before := range 20 {
		for after := range 20 {
			found := 0
			data := strings.Repeat("n", before) + "nine bytes and more" + strings.Repeat("e", after)
			m.each([]byte(data), func(text, at int) {
				if at == before {
					found++
				}
			})
			if found != 2 {
				t.Fatalf("%d before, %d after: %d found", before, after, found)
			}
		}
	}
}

func TestGoProgram(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"net/http\"\n\nfunc main() { http.Get(\"\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"", "-s -w"} {
		path := filepath.Join(dir, "program")
		if out, err := exec.Command("go", "build", "-ldflags="+flags, "-o", path, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		r, _ := Files(t.Context(), path, []string{path})
		if s := only(t, r); s.Library != "Go crypto/tls" || s.Version == "" || s.Verdict != Below {
			t.Errorf("%q: %+v", flags, s)
		}
	}
}

// Hostile files are a problem of their own, and never stop the others.
func TestHostile(t *testing.T) {
	dir := tree(t)
	good, err := os.ReadFile(filepath.Join(dir, "lib/python3.13/site-packages/plain/_module.so"))
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for name, data := range map[string][]byte{"cut": good[:200], "header": []byte("\x7fELF\x02\x01\x01"), "noise": append([]byte("\x7fELF"), bytes.Repeat([]byte{0xff}, 4000)...)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		bad++
	}
	r, err := Tree(t.Context(), dir)
	if err != nil || len(r.Gaps) != bad || len(r.Stacks) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
	if r.Stacks = nil; r.Worst() != Unknown {
		t.Error("a file that could not be read does not count")
	}
}

func FuzzObject(f *testing.F) {
	dir := f.TempDir()
	path := cc(f, dir, "seed.so", version+tableText, "-fPIC", "-shared", "-DLOW=0x0301")
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, data []byte) { parse("/nowhere/seed.so", data) })
}

func TestSARIF(t *testing.T) {
	r := &Report{Stacks: []Stack{{File: "/a b/ü.so", Library: "OpenSSL", Version: "3.0.1", Package: "wheel 1", Verdict: Below, Known: "it exports TLSv1_method"}, {File: "/holds", Verdict: Holds}, {File: "/unknown", Library: "wolfSSL", Verdict: Unknown, Known: "it depends"}},
		Gaps: []Gap{{"/broken", Unreadable, "no ELF"}}}
	var b bytes.Buffer
	if err := r.WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 3 {
		t.Fatalf("%v\n%s", err, b.String())
	}
	first := log.Runs[0].Results[0]
	if first.Level != "error" || first.Locations[0].Physical.Artifact.URI != "/a%20b/%C3%BC.so" || first.Message.Text != "OpenSSL 3.0.1: it exports TLSv1_method (from wheel 1)" {
		t.Errorf("%+v", first)
	}
	rules := map[string]bool{}
	for _, rule := range log.Runs[0].Tool.Driver.Rules {
		rules[rule.ID] = true
	}
	for _, result := range log.Runs[0].Results {
		if !rules[result.Rule] {
			t.Errorf("rule %s is not declared", result.Rule)
		}
	}
	b.Reset()
	(&Report{}).WriteSARIF(&b)
	if !strings.Contains(b.String(), `"results": []`) {
		t.Error("an audit without findings does not say that it ran")
	}
}
