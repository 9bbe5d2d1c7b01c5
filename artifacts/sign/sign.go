// Package sign signs what leaves tlsfloor, and holds what comes in against keys that somebody trusts.
//
// Keys are Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 (FIPS 186-5), in the PEM forms that openssl
// genpkey and openssl pkey -pubout write. A signature is raw: the 64 bytes of Ed25519, the ASN.1 of ECDSA.
// `openssl pkeyutl -verify -rawin` and `cosign verify-blob --key` read both. Statements are signed in DSSE
// envelopes (https://github.com/secure-systems-lab/dsse).
package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const hintKey = "keys are Ed25519 or ECDSA P-256, in PEM: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub.pem"

// Key is a public key.
type Key struct {
	ID     string // SHA-256 digest of its SubjectPublicKeyInfo in DER, in hex
	From   string // the file that it came from
	public crypto.PublicKey
	only   []string // the profiles that it may sign, as patterns of package path; nil: all
}

// ParseKey reads a public key in PEM. from is what errors call it.
func ParseKey(text []byte, from string) (Key, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return Key{}, fault.New(fault.Usage, hintKey, "key %s: no PEM in it", from)
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return Key{}, fault.New(fault.Usage, "give the public half: openssl pkey -in "+from+" -pubout", "key %s: it is a private key", from)
	case block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0:
		return Key{}, fault.New(fault.Usage, hintKey, "key %s: not one public key in PEM", from)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fault.New(fault.Usage, hintKey, "key %s: %w", from, err)
	}
	return newKey(public, from)
}

// ReadKey reads a public key from a file.
func ReadKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fault.New(fault.Usage, "name the file of a public key", "key: %w", err)
	}
	return ParseKey(text, path)
}

func newKey(public crypto.PublicKey, from string) (Key, error) {
	switch k := public.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return Key{}, fault.New(fault.Usage, hintKey, "key %s: ECDSA on curve %s", from, k.Curve.Params().Name)
		}
	default:
		return Key{}, fault.New(fault.Usage, hintKey, "key %s: a kind of key that is not used here (%T)", from, public)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", from, err)
	}
	return Key{ID: digest.Of(der).String(), From: from, public: public}, nil
}

// PEM gives the key as openssl writes it.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Signed reports whether sig is the key's signature over data.
func (k Key) Signed(data, sig []byte) bool {
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, data, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		return ecdsa.VerifyASN1(public, sum[:], sig)
	}
	return false
}

// Signer signs with a private key that it may never see.
type Signer struct {
	Key  Key
	sign func(context.Context, []byte) ([]byte, error)
}

// The places of a private key beside a file.
const (
	fromEnv     = "env:"
	fromCommand = "exec:"
)

// NewSigner takes the private key from where says: a PEM file, env:NAME (an environment variable that holds
// the PEM), or exec:COMMAND, which gets the data on its standard input and writes the raw signature. What a
// command signs with is the key public.
func NewSigner(where string, public *Key) (*Signer, error) {
	if command, ok := strings.CutPrefix(where, fromCommand); ok {
		if public == nil {
			return nil, fault.New(fault.Usage, "-key=<file> names the public key of what the command signs with", "-sign=%s: its public key is not known", where)
		}
		return &Signer{*public, func(ctx context.Context, data []byte) ([]byte, error) { return runSigner(ctx, command, data) }}, nil
	}
	text, err := privateText("-sign", where)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(text, where)
	if err != nil {
		return nil, err
	}
	key, err := newKey(private.Public(), where)
	if err != nil {
		return nil, err
	}
	if public != nil && public.ID != key.ID {
		return nil, fault.New(fault.Usage, "give the key that belongs to it, or leave -key out", "-sign=%s: its public half is not %s", where, public.From)
	}
	return &Signer{key, func(_ context.Context, data []byte) ([]byte, error) { return signWith(private, data) }}, nil
}

// privateText reads a private key for a flag.
func privateText(flag, where string) ([]byte, error) {
	if name, ok := strings.CutPrefix(where, fromEnv); ok {
		text := os.Getenv(name)
		if text == "" {
			return nil, fault.New(fault.Usage, "export it with the text of the key's file",
				"%s=%s: that variable is not set", flag, where)
		}
		return []byte(text), nil
	}
	text, err := os.ReadFile(where)
	if err != nil {
		return nil, fault.New(fault.Usage, "a file, env:NAME or, with -sign, exec:COMMAND", "%s: %w", flag, err)
	}
	return text, nil
}

func parsePrivate(text []byte, from string) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam -genkey writes them first
		_, rest, _ := bytes.Cut(text, []byte("-----END EC PARAMETERS-----"))
		block, _ = pem.Decode(rest)
	}
	if block == nil {
		return nil, fault.New(fault.Usage, hintKey, "-sign=%s: no PEM in it", from)
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fault.New(fault.Usage, `decrypt it into a variable: KEY=$(openssl pkey -in `+from+`) ... -sign=env:KEY`, "-sign=%s: it is encrypted", from)
	}
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("it holds a %s", block.Type)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, hintKey, "-sign=%s: %w", from, err)
	}
	s, ok := private.(crypto.Signer)
	if !ok {
		return nil, fault.New(fault.Usage, hintKey, "-sign=%s: %T cannot sign", from, private)
	}
	return s, nil
}

func signWith(private crypto.Signer, data []byte) ([]byte, error) {
	if _, ok := private.(ed25519.PrivateKey); ok {
		return private.Sign(rand.Reader, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return private.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// runSigner runs the command with sh, as whoever builds wrote it.
func runSigner(ctx context.Context, command string, data []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fault.New(fault.Failed, "run it by hand with the bytes on its standard input", "signing command %q: %w: %s", command, err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

// Sign returns the raw signature over data, having held it against the key: a command may sign with another.
func (s *Signer) Sign(ctx context.Context, data []byte) ([]byte, error) {
	sig, err := s.sign(ctx, data)
	if err != nil {
		return nil, err
	}
	if !s.Key.Signed(data, sig) {
		return nil, fault.New(fault.BadSignature, "the command has to write the raw signature (64 bytes of Ed25519, or ASN.1 of ECDSA) of its whole input, made with the key of -key",
			"signing: what came back is no signature by key %s", s.Key.ID[:12])
	}
	return sig, nil
}

// ErrUntrusted is in the error of a signature that none of the keys made.
var ErrUntrusted = errors.New("no trusted key made this signature")

// By returns which of the keys made the signature.
func By(keys []Key, data, sig []byte) (Key, error) {
	for _, k := range keys {
		if k.Signed(data, sig) {
			return k, nil
		}
	}
	return Key{}, ErrUntrusted
}

// Public is the public key itself.
func (k Key) Public() crypto.PublicKey { return k.public }
