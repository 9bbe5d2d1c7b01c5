package recipes

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

//go:embed *.yaml profiles/*.yaml sets keys/*.asc training modules
var embedded embed.FS

// Set is everything that can be built: the embedded recipes with the overlays laid over them.
type Set struct {
	components map[string]component
	profiles   map[string]placed
	optional   map[string]described
	keys       map[string][]byte
	patches    []fs.FS
}

type placed struct {
	*Profile
	at place
}

// Load reads the embedded recipes and then each overlay folder, all of them checked. Errors are usage
// errors with file, line and column.
func Load(overlays ...string) (*Set, error) {
	s := &Set{components: map[string]component{}, profiles: map[string]placed{}, optional: map[string]described{}, keys: map[string][]byte{}}
	if err := s.read(layer{embedded, "recipes"}); err != nil {
		return nil, err
	}
	for _, folder := range overlays {
		if err := s.overlay(folder); err != nil {
			return nil, err
		}
	}
	return s, s.finish()
}

// layer is one folder of recipes; name is how messages call it.
type layer struct {
	fs.FS
	name string
}

const hintLayout = "an overlay holds *.yaml, profiles/*.yaml, sets/*.yaml, keys/<fingerprint>.asc and patches/<component>/<series>/*.patch"

func (s *Set) overlay(folder string) error {
	info, err := os.Stat(folder)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return fault.New(fault.Usage, hintLayout, "overlay %s: %w", folder, err)
	}
	l := layer{os.DirFS(folder), folder}
	if err := s.read(l); err != nil {
		return err
	}
	components, err := fs.ReadDir(l, "patches")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Usage, hintLayout, "overlay %s: %w", folder, err)
	}
	for _, c := range components {
		if _, ok := s.components[c.Name()]; !ok {
			return fault.New(fault.Usage, hintLayout, "overlay %s: patches for %s, which is no component", folder, c.Name())
		}
	}
	sub, err := fs.Sub(l, "patches")
	s.patches = append(s.patches, sub)
	return err
}

// read reads one layer. A layer without any recipe, profile, set, key or patch is taken for a mistake.
func (s *Set) read(l layer) error {
	n := 0
	for _, part := range []struct {
		folder, suffix string
		read           func(l layer, stem, name string, data []byte) error
	}{
		{".", ".yaml", s.readComponent},
		{"profiles", ".yaml", s.readProfile},
		{"sets", ".yaml", s.readOptional},
		{"keys", ".asc", s.readKey},
	} {
		got, err := l.each(part.folder, part.suffix, part.read)
		if err != nil {
			return err
		}
		n += got
	}
	if _, err := fs.Stat(l, "patches"); err != nil && n == 0 {
		return fault.New(fault.Usage, hintLayout, "overlay %s: holds no recipe, profile, set, key or patch", l.name)
	}
	return nil
}

// each hands every file of a folder to read, in order of name, and counts them.
func (l layer) each(folder, suffix string, read func(l layer, stem, name string, data []byte) error) (int, error) {
	entries, err := fs.ReadDir(l, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.New(fault.Usage, hintLayout, "reading %s: %w", path.Join(l.name, folder), err)
	}
	n := 0
	for _, e := range entries {
		name := path.Join(l.name, folder, e.Name())
		if path.Ext(name) == ".yml" {
			return n, fault.New(fault.Usage, "name it .yaml", "%s: this file would not be read", name)
		}
		stem, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || e.IsDir() {
			continue
		}
		data, err := fs.ReadFile(l, path.Join(folder, e.Name()))
		if err != nil {
			return n, fault.New(fault.Usage, hintLayout, "reading %s: %w", name, err)
		}
		if err := read(l, stem, name, data); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *Set) readComponent(l layer, stem, name string, data []byte) error {
	c, err := parseComponent(l, stem, name, data)
	if err != nil {
		return err
	}
	s.components[stem] = s.components[stem].over(c)
	return nil
}

func parseComponent(l fs.FS, stem, name string, data []byte) (component, error) {
	var f componentFile
	doc, err := parse(name, data, &f)
	if err != nil {
		return component{}, err
	}
	c := &checker{fs: l}
	out := c.component(f, doc.top(), stem)
	return out, c.err
}

func (s *Set) readProfile(_ layer, stem, name string, data []byte) error {
	p, err := parseProfile(stem, name, data)
	if err == nil {
		s.profiles[stem] = p
	}
	return err
}

func parseProfile(stem, name string, data []byte) (placed, error) {
	var f profileFile
	doc, err := parse(name, data, &f)
	if err != nil {
		return placed{}, err
	}
	c := &checker{}
	out := placed{c.profile(f, doc.top(), stem), doc.top()}
	return out, c.err
}

func (s *Set) readKey(_ layer, stem, name string, data []byte) error {
	if !fingerprint.MatchString(stem) {
		return fault.New(fault.Usage, "name the file <fingerprint of the primary key, 40 upper-case hexadecimal digits>.asc", "%s: the name is no fingerprint", name)
	}
	if !strings.Contains(string(data), "-----BEGIN PGP PUBLIC KEY BLOCK-----") {
		return fault.New(fault.Usage, "export the key with gpg --armor --export", "%s: not an armored PGP public key", name)
	}
	s.keys[stem] = data
	return nil
}

// Key returns the armored public key whose primary key has this fingerprint (40 hexadecimal digits).
// The caller compares the fingerprint with the key that it reads.
func (s *Set) Key(fpr string) ([]byte, error) {
	key, ok := s.keys[strings.ToUpper(fpr)]
	if !ok {
		return nil, fault.New(fault.BadSignature, "put the key into keys/"+strings.ToUpper(fpr)+".asc of an overlay and pass it with -recipes", "key %s: not among the recipes' keys", fpr)
	}
	return slices.Clone(key), nil
}

// Patches returns the overlays' patch folders, in the order in which they were loaded; the embedded ones
// belong to package patches.
func (s *Set) Patches() []fs.FS { return slices.Clone(s.patches) }
