package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/balancer"
)

// balanced is what `serve -mtls` prints first, as JSON.
type balanced struct {
	Mode   balancer.Mode `json:"mtls"`
	URL    string        `json:"url"`
	CA     string        `json:"ca"`     // what clients verify the server with
	Client string        `json:"client"` // a certificate of the run's own CA, and its key
	Key    string        `json:"key"`
	Trust  []string      `json:"trust_store"` // subjects
}

// balance runs a listener that treats clients' certificates as AWS's balancer does.
func (c *command) balance(ctx context.Context) error {
	o, err := c.balancerOptions()
	if err != nil {
		return err
	}
	return c.attend(ctx, func(dir string, tell func(error)) (listener, func() error, error) {
		o.Dir, o.Report = dir, func(e balancer.Entry) { tell(c.logged(e)) }
		b, err := balancer.Start(o)
		if errors.Is(err, balancer.ErrStranger) {
			return nil, nil, fault.New(fault.Usage, "add its CA to -truststore, or leave the list out",
				"-crl=%s: %w", c.CRL, err)
		}
		if err != nil {
			return nil, nil, err
		}
		return b, func() error { return c.printBalancer(b) }, nil
	})
}

func (c *command) balancerOptions() (balancer.Options, error) {
	o := balancer.Options{Mode: balancer.Mode(c.MTLS), Names: c.Names, Port: c.Port}
	switch {
	case len(c.Only) > 0 || c.Max != "":
		return o, fault.New(fault.Usage, "leave them out, or -mtls", "-only and -max are for the scenarios, and -mtls is a server of its own")
	case o.Mode == balancer.Passthrough && (c.TrustStore != "" || c.CRL != ""):
		return o, fault.New(fault.Usage, "add -mtls=verify instead", "-mtls=passthrough verifies nothing: -truststore and -crl have no use there")
	}
	var err error
	if c.TrustStore != "" {
		if o.Trust, err = readPEM(c.TrustStore, "CERTIFICATE", x509.ParseCertificate); err != nil {
			return o, fault.New(fault.Usage, "a PEM file with CA certificates", "-truststore=%s: %w", c.TrustStore, err)
		}
	}
	for _, ca := range o.Trust {
		if !ca.IsCA {
			return o, fault.New(fault.Usage, "leave it out: only CAs belong into a trust store", "-truststore=%s: %s is no CA", c.TrustStore, ca.Subject)
		}
	}
	if c.CRL != "" {
		if o.Revoked, err = readPEM(c.CRL, "X509 CRL", x509.ParseRevocationList); err != nil {
			return o, fault.New(fault.Usage, "a PEM or DER file with revocation lists of version 2 (RFC 5280): `openssl ca -gencrl` writes one where crl_extensions has authorityKeyIdentifier", "-crl=%s: %w", c.CRL, err)
		}
	}
	return o, nil
}

// maxPEM bounds in bytes what is read of a file of certificates or lists.
const maxPEM = 16 << 20

// readPEM parses all blocks of a kind in a file, or the whole of it as one in DER.
func readPEM[T any](path, kind string, parse func([]byte) (T, error)) (all []T, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPEM {
		return nil, fmt.Errorf("no regular file of at most %d bytes", maxPEM)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rest, blocks := data, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if blocks++; block.Type != kind {
			continue
		}
		one, err := parse(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if begun := bytes.Count(data, []byte("-----BEGIN")); len(all) > 0 && begun != blocks {
		return nil, fmt.Errorf("%d of %d blocks can be read: the file is damaged", blocks, begun)
	}
	if len(all) > 0 {
		return all, nil
	}
	one, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("no %s in it", kind)
	}
	return []T{one}, nil
}

func (c *command) printBalancer(b *balancer.Balancer) error {
	f := b.Files()
	out := balanced{Mode: b.Mode, URL: fmt.Sprintf("https://localhost:%d/", b.Port()), CA: f.CA, Client: f.Client, Key: f.Key}
	for _, ca := range b.Trust {
		out.Trust = append(out.Trust, ca.Subject.String())
	}
	if c.JSON {
		return json.NewEncoder(c.out).Encode(out)
	}
	fmt.Fprintf(c.out, "mutual TLS, %s, at %s\n", out.Mode, out.URL)
	if b.Mode == balancer.Verify {
		for _, name := range out.Trust {
			fmt.Fprintf(c.out, "trusts   %s\n", name)
		}
	}
	_, err := fmt.Fprintf(c.out, "CA file  %s, valid until %s\ncurl     curl --cacert %s --cert %s --key %s %s\n\n", out.CA, b.Expires().Format("2006-01-02 15:04"), out.CA, out.Client, out.Key, out.URL)
	return err
}

// logged prints the line of a handshake.
func (c *command) logged(e balancer.Entry) error {
	if c.JSON {
		return json.NewEncoder(c.out).Encode(e)
	}
	_, err := fmt.Fprintln(c.out, e.Line())
	return err
}

// readable lets every user read what is no secret: a container often runs as another one.
func readable(f verify.Files) error {
	for _, path := range []string{f.CA, f.NewCA, f.BothCAs, f.Cert, f.CRL, f.Client, f.Conf} {
		if err := os.Chmod(path, 0o644); err != nil {
			return fmt.Errorf("-out: %s: %w", cmp.Or(filepath.Base(path), path), err)
		}
	}
	return nil
}
