package sign

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var data = []byte("what is signed\n")

// pair makes a key with the host's openssl, and returns the files of both halves.
func pair(t *testing.T, args ...string) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	private, public = filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub.pem")
	openssl(t, nil, append(args, "-out", private)...)
	openssl(t, nil, "pkey", "-in", private, "-pubout", "-out", public)
	return private, public
}

func openssl(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func key(t *testing.T, file string) Key {
	t.Helper()
	k, err := ReadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var algorithms = map[string][]string{
	"ed25519":  {"genpkey", "-algorithm", "ed25519"},
	"p256":     {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
	"p256-sec": {"ecparam", "-name", "prime256v1", "-genkey"}, // parameters first, then the form of SEC 1
}

// TestSignaturesAreOpenSSLs signs with each kind of key from each place, and lets openssl check, and the
// other way round.
func TestSignaturesAreOpenSSLs(t *testing.T) {
	for name, args := range algorithms {
		t.Run(name, func(t *testing.T) {
			private, public := pair(t, args...)
			_, otherPublic := pair(t, args...)
			text, err := os.ReadFile(private)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("SIGNING_KEY", string(text))
			own := key(t, public)
			command := "openssl dgst -sha256 -sign " + private
			if name == "ed25519" {
				command = "cat >" + private + ".data && openssl pkeyutl -sign -rawin -inkey " + private + " -in " + private + ".data"
			}
			for _, where := range []string{private, "env:SIGNING_KEY", "exec:" + command} {
				s, err := NewSigner(where, &own)
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				sig, err := s.Sign(t.Context(), data)
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				if by, err := By([]Key{key(t, otherPublic), own}, data, sig); err != nil || by.ID != own.ID {
					t.Errorf("%s: by %v, %v", where, by, err)
				}
				if _, err := By([]Key{key(t, otherPublic)}, data, sig); !errors.Is(err, ErrUntrusted) {
					t.Errorf("%s: another key took it: %v", where, err)
				}
				if _, err := By([]Key{own}, append(data, '!'), sig); !errors.Is(err, ErrUntrusted) {
					t.Errorf("%s: other data: %v", where, err)
				}
				dir := t.TempDir()
				sigFile, dataFile := filepath.Join(dir, "sig"), filepath.Join(dir, "data")
				if err := errors.Join(os.WriteFile(sigFile, sig, 0o644), os.WriteFile(dataFile, data, 0o644)); err != nil {
					t.Fatal(err)
				}
				openssl(t, nil, "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", dataFile, "-sigfile", sigFile)
			}
		})
	}
}

func TestEnvelopes(t *testing.T) {
	private, public := pair(t, algorithms["ed25519"]...)
	_, other := pair(t, algorithms["p256"]...)
	s, err := NewSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := s.Envelope(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Envelope(t.Context(), data); err != nil || !bytes.Equal(envelope, again) {
		t.Errorf("Ed25519 is not random, and the envelope differs: %v", err)
	}
	body, by, err := Open(t.Context(), []Key{key(t, other), key(t, public)}, envelope)
	if err != nil || !bytes.Equal(body, data) || by.ID != s.Key.ID {
		t.Errorf("%q by %v: %v", body, by, err)
	}
	for name, bad := range map[string][]byte{
		"another key's": envelope,
		"payload":       bytes.Replace(envelope, []byte(`"payload":"d`), []byte(`"payload":"e`), 1),
		"type":          bytes.Replace(envelope, []byte("in-toto"), []byte("in-tutu"), 1),
		"no signature":  []byte(`{"payloadType":"` + StatementType + `","payload":"","signatures":[]}`),
		"no envelope":   []byte("signed"),
	} {
		keys := []Key{key(t, public)}
		if name == "another key's" {
			keys = []Key{key(t, other)}
		} else if bytes.Equal(bad, envelope) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if body, _, err := Open(t.Context(), keys, bad); err == nil {
			t.Errorf("%s: it was opened: %q", name, body)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	private, public := pair(t, algorithms["ed25519"]...)
	p384, p384Public := pair(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
	rsa, rsaPublic := pair(t, "genpkey", "-algorithm", "RSA")
	encrypted := filepath.Join(t.TempDir(), "encrypted.pem")
	openssl(t, nil, "pkey", "-in", private, "-aes256", "-passout", "pass:secret", "-out", encrypted)
	other, _ := pair(t, algorithms["ed25519"]...)
	own := key(t, public)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"public, private":   func() error { _, err := ReadKey(private); return err },
		"public, P-384":     func() error { _, err := ReadKey(p384Public); return err },
		"public, RSA":       func() error { _, err := ReadKey(rsaPublic); return err },
		"public, empty":     func() error { _, err := ReadKey(empty); return err },
		"public, missing":   func() error { _, err := ReadKey(empty + "x"); return err },
		"private, public":   func() error { _, err := NewSigner(public, nil); return err },
		"private, P-384":    func() error { _, err := NewSigner(p384, nil); return err },
		"private, RSA":      func() error { _, err := NewSigner(rsa, nil); return err },
		"private, secret":   func() error { _, err := NewSigner(encrypted, nil); return err },
		"private, missing":  func() error { _, err := NewSigner(empty+"x", nil); return err },
		"variable, not set": func() error { _, err := NewSigner("env:TLSFLOOR_NO_SUCH_KEY", nil); return err },
		"command, no key":   func() error { _, err := NewSigner("exec:cat", nil); return err },
		"not its half":      func() error { _, err := NewSigner(other, &own); return err },
		"command, fails": func() error {
			s, err := NewSigner("exec:echo no token >&2; exit 3", &own)
			if err == nil {
				_, err = s.Sign(t.Context(), data)
			}
			return err
		},
		"command, no signature": func() error {
			s, err := NewSigner("exec:cat", &own)
			if err == nil {
				_, err = s.Sign(t.Context(), data)
			}
			return err
		},
	} {
		if err := do(); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

// TestKeysOfAFolder needs root, whose folder it has to be.
func TestKeysOfAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys.d")
	if keys, err := FromFolder(dir); err != nil || len(keys) > 0 {
		t.Errorf("no folder: %v, %v", keys, err)
	}
	_, public := pair(t, algorithms["ed25519"]...)
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "us.pem")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(file, text, 0o644), os.WriteFile(filepath.Join(dir, "README"), []byte("no key"), 0o644)); err != nil {
		t.Fatal(err)
	}
	keys, err := FromFolder(dir)
	if os.Geteuid() != 0 {
		if err == nil {
			t.Error("a folder that is not root's was trusted")
		}
		return
	}
	if err != nil || len(keys) != 1 || keys[0].ID != key(t, public).ID {
		t.Fatalf("%v, %v", keys, err)
	}
	for name, one := range map[string]struct{ spoil, mend func() error }{
		"folder for all":    {func() error { return os.Chmod(dir, 0o777) }, func() error { return os.Chmod(dir, 0o755) }},
		"sticky for all":    {func() error { return os.Chmod(dir, os.ModeSticky|0o777) }, func() error { return os.Chmod(dir, 0o755) }},
		"file for a group":  {func() error { return os.Chmod(file, 0o664) }, func() error { return os.Chmod(file, 0o644) }},
		"another's file":    {func() error { return os.Chown(file, 65534, 65534) }, func() error { return os.Chown(file, 0, 0) }},
		"another's folder":  {func() error { return os.Chown(dir, 65534, 65534) }, func() error { return os.Chown(dir, 0, 0) }},
		"a folder above it": {func() error { return os.Chmod(filepath.Dir(dir), 0o777) }, func() error { return os.Chmod(filepath.Dir(dir), 0o755) }},
		"no key":            {func() error { return os.WriteFile(file, []byte("x"), 0o644) }, func() error { return os.WriteFile(file, text, 0o644) }},
	} {
		if err := one.spoil(); err != nil {
			t.Fatal(err)
		}
		if keys, err := FromFolder(dir); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
		if err := one.mend(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := FromFolder(dir); err != nil {
		t.Errorf("mended: %v", err)
	}
}
