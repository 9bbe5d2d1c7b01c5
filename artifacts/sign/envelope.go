package sign

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// StatementType is the payload type of an in-toto Statement in an envelope.
const StatementType = "application/vnd.in-toto+json"

// Envelope signs a Statement.
func (s *Signer) Envelope(ctx context.Context, statement []byte) ([]byte, error) {
	e, err := dsse.NewEnvelopeSigner(envelopeSigner{s})
	if err != nil {
		return nil, err
	}
	envelope, err := e.SignPayload(ctx, StatementType, statement)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(envelope)
	return append(text, '\n'), err
}

// Open returns the Statement of an envelope that one of the keys signed, and that key.
func Open(ctx context.Context, keys []Key, envelope []byte) ([]byte, Key, error) {
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, Key{}, fmt.Errorf("envelope: %w", err)
	}
	if e.PayloadType != StatementType {
		return nil, Key{}, fmt.Errorf("envelope: payload of type %q, not a Statement", e.PayloadType)
	}
	for _, k := range keys {
		v, err := dsse.NewEnvelopeVerifier(envelopeVerifier{k})
		if err != nil {
			return nil, Key{}, err
		}
		if _, body, err := v.VerifyAndDecode(ctx, &e); err == nil {
			return body, k, nil
		}
	}
	return nil, Key{}, ErrUntrusted
}

type envelopeSigner struct{ *Signer }

func (s envelopeSigner) KeyID() (string, error) { return s.Key.ID, nil }

type envelopeVerifier struct{ key Key }

func (v envelopeVerifier) Verify(_ context.Context, data, sig []byte) error {
	if !v.key.Signed(data, sig) {
		return errors.New("not by this key")
	}
	return nil
}

func (v envelopeVerifier) KeyID() (string, error)   { return v.key.ID, nil }
func (v envelopeVerifier) Public() crypto.PublicKey { return v.key.public }
