package sign

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const hintPGP = "an RSA or EdDSA key with nothing to unlock it, a file or env:NAME: " +
	"gpg --armor --export-secret-keys <whose>"

// PGP signs as OpenPGP does (RFC 9580), which is what package managers read, with a key that this process
// does not have.
type PGP struct {
	ID     string // the fingerprint of the primary key, in hex
	public openpgp.EntityList
	ask    func([]byte) ([]byte, error)
}

// PGPApart takes the secret key from where says, an armored file or env:NAME, into a process of its own, as
// Apart does.
func PGPApart(where string) (*PGP, error) {
	p, text, err := startApart(order{Where: where, PGP: true})
	if err != nil {
		return nil, err
	}
	public, err := openpgp.ReadArmoredKeyRing(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	id := hex.EncodeToString(public[0].PrimaryKey.Fingerprint)
	return &PGP{id, public, func(data []byte) ([]byte, error) {
		a, err := p.do(order{Data: data})
		return a.Sig, err
	}}, nil
}

// Sign returns a detached signature, having held it against the key.
func (p *PGP) Sign(data []byte) ([]byte, error) {
	sig, err := p.ask(data)
	if err != nil {
		return nil, err
	}
	_, err = openpgp.CheckDetachedSignature(p.public, bytes.NewReader(data), bytes.NewReader(sig), nil)
	if err != nil {
		return nil, fault.New(fault.BadSignature, hintPGP,
			"-pgpkey: what it signs is not verified by it: %w", err)
	}
	return sig, nil
}

// Armored is a signature as gpg --armor writes it.
func Armored(sig []byte) ([]byte, error) {
	return armored(openpgp.SignatureType, func(to *bytes.Buffer) error {
		_, err := to.Write(sig)
		return err
	})
}

func armored(kind string, write func(*bytes.Buffer) error) ([]byte, error) {
	var raw, out bytes.Buffer
	if err := write(&raw); err != nil {
		return nil, err
	}
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// openPGP reads the key in the process that signs, and returns its public half.
func (o order) openPGP() (string, signing, error) {
	text, err := privateText("-pgpkey", o.Where)
	if err != nil {
		return "", nil, err
	}
	refuse := func(format string, args ...any) (string, signing, error) {
		return "", nil, fault.New(fault.Usage, hintPGP, "-pgpkey="+o.Where+": "+format, args...)
	}
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	switch {
	case err != nil:
		return refuse("no armored key: %w", err)
	case len(ring) != 1:
		return refuse("%d keys, and not one", len(ring))
	}
	key, usable := ring[0].SigningKey(time.Now())
	switch {
	case !usable:
		return refuse("it may not sign, has expired, or was revoked")
	case key.PrivateKey == nil || key.PrivateKey.Dummy():
		return refuse("the secret half is not in it")
	case key.PrivateKey.Encrypted:
		return refuse("it is encrypted")
	case !known(key.PublicKey) || !known(ring[0].PrimaryKey):
		return refuse("a kind of key that rpm does not read")
	}
	public, err := armored(openpgp.PublicKeyType, func(to *bytes.Buffer) error { return ring[0].Serialize(to) })
	if err != nil {
		return "", nil, err
	}
	config := &packet.Config{DefaultHash: crypto.SHA256, SigningKeyId: key.PublicKey.KeyId}
	return string(public), func(_ context.Context, data []byte) ([]byte, error) {
		var sig bytes.Buffer
		err := openpgp.DetachSign(&sig, ring[0], bytes.NewReader(data), config)
		return sig.Bytes(), err
	}, nil
}

// known reports whether every rpm of today reads such keys.
func known(k *packet.PublicKey) bool {
	return k.Version == 4 && (k.PubKeyAlgo == packet.PubKeyAlgoRSA || k.PubKeyAlgo == packet.PubKeyAlgoEdDSA)
}
