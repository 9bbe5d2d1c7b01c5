package bump

import (
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/recipes"
)

const xzStanza = `Package: xz-utils
Format: 3.0 (quilt)
Binary: xz-utils
Version: 99.9.9-1
Maintainer: x <x@x>
Architecture: any
Directory: pool/x
Files:
 00000000000000000000000000000000 10 xz-utils_99.9.9.orig.tar.xz
Checksums-Sha256:
 1111111111111111111111111111111111111111111111111111111111111111 10 xz-utils_99.9.9.orig.tar.xz

`

var xzSource = recipes.Source{
	File: "xz-5.8.1.tar.xz", Apt: &recipes.Apt{Package: "xz-utils", File: "xz-utils_5.8.1.orig.tar.xz"},
}

// served is an archive of the tests' making, and what is wrong with it.
type served struct {
	signer  *openpgp.Entity // nil: nobody signs
	hash    crypto.Hash
	release string // its fields above the digests
	sums    string // the digests; "" for those of the list
	sources string // the list that lies there; "" for the one that is signed
	behind  string // the signed text
}

func newSigner(t testing.TB, config *packet.Config) *openpgp.Entity {
	t.Helper()
	if config == nil {
		config = &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	}
	e, err := openpgp.NewEntity("Archive", "", "archive@localhost", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// keyring writes the public half of the signer.
func keyring(t testing.TB, signer *openpgp.Entity) string {
	t.Helper()
	var ring bytes.Buffer
	if err := signer.Serialize(&ring); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keyring.gpg")
	write(t, file, ring.String())
	return file
}

func write(t testing.TB, file, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const goodRelease = "Origin: Debian\nSuite: stable\nCodename: forky\n"

func dated(at time.Time) string {
	return "Date: " + at.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") + "\n"
}

// inRelease is the archive's, or its Release where nobody signs.
func (a served) inRelease(t testing.TB) string {
	t.Helper()
	if a.release == "" {
		a.release = goodRelease + dated(time.Now().Add(-time.Hour))
	}
	if a.sums == "" {
		a.sums = fmt.Sprintf("SHA256:\n %s %d main/source/Sources\n", digest.Of([]byte(xzStanza)),
			len(xzStanza))
	}
	text := a.release + a.sums
	if a.signer == nil {
		return text
	}
	var out bytes.Buffer
	if a.hash == 0 {
		a.hash = crypto.SHA512
	}
	w, err := clearsign.Encode(&out, a.signer.PrivateKey, &packet.Config{DefaultHash: a.hash})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String() + a.behind
}

func (a served) list() string {
	if a.sources == "" {
		return xzStanza
	}
	return a.sources
}

// TestLists: nothing is taken from a list but what one InRelease, which is signed by a key of the ring and
// of this time and suite, vouches for, whatever apt let pass.
func TestLists(t *testing.T) {
	us, them := newSigner(t, nil), newSigner(t, nil)
	old := newSigner(t, &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 3600,
		Time: func() time.Time { return time.Now().Add(-48 * time.Hour) },
	})
	ring, now := keyring(t, us), time.Now()
	text := xzStanza
	for name, test := range map[string]struct {
		served
		want string // in the error; "": it is taken
	}{
		"good": {served{signer: us}, ""},
		"until later": {served{signer: us, release: goodRelease + dated(now) + "Valid-Until" +
			dated(now.Add(time.Hour))[4:]}, ""},
		"unsigned": {served{}, "it is not signed"},
		"stranger": {served{signer: them}, "which is not in the keyring"},
		"another list": {served{signer: us, sources: strings.ReplaceAll(text, "99.9.9", "99.9.8")},
			"the signed InRelease has"},
		"only MD5": {served{signer: us, sums: fmt.Sprintf("MD5Sum:\n %x %d main/source/Sources\n",
			md5.Sum([]byte(text)), len(text))}, "no SHA-256 digest"},
		"expired": {served{signer: us,
			release: goodRelease + dated(now.Add(-72*time.Hour)) + "Valid-Until" +
				dated(now.Add(-time.Hour))[4:]}, "it was valid until"},
		"of tomorrow": {served{signer: us, release: goodRelease + dated(now.Add(72*time.Hour))},
			"in the future"},
		"no date": {served{signer: us, release: goodRelease}, "is none"},
		"mixed up": {served{signer: us, release: "Suite: experimental\nCodename: rc-buggy\n" +
			dated(now)}, `"stable" was asked for`},
		"twice": {served{signer: us, release: goodRelease + "Suite: unstable\n" + dated(now)},
			"stands twice"},
		"behind":      {served{signer: us, behind: "\nSHA256:\n"}, "before or behind"},
		"expired key": {served{signer: old}, "not in the keyring"},
		"too stale": {served{signer: us,
			release: goodRelease + dated(now) + "Valid-Until" + dated(now.Add(-4 * time.Hour))[4:]},
			"it was valid until"},
		"stale": {served{signer: us,
			release: goodRelease + dated(now) + "Valid-Until" + dated(now.Add(-2 * time.Hour))[4:]}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := Lists{Dir: t.TempDir(), Packages: []string{"xz-utils"}, Keyring: ring, Now: time.Now}
			if strings.HasSuffix(name, "stale") {
				l.Stale = 3 * time.Hour
			}
			prefix := filepath.Join(l.Dir, "lists", "deb.example_debian_dists_stable_")
			write(t, prefix+"InRelease", test.inRelease(t))
			write(t, prefix+"main_source_Sources", test.list())
			a, err := l.read()
			if test.want == "" {
				if err != nil || len(a.Candidates(xzSource, "5.8.1", false)) != 1 {
					t.Errorf("%v: %+v", err, a)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) ||
				fault.CodeOf(err) != fault.BadSignature {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	// An expired key of the ring could date back.
	l := Lists{Dir: t.TempDir(), Packages: []string{"xz-utils"}, Keyring: keyring(t, old), Now: time.Now}
	prefix := filepath.Join(l.Dir, "lists", "deb.example_debian_dists_stable_")
	write(t, prefix+"InRelease", served{signer: old}.inRelease(t))
	write(t, prefix+"main_source_Sources", xzStanza)
	if _, err := l.read(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("signed by a key that has expired: %v", err)
	}
	// No list of another package, and none at all.
	l = Lists{Dir: t.TempDir(), Keyring: ring, Now: time.Now}
	if _, err := l.read(); err == nil {
		t.Error("no list is as good as a signed one")
	}
}

// TestAptConfigured has the host's own apt fetch, in every way in which it can be told not to look.
func TestAptConfigured(t *testing.T) {
	if owned.Program("", "apt-get") == "" {
		t.Skip("no apt-get on this host")
	}
	us := newSigner(t, nil)
	good := served{signer: us}
	repo := filepath.Join(t.TempDir(), "debian")
	conf := filepath.Join(t.TempDir(), "apt.conf")
	write(t, conf, `Acquire::AllowInsecureRepositories "true";
Acquire::AllowWeakRepositories "true";
Acquire::AllowDowngradeToInsecureRepositories "true";
APT::Get::AllowUnauthenticated "true";
APT::Authentication::TrustCDROM "true";
`)
	t.Setenv("APT_CONFIG", conf)
	t.Setenv("PATH", t.TempDir())
	try := func(base string) (*Apt, error) {
		return NewApt(context.Background(), Lists{
			Dir: t.TempDir(), Bases: []string{base}, Suites: []string{"stable"},
			Packages: []string{"xz-utils"}, Keyring: keyring(t, us),
		})
	}
	dist := filepath.Join(repo, "dists", "stable")
	write(t, filepath.Join(dist, "main", "source", "Sources"), xzStanza)
	if _, err := try("file://" + repo); err == nil {
		t.Error("without a Release it is taken")
	}
	write(t, filepath.Join(dist, "Release"), served{}.inRelease(t))
	if _, err := try("file://" + repo); err == nil {
		t.Error("an unsigned Release is taken")
	}
	if _, err := try("[trusted=yes] file://" + repo); err == nil {
		t.Error("a base with an option of its own is taken")
	}
	write(t, filepath.Join(dist, "InRelease"), served{signer: newSigner(t, nil)}.inRelease(t))
	if _, err := try("file://" + repo); err == nil {
		t.Error("a stranger's InRelease is taken")
	}
	write(t, filepath.Join(dist, "InRelease"), good.inRelease(t))
	a, err := try("file://" + repo)
	if err != nil || len(a.Candidates(xzSource, "5.8.1", false)) != 1 {
		t.Errorf("the good one: %v", err)
	}
	// What apt was told to trust is read here again.
	l := Lists{Dir: t.TempDir(), Packages: []string{"xz-utils"}, Keyring: keyring(t, us), Now: time.Now}
	write(t, filepath.Join(l.Dir, "lists", "x_debian_dists_stable_main_source_Sources"), xzStanza)
	write(t, filepath.Join(l.Dir, "lists", "x_debian_dists_stable_Release"), served{}.inRelease(t))
	if _, err := l.read(); err == nil || !strings.Contains(err.Error(), "it is not signed") {
		t.Errorf("trusted=yes: %v", err)
	}
}

// TestSeen: waiting begins when a version is first seen, anew with other bytes, and lives from run to run.
func TestSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seen.json")
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	c := Candidate{Version: "1.1"}
	first := func(c Candidate, now time.Time) time.Time {
		t.Helper()
		s, err := ReadSeen(file)
		if err != nil {
			t.Fatal(err)
		}
		at := s.First("xz", c, now)
		if err := s.Write(); err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := first(c, day); !at.Equal(day) {
		t.Error(at)
	}
	if at := first(c, day.Add(time.Hour)); !at.Equal(day) {
		t.Error(at)
	}
	c.Source.SHA256 = digest.Of([]byte("other bytes"))
	if at := first(c, day.Add(time.Hour)); !at.Equal(day.Add(time.Hour)) {
		t.Error(at)
	}
	write(t, file, "{")
	if _, err := ReadSeen(file); err == nil {
		t.Error("garbage is read")
	}
}
