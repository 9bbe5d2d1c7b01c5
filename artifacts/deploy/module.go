package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Modules is the folder below the base that `module use` takes. One file in it is the generation in use:
// python-<profile>/<version>.
const Modules = ".tlsfloor/modulefiles"

// A modulefile in Tcl, which Environment Modules and Lmod both read. It names the prefixes and not the
// generation: a virtual environment that is made with it goes on working after a switch. MANPATH is left
// alone: man finds pages by PATH, and with a MANPATH nothing else.
var moduleText = template.Must(template.New("module").Parse(`#%Module1.0
# Written by tlsfloor when it switches generations; what is changed here is lost then.
proc ModulesHelp { } {
    puts stderr "Python {{.Python.Version}}{{with .OpenSSL}} and OpenSSL {{.Version}}{{end}}, profile {{.Profile}}: no TLS version below its floor is in them."
}
module-whatis "Python {{.Python.Version}}{{with .OpenSSL}} on OpenSSL {{.Version}}{{end}}, profile {{.Profile}}"
conflict python
{{with .OpenSSL}}prepend-path PATH {{.Prefix}}/bin
{{end}}prepend-path PATH {{.Python.Prefix}}/bin
prepend-path PKG_CONFIG_PATH {{.Python.Prefix}}/lib/pkgconfig
`))

// moduleDir is below the base.
func (s Site) moduleDir() string { return filepath.Join(s.Base, Modules, "python-"+s.Profile) }

// Module is the modulefile of a generation; nil when it has none.
func Module(g Generation) ([]byte, error) {
	python, ok := g.Components["python"]
	if !ok || g.Adopted {
		return nil, nil
	}
	if err := g.valid(); err != nil { // Tcl would run what stands in brackets
		return nil, fmt.Errorf("modulefile: %w", err)
	}
	var b bytes.Buffer
	about := struct {
		Profile         string
		Python, OpenSSL *Component
	}{Profile: g.Profile, Python: &python}
	if openssl, ok := g.Components["openssl"]; ok {
		about.OpenSSL = &openssl
	}
	if err := moduleText.Execute(&b, about); err != nil {
		return nil, fmt.Errorf("modulefile: %w", err)
	}
	return b.Bytes(), nil
}

// writeModule makes the modulefile of a generation the only one of its profile.
func (s Site) writeModule(g Generation) error {
	want, err := Module(g)
	if err != nil {
		return err
	}
	if want == nil {
		return s.removeModule()
	}
	version := g.Components["python"].Version
	dir, err := owned.Make(s.Root, s.moduleDir())
	if err != nil {
		return fmt.Errorf("modulefile: %w", err)
	}
	defer dir.Close()
	if !moduleIntact(dir, version, want) {
		if err := owned.ReplaceIn(dir, version, want, 0o644); err != nil {
			return fmt.Errorf("modulefile: %w", err)
		}
	}
	return removeOurs(dir, version)
}

// moduleIntact reports whether the modulefile is a file of dir's owner, which nobody else can write to, with
// the bytes want.
func moduleIntact(dir *os.Root, version string, want []byte) bool {
	in, err := dir.Stat(".")
	if err != nil {
		return false
	}
	info, err := dir.Lstat(version)
	if err != nil || info.Mode() != 0o644 || uidOf(info) != uidOf(in) || info.Size() != int64(len(want)) {
		return false
	}
	text, err := owned.Read(dir, version, moduleLimit)
	return err == nil && bytes.Equal(text, want)
}

// RepairModule writes the modulefile of generation n, which is in use. It is called under the site's lock.
func (s Site) RepairModule(n int) error {
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	return s.writeModule(g)
}

// doubtModule says what is wrong with the modulefile of the generation in use, and where it is. One that is
// missing misleads nobody.
func (s Site) doubtModule(g Generation) (at, what string) {
	want, err := Module(g)
	if err != nil || want == nil {
		return "", ""
	}
	version, folder := g.Components["python"].Version, filepath.Join(s.Root, s.moduleDir())
	at = filepath.Join(folder, version)
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return at, ""
	}
	home, homeErr := os.Lstat(s.Home())
	if err != nil || homeErr != nil || !info.IsDir() || uidOf(info) != uidOf(home) ||
		info.Mode().Perm()&0o022 != 0 {
		return folder, "is no folder that only its owner can write to: move it away"
	}
	dir, err := owned.Root(folder) // only looked at, and by whoever asks for the status
	if err != nil {
		return folder, "cannot be looked at: " + err.Error()
	}
	defer dir.Close()
	if _, err := dir.Lstat(version); errors.Is(err, fs.ErrNotExist) || moduleIntact(dir, version, want) {
		return at, ""
	}
	return at, "is not the modulefile that was written"
}

// moduleLimit is how many bytes a modulefile has at most.
const moduleLimit = 1 << 20

// removeOurs removes the modulefiles in dir that tlsfloor wrote, but for one.
func removeOurs(dir *os.Root, but string) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	for _, e := range entries {
		if e.Name() != but && (strings.HasPrefix(e.Name(), unfinished) || ours(dir, e.Name())) {
			err = errors.Join(err, fault.At("module: remove"), dir.Remove(e.Name()))
		}
	}
	return err
}

// ours reports whether tlsfloor wrote the file: others may put a .version beside it.
func ours(dir *os.Root, name string) bool {
	if info, err := dir.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	text, err := owned.Read(dir, name, moduleLimit)
	return err == nil && bytes.Contains(text, []byte("# Written by tlsfloor "))
}

// removeModule removes the profile's modulefiles, and folders that are empty then.
func (s Site) removeModule() error {
	dir, err := owned.Open(s.Root, s.moduleDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("modulefile: %w", err)
	}
	defer dir.Close()
	if err := removeOurs(dir, ""); err != nil {
		return err
	}
	for _, empty := range []string{s.moduleDir(), filepath.Dir(s.moduleDir())} {
		if err := removeEmpty(s.Root, empty); err != nil {
			return err
		}
	}
	return nil
}

// removeEmpty removes a folder that is empty.
func removeEmpty(image, path string) error {
	above, err := owned.Open(image, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer above.Close()
	above.Remove(filepath.Base(path))
	return nil
}
