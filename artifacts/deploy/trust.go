package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/trust"
)

// What an OpenSSL trusts by default belongs to the site and not to a generation: one cert.pem beside the generations, to which each
// of them has a link. So what the site's people add survives an upgrade and a rollback, and one rename changes it for all.

// TrustLink is the cert.pem of a generation's OpenSSL, below the generation's folder.
const TrustLink = "openssl/ssl/cert.pem"

const trustTarget = "../../../trust/cert.pem" // from the link's folder: it holds wherever the whole base is moved to

// Trust is what a site trusts and how that was made; trust.json holds it.
type Trust struct {
	Mode          string        `json:"trust"`             // host, mozilla or both, as asked for
	Host          string        `json:"host,omitempty"`    // the host's bundle that was read
	Mozilla       string        `json:"mozilla,omitempty"` // the list's version
	MozillaSource digest.Digest `json:"mozilla_sha256,omitzero"`
	Made          time.Time     `json:"made"`
	Digest        digest.Digest `json:"cert_pem"` // of cert.pem
	Anchors       trust.List    `json:"certificates"`
}

func (s Site) trustDir() string { return filepath.Join(s.Home(), "trust") }

// TrustPath is the site's cert.pem.
func (s Site) TrustPath() string { return filepath.Join(s.trustDir(), "cert.pem") }

// Trust reads what the site trusts; fs.ErrNotExist when that was never made.
func (s Site) Trust() (Trust, error) {
	var t Trust
	path := filepath.Join(s.trustDir(), "trust.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fault.New(fault.Failed, "move the file away; `build -cafiles=<files>` makes it anew", "%s: %w", path, err)
	}
	return t, nil
}

// SetTrust makes t what the site trusts, and reports whether that changes cert.pem. Killed between its two files, it leaves the
// old cert.pem, which Altered names and Repair replaces. It is called under the site's lock.
func (s Site) SetTrust(t Trust) (changed bool, err error) {
	if err := os.MkdirAll(s.trustDir(), 0o755); err != nil {
		return false, fmt.Errorf("trust: %w", err)
	}
	if err := removeUnfinished(s.trustDir()); err != nil {
		return false, fmt.Errorf("trust: %w", err)
	}
	bundle := t.Anchors.PEM()
	t.Digest = digest.Of(bundle)
	if had, err := s.Trust(); err != nil || !had.same(t) {
		b, err := json.MarshalIndent(t, "", "  ")
		if err == nil {
			err = replaceFile(filepath.Join(s.trustDir(), "trust.json"), append(b, '\n'))
		}
		if err != nil {
			return false, fmt.Errorf("trust: %w", err)
		}
	}
	if s.trustIntact(t.Digest) {
		return false, nil
	}
	if err := replaceFile(s.TrustPath(), bundle); err != nil {
		return false, fmt.Errorf("trust: %w", err)
	}
	return true, nil
}

// same compares but for the time.
func (t Trust) same(u Trust) bool {
	return t.Mode == u.Mode && t.Host == u.Host && t.Mozilla == u.Mozilla && t.MozillaSource == u.MozillaSource && t.Digest == u.Digest && bytes.Equal(t.Anchors.PEM(), u.Anchors.PEM())
}

// trustIntact reports whether cert.pem is the file that was made: its bytes, its mode, its owner.
func (s Site) trustIntact(want digest.Digest) bool {
	owner, err := os.Lstat(s.Home())
	if err != nil {
		return false
	}
	return sameFile(s.TrustPath(), 0o644, want, owner)
}

// trustLinked reports whether the generation in dir has its link.
func trustLinked(dir string) bool {
	target, err := os.Readlink(filepath.Join(dir, TrustLink))
	return err == nil && target == trustTarget
}

// TrustFollowed is the host's bundle to which a package made cert.pem a link: what the host trusts is trusted here without being asked.
func (s Site) TrustFollowed() string {
	target, err := os.Readlink(s.TrustPath())
	if err != nil || !slices.Contains(trust.HostBundles(), target) {
		return ""
	}
	return target
}

// TrustAltered reports whether generation n, if it has an OpenSSL of ours, trusts something else than what was made.
func (s Site) TrustAltered(n int) bool {
	if g, err := s.Generation(n); err != nil || !g.trusting() {
		return false
	}
	if !trustLinked(s.Dir(n)) {
		return true
	}
	t, err := s.Trust()
	if errors.Is(err, fs.ErrNotExist) {
		return exists(s.TrustPath()) && s.TrustFollowed() == ""
	}
	return err != nil || !s.trustIntact(t.Digest)
}

// linkTrust gives the generation in dir its link. What else stands there was put there by hand, and stays as cert.pem.old.
func linkTrust(dir string) error {
	path := filepath.Join(dir, TrustLink)
	if trustLinked(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trust: %w", err)
	}
	if err := fault.At("install: link trust"); err != nil {
		return err
	}
	if err := os.Symlink(trustTarget, path); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return nil
}

// RepairTrust puts the link of generation n and the site's cert.pem back. It is called under the site's lock.
func (s Site) RepairTrust(n int) error {
	if err := linkTrust(s.Dir(n)); err != nil {
		return err
	}
	t, err := s.Trust()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is made after this
	}
	if err == nil {
		_, err = s.SetTrust(t)
	}
	return err
}

// trusting reports whether the generation has an OpenSSL of ours, and so a cert.pem.
func (g Generation) trusting() bool {
	_, ok := g.Components["openssl"]
	return ok && !g.Adopted
}

func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil { // only under the lock
				return err
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
