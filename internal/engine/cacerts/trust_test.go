package cacerts

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var serial int64

// ca makes the certificate of a CA.
func ca(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParse(t *testing.T) {
	a, b := ca(t, "A"), ca(t, "B")
	pa, pb := block("CERTIFICATE", a.Raw), block("CERTIFICATE", b.Raw)
	for name, c := range map[string]struct {
		data  string
		certs int
		skip  string
		err   string
	}{
		"one":                 {pa, 1, "", ""},
		"two":                 {pa + pb, 2, "", ""},
		"text around":         {"A's\n\n" + pa + "# and B's\n" + pb + "end", 2, "", ""},
		"lines of a PC":       {strings.ReplaceAll(pa+pb, "\n", "\r\n"), 2, "", ""},
		"DER":                 {string(a.Raw), 1, "", ""},
		"old name":            {block("X509 CERTIFICATE", a.Raw), 1, "", ""},
		"DER and more":        {string(a.Raw) + "x", 0, "", "not a certificate"},
		"nothing":             {"", 0, "", "no certificate in it"},
		"trusted certificate": {pa + block("TRUSTED CERTIFICATE", b.Raw), 1, "TRUSTED CERTIFICATE", ""},
		"private key":         {pa + block("EC PRIVATE KEY", []byte("x")), 1, "private key", ""},
		"request":             {block("CERTIFICATE REQUEST", []byte("x")), 0, "", "a CERTIFICATE REQUEST"},
		"no certificate":      {pa + block("CERTIFICATE", []byte("x")), 1, "part 2", ""},
		"no end":              {pa + strings.TrimSuffix(pb, "-----END CERTIFICATE-----\n"), 1, "damaged", ""},
		"bad base64":          {strings.Replace(pa, "M", "*", 1) + pb, 1, "damaged", ""},
	} {
		certs, skipped, err := Parse([]byte(c.data))
		if len(certs) != c.certs || !strings.Contains(fmt.Sprint(skipped), c.skip) || (c.skip == "" && err == nil && len(skipped) > 0) {
			t.Errorf("%s: %d certificates, skipped %v", name, len(certs), skipped)
		}
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMerge(t *testing.T) {
	a, b, c := ca(t, "Same"), ca(t, "Same"), ca(t, "Another")
	one := Merge(Of(Host, a, c, a), Of(Site, b, a))
	two := Merge(Of(Site, a), Of(Site, b), Of(Host, c), Of(Host, a))
	if len(one) != 3 || one[0].Subject() != "CN=Another" {
		t.Fatalf("%d certificates, the first is %s", len(one), one[0].Subject())
	}
	if !bytes.Equal(one.PEM(), two.PEM()) {
		t.Error("the order in which they come reaches the bundle")
	}
	both, _ := one.Get(Of(Host, a)[0].Digest())
	if both.Origin() != "host, site" {
		t.Errorf("in both: %s", both.Origin())
	}
	left := one.Without(Site, both.Digest(), Of(Site, b)[0].Digest())
	if len(left) != 2 || len(left.From(Site)) != 0 || len(one.From(Site)) != 2 {
		t.Errorf("without the site's: %d, of the site %d, before %d", len(left), len(left.From(Site)), len(one.From(Site)))
	}
	certs, skipped, err := Parse(one.PEM())
	if err != nil || len(skipped) > 0 || len(certs) != 3 {
		t.Errorf("a bundle read back: %d, %v, %v", len(certs), skipped, err)
	}
	kept, err := json.Marshal(one)
	var back List
	if err = errors.Join(err, json.Unmarshal(kept, &back)); err != nil || !bytes.Equal(back.PEM(), one.PEM()) {
		t.Errorf("a kept list read back: %v", err)
	}
}

// TestNamesStayComments gives certificates names that try to be more than a comment.
func TestNamesStayComments(t *testing.T) {
	for _, name := range []string{"a\n-----BEGIN CERTIFICATE-----\nx", strings.Repeat("y", 250) + "-----BEGIN CERTIFICATE-----", "é\r-----BEGIN X-----", strings.Repeat("ü", 300)} {
		text := Of(Site, ca(t, name)).PEM()
		begins := 0
		for line := range strings.Lines(string(text)) {
			if len(line) > longest+4 {
				t.Errorf("%q: a line of %d bytes", name, len(line))
			}
			if strings.HasPrefix(line, begin) {
				begins++
			}
			for _, r := range line {
				if r > '~' || r < ' ' && r != '\n' {
					t.Fatalf("%q: %q in the bundle", name, r)
				}
			}
		}
		if begins != 1 {
			t.Errorf("%q: %d certificates begin", name, begins)
		}
	}
}

func TestFind(t *testing.T) {
	a, b, c := ca(t, "Site CA"), ca(t, "Site CA"), ca(t, "Site CA 2")
	l := Of(Site, a, b, c)
	digest := func(cert *x509.Certificate) string { return Of(Site, cert)[0].Digest().String() }
	for _, try := range []struct {
		subject, sha256 string
		want            *x509.Certificate
		hint            string
	}{
		{"Site CA 2", "", c, ""},
		{"CN=Site CA 2", "", c, ""},
		{"", digest(a), a, ""},
		{"", strings.ToUpper(digest(b)[:16]), b, ""},
		{"Site CA", digest(b), b, ""},
		{"Site CA 2", digest(b), nil, "trust:list"},
		{"Site CA", "", nil, "-sha256=" + digest(a)[:12]},
		{"Site", "", nil, "say which"},
		{"Sit", digest(c), c, ""},
		{"Other", "", nil, "trust:list"},
		{"", "", nil, "-subject="},
	} {
		got, err := l.Find(try.subject, try.sha256)
		if try.want == nil {
			if err == nil || fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), try.hint) {
				t.Errorf("%q %q: %v, hint %q", try.subject, try.sha256, err, fault.HintOf(err))
			}
			continue
		}
		if err != nil || !got.Cert.Equal(try.want) {
			t.Errorf("%q %q: %v", try.subject, try.sha256, err)
		}
	}
}

// TestHostsOfAllDistributions lays each distribution's bundle into an image.
func TestHostsOfAllDistributions(t *testing.T) {
	text := block("CERTIFICATE", ca(t, "Host").Raw)
	for name, c := range map[string]struct{ file, link, target, want string }{
		"Debian":         {file: "etc/ssl/certs/ca-certificates.crt", want: "/etc/ssl/certs/ca-certificates.crt"},
		"RHEL":           {file: "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", link: "etc/ssl/certs/ca-bundle.crt", target: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", want: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
		"SUSE":           {file: "var/lib/ca-certificates/ca-bundle.pem", link: "etc/ssl/ca-bundle.pem", target: "/var/lib/ca-certificates/ca-bundle.pem", want: "/var/lib/ca-certificates/ca-bundle.pem"},
		"Alpine":         {file: "etc/ssl/certs/ca-certificates.crt", link: "etc/ssl/cert.pem", target: "certs/ca-certificates.crt", want: "/etc/ssl/certs/ca-certificates.crt"},
		"Alpine, bundle": {file: "etc/ssl/cert.pem", want: "/etc/ssl/cert.pem"},
		"Amazon Linux 1": {file: "etc/pki/tls/certs/ca-bundle.crt", want: "/etc/pki/tls/certs/ca-bundle.crt"},
	} {
		root := t.TempDir()
		err := errors.Join(os.MkdirAll(filepath.Join(root, filepath.Dir(c.file)), 0o755), os.WriteFile(filepath.Join(root, c.file), []byte(text), 0o644))
		if c.link != "" {
			err = errors.Join(err, os.MkdirAll(filepath.Join(root, filepath.Dir(c.link)), 0o755), os.Symlink(c.target, filepath.Join(root, c.link)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if path, l, skipped, err := FromHost(root); err != nil || path != c.want || len(l) != 1 || len(skipped) != 0 || !l[0].Has(Host) {
			t.Errorf("%s: %s, %d certificates, %v, %v", name, path, len(l), skipped, err)
		}
	}
	root := t.TempDir()
	if _, _, _, err := FromHost(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no bundle: %v", err)
	}
	outside := filepath.Join(t.TempDir(), "outside.pem")
	if err := errors.Join(os.WriteFile(outside, []byte(text), 0o644), os.MkdirAll(filepath.Join(root, "etc/ssl"), 0o755), os.Symlink(outside, filepath.Join(root, "etc/ssl/cert.pem"))); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := FromHost(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image whose bundle is a link out of it: %v", err)
	}
}

func TestFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.pem")
	good := block("CERTIFICATE", ca(t, "A").Raw)
	for text, want := range map[string]string{good: "", good + block("PRIVATE KEY", []byte("x")): "private key", good + block("CERTIFICATE", []byte("x")): "part 2", "": "no certificate"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := FromFile(path)
		if want == "" && (err != nil || len(l) != 1 || !l[0].Has(Site)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q: %v, %v", want, l, err)
		}
	}
}

// octal writes bytes as certdata.txt does.
func octal(b []byte) string {
	var s strings.Builder
	for i, c := range b {
		fmt.Fprintf(&s, "\\%03o", c)
		if i%16 == 15 {
			s.WriteByte('\n')
		}
	}
	return "MULTILINE_OCTAL\n" + strings.TrimSuffix(s.String(), "\n") + "\nEND\n"
}

// certdata writes a certificate and its trust object.
func certdata(cert *x509.Certificate, serverAuth, after string) string {
	sum := sha1.Sum(cert.Raw)
	id := "CKA_ISSUER " + octal(cert.RawIssuer) + "CKA_SERIAL_NUMBER " + octal([]byte{2, 1, byte(cert.SerialNumber.Int64())})
	return "\n# Certificate\nCKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_TOKEN CK_BBOOL CK_TRUE\nCKA_LABEL UTF8 \"" + cert.Subject.CommonName + "\"\n" + id + "CKA_VALUE " + octal(cert.Raw) +
		"CKA_NSS_SERVER_DISTRUST_AFTER " + after +
		"\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST\nCKA_CERT_SHA1_HASH " + octal(sum[:]) + id + "CKA_TRUST_SERVER_AUTH CK_TRUST " + serverAuth + "\nCKA_TRUST_EMAIL_PROTECTION CK_TRUST CKT_NSS_TRUSTED_DELEGATOR\n"
}

func TestFromMozilla(t *testing.T) {
	good, ended, mail, distrusted := ca(t, "Good"), ca(t, "Ended"), ca(t, "Mail"), ca(t, "Distrusted")
	head := "# a comment\nBEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_BUILTIN_ROOT_LIST\nCKA_LABEL UTF8 \"Mozilla Builtin Roots\"\n"
	text := head + certdata(good, trustedRoot, "CK_BBOOL CK_FALSE\n") + certdata(ended, trustedRoot, octal([]byte("241130235959Z"))) +
		certdata(mail, "CKT_NSS_MUST_VERIFY_TRUST", "CK_BBOOL CK_FALSE\n") + certdata(distrusted, "CKT_NSS_NOT_TRUSTED", "CK_BBOOL CK_FALSE\n")
	l, err := FromMozilla([]byte(text))
	if err != nil || len(l) != 2 || l[0].Subject() != "CN=Ended" || l[1].Subject() != "CN=Good" || !strings.Contains(l[0].Note, "after 2024-11-30") || l[1].Note != "" {
		t.Fatalf("%v, %v", l, err)
	}
	other := sha1.Sum([]byte("another certificate of the same name"))
	sum := sha1.Sum(good.Raw)
	for name, bad := range map[string]string{
		"nothing":             head,
		"only distrusted":     head + certdata(mail, "CKT_NSS_NOT_TRUSTED", "CK_BBOOL CK_FALSE\n"),
		"trust of another":    head + strings.Replace(certdata(good, trustedRoot, "CK_BBOOL CK_FALSE\n"), octal(sum[:]), octal(other[:]), 1),
		"no END":              strings.TrimSuffix(head+"CKA_VALUE "+octal(good.Raw), "END\n"),
		"not octal":           head + "CKA_VALUE MULTILINE_OCTAL\n\\999\nEND\n",
		"a byte too many":     head + "CKA_VALUE MULTILINE_OCTAL\n\\377\\400\nEND\n",
		"out of place":        "CKA_LABEL UTF8 \"x\"\n",
		"no certificate":      head + strings.Replace(certdata(good, trustedRoot, "CK_BBOOL CK_FALSE\n"), octal(good.RawIssuer), octal(good.RawIssuer), 1)[:40],
		"no date":             head + certdata(good, trustedRoot, octal([]byte("never"))),
		"a class and no more": "CKA_CLASS\n",
	} {
		if l, err := FromMozilla([]byte(bad)); err == nil {
			t.Errorf("%s: %v", name, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	a := ca(f, "A")
	f.Add([]byte(block("CERTIFICATE", a.Raw) + "text\n" + block("TRUSTED CERTIFICATE", a.Raw)))
	f.Add(a.Raw)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, skipped, err := Parse(data)
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("%d certificates, %v, %v", len(certs), skipped, err)
		}
		again, skipped, err := Parse(Of(Host, certs...).PEM())
		if len(certs) > 0 && (err != nil || len(skipped) > 0 || len(again) > len(certs)) {
			t.Fatalf("what was written is read back as %d, %v, %v", len(again), skipped, err)
		}
	})
}

func FuzzFromMozilla(f *testing.F) {
	f.Add([]byte("BEGINDATA\n" + certdata(ca(f, "A"), trustedRoot, octal([]byte("241130235959Z")))))
	f.Add([]byte("CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_VALUE MULTILINE_OCTAL\n\\060\nEND\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := FromMozilla(data); (err == nil) != (len(l) > 0) {
			t.Fatalf("%v, %v", l, err)
		}
	})
}
