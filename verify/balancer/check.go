package balancer

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
)

// Why a handshake failed, in AWS's words.
const (
	ClientCertMaxChainDepthExceeded = "ClientCertMaxChainDepthExceeded"
	ClientCertMaxSizeExceeded       = "ClientCertMaxSizeExceeded"
	ClientCertCrlHit                = "ClientCertCrlHit"
	ClientCertCrlProcessingError    = "ClientCertCrlProcessingError"
	ClientCertUntrusted             = "ClientCertUntrusted"
	ClientCertNotYetValid           = "ClientCertNotYetValid"
	ClientCertExpired               = "ClientCertExpired"
	ClientCertTypeUnsupported       = "ClientCertTypeUnsupported"
	ClientCertInvalid               = "ClientCertInvalid"
	ClientCertPurposeInvalid        = "ClientCertPurposeInvalid"
	UnmappedConnectionError         = "UnmappedConnectionError" // any other failure: no certificate, no version or suite in common
)

// refusal is why a chain is not taken.
type refusal struct{ code string }

// Error implements error.
func (r *refusal) Error() string { return "client certificate refused: " + r.code }

// check verifies a client's chain, the leaf first. nil: it is taken.
func (b *Balancer) check(chain []*x509.Certificate) *refusal {
	size := 0
	for _, c := range chain {
		size += len(c.Raw)
	}
	leaf, now := chain[0], b.Now()
	switch {
	case size > b.Size:
		return &refusal{ClientCertMaxSizeExceeded}
	case len(chain) > b.Depth:
		return &refusal{ClientCertMaxChainDepthExceeded}
	case !supported(leaf):
		return &refusal{ClientCertTypeUnsupported}
	case now.Before(leaf.NotBefore):
		return &refusal{ClientCertNotYetValid}
	case now.After(leaf.NotAfter):
		return &refusal{ClientCertExpired}
	}
	between := x509.NewCertPool()
	for _, c := range slices.Concat(chain[1:], b.between) {
		between.AddCert(c)
	}
	verified, err := leaf.Verify(x509.VerifyOptions{Roots: b.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return &refusal{reason(err)}
	}
	// A chain that leads to a root by a way that is short enough will do.
	verified = slices.DeleteFunc(verified, func(c []*x509.Certificate) bool { return len(c) > b.Depth })
	if len(verified) == 0 {
		return &refusal{ClientCertMaxChainDepthExceeded}
	}
	var last *refusal
	for _, one := range verified {
		if last = b.revoked(one, chain, now); last == nil {
			return nil
		}
	}
	return last
}

// supported are the keys and the version that AWS takes: X.509 v3, RSA of 2,048 bits and more, and the NIST
// curves.
func supported(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return c.Version == 3 && key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return c.Version == 3 && key.Params().BitSize >= 256
	}
	return false
}

// reason maps crypto/x509's errors.
func reason(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ClientCertUntrusted
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return ClientCertInvalid
	case invalid.Reason == x509.Expired: // of one above the leaf, in either direction
		return ClientCertExpired
	case invalid.Reason == x509.IncompatibleUsage:
		return ClientCertPurposeInvalid
	case invalid.Reason == x509.TooManyIntermediates:
		return ClientCertMaxChainDepthExceeded
	case invalid.Reason == x509.NotAuthorizedToSign:
		return ClientCertUntrusted
	}
	return ClientCertInvalid
}
