package recipes

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var update = flag.Bool("update", false, "write the golden files")

func load(t *testing.T, overlays ...string) *Set {
	t.Helper()
	s, err := Load(overlays...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// folder writes an overlay.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func resolve(t *testing.T, s *Set, profile string) []*Recipe {
	t.Helper()
	p, err := s.Profile(profile)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// values gives every placeholder of r a telling value.
func values(r *Recipe) map[string]string {
	vars := map[string]string{"jobs": "2", "dest": "/dest", "src": "/src", "prefix": "/opt/" + r.Name, "target": "linux-x86_64", "triple": "x86_64-linux-gnu"}
	for _, need := range r.Needs {
		vars["prefix:"+need], vars["dep:"+need] = "/opt/"+need, "/dep/"+need
	}
	return vars
}

func find(t *testing.T, list []*Recipe, name string) *Recipe {
	t.Helper()
	i := slices.IndexFunc(list, func(r *Recipe) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("%s is missing", name)
	}
	return list[i]
}

func args(r *Recipe) []string {
	var out []string
	for _, f := range r.Configure {
		out = append(out, f.Arg)
	}
	return out
}

// print writes what a recipe does, for the golden files.
func print(t *testing.T, r *Recipe) string {
	t.Helper()
	steps, err := r.Expand(values(r))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s, %s, of %s)\n", r.Name, r.Version, r.Role, r.License, r.Origin)
	if !r.EOL.IsZero() {
		fmt.Fprintf(&b, "  eol %s\n", r.EOL.Format("2006-01-02"))
	}
	fmt.Fprintf(&b, "  needs %v checks %v\n", r.Needs, r.Checks)
	var source func(indent string, s Source)
	source = func(indent string, s Source) {
		fmt.Fprintf(&b, "%ssource %s %s %d\n", indent, s.File, s.SHA256, s.Size)
		if s.Signature != nil {
			fmt.Fprintf(&b, "%s  signed by %s\n", indent, s.Signature.Key)
		}
		for _, a := range s.Alternatives {
			source(indent+"  or ", a)
		}
	}
	for _, s := range r.Sources {
		source("  ", s)
	}
	for _, v := range steps.Env {
		fmt.Fprintf(&b, "  env %s=%s\n", v.Name, v.Value)
	}
	for _, f := range steps.Files {
		if f.Literal { // its content is a file of its own
			fmt.Fprintf(&b, "  file %s\n", f.Path)
			continue
		}
		fmt.Fprintf(&b, "  file %s\n    %s\n", f.Path, strings.ReplaceAll(strings.TrimSpace(f.Content), "\n", "\n    "))
	}
	for _, c := range steps.Build {
		fmt.Fprintf(&b, "  build   %s\n", strings.Join(c.Argv, "\n            "))
	}
	for _, c := range steps.Train {
		fmt.Fprintf(&b, "  train   %s\n", strings.Join(c.Argv, " "))
	}
	for _, c := range steps.Install {
		fmt.Fprintf(&b, "  install %s\n", strings.Join(c.Argv, " "))
	}
	return b.String()
}

func TestResolveGolden(t *testing.T) {
	s := load(t)
	var names []string
	for _, p := range s.Profiles() {
		names = append(names, p.Name)
		var b strings.Builder
		for _, r := range resolve(t, s, p.Name) {
			b.WriteString(print(t, r))
		}
		golden := filepath.Join("testdata", p.Name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != string(want) {
			t.Errorf("%s differs from %s (go test -update writes it):\n%s", p.Name, golden, got)
		}
	}
	if want := []string{"guide", "legacy", "lts-3.0", "min-tls1_2", "min-tls1_3"}; !slices.Equal(names, want) {
		t.Errorf("profiles %v, want %v", names, want)
	}
	if !slices.Contains(names, DefaultProfile) {
		t.Error("the default profile does not exist")
	}
}

// The order that Resolve promises: needs first, controls last.
func TestResolveOrder(t *testing.T) {
	s := load(t)
	for _, p := range s.Profiles() {
		seen, controls := map[string]bool{}, false
		for _, r := range resolve(t, s, p.Name) {
			for _, need := range r.Needs {
				if !seen[need] {
					t.Errorf("%s: %s comes before %s, which it needs", p.Name, r.Name, need)
				}
			}
			if r.Role == Control {
				controls = true
			} else if controls {
				t.Errorf("%s: %s comes after a control", p.Name, r.Name)
			}
			seen[r.Name] = true
		}
		if !controls {
			t.Errorf("%s has no control", p.Name)
		}
	}
}

// The floor decides which protocols OpenSSL is built without, the twins included, and nothing else
// differs between the floors.
func TestFloorFlags(t *testing.T) {
	s := load(t)
	any := []string{"no-ssl3", "no-ssl3-method"}
	at12 := []string{"no-tls1", "no-tls1-method", "no-tls1_1", "no-tls1_1-method", "no-dtls1", "no-dtls1-method"}
	at13 := []string{"no-tls1_2", "no-tls1_2-method", "no-dtls1_2", "no-dtls1_2-method"}
	for _, v := range s.Versions("openssl") {
		for _, c := range []struct {
			floor     Floor
			with, not []string
		}{
			{TLS12, slices.Concat(any, at12), at13},
			{TLS13, slices.Concat(any, at12, at13), nil},
		} {
			got := args(s.components["openssl"].recipe(variant{v, c.floor, NoOptimize, nil}))
			for _, f := range c.with {
				if !slices.Contains(got, f) {
					t.Errorf("openssl %s at floor %s lacks %s", v, c.floor, f)
				}
			}
			for _, f := range c.not {
				if slices.Contains(got, f) {
					t.Errorf("openssl %s at floor %s has %s", v, c.floor, f)
				}
			}
		}
	}
	four := args(&Recipe{Configure: chosen(s.components["openssl"].configure, variant{"4.0.2", TLS12, NoOptimize, nil})})
	if slices.ContainsFunc(four, func(f string) bool { return strings.HasSuffix(f, "-method") || f == "no-ssl3" }) || !slices.Contains(four, "no-tls1_1") {
		t.Errorf("4.0 knows no -method switch and no SSLv3, but still TLS 1.1: %v", four)
	}
}

// A refusal has no other cause than the protocols: weak and hardened OpenSSL differ in nothing else.
func TestWeakDiffersOnlyInProtocols(t *testing.T) {
	s := load(t)
	for _, p := range s.Profiles() {
		list := resolve(t, s, p.Name)
		hard, weak := find(t, list, "openssl"), find(t, list, "openssl-weak")
		if weak.Version != hard.Version || weak.Origin != "openssl" || weak.Sources[0].SHA256 != hard.Sources[0].SHA256 {
			t.Errorf("%s: the weak one is another release", p.Name)
		}
		rest := func(r *Recipe) string {
			r.Configure = slices.DeleteFunc(slices.Clone(r.Configure), func(f Flag) bool {
				return strings.Contains(f.Arg, "ssl3") || strings.Contains(f.Arg, "tls1")
			})
			env := ""
			for _, v := range r.Env {
				env += v.Name + "=" + v.Value + " "
			}
			return fmt.Sprint(args(r), env)
		}
		for _, f := range []string{"enable-ssl3", "enable-tls1", "enable-tls1_1", "enable-dtls1"} {
			if !slices.Contains(args(weak), f) || !slices.Contains(args(weak), f+"-method") {
				t.Errorf("%s: openssl-weak lacks %s or its -method twin", p.Name, f)
			}
		}
		if a, b := rest(hard), rest(weak); a != b {
			t.Errorf("%s: the two differ in more than the protocols:\n%s\n%s", p.Name, a, b)
		}
	}
}

// A module that is not switched off finds its library in a folder that the build names; nothing is left to
// what configure finds on the host.
func TestPythonReachesOnlyOurLibraries(t *testing.T) {
	s := load(t)
	libraries := map[string]string{"zlib": "zlib", "_bz2": "bzip2", "_lzma": "xz", "_ctypes": "libffi", "_curses": "ncurses", "_curses_panel": "ncurses", "readline": "libedit",
		"_sqlite3": "sqlite", "_uuid": "libuuid", "_decimal": "mpdecimal", "_dbm": "", "_gdbm": "", "_tkinter": "", "_crypt": "", "nis": ""}
	for _, v := range s.Versions("python") {
		r := s.components["python"].recipe(variant{v, TLS12, NoOptimize, nil})
		steps, err := r.Expand(values(r))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(steps.Files, func(f File) bool { return f.Path == "Modules/Setup.local" })
		if i < 0 {
			t.Fatalf("python %s writes no Modules/Setup.local", v)
		}
		named, disabled, _ := strings.Cut(steps.Files[i].Content, "*disabled*\n")
		for _, e := range steps.Env {
			if strings.HasSuffix(e.Name, "_LIBS") {
				named += e.Value + "\n"
			}
		}
		for module, library := range libraries {
			removed := (module == "_crypt" || module == "nis") && strings.HasPrefix(v, "3.13.")
			if removed || slices.Contains(strings.Fields(disabled), module) {
				continue
			}
			if library == "" || !slices.Contains(r.Needs, library) || !strings.Contains(named, "-L/dep/"+library+"/") {
				t.Errorf("python %s may link %s to the host's library", v, module)
			}
		}
	}
}

// Each key file is the key that its name says, and nothing but a public key.
func TestKeysAreWhatTheirNamesSay(t *testing.T) {
	s := load(t)
	if len(s.keys) == 0 {
		t.Fatal("no keys")
	}
	for fpr := range s.keys {
		armored, err := s.Key(strings.ToLower(fpr))
		if err != nil {
			t.Fatal(err)
		}
		ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(string(armored)))
		if err != nil || len(ring) != 1 {
			t.Fatalf("%s: %d keys, %v", fpr, len(ring), err)
		}
		if got := fmt.Sprintf("%X", ring[0].PrimaryKey.Fingerprint); got != fpr || ring[0].PrivateKey != nil {
			t.Errorf("%s.asc holds %s", fpr, got)
		}
	}
	_, err := s.Key(strings.Repeat("0", 40))
	if fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestProfileUnknown(t *testing.T) {
	_, err := load(t).Profile("min-tls1_4")
	if fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), "guide, legacy, lts-3.0, min-tls1_2, min-tls1_3") {
		t.Errorf("got %v", err)
	}
}

// A profile that a caller has changed is checked like one from a file, and the Set keeps its own.
func TestResolveChecksAChangedProfile(t *testing.T) {
	s := load(t)
	p, err := s.Profile(DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	p.Versions["openssl"] = "9.9.9"
	if _, err := s.Resolve(p); fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "1.1.1d, 1.1.1w, 3.0.22, 3.5.7") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	if got := find(t, resolve(t, s, DefaultProfile), "openssl").Version; got == "9.9.9" {
		t.Error("the Set's own profile was changed")
	}
}

func TestExpand(t *testing.T) {
	r := &Recipe{
		Name: "x", Version: "1.1.1w",
		Configure: []Flag{{"--prefix={prefix}", "w"}, {"{target}", "w"}},
		Env:       []Var{{"A", "{dep:zlib} {version} {minor} {Not} {}", "w"}},
		Files:     []File{{"f", "x = {jobs}\n", "w", false}, {"l", "{jobs}", "w", true}},
		Make:      []Flag{{"A=$@", "w"}},
		Build:     []Command{{Argv: []string{"./Configure", "{configure}", "-j{jobs}"}}, {[]string{"make", "{make}"}, 1 << 20}},
		Install:   []Command{{Argv: []string{"make", "DESTDIR={dest}"}}},
	}
	got, err := r.Expand(map[string]string{"prefix": "/p q", "target": "t", "dep:zlib": "/z", "jobs": "3", "dest": "{src}", "version": "no"})
	if err != nil {
		t.Fatal(err)
	}
	want := "&{[{A /z 1.1.1w 1.1 {Not} {} w}] [{f x = 3\n w false} {l {jobs} w true}] [{[./Configure --prefix=/p q t -j3] 0} {[make A=$@] 1048576}] [] [{[make DESTDIR={src}] 0}]}"
	if s := fmt.Sprint(got); s != want || len(got.Build[0].Argv) != 4 {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if _, err := r.Expand(map[string]string{"prefix": "/p"}); err == nil || !strings.Contains(err.Error(), "{dep:zlib}") || fault.HintOf(err) == "" {
		t.Errorf("a missing value: %v", err)
	}
}
