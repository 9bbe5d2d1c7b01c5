package balancer

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// ErrCircle is of CAs in the trust store that are only signed by each other.
var ErrCircle = errors.New("no root is above it in the trust store")

// anchor takes the trust store apart. Only a CA that signed itself, or that no other of the store signed, is
// a root: what revokes a CA, or ends the one above it, would not be seen if that one were a root too.
func (b *Balancer) anchor() error {
	above := make([][]int, len(b.Trust)) // who of the store signed it
	reached := make([]bool, len(b.Trust))
	for i, c := range b.Trust {
		for j, ca := range b.Trust {
			if i != j && !ca.Equal(c) && issuedBy(c, ca) {
				above[i] = append(above[i], j)
			}
		}
		if reached[i] = len(above[i]) == 0 || issuedBy(c, c); reached[i] {
			b.roots.AddCert(c)
		} else {
			b.between = append(b.between, c)
		}
	}
	for further := true; further; {
		further = false
		for i := range b.Trust {
			if !reached[i] && slices.ContainsFunc(above[i], func(j int) bool { return reached[j] }) {
				reached[i], further = true, true
			}
		}
	}
	if i := slices.Index(reached, false); i >= 0 {
		return fmt.Errorf("%w: %q", ErrCircle, b.Trust[i].Subject)
	}
	return nil
}

// issuedBy reports whether the key and the name of ca are those that signed c. Where the signature is of a
// kind that is not verified here (such as MD5), the identifiers of the keys decide, if there are any.
func issuedBy(c, ca *x509.Certificate) bool {
	if !sameName(c.RawIssuer, ca.RawSubject) {
		return false
	}
	err := ca.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	_, weak := errors.AsType[x509.InsecureAlgorithmError](err)
	if weak || errors.Is(err, x509.ErrUnsupportedAlgorithm) {
		return len(c.AuthorityKeyId) == 0 || len(ca.SubjectKeyId) == 0 ||
			bytes.Equal(c.AuthorityKeyId, ca.SubjectKeyId)
	}
	return err == nil
}

// sameCA reports whether both are certificates of one CA: of one name and one key.
func sameCA(a, b *x509.Certificate) bool {
	return sameName(a.RawSubject, b.RawSubject) &&
		bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}
