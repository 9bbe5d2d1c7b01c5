package cacerts

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Skipped is a part of a bundle that is not taken, and why.
type Skipped struct{ What, Why string }

func (s Skipped) String() string { return s.What + ": " + s.Why }

// Parse reads a bundle: PEM blocks with any text between them, or the DER bytes of one certificate. A
// certificate that cannot be read, and a block that is no plain certificate, are skipped; a block that never
// ends is one of them. No certificate at all is an error.
func Parse(data []byte) (certs []*x509.Certificate, skipped []Skipped, err error) {
	if bytes.HasPrefix(data, []byte{0x30}) { // DER: a SEQUENCE; PEM begins with - or with text
		cert, err := x509.ParseCertificate(data)
		if err == nil {
			return []*x509.Certificate{cert}, nil, nil
		}
		if !bytes.Contains(data, []byte(begin)) {
			return nil, nil, fmt.Errorf("not a certificate: %w", err)
		}
	}
	blocks, rest := 0, data
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks++
		cert, why := readBlock(block)
		if why != "" {
			skipped = append(skipped, Skipped{fmt.Sprintf("part %d", blocks), why})
			continue
		}
		certs = append(certs, cert)
	}
	if lost := countBlocks(data) - blocks; lost > 0 {
		skipped = append(skipped, Skipped{fmt.Sprintf("%d parts", lost), "damaged PEM"})
	}
	if len(certs) == 0 {
		err = errors.New("no certificate in it")
		if len(skipped) > 0 {
			err = fmt.Errorf("no certificate in it: %s", skipped[0])
		}
	}
	return certs, skipped, err
}

const begin = "-----BEGIN "

// countBlocks counts the lines at which OpenSSL would begin to read a block.
func countBlocks(data []byte) int {
	n := bytes.Count(data, []byte("\n"+begin))
	if bytes.HasPrefix(data, []byte(begin)) {
		n++
	}
	return n
}

// readBlock returns the certificate of a PEM block, or why there is none to take.
func readBlock(block *pem.Block) (cert *x509.Certificate, why string) {
	switch {
	case block.Type == "CERTIFICATE" || block.Type == "X509 CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, plain(err.Error())
		}
		return cert, ""
	case block.Type == "TRUSTED CERTIFICATE":
		return nil, "an OpenSSL TRUSTED CERTIFICATE, whose conditions other programs do not read; `openssl x509` writes it without them"
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, "a private key, which belongs to its owner alone"
	}
	return nil, "a " + plain(block.Type) + ", no certificate"
}
