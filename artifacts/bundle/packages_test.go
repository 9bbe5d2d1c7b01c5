package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

// TestPackagesForDpkgAreSignedBeside: dpkg's packages have no place for a signature; rpm's have, and no file.
func TestPackagesForDpkgAreSignedBeside(t *testing.T) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	e, err := openpgp.NewEntity("Somebody", "", "s@localhost", config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var b bytes.Buffer
	to, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil || e.SerializePrivate(to, nil) != nil || to.Close() != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"key": b.String(), "a.deb": "package", "a.rpm": "package"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := &Index{Packages: []Archive{{File: "a.deb"}, {File: "a.rpm"}}}
	files := map[string][]byte{}
	if err := (&writer{dir: dir}).signDebs(x, files); err != nil || len(files) != 0 {
		t.Errorf("without a key: %q, %v", files, err)
	}
	by, err := sign.PGPApart(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	err = (&writer{Options: Options{PGP: by}, dir: dir}).signDebs(x, files)
	if err != nil || len(files) != 1 || IsArchive("a.deb.asc") {
		t.Fatalf("%q, %v", files, err)
	}
	for text, good := range map[string]bool{"package": true, "another": false} {
		_, err := openpgp.CheckArmoredDetachedSignature(openpgp.EntityList{e}, bytes.NewReader([]byte(text)),
			bytes.NewReader(files["a.deb.asc"]), nil)
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestPackagesOfOlderSuitesAreNamed: their release has a tilde, which is in the way of nothing.
func TestPackagesOfOlderSuitesAreNamed(t *testing.T) {
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for name, good := range map[string]bool{"tlsfloor-p_3.13-1~bullseye_amd64.deb": true, "~root": false,
		"a/~b": false} {
		if all, err := parseSums([]byte(sum + "  " + name + "\n")); (err == nil) != good {
			t.Errorf("%s: %v, %v", name, all, err)
		}
		if IsPlain(name) != good {
			t.Errorf("%s is not a name like another", name)
		}
	}
}
