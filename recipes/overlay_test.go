package recipes

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const newer = `name: openssl
versions:
  - version: 3.5.99
    eol: 2030-04-08
    sources:
      - file: openssl-3.5.99.tar.gz
        sha256: 1111111111111111111111111111111111111111111111111111111111111111
        size: 5
        urls: [https://example.org/openssl-3.5.99.tar.gz]
        signature: none
        unsigned: a test has none
        vouched: a test
`

const newerProfile = `name: newer
summary: a version that the program does not know
floor: "1.3"
versions: {openssl: 3.5.99, python: 3.13.15, zlib: 1.3.1}
prefixes: {openssl: openssl-newer, python: python-newer}
controls: [openssl-weak]
`

// A new version needs an overlay's file and a profile, and no change of the program.
func TestOverlayAddsAVersion(t *testing.T) {
	s := load(t, folder(t, map[string]string{"openssl.yaml": newer, "profiles/newer.yaml": newerProfile}))
	list := resolve(t, s, "newer")
	base := find(t, resolve(t, s, "min-tls1_3"), "openssl")
	got := find(t, list, "openssl")
	if got.Version != "3.5.99" || got.Sources[0].Size != 5 || got.License != "Apache-2.0" {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(args(got), args(base)) {
		t.Error("the flags are not the component's")
	}
	if weak := find(t, list, "openssl-weak"); weak.Version != "3.5.99" || weak.Sources[0].Size != 5 {
		t.Error("the control did not follow its model")
	}
	if want := "3.5.7 3.5.99 3.6.3"; !strings.Contains(strings.Join(s.Versions("openssl"), " "), want) {
		t.Errorf("versions %v", s.Versions("openssl"))
	}
}

func TestOverlayWinsPerVersionAndPerField(t *testing.T) {
	changed := strings.ReplaceAll(newer, "3.5.99", "3.5.7") + `configure:
  - arg: no-shared
    why: only this
`
	s := load(t, folder(t, map[string]string{"openssl.yaml": changed}))
	list := resolve(t, s, DefaultProfile)
	got := find(t, list, "openssl")
	if got.Sources[0].Size != 5 || !slices.Equal(args(got), []string{"no-shared"}) {
		t.Errorf("got %d bytes, flags %v", got.Sources[0].Size, args(got))
	}
	if len(got.Env) == 0 || len(got.Install) == 0 {
		t.Error("fields that the overlay does not give were lost")
	}
	if old := find(t, resolve(t, s, "lts-3.0"), "openssl"); old.Sources[0].Size != 15330396 {
		t.Error("another version was changed")
	}
}

func TestOverlayCanEmptyAList(t *testing.T) {
	s := load(t, folder(t, map[string]string{"openssl.yaml": "name: openssl\nenv: []\n"}))
	if got := find(t, resolve(t, s, DefaultProfile), "openssl"); len(got.Env) != 0 || len(got.Configure) == 0 {
		t.Errorf("env %v", got.Env)
	}
}

func TestLaterOverlayWins(t *testing.T) {
	first := folder(t, map[string]string{"openssl.yaml": newer, "profiles/newer.yaml": newerProfile})
	second := folder(t, map[string]string{"openssl.yaml": strings.Replace(newer, "size: 5", "size: 6", 1),
		"profiles/newer.yaml": strings.Replace(newerProfile, "openssl-newer", "openssl-newest", 1)})
	s := load(t, first, second)
	if got := find(t, resolve(t, s, "newer"), "openssl").Sources[0].Size; got != 6 {
		t.Errorf("size %d", got)
	}
	if p, _ := s.Profile("newer"); p.Prefixes["openssl"] != "openssl-newest" {
		t.Error("the later profile did not replace the earlier")
	}
}

func TestOverlayProfileReplaces(t *testing.T) {
	text := strings.Replace(strings.Replace(newerProfile, "name: newer", "name: "+DefaultProfile, 1), "3.5.99", "3.6.3", 1)
	s := load(t, folder(t, map[string]string{"profiles/" + DefaultProfile + ".yaml": text}))
	if got := find(t, resolve(t, s, DefaultProfile), "openssl").Version; got != "3.6.3" {
		t.Errorf("openssl %s", got)
	}
}

func TestOverlayKeysAndPatches(t *testing.T) {
	fpr := "0123456789ABCDEF0123456789ABCDEF01234567"
	s := load(t, folder(t, map[string]string{
		"keys/" + fpr + ".asc":             "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
		"patches/openssl/3.5/0001-a.patch": "x",
	}))
	if _, err := s.Key(fpr); err != nil {
		t.Error(err)
	}
	if got := s.Patches(); len(got) != 1 {
		t.Fatalf("%d patch folders", len(got))
	} else if text, err := fs.ReadFile(got[0], "openssl/3.5/0001-a.patch"); err != nil || string(text) != "x" {
		t.Errorf("%q, %v", text, err)
	}
	if len(load(t).Patches()) != 0 {
		t.Error("patch folders without an overlay")
	}
}

func TestOverlayMistakes(t *testing.T) {
	file := folder(t, map[string]string{"x.yaml": thing})
	for want, dir := range map[string]string{
		"no such file": "/nonexistent/overlay",
		"not a folder": file + "/x.yaml",
		"holds no recipe, profile, set, key or pat": folder(t, map[string]string{"README.md": "x"}),
		"openssl.yml: this file would not be":       folder(t, map[string]string{"openssl.yml": newer, "zlib.yaml": "name: zlib\n"}),
		"profiles/a.yml: this file would not be":    folder(t, map[string]string{"profiles/a.yml": newerProfile, "zlib.yaml": "name: zlib\n"}),
		"keys/mine.asc: the name is no finger":      folder(t, map[string]string{"keys/mine.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"}),
		"not an armored PGP public key":             folder(t, map[string]string{"keys/0123456789ABCDEF0123456789ABCDEF01234567.asc": "\x99\x01"}),
		"patches for opensll, which is no comp":     folder(t, map[string]string{"patches/opensll/3.5/0001-a.patch": "x"}),
		"newer.yaml:4:21: openssl 3.5.99 is not":    folder(t, map[string]string{"profiles/newer.yaml": newerProfile}),
	} {
		_, err := Load(dir)
		if err == nil || !strings.Contains(err.Error(), want) || fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("want %q with a hint, got %v", want, err)
		}
	}
}
