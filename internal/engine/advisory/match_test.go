package advisory

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBounds has what is said of a version in each form: it is affected, it is not, or that cannot be told.
func TestBounds(t *testing.T) {
	const hit, not, unsure = "affected", "not affected", "cannot be told"
	events := func(kind string, all ...string) string {
		var list []string
		for _, e := range all {
			key, value, _ := strings.Cut(e, "=")
			list = append(list, fmt.Sprintf("{%q:%q}", key, value))
		}
		return fmt.Sprintf(`"ranges":[{"type":%q,"events":[%s]}]`, kind, strings.Join(list, ","))
	}
	tags := func(all ...string) string {
		return strings.ReplaceAll(fmt.Sprintf(`"versions":%q`, all), `" "`, `","`)
	}
	for _, c := range []struct{ version, says, want string }{
		// pre-releases, in SemVer's form and PEP 440's
		{"3.5.7", events("SEMVER", "introduced=3.5.0-beta.1", "fixed=3.5.9"), hit},
		{"3.5.0", events("SEMVER", "introduced=3.5.0-beta.1", "fixed=3.5.9"), hit},
		{"3.5.0", events("SEMVER", "introduced=3.5.0-beta", "fixed=3.5.9"), hit},
		{"3.5.0", events("SEMVER", "introduced=0", "fixed=3.5.0-rc.1"), not},
		{"3.5.0", events("SEMVER", "introduced=0", "last_affected=3.5.0-alpha.2"), not},
		{"3.5.0", events("SEMVER", "introduced=3.5.1-SNAPSHOT"), not},
		{"3.5.0rc1", events("SEMVER", "introduced=3.5.0-rc.1", "fixed=3.5.0"), hit},
		{"3.5.0rc1", events("ECOSYSTEM", "introduced=3.5.0rc2"), not},
		{"3.5.0a1", events("ECOSYSTEM", "introduced=3.5.0.dev3", "fixed=3.5.0alpha2"), hit},
		{"3.5.0", events("ECOSYSTEM", "introduced=3.5.0.post1"), not},
		{"3.5.1", events("ECOSYSTEM", "introduced=3.5.0.post1", "fixed=3.5.2c1"), hit},
		{"6.5+20250216", events("ECOSYSTEM", "introduced=6.4", "fixed=6.5+20250301"), hit},
		{"20250104-3.1", events("ECOSYSTEM", "introduced=20240808-3.1"), hit},
		{"20250104-3.1", events("ECOSYSTEM", "introduced=20250208-3.1"), not},
		// bounds that are no versions
		{"3.5.7", events("SEMVER", "introduced=3.5.0+quic"), unsure},
		{"3.5.7", events("ECOSYSTEM", "introduced=1:3.5.0-1.el9", "fixed=1:3.5.9-1.el9"), unsure},
		{"3.5.7", events("ECOSYSTEM", "introduced=0", "fixed=the next one"), unsure},
		{"3.5.7", events("ECOSYSTEM", "introduced=0", "last_affected=3.5.x"), unsure},
		{"3.5.7", events("ECOSYSTEM", "introduced=3.5.0", "limit=three"), unsure},
		{"3.5.7", events("ECOSYSTEM", "introduced=3.5.8", "limit=*"), not},
		{"3.5.7", events("ECOSYSTEM"), unsure},
		{"3.5.7", `"ranges":[{"type":"GIT","repo":"x/openssl","events":[{"introduced":"0"}],` +
			`"database_specific":{"extracted_events":[{"introduced":"main"},{"fixed":"3.5.9"}]}}]`, unsure},
		// tags
		{"3.5.7", tags("3.5.7-1.el9", "release 3.5.7"), unsure},
		{"3.5.7", tags("openssl-3.5.7-1.el9", "3.5.6"), unsure},
		{"3.5.7", tags("OpenSSL_3_5_7_fips"), unsure},
		{"3.5.7", tags("3.5.6", "<= 3.5.8"), unsure},
		{"3.5.7", tags("3.5.6", "3.5.x"), unsure},
		{"3.5.7", tags("3.5.6", "OpenSSL_3_5_x"), unsure},
		{"3.5.7", tags("master"), unsure},
		{"3.5.7", tags("3.5.6", "AFTER_COMPAQ_PATCH", "3.5.70-1.el9", "13.5.7-1.el9"), not},
		{"3.5.7", tags("3.5.7", "3.5.7-1.el9"), hit},
		{"3.5.7", `"ranges":[]`, unsure},
	} {
		db, err := Read(write(t, `{"id":"X","affected":[{"package":{"ecosystem":"Bitnami","name":"openssl"},`+
			c.says+`}]}`))
		if err != nil {
			t.Fatal(c.says, err)
		}
		got := not
		if hits := db.Affecting(Subject{Version: c.version, Names: openssl}); len(hits) > 0 {
			if got = unsure; hits[0].Sure {
				got = hit
			}
		}
		if got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.version, c.says, got, c.want)
		}
	}
}

// TestWithdrawn: an advisory counts until the time at which it is withdrawn.
func TestWithdrawn(t *testing.T) {
	for at, want := range map[string]int{
		"2099-01-01T00:00:00Z":                                1,
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339):  1,
		time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): 0,
	} {
		dir := write(t, `{"id":"X","withdrawn":"`+at+`","affected":[{"package":{"ecosystem":"Bitnami",`+
			`"name":"openssl"},"versions":["3.5.7"]}]}`)
		n := 0
		if db, err := Read(dir); err == nil {
			n = len(db.Affecting(Subject{Version: "3.5.7", Names: openssl}))
		}
		if n != want {
			t.Errorf("withdrawn %s: %d hits, want %d", at, n, want)
		}
	}
}
