package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Clearsigned verifies a message in the cleartext signature framework (RFC 9580 section 7), such as an
// archive's InRelease, and returns the text that is signed, with CR LF at the ends of lines. One good
// signature by a key of the ring is enough: archives sign with several, and a ring may not have the newest.
// What stands before or behind the message is refused. The policy is that of sources' signatures; and as no
// digest is pinned beside this one, its key has to be good now as well as at the signature's time.
func Clearsigned(message, ring []byte, now time.Time) (text []byte, err error) {
	block, rest := clearsign.Decode(message)
	switch {
	case block == nil:
		return nil, errors.New("it is not signed: no cleartext signature in it")
	case !bytes.HasPrefix(message, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) ||
		len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("something stands before or behind what is signed")
	}
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	var wrong []error
	packets := packet.NewReader(io.LimitReader(block.ArmoredSignature.Body, maxSignature))
	for p, err := packets.Next(); err == nil; p, err = packets.Next() {
		sig, ok := p.(*packet.Signature)
		if !ok || sig.IssuerKeyId == nil {
			continue
		}
		found := keys.KeysById(*sig.IssuerKeyId)
		if len(found) == 0 {
			wrong = append(wrong, fmt.Errorf("made by key %016X, which is not in the keyring",
				*sig.IssuerKeyId))
		}
		for _, key := range found {
			if err := overText(block.Bytes, sig, key, now); err != nil {
				wrong = append(wrong, err)
				continue
			}
			return block.Bytes, nil
		}
	}
	if len(wrong) == 0 {
		return nil, errors.New("no OpenPGP signature in it")
	}
	return nil, fmt.Errorf("no good signature: %w", errors.Join(wrong...))
}

// overText verifies one signature over a text in its canonical form.
func overText(text []byte, sig *packet.Signature, key openpgp.Key, now time.Time) error {
	if sig.SigType != packet.SigTypeText && sig.SigType != packet.SigTypeBinary {
		return fmt.Errorf("type %d is not a signature over a text", sig.SigType)
	}
	if err := permitted(sig, key, now); err != nil {
		return err
	}
	if err := usable(key, now); err != nil {
		return err
	}
	h, err := sig.PrepareVerify()
	if err != nil {
		return err
	}
	h.Write(text)
	if err := key.PublicKey.VerifySignature(h, sig); err != nil {
		return fmt.Errorf("not over this text, or altered: %w", err)
	}
	return nil
}
