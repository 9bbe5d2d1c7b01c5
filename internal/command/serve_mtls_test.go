package command

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

// FuzzReadPEM gives trust stores and revocation lists of any kind: an error at most.
func FuzzReadPEM(f *testing.F) {
	a, err := newAuthority("Fuzz CA", 10)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.pem())
	f.Add(a.cert.Raw)
	f.Add(append(a.pem(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"...))
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := readPEM(path, "CERTIFICATE", x509.ParseCertificate); err == nil && len(all) == 0 {
			t.Error("nothing is read, and no error is said")
		}
		if all, err := readPEM(path, "X509 CRL", x509.ParseRevocationList); err == nil && len(all) == 0 {
			t.Error("nothing is read, and no error is said")
		}
	})
}

// A damaged block is no reason to go on with those that are left: a list of revocations may be what is
// missing.
func TestReadPEMCut(t *testing.T) {
	a, err := newAuthority("Cut CA", 10)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	whole := append(a.pem(), a.pem()...)
	for cut, fails := range map[int]bool{0: false, 30: true, len(a.pem()) - 20: true} {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := readPEM(path, "CERTIFICATE", x509.ParseCertificate); (err != nil) != fails || err == nil && len(all) != 2 {
			t.Errorf("without %d bytes: %d certificates, %v", cut, len(all), err)
		}
	}
}
