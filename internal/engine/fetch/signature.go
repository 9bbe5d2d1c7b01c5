package fetch

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// maxSignature is the size in bytes that a signature file may have.
const maxSignature = 64 << 10

// Verdict says how a source's signature was found good. The zero value: the source has none.
type Verdict struct {
	Primary string        `json:"primary,omitempty"` // fingerprint of the primary key, as pinned, in upper case
	Signer  string        `json:"signer,omitempty"`  // fingerprint of the key that signed: the primary key or a subkey
	Hash    string        `json:"hash,omitempty"`    // "SHA-256"
	Time    time.Time     `json:"time,omitzero"`     // when it was made, by its own word
	Blob    digest.Digest `json:"blob,omitzero"`     // the signature in the store
	From    string        `json:"from,omitempty"`    // the place, without credentials
}

// Good reports whether a signature was verified.
func (v Verdict) Good() bool { return v.Primary != "" }

// The policy. A signature counts when all of these hold; time means the signature's own, because keys expire
// after a release and stay right for it. A pinned digest stands beside each signature, so a thief of an
// expired key, who could date back, gains nothing without a change of the recipe.
//
//	made over         the file's bytes (type 0x00, RFC 9580 section 5.2.1.1), not over text
//	hash              one in hashes below, or named in exceptions
//	made by           the pinned primary key, or a subkey of it that is bound for signing and binds back
//	algorithm         RSA of 2,048 bits or more, ECDSA, EdDSA; not DSA, not ElGamal
//	key at that time  made, not expired, not revoked; a key that was revoked as stolen never counts
//	time              not after now, by more than a day; a signature's own expiry has not passed
//	notations         none that is critical
var hashes = map[crypto.Hash]bool{
	crypto.SHA256: true, crypto.SHA384: true, crypto.SHA512: true, crypto.SHA3_256: true, crypto.SHA3_512: true,
	crypto.SHA224: false, // too short for a signature that is to last
	crypto.SHA1:   false, // chosen-prefix collisions since 2020 (Leurent and Peyrin, "SHA-1 is a Shambles")
	crypto.MD5:    false, // chosen-prefix collisions since 2007
}

// exception lets one key's old signatures count although their hash is refused.
type exception struct {
	fingerprint string // of the primary key, upper case
	hash        crypto.Hash
	before      time.Time // signatures made later do not count
	why         string
}

// exceptions is empty: every release that a recipe pins today is signed with SHA-256 or SHA-512.
var exceptions []exception

func allowed(hash crypto.Hash, fingerprint string, made time.Time) bool {
	for _, e := range exceptions {
		if e.hash == hash && e.fingerprint == fingerprint && made.Before(e.before) {
			return true
		}
	}
	return hashes[hash]
}

// checkSignature finds the signature of s, verifies it over the bytes in the store, and keeps it there.
func (f *Fetcher) checkSignature(ctx context.Context, s Source) (Verdict, error) {
	unsigned := func(hint, format string, args ...any) error {
		return fault.New(fault.BadSignature, hint, "signature of %s: %w", s.File, fmt.Errorf(format, args...))
	}
	entity, err := f.key(s.Signature.Fingerprint)
	if err != nil {
		return Verdict{}, unsigned("put the public key with that fingerprint among the recipes' keys", "%w", err)
	}
	if v, ok := f.knownSignature(s, entity); ok {
		return v, nil
	}
	temp, err := os.CreateTemp(f.store.Partial(), "signature-")
	if err != nil {
		return Verdict{}, err
	}
	defer os.Remove(temp.Name())
	temp.Close()
	var v Verdict
	var m misses
	w := &wanted{
		name: s.Name, names: plain(s.SHA256.String()+".asc", s.Signature.File, s.Signature.AptFile), urls: s.Signature.URLs,
		pkg: s.AptPackage, aptFile: s.Signature.AptFile, path: temp.Name(), limit: maxSignature,
		accept: func(path string) (err error) {
			if d, _, err := digest.OfFile(path); err != nil || (!s.Signature.SHA256.IsZero() && d != s.Signature.SHA256) {
				return errors.Join(err, fmt.Errorf("another signature than the pinned one: digest %s, want %s", d, s.Signature.SHA256))
			}
			v, err = f.verifyFile(path, s, entity)
			return err
		},
	}
	from, err := f.seek(ctx, w, &m)
	if err != nil {
		return Verdict{}, err
	}
	if from == "" {
		return Verdict{}, unsigned("put "+s.Signature.File+" into a folder that you name with -mirror; never use the source without it", "no good one: %s", m.String())
	}
	v.From = from
	return v, f.keepSignature(temp.Name(), s, &v)
}

// signatureKey is what an Index knows a signature by.
func signatureKey(s Source) digest.Digest {
	var l digest.Lines
	l.Add("signature of", s.SHA256.String())
	l.Add("by", strings.ToUpper(s.Signature.Fingerprint))
	return l.Sum()
}

// knownSignature verifies the signature that the store has of an earlier run. One that is not good is as
// none.
func (f *Fetcher) knownSignature(s Source, entity *openpgp.Entity) (Verdict, bool) {
	index, ok := f.store.(Index)
	if !ok {
		return Verdict{}, false
	}
	blob, ok := index.Signature(signatureKey(s))
	if !ok || (!s.Signature.SHA256.IsZero() && blob != s.Signature.SHA256) {
		return Verdict{}, false
	}
	file, err := f.store.Open(blob)
	if err != nil {
		return Verdict{}, false
	}
	defer file.Close()
	sig, err := io.ReadAll(io.LimitReader(file, maxSignature))
	if err != nil {
		return Verdict{}, false
	}
	v, err := f.verify(sig, s, entity)
	v.Blob, v.From = blob, "store"
	return v, err == nil
}

func (f *Fetcher) keepSignature(path string, s Source, v *Verdict) error {
	d, _, err := digest.OfFile(path)
	if err != nil {
		return err
	}
	if err := f.store.Import(path, d); err != nil {
		return err
	}
	v.Blob = d
	if index, ok := f.store.(Index); ok {
		return index.SetSignature(signatureKey(s), d)
	}
	return nil
}

// key finds the pinned key among those that Options.Keys gives.
func (f *Fetcher) key(fingerprint string) (*openpgp.Entity, error) {
	if f.o.Keys == nil {
		return nil, fmt.Errorf("key %s: no keys", fingerprint)
	}
	b, err := f.o.Keys(fingerprint)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", fingerprint, err)
	}
	for _, block := range blocks(b, openpgp.PublicKeyType) {
		list, err := openpgp.ReadKeyRing(bytes.NewReader(block))
		if err != nil {
			continue
		}
		for _, e := range list {
			if fingerprintOf(e.PrimaryKey) == strings.ToUpper(fingerprint) {
				return e, nil
			}
		}
	}
	return nil, fmt.Errorf("key %s: not among the keys of that name", fingerprint)
}

func fingerprintOf(k *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(k.Fingerprint))
}

// blocks returns the binary content of each armored block of that type in b, or b itself when it is not
// armored.
func blocks(b []byte, blockType string) (all [][]byte) {
	begin := []byte("-----BEGIN " + blockType)
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		return [][]byte{b}
	}
	for _, part := range bytes.Split(b, begin)[1:] {
		block, err := armor.Decode(io.MultiReader(bytes.NewReader(begin), bytes.NewReader(part)))
		if err != nil {
			continue
		}
		if body, err := io.ReadAll(block.Body); err == nil {
			all = append(all, body)
		}
	}
	return all
}

func (f *Fetcher) verifyFile(path string, s Source, entity *openpgp.Entity) (Verdict, error) {
	sig, err := os.ReadFile(path)
	if err != nil {
		return Verdict{}, err
	}
	v, err := f.verify(sig, s, entity)
	if err != nil {
		return Verdict{}, bad("%w", err)
	}
	return v, nil
}

// verify holds the signature file sig against the source's bytes in the store.
func (f *Fetcher) verify(sig []byte, s Source, entity *openpgp.Entity) (Verdict, error) {
	made, key, err := pick(sig, entity)
	if err != nil {
		return Verdict{}, err
	}
	if made.SigType != packet.SigTypeBinary {
		return Verdict{}, fmt.Errorf("type %d is not a signature over a file", made.SigType)
	}
	if err := permitted(made, key, f.now()); err != nil {
		return Verdict{}, err
	}
	source, err := f.store.Open(s.SHA256)
	if err != nil {
		return Verdict{}, err
	}
	defer source.Close()
	h, err := made.PrepareVerify()
	if err != nil {
		return Verdict{}, err
	}
	if _, err := io.Copy(h, source); err != nil {
		return Verdict{}, err
	}
	if err := key.PublicKey.VerifySignature(h, made); err != nil {
		return Verdict{}, fmt.Errorf("not over these bytes, or altered: %w", err)
	}
	return Verdict{Primary: fingerprintOf(entity.PrimaryKey), Signer: fingerprintOf(key.PublicKey), Hash: made.Hash.String(), Time: made.CreationTime.UTC()}, nil
}

// pick returns the first signature in the file that names a key of entity, and that key.
func pick(file []byte, entity *openpgp.Entity) (*packet.Signature, openpgp.Key, error) {
	var others []string
	for _, block := range blocks(file, openpgp.SignatureType) {
		packets := packet.NewReader(bytes.NewReader(block))
		for p, err := packets.Next(); err == nil; p, err = packets.Next() {
			sig, ok := p.(*packet.Signature)
			if !ok || sig.IssuerKeyId == nil {
				continue
			}
			for _, key := range (openpgp.EntityList{entity}).KeysById(*sig.IssuerKeyId) {
				return sig, key, nil
			}
			others = append(others, fmt.Sprintf("%016X", *sig.IssuerKeyId))
		}
	}
	if len(others) > 0 {
		return nil, openpgp.Key{}, fmt.Errorf("made by key %s, not by the pinned %s", strings.Join(others, ", "), fingerprintOf(entity.PrimaryKey))
	}
	return nil, openpgp.Key{}, errors.New("no OpenPGP signature in it")
}

// permitted applies the policy that stands above.
func permitted(sig *packet.Signature, key openpgp.Key, now time.Time) error {
	made := sig.CreationTime
	switch {
	case !allowed(sig.Hash, fingerprintOf(key.Entity.PrimaryKey), made):
		return fmt.Errorf("hash %v is not accepted", sig.Hash)
	case made.After(now.Add(24 * time.Hour)):
		return fmt.Errorf("made in the future, on %s", made.UTC().Format(time.DateOnly))
	case sig.SigExpired(now.Add(24 * time.Hour)):
		return errors.New("it has expired by its own word")
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return fmt.Errorf("unknown critical notation %q", n.Name)
		}
	}
	return usable(key, made)
}

// usable reports why key could not sign files at that time.
func usable(key openpgp.Key, at time.Time) error {
	name := "key " + fingerprintOf(key.PublicKey)
	self, _ := key.Entity.PrimarySelfSignature()
	bits, _ := key.PublicKey.BitLength()
	switch algo := key.PublicKey.PubKeyAlgo; {
	case self == nil || key.SelfSignature == nil:
		return fmt.Errorf("%s: not signed by itself", name)
	case algo == packet.PubKeyAlgoDSA || algo == packet.PubKeyAlgoElGamal:
		return fmt.Errorf("%s: its algorithm is not accepted", name)
	case (algo == packet.PubKeyAlgoRSA || algo == packet.PubKeyAlgoRSASignOnly) && bits < 2047: // the top bit may be 0
		return fmt.Errorf("%s: RSA of %d bits is too weak", name, bits)
	case key.PublicKey != key.Entity.PrimaryKey && !(key.SelfSignature.FlagsValid && key.SelfSignature.FlagSign):
		return fmt.Errorf("%s: a subkey that is not for signing", name)
	case key.Entity.Revoked(at) || key.Revoked(at):
		return fmt.Errorf("%s: revoked", name)
	case key.Entity.PrimaryKey.KeyExpired(self, at) || key.PublicKey.KeyExpired(key.SelfSignature, at):
		return fmt.Errorf("%s: made later, or expired, when the signature was made on %s", name, at.UTC().Format(time.DateOnly))
	}
	return nil
}
