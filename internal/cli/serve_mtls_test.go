package cli

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
