package deploy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// anchor makes a list of one CA.
func anchor(t *testing.T, source cacerts.Source, name string) cacerts.List {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cacerts.Of(source, cert)
}

func (w world) setTrust(l cacerts.List) {
	w.t.Helper()
	if _, err := w.SetTrust(Trust{Mode: "host", Anchors: l}); err != nil {
		w.t.Fatal(err)
	}
}

// trusts reads cert.pem as OpenSSL finds it.
func (w world) trusts(t *testing.T, want cacerts.List) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(w.link("openssl"), "ssl", "cert.pem"))
	if err != nil || !bytes.Equal(got, want.PEM()) {
		t.Errorf("it trusts %s\n%v", got, err)
	}
}

func TestTrustOutlivesGenerations(t *testing.T) {
	w := newWorld(t)
	l := cacerts.Merge(anchor(t, cacerts.Host, "host"), anchor(t, cacerts.Site, "ours"))
	w.install("one")
	w.setTrust(l)
	w.trusts(t, l)
	w.install("two")
	w.trusts(t, l)
	more := cacerts.Merge(l, anchor(t, cacerts.Site, "more"))
	w.setTrust(more)
	if _, err := w.Rollback(0); err != nil {
		t.Fatal(err)
	}
	w.trusts(t, more)
	if got, err := w.Trust(); err != nil || len(got.Anchors.From(cacerts.Site)) != 2 || got.Mode != "host" {
		t.Errorf("read back: %+v, %v", got, err)
	}
	if changed, err := w.SetTrust(Trust{Mode: "host", Anchors: more}); err != nil || changed {
		t.Errorf("the same again: changed %v, %v", changed, err)
	}
	// The whole base may stand elsewhere, as an image's does.
	elsewhere := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(w.Base, elsewhere); err != nil {
		t.Fatal(err)
	}
	w.Site.Base = elsewhere
	w.trusts(t, more)
}

func TestTrustOfAnImage(t *testing.T) {
	w := newWorld(t)
	w.Site.Root, w.Site.Base = t.TempDir(), "/opt"
	l := anchor(t, cacerts.Site, "ours")
	w.install("one")
	w.setTrust(l)
	w.trusts(t, l)
}

// TestTrustOfAnOlderGeneration goes back to one that was made before there were links.
func TestTrustOfAnOlderGeneration(t *testing.T) {
	w := newWorld(t)
	l := anchor(t, cacerts.Site, "ours")
	w.install("one")
	if err := os.RemoveAll(filepath.Join(w.Dir(1), "openssl", "ssl")); err != nil {
		t.Fatal(err)
	}
	w.install("two")
	w.setTrust(l)
	if _, err := w.Rollback(0); err != nil {
		t.Fatal(err)
	}
	w.trusts(t, l)
}

func TestAlteredTrustIsFoundAndRepaired(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	ctx := context.Background()
	if altered, _, err := w.Altered(ctx, g.Number, false); err != nil || len(altered) > 0 {
		t.Fatalf("at first: %v, %v", altered, err)
	}
	l := anchor(t, cacerts.Site, "ours")
	w.setTrust(l)
	link := filepath.Join(w.Dir(g.Number), TrustLink)
	for name, do := range map[string]func() error{
		"edited": func() error {
			return os.WriteFile(w.TrustPath(), anchor(t, cacerts.Site, "theirs").PEM(), 0o644)
		},
		"mode":          func() error { return os.Chmod(w.TrustPath(), 0o666) },
		"missing":       func() error { return os.Remove(w.TrustPath()) },
		"a link":        func() error { return errors.Join(os.Remove(w.TrustPath()), os.Symlink("/etc/passwd", w.TrustPath())) },
		"no link":       func() error { return os.Remove(link) },
		"link to other": func() error { return errors.Join(os.Remove(link), os.Symlink("/etc/ssl/cert.pem", link)) },
		"a file":        func() error { return errors.Join(os.Remove(link), os.WriteFile(link, []byte("mine"), 0o644)) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for _, full := range []bool{false, true} {
			if altered, _, err := w.Altered(ctx, g.Number, full); err != nil || !slices.Equal(altered, []string{TrustLink}) {
				t.Fatalf("%s: altered %v, %v", name, altered, err)
			}
		}
		if err := w.Repair(ctx, w.st, g.Number, []string{TrustLink}); err != nil {
			t.Fatal(err)
		}
		w.trusts(t, l)
		if altered, _, err := w.Altered(ctx, g.Number, true); err != nil || len(altered) > 0 {
			t.Fatalf("%s: after the repair altered %v, %v", name, altered, err)
		}
		if name == "a file" {
			if b, err := os.ReadFile(link + ".old"); err != nil || string(b) != "mine" {
				t.Errorf("what stood there: %q, %v", b, err)
			}
		}
	}
}

// TestTrustRecordIsHeld alters trust.json and cert.pem so that they agree, or removes them: what is trusted
// is not known then, and has to be made anew.
func TestTrustRecordIsHeld(t *testing.T) {
	w := newWorld(t)
	g := w.install("one")
	l := anchor(t, cacerts.Site, "ours")
	record := filepath.Join(w.Home(), "trust", "trust.json")
	bundle := cacerts.HostBundles()[0]
	for name, do := range map[string]func(text []byte) error{
		"garbage": func([]byte) error { return os.WriteFile(record, []byte("{"), 0o644) },
		"another CA, in cert.pem and its digest": func(text []byte) error {
			theirs := cacerts.Merge(l, anchor(t, cacerts.Site, "theirs")).PEM()
			was, is := digest.Of(l.PEM()).String(), digest.Of(theirs).String()
			text = bytes.ReplaceAll(text, []byte(was), []byte(is))
			return errors.Join(os.WriteFile(record, text, 0o644), os.WriteFile(w.TrustPath(), theirs, 0o644))
		},
		"another CA, in the record's list": func([]byte) error {
			text, err := json.Marshal(Trust{Mode: "host", Digest: digest.Of(l.PEM()),
				Anchors: anchor(t, cacerts.Site, "theirs")})
			return errors.Join(err, os.WriteFile(record, text, 0o644))
		},
		"no record": func([]byte) error { return os.Remove(record) },
		"no record, and a bundle of the host": func([]byte) error {
			return errors.Join(os.Remove(record), os.Remove(w.TrustPath()), os.Symlink(bundle, w.TrustPath()))
		},
		"nothing": func([]byte) error { return os.RemoveAll(filepath.Dir(record)) },
	} {
		w.setTrust(l)
		text, err := os.ReadFile(record)
		if err == nil {
			err = do(text)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !w.TrustAltered(g.Number) {
			t.Errorf("%s: not found", name)
		}
		if _, err := w.Trust(); err == nil || !errors.Is(err, fs.ErrNotExist) && fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		w.setTrust(l)
		w.trusts(t, l)
		if w.TrustAltered(g.Number) {
			t.Errorf("%s: made anew, and altered", name)
		}
	}
	// A package makes no record: it follows the host, or found no bundle there.
	g.Package = "p"
	if err := errors.Join(w.save(g), os.RemoveAll(filepath.Dir(record))); err != nil {
		t.Fatal(err)
	}
	if w.TrustAltered(g.Number) {
		t.Error("a package on a host without a bundle")
	}
	err := errors.Join(os.Mkdir(filepath.Dir(record), 0o755), os.Symlink(bundle, w.TrustPath()))
	if err != nil {
		t.Fatal(err)
	}
	if w.TrustAltered(g.Number) {
		t.Error("a package that follows the host")
	}
	if err := errors.Join(os.Remove(w.TrustPath()), os.Symlink("/tmp/other.pem", w.TrustPath())); err != nil {
		t.Fatal(err)
	}
	if !w.TrustAltered(g.Number) {
		t.Error("a package's link that leads elsewhere")
	}
}

// TestTrustStoppedAnywhere stops a change at each of its points: OpenSSL reads the old list or the new one,
// and the next change works.
func TestTrustStoppedAnywhere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	before, after := anchor(t, cacerts.Site, "before"), anchor(t, cacerts.Site, "after")
	for n := 1; ; n++ {
		w := newWorld(t)
		g := w.install("one")
		w.setTrust(before)
		count := 0
		fault.Inject = func(string) error {
			if count++; count == n {
				return errors.New("stopped")
			}
			return nil
		}
		_, err := w.SetTrust(Trust{Mode: "host", Anchors: after})
		fault.Inject = nil
		got, readErr := os.ReadFile(w.TrustPath())
		if readErr != nil || !bytes.Equal(got, before.PEM()) && !bytes.Equal(got, after.PEM()) {
			t.Fatalf("stopped at point %d: neither list: %v", n, readErr)
		}
		if err == nil {
			if n < 3 {
				t.Fatalf("only %d points: the test stops nothing", n)
			}
			return
		}
		altered, _, err := w.Altered(context.Background(), g.Number, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Repair(context.Background(), w.st, g.Number, altered); err != nil || w.TrustAltered(g.Number) {
			t.Fatalf("stopped at point %d: not repaired, %v", n, err)
		}
		w.setTrust(after)
		w.trusts(t, after)
	}
}
