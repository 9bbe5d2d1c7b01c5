package packages

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

// openPGPKey makes a key, and writes both halves.
func openPGPKey(t *testing.T, config *packet.Config) (e *openpgp.Entity, secret, public string) {
	t.Helper()
	e, err := openpgp.NewEntity("Somebody", "", "somebody@localhost", config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret, public = filepath.Join(dir, "key.asc"), filepath.Join(dir, "key.pub.asc")
	for file, kind := range map[string]string{secret: openpgp.PrivateKeyType, public: openpgp.PublicKeyType} {
		var b bytes.Buffer
		w, err := armor.Encode(&b, kind, nil)
		if err == nil && file == secret {
			err = e.SerializePrivate(w, nil)
		} else if err == nil {
			err = e.Serialize(w)
		}
		if err != nil || w.Close() != nil || os.WriteFile(file, b.Bytes(), 0o600) != nil {
			t.Fatal(err)
		}
	}
	return e, secret, public
}

// signatures are those in a package's first header: of its second header, and of all behind the first.
func signatures(data []byte) (header, whole, ofHeader, ofWhole []byte) {
	number := func(at int) int { return int(binary.BigEndian.Uint32(data[at:])) }
	end := func(at int) int { return at + 16 + 16*number(at+8) + number(at+12) }
	tags := map[int][]byte{}
	store := 96 + 16 + 16*number(96+8)
	for i := range number(96 + 8) {
		at := 96 + 16 + 16*i
		if begin := store + number(at+8); number(at+4) == 7 { // bytes
			tags[number(at)] = data[begin : begin+number(at+12)]
		}
	}
	second := (end(96) + 7) / 8 * 8
	return data[second:end(second)], data[second:], tags[268], tags[1002]
}

// TestSignedRPM: rpm takes a package with the key that signed it, and neither an altered one nor another key;
// without rpm the signatures are looked at here.
func TestSignedRPM(t *testing.T) {
	for _, config := range []*packet.Config{{RSABits: 2048}, {Algorithm: packet.PubKeyAlgoEdDSA}} {
		entity, secret, public := openPGPKey(t, config)
		_, _, stranger := openPGPKey(t, config)
		signer, err := sign.PGPApart(secret)
		if err != nil {
			t.Fatal(err)
		}
		s := small(t, "/opt")
		s.Sign = signer.Sign
		file, data := written(t, s, RPM)
		if trees, err := Trees(t.Context(), file); err != nil || len(trees) != len(s.Trees) {
			t.Errorf("what is in it: %v, %v", trees, err)
		}
		header, whole, ofHeader, ofWhole := signatures(data)
		for what, c := range map[string][2][]byte{"header": {header, ofHeader}, "all": {whole, ofWhole}} {
			ring, signed := openpgp.EntityList{entity}, bytes.NewReader(c[0])
			if _, err := openpgp.CheckDetachedSignature(ring, signed, bytes.NewReader(c[1]), nil); err != nil {
				t.Errorf("the signature of %s: %v", what, err)
			}
		}
		if _, err := exec.LookPath("rpmkeys"); err != nil {
			t.Log("there is no rpmkeys here to check it with")
			continue
		}
		if said, ok := rpmTakes(t, public, file); !ok || strings.Count(said, "Signature, key ID") != 2 {
			t.Errorf("it is not taken: %s", said)
		}
		if said, ok := rpmTakes(t, stranger, file); ok {
			t.Errorf("another key verifies it: %s", said)
		}
		begin := len(data) - len(whole)
		for _, at := range []int{begin + 40, begin + len(header) - 9, len(data) - 100} {
			altered := slices.Clone(data)
			altered[at] ^= 1
			path := filepath.Join(t.TempDir(), "altered.rpm")
			if err := os.WriteFile(path, altered, 0o644); err != nil {
				t.Fatal(err)
			}
			if said, ok := rpmTakes(t, public, path); ok {
				t.Errorf("byte %d is another: %s", at, said)
			}
		}
	}
}

// rpmTakes asks rpm, which trusts one key.
func rpmTakes(t *testing.T, public, file string) (string, bool) {
	t.Helper()
	db := t.TempDir()
	if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", public).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("rpmkeys", "--dbpath", db, "-K", "-v", file).CombinedOutput()
	return string(out), err == nil
}
