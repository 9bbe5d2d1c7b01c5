// Package deploytest puts generations in use for tests of what happens around a proof: nothing is tried in
// it.
package deploytest

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
)

// Proof is a proof in which everything went as wanted. It names the first file of each component; trees are
// their folders on disk.
func Proof(t testing.TB, floor verify.Floor, components map[string]deploy.Component, trees func(name string) string) *verify.Proof {
	t.Helper()
	p := &verify.Proof{Floor: floor, OpenSSLVersion: components["openssl"].Version, PythonVersion: components["python"].Version,
		Controls: []verify.Tested{{Name: "weak openssl", Path: "/w/bin/openssl", SHA256: "00"}}}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		list, err := store.Summed(context.Background(), trees(name))
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(list, func(e store.Entry) bool { return e.Mode.IsRegular() }); i >= 0 {
			p.Subjects = append(p.Subjects, verify.Tested{Name: name, Path: filepath.Join(components[name].Prefix, list[i].Path), SHA256: list[i].Digest.String()})
		}
	}
	return verifytest.Pass(t, p, 0)
}

// Judge finds everything as wanted.
func Judge(t testing.TB, site deploy.Site) deploy.Judge {
	return func(_ context.Context, g deploy.Generation) (*verify.Proof, error) {
		return Proof(t, verify.TLS12, g.Components, func(name string) string { return filepath.Join(site.Dir(g.Number), name) }), nil
	}
}

// Use puts a staged generation in use.
func Use(t testing.TB, site deploy.Site, g deploy.Generation) {
	t.Helper()
	p, _, err := deploy.Prove(t.Context(), deploy.Candidate{Site: site, Generation: g}, Judge(t, site))
	if err == nil {
		err = site.Switch(p)
	}
	if err != nil {
		t.Fatal(err)
	}
}
