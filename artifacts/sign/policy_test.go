package sign

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// policyOf writes a policy into a folder of its own.
func policyOf(t *testing.T, text string) string {
	t.Helper()
	etc := t.TempDir()
	if err := os.WriteFile(filepath.Join(etc, PolicyFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return etc
}

// TestPolicyIsStrict: what an administrator has misspelt is an error and not a weaker policy. Only root can
// write one.
func TestPolicyIsStrict(t *testing.T) {
	if p, err := ReadPolicy(t.TempDir()); p != nil || err != nil {
		t.Errorf("none: %v, %v", p, err)
	}
	const good = `{"format": 1, "signed_only": true, "keys": {"us.pem": {"profiles": ["min-tls1_*"]}}, "threshold": 2}`
	etc := policyOf(t, good)
	p, err := ReadPolicy(etc)
	if os.Geteuid() != 0 {
		if fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("a policy that is not root's: %v, %v", p, err)
		}
		return
	}
	if err != nil || !p.SignedOnly || p.Threshold != 2 || p.Keys["us.pem"].Profiles[0] != "min-tls1_*" {
		t.Fatalf("%+v, %v", p, err)
	}
	for name, text := range map[string]string{
		"empty": "", "no format": `{"signed_only": true}`, "newer": `{"format": 2}`, "misspelt": `{"format": 1, "signed-only": true}`,
		"misspelt below": `{"format": 1, "keys": {"us.pem": {"profile": ["x"]}}}`, "a pattern": `{"format": 1, "keys": {"us.pem": {"profiles": ["[a"]}}}`,
		"no truth": `{"format": 1, "signed_only": "yes"}`, "two": `{"format": 1}{"format": 1}`, "less than none": `{"format": 1, "threshold": -1}`,
	} {
		if p, err := ReadPolicy(policyOf(t, text)); fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for name, spoil := range map[string]func(file string) error{
		"for a group":      func(file string) error { return os.Chmod(file, 0o664) },
		"another's":        func(file string) error { return os.Chown(file, 65534, 65534) },
		"another's folder": func(file string) error { return os.Chown(filepath.Dir(file), 65534, 65534) },
		"a link to another's": func(file string) error {
			other := filepath.Join(t.TempDir(), "other")
			return errors.Join(os.Rename(file, other), os.Chown(other, 65534, 65534), os.Symlink(other, file))
		},
	} {
		etc := policyOf(t, good)
		if err := spoil(filepath.Join(etc, PolicyFile)); err != nil {
			t.Fatal(err)
		}
		if p, err := ReadPolicy(etc); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestPolicyNarrows(t *testing.T) {
	us, other, stranger := Key{ID: "1", From: "/e/us.pem"}, Key{ID: "2", From: "/e/other.pem"}, Key{ID: "3", From: "mine.pem"}
	folder := []Key{us, other}
	var none *Policy
	if keys, err := none.Trusted(folder); err != nil || len(keys) != 2 || none.Unsigned() != nil {
		t.Errorf("no policy: %v, %v", keys, err)
	}
	if keys, err := none.Named([]Key{stranger}, folder); err != nil || len(keys) != 1 {
		t.Errorf("no policy, -key: %v, %v", keys, err)
	}
	p := &Policy{Format: 1, SignedOnly: true, Keys: map[string]Scope{"us.pem": {Profiles: []string{"min-tls1_*"}}}}
	trusted, err := p.Trusted(folder)
	if err != nil || len(trusted) != 1 || trusted[0].ID != "1" || !trusted[0].May("min-tls1_2") || trusted[0].May("lts-3.0") {
		t.Errorf("%v, %v", trusted, err)
	}
	if !us.May("lts-3.0") {
		t.Error("a key of which nothing is said may not sign")
	}
	if keys, err := p.Named([]Key{{ID: "1", From: "copy.pem"}}, trusted); err != nil || keys[0].May("lts-3.0") {
		t.Errorf("-key widens what a key is trusted for: %v, %v", keys, err)
	}
	for _, k := range []Key{stranger, other} {
		if keys, err := p.Named([]Key{k}, trusted); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("-key=%s: %v, %v", k.From, keys, err)
		}
	}
	if fault.CodeOf(p.Unsigned()) != fault.BadSignature {
		t.Error("-unsigned is let through")
	}
	p.Keys["gone.pem"] = Scope{}
	if _, err := p.Trusted(folder); fault.CodeOf(err) != fault.BadSignature {
		t.Errorf("a key that is not there: %v", err)
	}
	p.Keys = map[string]Scope{}
	if keys, err := p.Trusted(folder); err != nil || len(keys) != 0 {
		t.Errorf("no key is trusted: %v, %v", keys, err)
	}
}
