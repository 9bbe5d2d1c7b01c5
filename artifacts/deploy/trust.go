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
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// What an OpenSSL trusts by default belongs to the site and not to a generation: one cert.pem beside the
// generations, to which each of them has a link. So what the site's people add survives an upgrade and a
// rollback, and one rename changes it for all.

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
	Anchors       cacerts.List  `json:"certificates"`
}

// TrustPath is the site's cert.pem.
func (s Site) TrustPath() string { return filepath.Join(s.Home(), "trust", "cert.pem") }

// trustDir opens the folder of what is trusted, and makes it if it is not there.
func (s Site) trustDir() (*os.Root, error) {
	home, err := s.makeHome()
	if err != nil {
		return nil, err
	}
	defer home.Close()
	// A file where a folder has to be, or the other way round, is in the way.
	for _, name := range []string{"trust", "trust/trust.json", "trust/cert.pem"} {
		if info, err := home.Lstat(name); err == nil && info.IsDir() != (name == "trust") {
			if err := aside(home, ".", name, name); err != nil {
				return nil, err
			}
		}
	}
	if err := home.Mkdir("trust", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return owned.Inside(home, "trust")
}

// ErrTrustLost is what Trust returns where trust.json does not say any more what the site trusts.
var ErrTrustLost = errors.New("it does not say what is trusted")

// Trust reads what the site trusts; fs.ErrNotExist when that was never made, ErrTrustLost when it is not
// known any more.
func (s Site) Trust() (Trust, error) {
	var t Trust
	path := filepath.Join(s.Home(), "trust", "trust.json")
	b, err := s.read("trust/trust.json")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return t, err
	}
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err == nil && digest.Of(t.Anchors.PEM()) != t.Digest {
		err = errors.New("its certificates do not make the cert.pem that it names")
	}
	if err != nil {
		return Trust{}, fault.New(fault.Failed,
			"`build` makes it anew; with -cafiles=<files> for the CAs that `trust:add` had added",
			"%s: %w: %w", path, ErrTrustLost, err)
	}
	return t, nil
}

// SetTrust makes t what the site trusts, and reports whether that changes cert.pem. Killed between its two
// files, it leaves the old cert.pem, which Altered names and Repair replaces. It is called under the site's
// lock.
func (s Site) SetTrust(t Trust) (changed bool, err error) {
	dir, err := s.trustDir()
	if err != nil {
		return false, fmt.Errorf("trust: %w", err)
	}
	defer dir.Close()
	if err := removeUnfinished(dir, "."); err != nil {
		return false, fmt.Errorf("trust: %w", err)
	}
	bundle := t.Anchors.PEM()
	t.Digest = digest.Of(bundle)
	if had, err := s.Trust(); err != nil || !had.same(t) {
		b, err := json.MarshalIndent(t, "", "  ")
		if err == nil {
			err = owned.ReplaceIn(dir, "trust.json", append(b, '\n'), 0o644)
		}
		if err != nil {
			return false, fmt.Errorf("trust: %w", err)
		}
	}
	if s.trustIntact(t.Digest) {
		return false, nil
	}
	if err := owned.ReplaceIn(dir, "cert.pem", bundle, 0o644); err != nil {
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
	info, err := os.Lstat(s.TrustPath())
	if err != nil || info.Size() > recordLimit {
		return false
	}
	return sameFile(s.TrustPath(), store.Entry{Mode: 0o644, Size: info.Size(), Digest: want}, owner)
}

// trustLinked reports whether the generation in dir has its link.
func trustLinked(dir string) bool {
	target, err := os.Readlink(filepath.Join(dir, TrustLink))
	return err == nil && target == trustTarget
}

// TrustFollowed is the host's bundle to which a package made cert.pem a link: what the host trusts is trusted
// here without being asked.
func (s Site) TrustFollowed() string {
	target, err := os.Readlink(s.TrustPath())
	if err != nil || !slices.Contains(cacerts.HostBundles(), target) {
		return ""
	}
	return target
}

// TrustAltered reports whether generation n, if it has an OpenSSL of ours, trusts something else than what
// was made. Only the package of a generation makes no trust.json: it leads cert.pem to the host's bundle.
func (s Site) TrustAltered(n int) bool {
	g, err := s.Generation(n)
	if err != nil || !g.trusting() {
		return false
	}
	if !trustLinked(s.Dir(n)) {
		return true
	}
	t, err := s.Trust()
	if errors.Is(err, fs.ErrNotExist) {
		return g.Package == "" || exists(s.TrustPath()) && s.TrustFollowed() == ""
	}
	return err != nil || !s.trustIntact(t.Digest)
}

// keptAs is the end of the name under which linkTrust keeps a file that it found in the link's place.
const keptAs = ".old"

// linkTrust gives the generation in the folder dir of home its link. What else stands there was put there
// by hand, and stays as cert.pem.old; what is no plain file of ours goes to the folder aside.
func linkTrust(home *os.Root, dir string) error {
	in, err := owned.Inside(home, dir)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	defer in.Close()
	if target, err := in.Readlink(TrustLink); err == nil && target == trustTarget {
		return nil
	}
	folder := filepath.Dir(TrustLink)
	if err := in.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	for dir := folder; dir != "."; dir = filepath.Dir(dir) {
		if info, err := in.Lstat(dir); err != nil || !info.IsDir() {
			return fault.New(fault.Failed, "move it away, and `build` again",
				"trust: %s: it is no folder", filepath.Join(in.Name(), dir))
		}
	}
	if info, err := in.Lstat(TrustLink); err == nil {
		const open = fs.ModeType | fs.ModeSetuid | fs.ModeSetgid | 0o022
		if _, err := in.Lstat(TrustLink + keptAs); err == nil || info.Mode()&open != 0 ||
			int(uidOf(info)) != os.Geteuid() {
			name := filepath.Join(dir, TrustLink)
			if err := aside(home, ".", name, name); err != nil {
				return fmt.Errorf("trust: %w", err)
			}
		} else if err := in.Rename(TrustLink, TrustLink+keptAs); err != nil {
			return fmt.Errorf("trust: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trust: %w", err)
	}
	if err := fault.At("install: link trust"); err != nil {
		return err
	}
	if err := in.Symlink(trustTarget, TrustLink); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return nil
}

// RepairTrust puts the link of generation n and the site's cert.pem back. It is called under the site's lock.
func (s Site) RepairTrust(n int) error {
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := linkTrust(home, strconv.Itoa(n)); err != nil {
		return err
	}
	t, err := s.Trust()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrTrustLost) {
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

// removeUnfinished removes what a killed process left in the folder name of dir. It is called under the lock.
func removeUnfinished(dir *os.Root, name string) error {
	entries, err := owned.List(dir, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			if err := dir.RemoveAll(filepath.Join(name, e.Name())); err != nil {
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
