package advisory

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func database(t *testing.T) *Database {
	t.Helper()
	db, err := Read(filepath.Join("testdata", "osv"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func ids(hits []Hit) (all []string) {
	for _, h := range hits {
		all = append(all, h.ID)
	}
	return all
}

var (
	openssl = []string{"openssl"}
	python  = []string{"python", "cpython"}
)

func TestVersionsAreHeldAgainstAdvisories(t *testing.T) {
	db := database(t)
	for _, one := range []struct {
		names   []string
		version string
		want    string
	}{
		{openssl, "1.1.1d", "CVE-2022-0778 CVE-2020-1971"}, // worst first
		{openssl, "1.1.1h", "CVE-2022-0778 CVE-2020-1971"},
		{openssl, "1.1.1i", "CVE-2022-0778"},
		{openssl, "1.1.1m", "CVE-2022-0778"},
		{openssl, "1.1.1n", ""},
		{openssl, "1.1.1w", ""},
		{openssl, "1.0.2w", "CVE-2020-1971"},
		{openssl, "1.0.2za", ""},
		{openssl, "3.0.1", "CVE-2022-0778 CVE-2022-3602"},
		{openssl, "3.0.6", "CVE-2022-3602"},
		{openssl, "3.0.22", ""},
		{openssl, "3.5.7", ""},
		{python, "3.8.1", "CVE-2021-3177 CVE-2020-8492"},
		{python, "3.8.7", "CVE-2021-3177"},
		{python, "3.6.12", "CVE-2021-3177"},
		{python, "3.6.13", ""},
		{python, "3.9.2", ""},
		{python, "3.13.15", ""},
		{[]string{"xz"}, "5.6.1", "CVE-2024-3094"},
		{[]string{"xz"}, "5.8.1", ""},
		{[]string{"zlib"}, "1.1.1d", ""}, // others' advisories
	} {
		if got := strings.Join(ids(db.Affecting(Subject{Version: one.version, Names: one.names})), " "); got != one.want {
			t.Errorf("%s %s: %q, want %q", one.names[0], one.version, got, one.want)
		}
	}
}

func TestWhatAHitSays(t *testing.T) {
	hits := database(t).Affecting(Subject{Version: "1.1.1d", Names: openssl})
	if h := hits[0]; h.Severity != High || h.Score != 7.5 || !slices.Equal(h.Fixed, []string{"1.1.1n", "3.0.2"}) || !strings.HasSuffix(h.Summary, "not prime.") || !h.Sure {
		t.Errorf("%+v", h)
	}
	if h := hits[1]; h.Severity != Medium || h.Score != 5.9 || !slices.Equal(h.Aliases, []string{"BIT-openssl-2020-1971"}) || !slices.Equal(h.Fixed, []string{"1.1.1i"}) {
		t.Errorf("%+v", h)
	}
	if h := database(t).Affecting(Subject{Version: "3.0.6", Names: openssl})[0]; h.Severity != High || h.Score != 0 {
		t.Errorf("a severity in words: %+v", h)
	}
}

// write makes a database of one file.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "one.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCommitsWithoutVersions(t *testing.T) {
	db, err := Read(write(t, `{"id":"X-1","affected":[{"ranges":[{"type":"GIT","repo":"https://github.com/openssl/openssl","events":[{"introduced":"0"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	hits := db.Affecting(Subject{Version: "3.5.7", Names: openssl})
	if len(hits) != 1 || hits[0].Sure || hits[0].Severity != Unknown {
		t.Errorf("%+v", hits)
	}
}

func TestTheSameInTwoDatabases(t *testing.T) {
	dir := write(t, `{"id":"CVE-1-1","affected":[{"package":{"ecosystem":"Bitnami","name":"openssl"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"9.0"}]}]}]}`)
	other := `{"id":"PSF-1","aliases":["CVE-1-1"],"summary":"it","database_specific":{"severity":"LOW"},"affected":[{"ranges":[{"type":"GIT","repo":"https://x/openssl","events":[]}],"versions":["openssl-3.5.7"]}]}`
	if err := os.WriteFile(filepath.Join(dir, "two.json"), []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	db, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	hits := db.Affecting(Subject{Version: "3.5.7", Names: openssl})
	if len(hits) != 1 || hits[0].ID != "CVE-1-1" || hits[0].Summary != "it" || !slices.Contains(hits[0].Aliases, "PSF-1") || !slices.Equal(hits[0].Fixed, []string{"9.0"}) {
		t.Errorf("%+v", hits)
	}
}

func TestAHoleIsNoGoodNews(t *testing.T) {
	empty := t.TempDir()
	for name, where := range map[string]string{
		"nowhere": filepath.Join(empty, "nowhere"), "empty": empty, "no JSON": write(t, "{"), "no id": write(t, "{}"), "no advisory": write(t, `[1]`),
		"no zip": filepath.Join(write(t, "{}"), "one.json"), "wrong type": write(t, `{"id":"X","affected":"all"}`),
	} {
		if db, err := Read(where); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, %v", name, db, err)
		}
	}
}

func TestZip(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	if err := z.AddFS(os.DirFS(filepath.Join("testdata", "osv"))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Read(file)
	if err != nil || db.Len() != database(t).Len() || db.Len() != 7 {
		t.Errorf("%v, %v", db, err)
	}
}

func TestUntag(t *testing.T) {
	for tag, want := range map[string]string{"v3.8.1": "3.8.1", "OpenSSL_1_1_1d": "1.1.1d", "openssl-3.0.1": "3.0.1", "REL_15_2": "15.2", "R_2_4_1": "2.4.1", "3.13.0rc1": "3.13.0rc1", "v5.6.0": "5.6.0",
		"1.0.2za": "1.0.2za", "master": "", "": "", "openssl-3.0": "3.0"} {
		if got := untag(tag); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
}

func TestSeveritiesOfVectors(t *testing.T) {
	for vector, want := range map[string]float64{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": 9.8, "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H": 7.5,
		"AV:N/AC:L/Au:N/C:P/I:P/A:P": 7.5, "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N": 9.3,
	} {
		if got, ok := base(vector); !ok || got != want {
			t.Errorf("%s: %v, %v", vector, got, ok)
		}
	}
	for score, want := range map[float64]Severity{0: None, 0.1: Low, 3.9: Low, 4: Medium, 7: High, 9: Critical, 10: Critical} {
		if got := rating(score); got != want {
			t.Errorf("%v: %s", score, got)
		}
	}
}
