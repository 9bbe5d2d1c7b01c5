package publish

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// TestRealms holds who may have the registry's password.
func TestRealms(t *testing.T) {
	has := func(hosts ...string) auth.CredentialFunc {
		return func(_ context.Context, host string) (auth.Credential, error) {
			if slices.Contains(hosts, host) {
				return auth.Credential{Username: "us3r", Password: "s3cret"}, nil
			}
			return auth.EmptyCredential, nil
		}
	}
	for _, one := range []struct {
		registry, realm string
		logins          []string
		want            string
	}{
		{"registry.example.org", "https://registry.example.org/token", []string{"registry.example.org"}, ""},
		{"registry.example.org:5000", "https://registry.example.org/token",
			[]string{"registry.example.org:5000"}, ""},
		{"registry-1.docker.io", "https://auth.docker.io/token", []string{"registry-1.docker.io"}, ""},
		{"registry.gitlab.com", "https://gitlab.com/jwt/auth", []string{"registry.gitlab.com"}, ""},
		{"registry.example.co.uk", "https://login.example.co.uk/", []string{"registry.example.co.uk"}, ""},
		{"registry.example.co.uk", "https://evil.co.uk/", []string{"registry.example.co.uk"},
			"another's host"},
		{"me.github.io", "https://you.github.io/", []string{"me.github.io"}, "another's host"},
		{"registry.example.org", "https://registry.example.org.evil.net/",
			[]string{"registry.example.org"}, "another's host"},
		{"registry.example.org", "https://evil.net/", []string{"registry.example.org"}, "another's host"},
		{"registry.example.org", "https://evil.net/", []string{"registry.example.org", "evil.net"}, ""},
		{"registry.example.org", "https://evil.net/", nil, ""}, // there is no password to be had
		{"10.0.0.1:5000", "https://10.0.0.2/", []string{"10.0.0.1:5000"}, "another's host"},
		{"registry", "https://login/", []string{"registry"}, "another's host"},
		{"registry.example.org", "http://registry.example.org/", nil, "not https"},
		{"127.0.0.1:5000", "http://127.0.0.1:5001/token", []string{"127.0.0.1:5000"}, ""},
		{"127.0.0.1:5000", "http://127.0.0.2:5001/token", []string{"127.0.0.1:5000"}, "not https"},
	} {
		d := &door{host: one.registry, plain: strings.HasPrefix(one.registry, "127."),
			login: has(one.logins...)}
		u, err := url.Parse(one.realm)
		if err != nil {
			t.Fatal(err)
		}
		err = d.realm(t.Context(), u)
		if one.want == "" && err != nil || one.want != "" &&
			(err == nil || !strings.Contains(err.Error(), one.want)) {
			t.Errorf("%s sends to %s: %v, want %q", one.registry, one.realm, err, one.want)
		}
	}
}

// FuzzManifest holds that what is taken for a bundle's manifest keeps to its limits.
func FuzzManifest(f *testing.F) {
	head := `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `","layers":[{"size":%d,`
	s := head + `"digest":"sha256:` + strings.Repeat("0", 64) +
		`","annotations":{"org.opencontainers.image.title":%q}}]}`
	for name, size := range map[string]int{"a.tar.zst": 5, "proof/proof.json": 7, "../x": 1,
		"README.md": -1} {
		f.Add(fmt.Appendf(nil, s, size, name))
	}
	f.Add([]byte(`{"schemaVersion":2,"layers":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		files, err := layers(m)
		if err != nil {
			return
		}
		for name, d := range files {
			inside := filepath.IsLocal(name) && !strings.HasPrefix(filepath.Base(name), ".") &&
				strings.Count(name, "/") <= 1
			if !inside || d.Size < 0 || d.Size > largeLimit || d.Digest.Validate() != nil || len(d.URLs) > 0 {
				t.Errorf("%q: %+v", name, d)
			}
		}
	})
}
