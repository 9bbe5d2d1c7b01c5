package balancer

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"
)

// again is another certificate of the CA's name and key, signed by who; nil: by itself.
func (a *authority) again(t *testing.T, by *authority) *x509.Certificate {
	t.Helper()
	return by.issue(t, a.cert.Subject.CommonName, a.key.Public(), a.key, asCA)
}

// lists is a CA's list, which revokes the certificates for the reason.
func (a *authority) lists(t *testing.T, life time.Duration, reason int,
	revoked ...*x509.Certificate) *x509.RevocationList {
	t.Helper()
	now := time.Now()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-2 * time.Hour),
		NextUpdate: now.Add(life)}
	for _, c := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: now.Add(-time.Hour), ReasonCode: reason})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = x509.ParseRevocationList(der); err != nil {
		t.Fatal(err)
	}
	return l
}

type (
	certs = []*x509.Certificate
	lists = []*x509.RevocationList
)

// checked is what becomes of a client with this chain.
func checked(t *testing.T, trust certs, revoked lists, chain ...*x509.Certificate) string {
	t.Helper()
	b := &Balancer{Options: Options{Trust: trust, Revoked: revoked}.withDefaults(), roots: x509.NewCertPool()}
	if err := errors.Join(b.anchor(), b.strangers()); err != nil {
		t.Fatal(err)
	}
	if r := b.check(chain); r != nil {
		return r.code
	}
	return ""
}

// TestBelowARevokedCA: a client of a CA that is revoked is refused, whichever of the CAs are in the trust
// store and whichever certificate of the revoked one its way leads over.
func TestBelowARevokedCA(t *testing.T) {
	root, other := newCA(t, "Root", nil), newCA(t, "Other", nil)
	i := newCA(t, "I", root)
	j := newCA(t, "J", i)
	leaf := j.issue(t, "below", newFixture(t).clients["right"].key.Public(), nil, nil)
	hit := lists{i.lists(t, time.Hour, 1, j.cert)}
	late := lists{i.lists(t, -time.Hour, 0)}
	was := lists{i.lists(t, time.Hour, superseded, j.cert)}
	cross, self, renewed := j.again(t, other), j.again(t, nil), j.again(t, i)
	for name, c := range map[string]struct {
		trust   certs
		revoked lists
		sent    certs
		want    string
	}{
		"with their root":           {certs{root.cert, i.cert, j.cert}, hit, nil, ClientCertCrlHit},
		"without it":                {certs{i.cert, j.cert}, hit, nil, ClientCertCrlHit},
		"in the other order":        {certs{j.cert, i.cert}, hit, nil, ClientCertCrlHit},
		"beside another root":       {certs{other.cert, i.cert, j.cert}, hit, nil, ClientCertCrlHit},
		"and it is sent":            {certs{i.cert}, hit, certs{j.cert}, ClientCertCrlHit},
		"the list is old":           {certs{i.cert, j.cert}, late, nil, ClientCertCrlProcessingError},
		"nobody is revoked":         {certs{i.cert, j.cert}, lists{i.lists(t, time.Hour, 0)}, nil, ""},
		"no list":                   {certs{i.cert, j.cert}, nil, nil, ""},
		"cross-signed":              {certs{i.cert, other.cert, j.cert, cross}, hit, nil, ClientCertCrlHit},
		"cross-signed, sent":        {certs{i.cert, other.cert, j.cert}, hit, certs{cross}, ClientCertCrlHit},
		"the revoked one is sent":   {certs{i.cert, other.cert, cross}, hit, certs{j.cert}, ClientCertCrlHit},
		"signed by itself too":      {certs{i.cert, j.cert, self}, hit, nil, ClientCertCrlHit},
		"renewed":                   {certs{i.cert, j.cert, renewed}, hit, nil, ClientCertCrlHit},
		"renewed, sent":             {certs{i.cert, j.cert}, hit, certs{renewed}, ClientCertCrlHit},
		"renewed, superseded":       {certs{i.cert, j.cert, renewed}, was, nil, ""},
		"superseded alone":          {certs{i.cert, j.cert}, was, nil, ClientCertCrlHit},
		"cross-signed, not revoked": {certs{i.cert, other.cert, j.cert, cross}, nil, nil, ""},
		"the client itself": {certs{j.cert, leaf}, lists{j.lists(t, time.Hour, 1, leaf)}, nil,
			ClientCertCrlHit},
	} {
		if got := checked(t, c.trust, c.revoked, append(certs{leaf}, c.sent...)...); got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

// TestNewKeyOfACA: a CA's new key that its old one has signed is no root beside that.
func TestNewKeyOfACA(t *testing.T) {
	old := newCA(t, "CA", nil)
	key := newCA(t, "CA", nil)
	next := &authority{key.again(t, old), key.key}
	leaf := next.issue(t, "below", newFixture(t).clients["right"].key.Public(), nil, nil)
	trust := certs{old.cert, next.cert}
	both := func(revoked ...*x509.Certificate) lists {
		return lists{old.lists(t, time.Hour, 1, revoked...), next.lists(t, time.Hour, 1)}
	}
	if got := checked(t, trust, both(), leaf); got != "" {
		t.Errorf("the control: %q", got)
	}
	if got := checked(t, trust, both(next.cert), leaf); got != ClientCertCrlHit {
		t.Errorf("the new key's certificate is revoked: %q", got)
	}
}

// TestEndedAbove: what ends the CA above ends the one below.
func TestEndedAbove(t *testing.T) {
	i := newCA(t, "I", newCA(t, "Root", nil))
	j := newCA(t, "J", i)
	leaf := j.issue(t, "below", newFixture(t).clients["right"].key.Public(), nil, nil)
	b := &Balancer{Options: Options{Trust: certs{i.cert, j.cert}}.withDefaults(), roots: x509.NewCertPool()}
	if err := b.anchor(); err != nil || len(b.between) != 1 || !b.between[0].Equal(j.cert) {
		t.Fatalf("%v: %d CAs are no roots", err, len(b.between))
	}
	if r := b.check(certs{leaf}); r != nil {
		t.Errorf("the control: %v", r)
	}
	ended := i.again(t, newCA(t, "Root", nil))
	ended.NotAfter = time.Now().Add(-time.Minute)
	if got := checked(t, certs{ended, j.cert}, nil, leaf); got != ClientCertExpired {
		t.Errorf("the one above has ended: %q", got)
	}
}

// TestCircle: CAs of which each is below the other have no root, and the listener does not start.
func TestCircle(t *testing.T) {
	i, j := newCA(t, "I", nil), newCA(t, "J", nil)
	round := certs{i.again(t, j), j.again(t, i)}
	if _, err := Start(Options{Mode: Verify, Trust: round, Dir: t.TempDir()}); !errors.Is(err, ErrCircle) {
		t.Errorf("%v", err)
	}
	b, err := Start(Options{Mode: Verify, Trust: append(round, i.cert), Dir: t.TempDir()})
	if err != nil {
		t.Fatal("with a root: ", err)
	}
	b.Close()
}

// TestOldSignatures: who made a signature that is not verified here is told by the identifiers of keys.
func TestOldSignatures(t *testing.T) {
	i := newCA(t, "I", nil)
	c := *newCA(t, "J", i).cert
	c.SignatureAlgorithm = x509.MD5WithRSA
	for name, one := range map[string]struct {
		id   []byte
		want bool
	}{"its": {i.cert.SubjectKeyId, true}, "another": {[]byte("another"), false}, "none": {nil, true}} {
		if c.AuthorityKeyId = one.id; issuedBy(&c, i.cert) != one.want {
			t.Errorf("%s identifier: %v", name, !one.want)
		}
	}
}
