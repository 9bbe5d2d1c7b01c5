package balancer

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"
)

// A list that decides nothing lets nobody through.
func TestLists(t *testing.T) {
	f := newFixture(t)
	forged := *f.list(t, time.Hour)
	forged.Signature = bytes.Clone(forged.Signature)
	forged.Signature[10] ^= 1
	later := *f.list(t, time.Hour)
	later.ThisUpdate = time.Now().Add(time.Hour)
	other := newCA(t, "Other", nil)
	foreign := *f.list(t, time.Hour, f.clients["right"].chain[0].SerialNumber)
	foreign.RawIssuer = other.cert.RawSubject
	for name, test := range map[string]struct {
		lists []*x509.RevocationList
		want  string
	}{
		"none":            {nil, ""},
		"empty":           {[]*x509.RevocationList{f.list(t, time.Hour)}, ""},
		"it is in it":     {[]*x509.RevocationList{f.list(t, time.Hour, f.clients["right"].chain[0].SerialNumber)}, ClientCertCrlHit},
		"of yesterday":    {[]*x509.RevocationList{f.list(t, -time.Hour)}, ClientCertCrlProcessingError},
		"of tomorrow":     {[]*x509.RevocationList{&later}, ClientCertCrlProcessingError},
		"forged":          {[]*x509.RevocationList{&forged}, ClientCertCrlProcessingError},
		"of another CA's": {[]*x509.RevocationList{&foreign}, ""},
	} {
		b := &Balancer{Options: Options{Revoked: test.lists}.withDefaults(), roots: x509.NewCertPool()}
		b.roots.AddCert(f.root.cert)
		got := ""
		if r := b.check(f.clients["right"].chain); r != nil {
			got = r.code
		}
		if got != test.want {
			t.Errorf("a list, %s: %q, not %q", name, got, test.want)
		}
	}
	// The list of the root names an authority below it.
	between := newCA(t, "Between", f.root)
	key := f.clients["right"].key
	leaf := between.issue(t, "below", key.Public(), nil, nil)
	b := &Balancer{Options: Options{Revoked: []*x509.RevocationList{f.list(t, time.Hour, between.cert.SerialNumber)}}.withDefaults(), roots: x509.NewCertPool()}
	b.roots.AddCert(f.root.cert)
	if r := b.check([]*x509.Certificate{leaf, between.cert}); r == nil || r.code != ClientCertCrlHit {
		t.Errorf("below a CA that was revoked: %v", r)
	}
}

// An intermediate CA in the trust store is no root beside the one above it.
func TestIntermediateInTrustStore(t *testing.T) {
	f := newFixture(t)
	between := newCA(t, "Between", f.root)
	key := f.clients["right"].key
	leaf := between.issue(t, "below", key.Public(), nil, nil)
	for name, test := range map[string]struct {
		trust []*x509.Certificate
		lists []*x509.RevocationList
		want  string
	}{
		"both":                  {[]*x509.Certificate{f.root.cert, between.cert}, nil, ""},
		"it alone":              {[]*x509.Certificate{between.cert}, nil, ""},
		"both, and it is taken": {[]*x509.Certificate{f.root.cert, between.cert}, []*x509.RevocationList{f.list(t, time.Hour, between.cert.SerialNumber)}, ClientCertCrlHit},
	} {
		b := &Balancer{Options: Options{Trust: test.trust, Revoked: test.lists}.withDefaults(), roots: x509.NewCertPool()}
		b.anchor()
		got := ""
		if r := b.check([]*x509.Certificate{leaf}); r != nil {
			got = r.code
		}
		if got != test.want {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
	// A CA that has changed its key has two lists of one name.
	again := newCA(t, "Root", nil)
	g := &fixture{root: again}
	b := &Balancer{Options: Options{Trust: []*x509.Certificate{f.root.cert, again.cert}, Revoked: []*x509.RevocationList{f.list(t, time.Hour), g.list(t, time.Hour)}}.withDefaults(), roots: x509.NewCertPool()}
	b.anchor()
	if r := b.check(f.clients["right"].chain); r != nil {
		t.Errorf("two keys of one CA: %v", r)
	}
}
