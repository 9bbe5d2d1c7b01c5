package bump

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/recipes"
)

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		v, old string
		same   bool
		want   bool
	}{
		{"3.13.16", "3.13.15", true, true},
		{"3.14.0", "3.13.15", true, false},
		{"3.14.0", "3.13.15", false, true},
		{"3.13.15", "3.13.15", true, false},
		{"3.13.2", "3.13.15", true, false},
		{"3.14.0rc1", "3.13.15", false, false},
		{"3.6.0-beta1", "3.5.7", false, false},
		{"1.1.1w", "1.1.1d", true, true},
		{"6.6+20260608", "6.5+20250216", false, true},
		{"5.9.0alpha", "5.8.1", false, false},
		{"../../3.14", "3.13", false, false},
	} {
		if got := newer(c.v, c.old, c.same); got != c.want {
			t.Errorf("newer(%q, %q, %v) = %v", c.v, c.old, c.same, got)
		}
	}
}

var openssl = recipes.Source{File: "openssl-3.5.7.tar.gz", URLs: []string{"https://github.com/openssl/openssl/releases/download/openssl-3.5.7/openssl-3.5.7.tar.gz", "https://www.openssl.org/source/openssl-3.5.7.tar.gz"},
	Apt: &recipes.Apt{Package: "openssl", File: "openssl_3.5.7.orig.tar.gz"},
	Signature: &recipes.Signature{File: "openssl-3.5.7.tar.gz.asc", URLs: []string{"https://www.openssl.org/source/openssl-3.5.7.tar.gz.asc"}, Key: "K",
		Apt: &recipes.Apt{Package: "openssl", File: "openssl_3.5.7.orig.tar.gz.asc"}}}

func versions(all []Candidate) (v []string) {
	for _, c := range all {
		v = append(v, c.Version)
	}
	slices.Sort(v)
	return slices.Compact(v)
}

func TestPages(t *testing.T) {
	pages := Pages(openssl, "3.5.7")
	if len(pages) != 2 || pages[0].URL != "https://github.com/openssl/openssl.git/info/refs?service=git-upload-pack" || pages[1].URL != "https://www.openssl.org/source/" {
		t.Fatalf("%+v", pages)
	}
	tags := "003d1234 refs/tags/openssl-3.5.7\n003d1234 refs/tags/openssl-3.5.8\n003f1234 refs/tags/openssl-3.5.8^{}\n00 refs/tags/openssl-3.5.9-beta1\n00 refs/tags/openssl-4.0.0\n00 refs/tags/openssl-3.5.6\n"
	if got := versions(pages[0].Candidates(tags, openssl, "3.5.7", true)); !slices.Equal(got, []string{"3.5.8"}) {
		t.Errorf("of tags: %v", got)
	}
	html := `<a href="openssl-3.5.7.tar.gz">x</a> <a href="openssl-3.5.10.tar.gz">x</a> <a href="openssl-3.5.10.tar.gz.asc">x</a> <a href="openssl-fips-3.5.11.tar.gz">`
	all := pages[1].Candidates(html, openssl, "3.5.7", true)
	if !slices.Equal(versions(all), []string{"3.5.10"}) {
		t.Fatalf("of a list: %v", versions(all))
	}
	s := all[0].Source
	if s.File != "openssl-3.5.10.tar.gz" || s.URLs[0] != "https://github.com/openssl/openssl/releases/download/openssl-3.5.10/openssl-3.5.10.tar.gz" || s.Apt != nil || s.Signature.Apt != nil || s.Signature.File != "openssl-3.5.10.tar.gz.asc" || !s.SHA256.IsZero() {
		t.Errorf("%+v, %+v", s, s.Signature)
	}
	python := recipes.Source{URLs: []string{"https://www.python.org/ftp/python/3.13.15/Python-3.13.15.tar.xz"}}
	p := Pages(python, "3.13.15")[0]
	if got := versions(p.Candidates(`<a href="3.13.15/">3.13.15/</a> <a href="3.13.18/">3.13.18/</a> <a href="3.14.1/">`, python, "3.13.15", true)); p.URL != "https://www.python.org/ftp/python/" || !slices.Equal(got, []string{"3.13.18"}) {
		t.Errorf("%s: %v", p.URL, got)
	}
}

const sources = `Package: openssl
Version: 3.5.9-1
Files:
 0123 1 openssl_3.5.9.orig.tar.gz
Checksums-Sha256:
 a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8 5315 openssl_3.5.9.orig.tar.gz
 nonsense 5 other
Homepage: https://openssl-library.org
 d3d082bee3f658c31db53af625eceecf29d777c7010394bed5787ebcc98abdf2 5 not-a-checksum
`

func TestStanza(t *testing.T) {
	s := parseStanza(sources)
	l, ok := s.files["openssl_3.5.9.orig.tar.gz"]
	if len(s.files) != 1 || !ok || l.size != 5315 || !strings.HasPrefix(l.sha256.String(), "a8c0") ||
		s.pkg != "openssl" || s.version != "3.5.9-1" {
		t.Errorf("%+v", s)
	}
}

const recipe = `name: thing
versions:
  - version: 3.5.7
    eol: 2030-04-08
    fips: "no"
    sources:
      - file: openssl-3.5.7.tar.gz
        sha256: old

  - version: 3.0.22
    sources:
      - file: older

configure:
  - arg: x
`

func TestRecipe(t *testing.T) {
	c := Candidate{Version: "3.5.8", Source: renamed(openssl, "3.5.7", "3.5.8")}
	got, err := Recipe(recipe, "3.5.7", c, "somebody whose words are so many that they do not all stand in one line of what is written into the recipe")
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(got, "  - version: 3.5.7\n")
	if !ok || !strings.HasSuffix(recipe, after) || !strings.Contains(before, "  - version: 3.5.8\n    eol: 2030-04-08\n    fips: \"no\"\n    sources:\n      - file: openssl-3.5.8.tar.gz\n") || strings.Contains(before, "3.5.7") ||
		!strings.Contains(before, "\n          key: K\n") || !strings.Contains(before, " written into\n          the recipe") {
		t.Errorf("%s", got)
	}
	if last, err := Recipe(recipe, "3.0.22", Candidate{Version: "3.0.23", Source: recipes.Source{File: "f", Unsigned: "why"}}, "w"); err != nil || !strings.Contains(last, "        signature: none\n        unsigned: why\n") || strings.Count(last, "configure:") != 1 {
		t.Errorf("%v\n%s", err, last)
	}
	if text := Overlay(&recipes.Recipe{Name: "thing", FIPS: "no: \"why\""}, c, "w"); !strings.HasPrefix(text, "name: thing\nversions:\n  - version: \"3.5.8\"\n    fips: \"no: \\\"why\\\"\"\n    sources:\n      - file: openssl-3.5.8.tar.gz\n") {
		t.Errorf("alone it is\n%s", text)
	}
	if _, err := Recipe(recipe, "1.0", c, ""); err == nil {
		t.Error("a version that is not there is found")
	}
	if text, was := Profile("versions:\n  openssl: 3.5.7\n  postgresql: \"17.11\"\n", "postgresql", "17.11", "17.12"); !was || text != "versions:\n  openssl: 3.5.7\n  postgresql: \"17.12\"\n" {
		t.Errorf("%v %s", was, text)
	}
	if _, was := Profile("  openssl: 3.5.70\n", "openssl", "3.5.7", "3.5.8"); was {
		t.Error("another version is taken for it")
	}
}

func TestNewest(t *testing.T) {
	all := Newest([]Candidate{{Version: "1.9"}, {Version: "1.10"}, {Version: "1.10", Voucher: "a list"},
		{Version: "1.2"}})
	if got := fmt.Sprint(all[0].Version, all[1].Version, all[2].Version); len(all) != 3 ||
		got != "1.101.91.2" || all[0].Voucher == "" {
		t.Errorf("%+v", all)
	}
}
