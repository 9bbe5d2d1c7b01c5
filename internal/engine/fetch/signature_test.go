package fetch

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The tests' keys are made at birth and live for a year; releases are signed half a year later.
var (
	birth   = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	release = birth.AddDate(0, 6, 0)
	year    = uint32(365 * 24 * 3600)
)

func at(when time.Time) *packet.Config {
	return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: year, Time: func() time.Time { return when }}
}

func newKey(t *testing.T, c *packet.Config) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Maker", "", "maker@tool.test", c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func armored(t *testing.T, kind string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		_, err = w.Write(body)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func public(t *testing.T, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return armored(t, openpgp.PublicKeyType, b.Bytes())
}

// sign makes a detached signature over what, with SHA-256 and at the release unless change says otherwise.
func sign(t *testing.T, key *packet.PrivateKey, what []byte, change func(*packet.Signature)) []byte {
	t.Helper()
	sig := &packet.Signature{Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: release, IssuerKeyId: &key.KeyId, IssuerFingerprint: key.Fingerprint}
	if change != nil {
		change(sig)
	}
	h, err := sig.PrepareSign(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(what)
	var b bytes.Buffer
	if err := errors.Join(sig.Sign(h, key, nil), sig.Serialize(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// signSHA1 makes what no library signs any more: an RSA signature over SHA-1, put together from its bytes
// (RFC 9580, section 5.2.3).
func signSHA1(t *testing.T, key *packet.PrivateKey, what []byte) []byte {
	t.Helper()
	hashed := append([]byte{4, 0, 1, 2, 0, 6, 5, 2}, binary.BigEndian.AppendUint32(nil, uint32(release.Unix()))...)
	h := sha1.New()
	h.Write(slices.Concat(what, hashed, []byte{4, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(hashed)))))
	sum := h.Sum(nil)
	value, err := rsa.SignPKCS1v15(nil, key.PrivateKey.(*rsa.PrivateKey), crypto.SHA1, sum)
	if err != nil {
		t.Fatal(err)
	}
	number := new(big.Int).SetBytes(value)
	issuer := append([]byte{0, 10, 9, 16}, binary.BigEndian.AppendUint64(nil, key.KeyId)...)
	body := slices.Concat(hashed, issuer, sum[:2], binary.BigEndian.AppendUint16(nil, uint16(number.BitLen())), number.Bytes())
	return slices.Concat([]byte{0xc2, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(body))), body)
}

func newRSA(t *testing.T, bits int) *openpgp.Entity {
	t.Helper()
	c := at(birth)
	c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, bits
	return newKey(t, c)
}

// signed is a rig whose mirror folder holds the payload and sig, and a source that pins e.
func signed(t *testing.T, e *openpgp.Entity, sig []byte) (*rig, Source) {
	t.Helper()
	dir := t.TempDir()
	src := source()
	src.Signature = &Signature{File: "tool-1.0.tar.gz.asc", AptFile: "tool_1.0.orig.tar.gz.asc", Fingerprint: fingerprintOf(e.PrimaryKey)}
	write(t, filepath.Join(dir, src.File), payload)
	if sig != nil {
		write(t, filepath.Join(dir, src.Signature.File), sig)
	}
	ring := public(t, e)
	return newRig(t, Options{Mirrors: []string{dir}, Keys: func(string) ([]byte, error) { return ring, nil }}), src
}

func TestSignature(t *testing.T) {
	e := newKey(t, at(birth))
	sig := armored(t, openpgp.SignatureType, sign(t, e.PrivateKey, payload, nil))
	r, src := signed(t, e, sig)
	src.Signature.Fingerprint = strings.ToLower(src.Signature.Fingerprint)
	mirror := r.o.Mirrors[0]
	got := r.brings(t, src, mirror)
	fp := fingerprintOf(e.PrimaryKey)
	if v := got.Signature; !v.Good() || v.Primary != fp || v.Signer != fp || v.Hash != "SHA-256" || !v.Time.Equal(release) || v.From != mirror || v.Blob != digest.Of(sig) || !r.store.Has(v.Blob) {
		t.Errorf("verdict %+v", v)
	}
	os.Remove(filepath.Join(mirror, src.Signature.File))
	if got := r.brings(t, src, "store"); got.Signature.From != "store" || !got.Signature.Good() {
		t.Errorf("the second time: %+v", got.Signature)
	}
	// A signature in the store that is not good any more counts as none.
	write(t, r.store.path(digest.Of(sig)), []byte("junk"))
	r.fails(t, src, fault.BadSignature, "signature of tool-1.0.tar.gz: no good one")
	// A store without an Index has it fetched again.
	write(t, filepath.Join(mirror, src.SHA256.String()+".asc"), sig)
	r.Fetcher.store = struct{ Store }{r.store}
	if got := r.brings(t, src, "store"); got.Signature.From != mirror {
		t.Errorf("without an Index: %+v", got.Signature)
	}
}

func TestSigningSubkey(t *testing.T) {
	e := newKey(t, at(birth))
	if err := e.AddSigningSubkey(at(birth)); err != nil {
		t.Fatal(err)
	}
	sub := e.Subkeys[len(e.Subkeys)-1]
	sig := sign(t, sub.PrivateKey, payload, nil)
	r, src := signed(t, e, sig) // binary, not armored
	if got := r.brings(t, src, r.o.Mirrors[0]); got.Signature.Signer != fingerprintOf(sub.PublicKey) || got.Signature.Primary != fingerprintOf(e.PrimaryKey) {
		t.Errorf("verdict %+v", got.Signature)
	}
	src.Signature.Fingerprint = fingerprintOf(sub.PublicKey) // only a primary key can be pinned
	r.fails(t, src, fault.BadSignature, "not among the keys")
}

func TestSignatureOfOneKeyAmongMany(t *testing.T) {
	e, other := newKey(t, at(birth)), newKey(t, at(birth))
	r, src := signed(t, e, slices.Concat(
		armored(t, openpgp.SignatureType, sign(t, other.PrivateKey, payload, nil)), armored(t, openpgp.SignatureType, sign(t, e.PrivateKey, payload, nil))))
	r.o.Keys = func(string) ([]byte, error) { return slices.Concat(public(t, other), public(t, e)), nil }
	r.brings(t, src, r.o.Mirrors[0])
}

func TestBadSignatures(t *testing.T) {
	e, other := newKey(t, at(birth)), newKey(t, at(birth))
	claim := func(sig []byte, old, new *packet.PublicKey) []byte { // the key's id is the fingerprint's end
		sig = bytes.ReplaceAll(sig, old.Fingerprint, new.Fingerprint)
		return bytes.ReplaceAll(sig, old.Fingerprint[12:], new.Fingerprint[12:])
	}
	good := sign(t, e.PrivateKey, payload, nil)
	change := func(f func(*packet.Signature)) []byte { return sign(t, e.PrivateKey, payload, f) }
	hash := func(h crypto.Hash) []byte { return change(func(s *packet.Signature) { s.Hash = h }) }
	day := uint32(24 * 3600)
	for _, c := range []struct {
		name string
		sig  []byte
		want string
	}{
		{"missing", nil, "not there"},
		{"over other bytes", sign(t, e.PrivateKey, flipped(payload), nil), "not over these bytes"},
		{"flipped", flipped(good), ""},
		{"by another key", sign(t, other.PrivateKey, payload, nil), "not by the pinned " + fingerprintOf(e.PrimaryKey)},
		{"another key that claims to be ours", claim(sign(t, other.PrivateKey, payload, nil), other.PrimaryKey, e.PrimaryKey), "not over these bytes"},
		{"SHA-224", hash(crypto.SHA224), "hash SHA-224 is not accepted"},
		{"over text", change(func(s *packet.Signature) { s.SigType = packet.SigTypeText }), "not a signature over a file"},
		{"after the key's end", change(func(s *packet.Signature) { s.CreationTime = birth.AddDate(2, 0, 0) }), "expired, when the signature was made on 2017-01-01"},
		{"before the key's birth", change(func(s *packet.Signature) { s.CreationTime = birth.AddDate(0, 0, -1) }), "made later"},
		{"in the future", change(func(s *packet.Signature) { s.CreationTime = time.Now().AddDate(0, 0, 3) }), "made in the future"},
		{"expired by its own word", change(func(s *packet.Signature) { s.SigLifetimeSecs = &day }), "by its own word"},
		{"critical notation", change(func(s *packet.Signature) {
			s.Notations = []*packet.Notation{{Name: "x@tool.test", Value: []byte("1"), IsCritical: true}}
		}), "critical notation"},
		{"by a key for encryption", claim(good, e.PrimaryKey, e.Subkeys[0].PublicKey), "not for signing"},
		{"page", []byte("<html>log in</html>"), "HTML page"},
		{"garbage", []byte("none"), "no OpenPGP signature"},
		{"empty", []byte{}, "no OpenPGP signature"},
		{"armored garbage", armored(t, openpgp.SignatureType, []byte("none")), "no OpenPGP signature"},
		{"huge", make([]byte, maxSignature+1), "more than the 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, src := signed(t, e, c.sig)
			src.Alternatives = []Source{source()} // must not help
			r.fails(t, src, fault.BadSignature, "signature of tool-1.0.tar.gz", c.want)
			if left := r.store.partials(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if len(r.store.sigs) > 0 {
				t.Error("a bad signature was remembered")
			}
		})
	}
}

func TestRevokedKeys(t *testing.T) {
	for _, c := range []struct {
		name   string
		reason packet.ReasonForRevocation
		when   time.Time
		good   bool
	}{
		{"superseded later", packet.KeySuperseded, release.AddDate(0, 1, 0), true},
		{"superseded before", packet.KeySuperseded, release.AddDate(0, -1, 0), false},
		{"stolen later", packet.KeyCompromised, release.AddDate(0, 1, 0), false},
	} {
		e := newKey(t, at(birth))
		if err := e.RevokeKey(c.reason, "", at(c.when)); err != nil {
			t.Fatal(err)
		}
		r, src := signed(t, e, sign(t, e.PrivateKey, payload, nil))
		if c.good {
			r.brings(t, src, r.o.Mirrors[0])
		} else {
			r.fails(t, src, fault.BadSignature, "revoked")
		}
	}
}

// TestRevokedSubkeys signs with a subkey; a revocation of it or of the primary key ends that.
func TestRevokedSubkeys(t *testing.T) {
	for name, revoke := range map[string]func(*openpgp.Entity, *openpgp.Subkey) error{
		"primary": func(e *openpgp.Entity, _ *openpgp.Subkey) error { return e.RevokeKey(packet.KeyRetired, "", at(birth)) },
		"subkey": func(e *openpgp.Entity, s *openpgp.Subkey) error {
			return e.RevokeSubkey(s, packet.KeyRetired, "", at(birth))
		},
	} {
		e := newKey(t, at(birth))
		if err := e.AddSigningSubkey(at(birth)); err != nil {
			t.Fatal(err)
		}
		sub := &e.Subkeys[len(e.Subkeys)-1]
		if err := revoke(e, sub); err != nil {
			t.Fatal(name, err)
		}
		r, src := signed(t, e, sign(t, sub.PrivateKey, payload, nil))
		r.fails(t, src, fault.BadSignature, "revoked")
	}
}

// TestExpiredSubkeys signs two years on, when one of the two keys has expired.
func TestExpiredSubkeys(t *testing.T) {
	for _, years := range [][2]uint32{{1, 0}, {0, 1}, {0, 0}} { // lifetimes of primary key and subkey, 0 without end
		primary, second := at(birth), at(birth)
		primary.KeyLifetimeSecs, second.KeyLifetimeSecs = years[0]*year, years[1]*year
		e := newKey(t, primary)
		if err := e.AddSigningSubkey(second); err != nil {
			t.Fatal(err)
		}
		sig := sign(t, e.Subkeys[len(e.Subkeys)-1].PrivateKey, payload, func(s *packet.Signature) { s.CreationTime = birth.AddDate(2, 0, 0) })
		r, src := signed(t, e, sig)
		if years[0]+years[1] == 0 {
			r.brings(t, src, r.o.Mirrors[0])
		} else {
			r.fails(t, src, fault.BadSignature, "expired")
		}
	}
}

// TestProlongedKey holds that a key may be signed anew after a release: its self-signature is then younger
// than the release's, which OpenPGP libraries tend to take for an error.
func TestProlongedKey(t *testing.T) {
	e := newKey(t, at(birth))
	for _, id := range e.Identities {
		id.SelfSignature.CreationTime = release.AddDate(1, 0, 0)
		if err := id.SelfSignature.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, at(release.AddDate(1, 0, 0))); err != nil {
			t.Fatal(err)
		}
	}
	r, src := signed(t, e, sign(t, e.PrivateKey, payload, nil))
	r.brings(t, src, r.o.Mirrors[0])
}

func TestWeakKey(t *testing.T) {
	e := newRSA(t, 1024)
	r, src := signed(t, e, sign(t, e.PrivateKey, payload, nil))
	r.fails(t, src, fault.BadSignature, "1024 bits is too weak")
}

func TestException(t *testing.T) {
	e := newRSA(t, 2048)
	old := exceptions
	t.Cleanup(func() { exceptions = old })
	entry := exception{fingerprintOf(e.PrimaryKey), crypto.SHA1, release.AddDate(0, 0, 1), "test"}
	sig := signSHA1(t, e.PrivateKey, payload)
	r, src := signed(t, e, sig)
	r.fails(t, src, fault.BadSignature, "hash SHA-1 is not accepted")
	exceptions = []exception{entry}
	r, src = signed(t, e, sig)
	r.brings(t, src, r.o.Mirrors[0])
	r, src = signed(t, e, signSHA1(t, e.PrivateKey, flipped(payload)))
	r.fails(t, src, fault.BadSignature, "not over these bytes")
	for _, narrow := range []exception{{"AB", entry.hash, entry.before, ""}, {entry.fingerprint, crypto.MD5, entry.before, ""}, {entry.fingerprint, entry.hash, release, ""}} {
		exceptions = []exception{narrow}
		r, src := signed(t, e, sig)
		r.fails(t, src, fault.BadSignature, "SHA-1")
	}
	for _, e := range old {
		if e.why == "" || e.before.IsZero() {
			t.Errorf("exception %+v without a reason or an end", e)
		}
	}
}

func TestKeysMissing(t *testing.T) {
	e := newKey(t, at(birth))
	r, src := signed(t, e, sign(t, e.PrivateKey, payload, nil))
	for _, keys := range []func(string) ([]byte, error){
		nil, func(string) ([]byte, error) { return nil, os.ErrNotExist }, func(string) ([]byte, error) { return []byte("none"), nil },
		func(string) ([]byte, error) { return public(t, newKey(t, at(birth))), nil },
	} {
		r.o.Keys = keys
		r.fails(t, src, fault.BadSignature, "key "+src.Signature.Fingerprint)
	}
}

// TestSignaturePlaces has the first place answer badly and the next one well.
func TestSignaturePlaces(t *testing.T) {
	e := newKey(t, at(birth))
	sig := sign(t, e.PrivateKey, payload, nil)
	s := serve(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/bad.asc":
			w.Write(sign(t, e.PrivateKey, flipped(payload), nil))
		case "/debian/pool/main/t/tool/tool_1.0.orig.tar.gz.asc":
			w.Write(sig)
		default:
			w.WriteHeader(404)
		}
	})
	r, src := signed(t, e, nil)
	src.Signature.URLs = []string{s.URL + "/none.asc", s.URL + "/bad.asc"}
	r.fails(t, src, fault.BadSignature, "/none.asc: answered 404", "/bad.asc: not over these bytes")
	r.Fetcher = r.another(t, Options{Apt: bases{s.URL + "/debian"}, Keys: r.o.Keys})
	got := r.brings(t, src, "store")
	if want := s.URL + "/debian/pool/main/t/tool/tool_1.0.orig.tar.gz.asc"; got.Signature.From != want {
		t.Errorf("from %s, want %s", got.Signature.From, want)
	}
}

// TestPinnedSignature: where a recipe pins the signature's digest, another good signature by the same key
// does not count.
func TestPinnedSignature(t *testing.T) {
	e := newKey(t, at(birth))
	sig := armored(t, openpgp.SignatureType, sign(t, e.PrivateKey, payload, nil))
	r, src := signed(t, e, sig)
	src.Signature.SHA256 = digest.Of([]byte("another"))
	r.fails(t, src, fault.BadSignature, "another signature than the pinned one")
	src.Signature.SHA256 = digest.Of(sig)
	r.brings(t, src, "store")
	src.Signature.SHA256 = digest.Of([]byte("another")) // the one in the store is not it either
	r.fails(t, src, fault.BadSignature, "another signature than the pinned one")
}
