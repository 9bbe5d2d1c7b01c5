package balancer

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// named is a DER name as the fixture's CAs have it, with strings of this tag.
func named(t *testing.T, tag int, texts ...string) []byte {
	t.Helper()
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type rdnSET []attribute
	var all []rdnSET
	for i, text := range texts {
		value := []byte(text)
		if tag == asn1.TagBMPString {
			value = nil
			for _, u := range utf16.Encode([]rune(text)) {
				value = append(value, byte(u>>8), byte(u))
			}
		}
		oid := asn1.ObjectIdentifier{2, 5, 4, []int{6, 10, 3}[i]} // country, organization, common name
		all = append(all, rdnSET{{oid, asn1.RawValue{Tag: tag, Bytes: value}}})
	}
	der, err := asn1.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// listBy signs a list that revokes one serial number, in another name and with more extensions if they
// are given.
func listBy(t *testing.T, ca *authority, name []byte, serial *big.Int, list,
	entry []pkix.Extension) *x509.RevocationList {
	t.Helper()
	now, by := time.Now(), *ca.cert
	if name != nil {
		by.RawSubject = name
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour),
		ExtraExtensions: list,
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: serial, RevocationTime: now.Add(-time.Minute), ExtraExtensions: entry},
		},
	}, &by, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestListsOfOneName: a CA's list counts in whatever kind of string its name is written.
func TestListsOfOneName(t *testing.T) {
	f := newFixture(t)
	leaf := f.clients["right"].chain[0]
	for name, test := range map[string]struct {
		issuer []byte
		want   string
	}{
		"as in the certificate": {nil, ClientCertCrlHit},
		"UTF8String": {named(t, asn1.TagUTF8String, "US", "Example, Ltd.", "Root"),
			ClientCertCrlHit},
		"BMPString": {named(t, asn1.TagBMPString, "US", "Example, Ltd.", "Root"),
			ClientCertCrlHit},
		"T61String, spaces": {named(t, asn1.TagT61String, "us", " eXAMPLE,   Ltd. ", "rOOT  "),
			ClientCertCrlHit},
		"another name": {named(t, asn1.TagUTF8String, "US", "Example, Ltd.", "Roots"), ""},
	} {
		b := &Balancer{Options: Options{Trust: []*x509.Certificate{f.root.cert},
			Revoked: []*x509.RevocationList{listBy(t, f.root, test.issuer, leaf.SerialNumber, nil,
				nil)}}.withDefaults(),
			roots: x509.NewCertPool()}
		b.anchor()
		got := ""
		if r := b.check([]*x509.Certificate{leaf}); r != nil {
			got = r.code
		}
		if got != test.want {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
		// One that is of no CA is not passed over in silence.
		if err := b.strangers(); (err == nil) != (test.want != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCriticalExtensions: a list that says more than is understood decides nothing.
func TestCriticalExtensions(t *testing.T) {
	f := newFixture(t)
	leaf := f.clients["right"].chain[0]
	ext := func(critical bool, oid ...int) []pkix.Extension {
		return []pkix.Extension{{Id: oid, Critical: critical, Value: []byte{5, 0}}}
	}
	for name, test := range map[string]struct {
		list, entry []pkix.Extension
		want        string
	}{
		"unknown":                  {ext(true, 1, 2, 3, 4), nil, ClientCertCrlProcessingError},
		"issuingDistributionPoint": {ext(true, 2, 5, 29, 28), nil, ClientCertCrlProcessingError},
		"deltaCRLIndicator":        {ext(true, 2, 5, 29, 27), nil, ClientCertCrlProcessingError},
		"in an entry":              {nil, ext(true, 1, 2, 3, 4), ClientCertCrlProcessingError},
		"certificateIssuer":        {nil, ext(true, 2, 5, 29, 29), ClientCertCrlProcessingError},
		"not critical":             {ext(false, 1, 2, 3, 4), ext(false, 1, 2, 3, 4), ""},
	} {
		// The list does not name the client: what it cannot say decides.
		b := &Balancer{Options: Options{Trust: []*x509.Certificate{f.root.cert},
			Revoked: []*x509.RevocationList{listBy(t, f.root, nil, big.NewInt(424242), test.list,
				test.entry)}}.withDefaults(),
			roots: x509.NewCertPool()}
		b.anchor()
		got := ""
		if r := b.check([]*x509.Certificate{leaf}); r != nil {
			got = r.code
		}
		if got != test.want {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
}

// TestListsWithoutTime: a list that never ends could be kept for ever, and SHA-1 can be forged.
func TestListsWithoutTime(t *testing.T) {
	f := newFixture(t)
	l := *f.list(t, time.Hour)
	if !decides(&l, time.Now()) {
		t.Fatal("the control does not decide")
	}
	l.NextUpdate = time.Time{}
	if decides(&l, time.Now()) {
		t.Error("without nextUpdate")
	}
	l = *f.list(t, time.Hour)
	l.SignatureAlgorithm = x509.ECDSAWithSHA1
	if err := signedBy(&l, f.root.cert); err == nil || !strings.Contains(err.Error(), "SHA1") {
		t.Errorf("SHA-1: %v", err)
	}
}

// TestStrangersList: the listener does not start with a list that would never be looked at.
func TestStrangersList(t *testing.T) {
	f := newFixture(t)
	other := newCA(t, "Other", nil)
	for name, list := range map[string]*x509.RevocationList{
		"of another CA":    listBy(t, other, nil, big.NewInt(1), nil, nil),
		"in the CA's name": listBy(t, other, f.root.cert.RawSubject, big.NewInt(1), nil, nil),
	} {
		_, err := Start(Options{Mode: Verify, Trust: []*x509.Certificate{f.root.cert},
			Revoked: []*x509.RevocationList{list}, Dir: t.TempDir()})
		if !errors.Is(err, ErrStranger) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
