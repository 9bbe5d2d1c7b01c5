package recipes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// against resolves a profile with a sysroot.
func against(t *testing.T, s *Set, profile, suite, arch string) []*Recipe {
	t.Helper()
	p, err := s.Profile(profile)
	if err != nil {
		t.Fatal(err)
	}
	if p.Sysroot, err = s.Sysroot(suite, arch); err != nil {
		t.Fatal(err)
	}
	list, err := s.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A sysroot comes first, everything needs it and is held to it, and nothing else about a profile changes.
func TestSysrootOfEveryProfile(t *testing.T) {
	s := load(t)
	for _, p := range s.Profiles() {
		plain, list := resolve(t, s, p.Name), against(t, s, p.Name, "bullseye", "amd64")
		if len(list) != len(plain)+1 || list[0].Name != SysrootName || list[0].Role != Sysroot || len(list[0].Needs) > 0 {
			t.Fatalf("%s: begins with %+v", p.Name, list[0])
		}
		for i, r := range list[1:] {
			if n := len(r.Needs) - 1; r.Needs[n] != SysrootName || r.Checks[len(r.Checks)-1] != CheckGlibc {
				t.Errorf("%s: %s needs %v and is held to %v", p.Name, r.Name, r.Needs, r.Checks)
			}
			r.Needs, r.Checks = r.Needs[:len(r.Needs)-1], r.Checks[:len(r.Checks)-1]
			if print(t, r) != print(t, plain[i]) {
				t.Errorf("%s: %s differs in more than its sysroot", p.Name, r.Name)
			}
		}
	}
}

func TestSysrootGolden(t *testing.T) {
	s := load(t)
	var b strings.Builder
	for _, arch := range []string{"amd64", "arm64"} {
		b.WriteString(print(t, against(t, s, DefaultProfile, "bullseye", arch)[0]))
	}
	golden := filepath.Join("testdata", "sysroot.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || b.String() != string(want) {
		t.Errorf("%v; it differs from %s (go test -update writes it):\n%s", err, golden, b.String())
	}
}

const older = `name: sysroot
versions:
  - version: 2.28-buster-amd64
    sources:
      - file: libc6_2.28_amd64.deb
        sha256: 1111111111111111111111111111111111111111111111111111111111111111
        size: 5
        urls: [https://example.org/libc6_2.28_amd64.deb]
        signature: none
        unsigned: a test has none
        vouched: a test
`

// An older sysroot needs other pins and nothing else.
func TestOverlayAddsASysroot(t *testing.T) {
	s := load(t, folder(t, map[string]string{"sysroot.yaml": older}))
	old, newer := against(t, s, DefaultProfile, "buster", "amd64")[0], against(t, s, DefaultProfile, "bullseye", "amd64")[0]
	if Glibc(old.Version) != "2.28" || Glibc(newer.Version) != "2.31" || len(old.Install) != len(newer.Install) {
		t.Errorf("%s and %s", old.Version, newer.Version)
	}
	for _, c := range []struct{ suite, arch, known string }{
		{"jammy", "amd64", "buster, bullseye"}, {"buster", "arm64", "bullseye"}, {"2.31-bullseye-amd64", "amd64", "buster, bullseye"}, {"none", "riscv64", ""},
	} {
		if _, err := s.Sysroot(c.suite, c.arch); fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), "(there are: "+c.known+")") {
			t.Errorf("%s for %s: %v", c.suite, c.arch, err)
		}
	}
}

func TestSysrootPlanted(t *testing.T) {
	for want, files := range map[string]map[string]string{
		`sysroot.yaml:3:14: version "2.28-buster" does not name a sysroot`: {"sysroot.yaml": strings.Replace(older, "-amd64\n", "\n", 1)},
		"role sysroot of thing":   {"thing.yaml": strings.Replace(thing, "role: library", "role: sysroot", 1)},
		"role library of sysroot": {"sysroot.yaml": "name: sysroot\nrole: library\n"},
		`check "glibc" is not`:    {"zlib.yaml": "name: zlib\nchecks: [glibc]\n"},
	} {
		if _, err := Load(folder(t, files)); err == nil || !strings.Contains(err.Error(), want) || fault.CodeOf(err) != fault.Usage {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s := load(t)
	p, _ := s.Profile(DefaultProfile)
	p.Sysroot = "2.17-nobody-amd64"
	if _, err := s.Resolve(p); err == nil {
		t.Error("a sysroot that does not exist was resolved")
	}
}

// A pin counts only for the headers that it was made with.
func TestPinsAreOfOneSysroot(t *testing.T) {
	r := &Recipe{Name: "python-profile", Pins: []Pin{{Compiler: "cc", Source: Source{File: "host"}}, {Compiler: "cc", Sysroot: "2.31-bullseye-amd64", Source: Source{File: "bullseye"}}}}
	var got []string
	for _, sysroot := range []string{"", "2.31-bullseye-amd64", "2.28-buster-amd64"} {
		for _, src := range r.Pinned("cc", sysroot).Sources {
			got = append(got, src.File)
		}
	}
	if want := []string{"host", "bullseye"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
