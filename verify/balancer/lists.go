package balancer

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// superseded is the reason for which a certificate alone is revoked, and not what is behind it: there is
// another in its place (RFC 5280 section 5.3.1).
const superseded = 4

// revoked looks a verified chain up in the lists of its CAs, the root too: one above it may be in the trust
// store. A CA is revoked with any certificate of its name and key that is known, be that from the trust
// store or sent: the way by which another one leads is no way around. Only a certificate that was
// superseded takes no other with it.
func (b *Balancer) revoked(chain, sent []*x509.Certificate, now time.Time) *refusal {
	known := slices.Concat(b.Trust, sent, chain)
	for i, c := range chain {
		if r := b.listed(c, known, now, false); r != nil {
			return r
		}
		for _, other := range known {
			if i == 0 || other.Equal(c) || !sameCA(other, c) {
				continue
			}
			if r := b.listed(other, known, now, true); r != nil {
				return r
			}
		}
	}
	return nil
}

// listed looks one certificate up in the lists of who signed it. A list that is not its CA's, not current
// or not understood decides nothing, and so lets nobody through; of a CA that has changed its key there
// may be lists of both keys. Where there are several of one key, a certificate that any of them names
// is revoked. With another it is asked for the sake of another certificate of the same CA.
func (b *Balancer) listed(c *x509.Certificate, known []*x509.Certificate, now time.Time,
	another bool) *refusal {
	named, good := 0, 0
	for _, list := range b.Revoked {
		if !sameName(list.RawIssuer, c.RawIssuer) {
			continue
		}
		if named++; !slices.ContainsFunc(known, func(ca *x509.Certificate) bool {
			return issuedBy(c, ca) && signedBy(list, ca) == nil
		}) {
			continue
		}
		if good++; !decides(list, now) {
			return &refusal{ClientCertCrlProcessingError}
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(c.SerialNumber) == 0 && !(another && entry.ReasonCode == superseded) {
				return &refusal{ClientCertCrlHit}
			}
		}
	}
	if named > 0 && good == 0 {
		return &refusal{ClientCertCrlProcessingError}
	}
	return nil
}

// signedBy verifies the list's signature by the CA. SHA-1 is refused, which crypto/x509 lets pass here.
func signedBy(list *x509.RevocationList, issuer *x509.Certificate) error {
	switch list.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return x509.InsecureAlgorithmError(list.SignatureAlgorithm)
	}
	return list.CheckSignatureFrom(issuer)
}

// decides reports whether a list may be used. It has to be current (RFC 5280 section 5.1.2.5: it says
// until when). One with a critical extension that is not understood must not be used (sections 5.2 and
// 5.3), and none is understood here: they make a list partial (issuingDistributionPoint), a difference
// to another (deltaCRLIndicator), or one of other CAs' certificates (certificateIssuer).
func decides(list *x509.RevocationList, now time.Time) bool {
	critical := func(e pkix.Extension) bool { return e.Critical }
	if now.Before(list.ThisUpdate) || list.NextUpdate.IsZero() || now.After(list.NextUpdate) ||
		slices.ContainsFunc(list.Extensions, critical) {
		return false
	}
	return !slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return slices.ContainsFunc(e.Extensions, critical)
	})
}

// ErrStranger is of a list of revoked certificates that would never be looked at.
var ErrStranger = errors.New("signed by no CA of the trust store")

// strangers refuses a list that no CA of the trust store has signed: it would never be looked at, and
// nobody would know.
func (b *Balancer) strangers() error {
	for _, list := range b.Revoked {
		if !slices.ContainsFunc(b.Trust, func(ca *x509.Certificate) bool {
			return sameName(list.RawIssuer, ca.RawSubject) && signedBy(list, ca) == nil
		}) {
			return fmt.Errorf("%w: the list of %q", ErrStranger, list.Issuer)
		}
	}
	return nil
}

// sameName compares two names in DER as RFC 5280 section 7.1 has it: the kind of string, case, and the
// amount of white space do not matter, nor does the order in a set of attributes.
func sameName(a, b []byte) bool {
	return bytes.Equal(a, b) || canonical(a) == canonical(b)
}

// canonical is a form of the name in which equal ones are equal.
func canonical(der []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return hex.EncodeToString(der) // or a kind of string that encoding/asn1 does not read
	}
	var sets []string
	for _, set := range name {
		var all []string
		for _, attribute := range set {
			value := fmt.Sprintf("%T %v", attribute.Value, attribute.Value)
			if text, ok := attribute.Value.(string); ok {
				value = strings.Join(strings.Fields(strings.ToLower(text)), " ")
			}
			all = append(all, fmt.Sprintf("%s=%q", attribute.Type, value))
		}
		slices.Sort(all)
		sets = append(sets, strings.Join(all, "+"))
	}
	return strings.Join(sets, ",")
}
