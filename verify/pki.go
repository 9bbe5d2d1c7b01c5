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
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// allowAll is an OPENSSL_CONF that asks for every version at security level 0 (config(5ssl),
// SSL_CONF_cmd(3ssl)).
const allowAll = `openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = all
[all]
MinProtocol = TLSv1
CipherString = DEFAULT:@SECLEVEL=0
`

// Passwords of the client's encrypted key: the one that fits, and one that does not.
const (
	rightPassword = "correct horse"
	wrongPassword = "battery staple"
)

// life is how long certificates, staples and the revocation list are valid: a server for people runs for an
// afternoon.
const life = 24 * time.Hour

// CAName is the common name of a run's own CA.
const CAName = "tlsfloor proof root"

// pki is a run's certificates. They are valid for a day around the moment of their making, so they cannot
// rot, and stand up to VERIFY_X509_STRICT: critical basicConstraints, both key identifiers.
type pki struct {
	files   Files
	expires time.Time
	leaves  map[Leaf]tls.Certificate
	staples map[Staple][]byte
	clients *x509.CertPool // the CA of the clients' certificates
	first   *authority
}

// authority is a CA with its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64 // serial number
}

func newAuthority(name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := sign(t, t, key.Public(), key)
	return &authority{cert, key, now.UnixNano()}, err
}

// issue makes a leaf for localhost and 127.0.0.1, altered by change.
func (a *authority) issue(public crypto.PublicKey, change func(*x509.Certificate)) (*x509.Certificate, error) {
	a.next++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if change != nil {
		change(t)
	}
	return sign(t, a.cert, public, a.key)
}

// sign issues t and returns it parsed: signing with a template instead of the parsed parent leaves the
// authority key identifier out.
func sign(t, parent *x509.Certificate, public crypto.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// mint makes a run's certificates, and writes what subjects read to dir. What some say of themselves is asked
// for at responder, an address and port; "": nowhere.
func mint(dir, responder string, now time.Time) (*pki, error) {
	first, err := newAuthority(CAName, now)
	if err != nil {
		return nil, err
	}
	second, err := newAuthority("tlsfloor proof root, new", now)
	if err != nil {
		return nil, err
	}
	stranger, err := newAuthority("a root that nobody trusts", now)
	if err != nil {
		return nil, err
	}
	// RSA, since an SSLv3 control has no elliptic curves.
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &pki{first: first, expires: first.cert.NotAfter, leaves: map[Leaf]tls.Certificate{}, clients: x509.NewCertPool()}
	p.clients.AddCert(first.cert)
	if err := p.issueLeaves(second, stranger, key, responder, now); err != nil {
		return nil, err
	}
	if p.staples, err = first.staples(p.leaves[GoodLeaf].Leaf, now); err != nil {
		return nil, err
	}
	return p, p.write(dir, first, second, key, now)
}

// issueLeaves makes the certificates of the server.
func (p *pki) issueLeaves(second, stranger *authority, key *rsa.PrivateKey, responder string, now time.Time) error {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		return err
	}
	endpoint := func(s Staple) func(*x509.Certificate) {
		return func(t *x509.Certificate) {
			if responder != "" {
				t.OCSPServer = []string{"http://" + responder + "/" + string(s)}
			}
		}
	}
	for _, l := range []struct {
		leaf   Leaf
		by     *authority
		key    *rsa.PrivateKey
		change func(*x509.Certificate)
	}{
		{GoodLeaf, p.first, key, nil},
		{NewLeaf, second, key, nil},
		{SmallLeaf, p.first, small, nil},
		{RevokedLeaf, p.first, key, nil},
		{UntrustedLeaf, stranger, key, nil},
		{ExpiredLeaf, p.first, key, func(t *x509.Certificate) { t.NotAfter = now.Add(-time.Minute) }},
		{NotYetLeaf, p.first, key, func(t *x509.Certificate) { t.NotBefore = now.Add(12 * time.Hour) }},
		{OtherNameLeaf, p.first, key, func(t *x509.Certificate) { t.DNSNames, t.IPAddresses = []string{"elsewhere.example"}, nil }},
		{EndpointGoodLeaf, p.first, key, endpoint(GoodStaple)},
		{EndpointRevokedLeaf, p.first, key, endpoint(RevokedStaple)},
		{EndpointErrorLeaf, p.first, key, endpoint(ErrorStaple)},
		{EndpointMalformedLeaf, p.first, key, endpoint(MalformedStaple)},
	} {
		cert, err := l.by.issue(l.key.Public(), l.change)
		if err != nil {
			return fmt.Errorf("leaf %q: %w", l.leaf, err)
		}
		p.leaves[l.leaf] = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: l.key, Leaf: cert}
	}
	return nil
}

// staples are the responses about the leaf.
func (a *authority) staples(leaf *x509.Certificate, now time.Time) (map[Staple][]byte, error) {
	all := map[Staple][]byte{}
	for _, name := range []Staple{GoodStaple, RevokedStaple, ErrorStaple, MalformedStaple} {
		response, err := a.respond(name, leaf.SerialNumber, now)
		if err != nil {
			return nil, err
		}
		all[name] = response
	}
	return all, nil
}

// respond makes the OCSP response that a staple's name stands for (RFC 6960).
func (a *authority) respond(name Staple, serial *big.Int, now time.Time) ([]byte, error) {
	if name == ErrorStaple {
		return ocsp.MalformedRequestErrorResponse, nil
	}
	status, ok := map[Staple]int{GoodStaple: ocsp.Good, RevokedStaple: ocsp.Revoked}[name]
	if !ok {
		return []byte("no OCSP response"), nil
	}
	response, err := ocsp.CreateResponse(a.cert, a.cert, ocsp.Response{
		Status: status, SerialNumber: serial, RevokedAt: now.Add(-time.Minute),
		ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(life),
	}, a.key)
	if err != nil {
		return nil, fmt.Errorf("OCSP response: %w", err)
	}
	return response, nil
}

// write puts what subjects read into dir.
func (p *pki) write(dir string, first, second *authority, key *rsa.PrivateKey, now time.Time) error {
	client, err := first.issue(key.Public(), func(t *x509.Certificate) {
		t.Subject.CommonName, t.DNSNames, t.IPAddresses = "a client", nil, nil
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	if err != nil {
		return err
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(life),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: p.leaves[RevokedLeaf].Leaf.SerialNumber, RevocationTime: now.Add(-time.Minute)}},
	}, first.cert, first.key)
	if err != nil {
		return err
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	// The old format of encrypted keys (RFC 1423) is the one that the standard library writes, and every
	// OpenSSL reads it.
	sealed, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", der, []byte(rightPassword), x509.PEMCipherAES256)
	if err != nil {
		return err
	}
	in, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer in.Close()
	one, two := encode("CERTIFICATE", first.cert.Raw), encode("CERTIFICATE", second.cert.Raw)
	for _, f := range []struct {
		path *string
		name string
		data []byte
	}{
		{&p.files.CA, "ca.pem", one}, {&p.files.NewCA, "new-ca.pem", two}, {&p.files.BothCAs, "both-cas.pem", slices.Concat(one, two)},
		{&p.files.Cert, "cert.pem", encode("CERTIFICATE", p.leaves[GoodLeaf].Certificate[0])}, {&p.files.Key, "key.pem", encode("RSA PRIVATE KEY", der)},
		{&p.files.CRL, "crl.pem", encode("X509 CRL", list)}, {&p.files.Client, "client.pem", encode("CERTIFICATE", client.Raw)},
		{&p.files.SealedKey, "sealed-key.pem", pem.EncodeToMemory(sealed)},
		{&p.files.ClientPair, "client-and-key.pem", slices.Concat(encode("CERTIFICATE", client.Raw), encode("RSA PRIVATE KEY", der))},
		{&p.files.SealedPair, "client-and-sealed-key.pem", slices.Concat(encode("CERTIFICATE", client.Raw), pem.EncodeToMemory(sealed))},
		{&p.files.Conf, "allow-all.cnf", []byte(allowAll)},
	} {
		*f.path = filepath.Join(dir, f.name)
		if err := writePrivate(in, f.name, f.data); err != nil {
			return err
		}
	}
	return nil
}

// writePrivate gives name to a new file that only its owner reads. What had the name, a link or a file
// with another mode, is neither written to nor kept.
func writePrivate(in *os.Root, name string, data []byte) (err error) {
	temp := ".new-" + rand.Text()
	f, err := in.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = in.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, in.Remove(temp))
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
