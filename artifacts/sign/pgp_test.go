package sign

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// pgpPair makes an OpenPGP key, and writes both halves armored.
func pgpPair(t *testing.T, c *packet.Config, change func(*openpgp.Entity)) (secret, public string) {
	t.Helper()
	e, err := openpgp.NewEntity("Somebody", "", "somebody@localhost", c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret, public = filepath.Join(dir, "key.asc"), filepath.Join(dir, "key.pub.asc")
	text, err := armored(openpgp.PublicKeyType, func(to *bytes.Buffer) error { return e.Serialize(to) })
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	both, err := armored(openpgp.PrivateKeyType, func(to *bytes.Buffer) error {
		return e.SerializePrivateWithoutSigning(to, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{public: text, secret: both} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return secret, public
}

var pgpKinds = map[string]*packet.Config{"RSA": {RSABits: 2048}, "EdDSA": {Algorithm: packet.PubKeyAlgoEdDSA}}

// TestPGP: what is signed is taken with that key by another reader, and nothing else is.
func TestPGP(t *testing.T) {
	_, stranger := pgpPair(t, pgpKinds["EdDSA"], nil)
	for kind, config := range pgpKinds {
		secret, public := pgpPair(t, config, nil)
		text, err := os.ReadFile(secret)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PGP_TEST_KEY", string(text))
		for _, where := range []string{secret, "env:PGP_TEST_KEY"} {
			p, err := PGPApart(where)
			if err != nil {
				t.Fatal(err)
			}
			if os.Getenv("PGP_TEST_KEY") != "" && where != secret {
				t.Error("children inherit the key")
			}
			sig, err := p.Sign([]byte("data"))
			if err != nil {
				t.Fatal(err)
			}
			if sig, err = Armored(sig); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				key, data string
				good      bool
			}{{public, "data", true}, {public, "date", false}, {stranger, "data", false}} {
				if gpgTakes(t, c.key, c.data, sig) != c.good {
					t.Errorf("%s: %s with %q: not %v", kind, c.key, c.data, c.good)
				}
			}
		}
	}
}

// gpgTakes reports whether gpgv takes a signature, or where there is none, whether the library does.
func gpgTakes(t *testing.T, public, data string, sig []byte) bool {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "data")
	for name, text := range map[string][]byte{file: []byte(data), file + ".asc": sig} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = openpgp.CheckArmoredDetachedSignature(ring, strings.NewReader(data), bytes.NewReader(sig), nil)
	gpgv, missing := exec.LookPath("gpgv")
	if missing != nil {
		return err == nil
	}
	var keys bytes.Buffer
	if err := ring[0].Serialize(&keys); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keys"), keys.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(gpgv, "--homedir", dir, "--keyring", filepath.Join(dir, "keys"), file+".asc", file)
	out, said := cmd.CombinedOutput()
	if (said == nil) != (err == nil) {
		t.Errorf("gpgv and the library differ: %v, %v: %s", said, err, out)
	}
	return said == nil
}

// TestPGPKeysThatAreNone: what cannot sign for rpm is said before anything is built, with exit code 2.
func TestPGPKeysThatAreNone(t *testing.T) {
	ed := pgpKinds["EdDSA"]
	_, public := pgpPair(t, ed, nil)
	locked, _ := pgpPair(t, ed, func(e *openpgp.Entity) {
		if err := e.EncryptPrivateKeys([]byte("words"), nil); err != nil {
			t.Fatal(err)
		}
	})
	past := func() time.Time { return time.Now().Add(-48 * time.Hour) }
	expired, _ := pgpPair(t, &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: past,
		KeyLifetimeSecs: 3600}, nil)
	later, _ := pgpPair(t, &packet.Config{Algorithm: packet.PubKeyAlgoEd25519}, nil)
	pem, _ := pair(t, "genpkey", "-algorithm", "ed25519")
	for where, says := range map[string]string{
		public: "secret half", locked: "encrypted", expired: "expired", later: "kind of key", pem: "armored",
		public + ".none": "no such file", "env:PGP_NONE": "variable is not set",
	} {
		_, err := PGPApart(where)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "-pgpkey") ||
			fault.CodeOf(err) != fault.Usage {
			t.Errorf("%s: %v, want %q", where, err, says)
		}
	}
}
