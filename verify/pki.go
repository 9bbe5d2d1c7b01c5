package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// allowAll is an OPENSSL_CONF that asks for every version at security level 0 (config(5ssl), SSL_CONF_cmd(3ssl)).
const allowAll = `openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = all
[all]
MinProtocol = TLSv1
CipherString = DEFAULT:@SECLEVEL=0
`

// mint makes a root and a leaf for localhost that are valid for a day around now, and writes what subjects read
// to dir. The certificates stand up to VERIFY_X509_STRICT: critical basicConstraints, both key identifiers.
func mint(dir string, now time.Time) (tls.Certificate, Files, error) {
	var none tls.Certificate
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, Files{}, err
	}
	root, err := sign(template("tlsfloor proof root", now), nil, rootKey.Public(), rootKey)
	if err != nil {
		return none, Files{}, err
	}
	// RSA, since an SSLv3 control has no elliptic curves.
	leafKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return none, Files{}, err
	}
	leaf, err := sign(leafTemplate(now), root, leafKey.Public(), rootKey)
	if err != nil {
		return none, Files{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return none, Files{}, err
	}
	files, err := writeFiles(dir, map[string][]byte{
		"ca.pem":        encode("CERTIFICATE", root.Raw),
		"cert.pem":      encode("CERTIFICATE", leaf.Raw),
		"key.pem":       encode("PRIVATE KEY", der),
		"allow-all.cnf": []byte(allowAll),
	})
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}, files, err
}

func template(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func leafTemplate(now time.Time) *x509.Certificate {
	t := template("localhost", now)
	t.IsCA, t.KeyUsage = false, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment
	t.SerialNumber.Add(t.SerialNumber, big.NewInt(1))
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames, t.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	return t
}

// sign issues t and returns it parsed: signing with a template instead of the parsed parent leaves the authority key identifier out.
func sign(t, parent *x509.Certificate, public crypto.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if parent == nil {
		parent = t
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeFiles(dir string, files map[string][]byte) (Files, error) {
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return Files{}, err
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return Files{CA: in("ca.pem"), Cert: in("cert.pem"), Key: in("key.pem"), Conf: in("allow-all.cnf")}, nil
}
