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

	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Modules is the folder below the base that `module use` takes. One file in it is the generation in use: python-<profile>/<version>.
const Modules = ".tlsfloor/modulefiles"

// A modulefile in Tcl, which Environment Modules and Lmod both read. It names the prefixes and not the generation: a virtual environment
// that is made with it goes on working after a switch. MANPATH is left alone: man finds pages by PATH, and with a MANPATH nothing else.
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

func (s Site) moduleDir() string {
	return filepath.Join(s.Root, s.Base, Modules, "python-"+s.Profile)
}

// Module is the modulefile of a generation; nil when it has none.
func Module(g Generation) ([]byte, error) {
	python, ok := g.Components["python"]
	if !ok || g.Adopted {
		return nil, nil
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
	path := filepath.Join(s.moduleDir(), version)
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, want) {
		if err := os.MkdirAll(s.moduleDir(), 0o755); err != nil {
			return fmt.Errorf("modulefile: %w", err)
		}
		if err := replaceFile(path, want); err != nil {
			return fmt.Errorf("modulefile: %w", err)
		}
	}
	entries, err := os.ReadDir(s.moduleDir())
	for _, e := range entries {
		if e.Name() != version && (strings.HasPrefix(e.Name(), unfinished) || ours(filepath.Join(s.moduleDir(), e.Name()))) {
			err = errors.Join(err, os.Remove(filepath.Join(s.moduleDir(), e.Name())))
		}
	}
	return err
}

// ours reports whether tlsfloor wrote the file: others may put a .version beside it.
func ours(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && bytes.Contains(text, []byte("# Written by tlsfloor "))
}

// removeModule removes the profile's modulefiles, and folders that are empty then.
func (s Site) removeModule() error {
	entries, err := os.ReadDir(s.moduleDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if path := filepath.Join(s.moduleDir(), e.Name()); ours(path) {
			err = errors.Join(err, fault.At("module: remove"), os.Remove(path))
		}
	}
	os.Remove(s.moduleDir())
	os.Remove(filepath.Dir(s.moduleDir()))
	return err
}
