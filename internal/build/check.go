package build

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/recipes"
)

// subject is an installed tree and what it is held against.
type subject struct {
	tree    string
	openssl string        // the version that was built
	floor   recipes.Floor // the profile's
}

func (j *job) subject(tree string) subject {
	s := subject{tree: tree, floor: j.plan.Profile.Floor}
	if step := j.plan.Step("build/openssl"); step != nil {
		s.openssl = step.Recipe.Version
	}
	return s
}

// checks are what a recipe can ask for by name: each finds a reason to stop, or none.
var checks = map[recipes.Check]func(subject) error{
	recipes.CheckSSL:   oneOpenSSL,
	recipes.CheckFloor: noMethods,
}

func check(name recipes.Check, s subject) error {
	do, ok := checks[name]
	if !ok {
		return errors.New("there is no such check")
	}
	return do(s)
}

// below lists the prefixes of the fixed-version methods that a floor forbids.
func below(floor recipes.Floor) []string {
	names := []string{"SSLv3_", "TLSv1_method", "TLSv1_client_", "TLSv1_server_", "TLSv1_1_", "DTLSv1_method", "DTLSv1_client_", "DTLSv1_server_"}
	if floor.AtLeast(recipes.TLS13) {
		names = append(names, "TLSv1_2_", "DTLSv1_2_")
	}
	return names
}

// noMethods holds libssl.a to the floor: none of the methods below it is defined. A library without symbols would prove
// nothing, so TLS_method must be there.
func noMethods(s subject) error {
	symbols, err := archiveSymbols(filepath.Join(s.tree, "lib", "libssl.a"))
	if err != nil {
		return err
	}
	if !slices.Contains(symbols, "TLS_method") {
		return errors.New("libssl.a does not define TLS_method: its symbols cannot be trusted")
	}
	for _, symbol := range symbols {
		for _, prefix := range below(s.floor) {
			if strings.HasPrefix(symbol, prefix) && strings.HasSuffix(symbol, "method") {
				return fmt.Errorf("libssl.a defines %s, which speaks a version below %s", symbol, s.floor)
			}
		}
	}
	return nil
}

// archiveSymbols lists the symbols in the index of a static library: the member "/" of an ar(5) archive in the GNU form,
// a big-endian count, as many offsets, and as many names that end in NUL.
func archiveSymbols(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const magic, header = "!<arch>\n", 60
	if len(b) < len(magic)+header+4 || string(b[:len(magic)]) != magic || strings.TrimSpace(string(b[len(magic):len(magic)+16])) != "/" {
		return nil, fmt.Errorf("%s: not a static library with an index", filepath.Base(path))
	}
	index := b[len(magic)+header:]
	count := int(binary.BigEndian.Uint32(index))
	if count > len(index)/5 {
		return nil, fmt.Errorf("%s: its index is cut", filepath.Base(path))
	}
	names := strings.SplitN(string(index[4+4*count:]), "\x00", count+1)
	if len(names) <= count {
		return nil, fmt.Errorf("%s: its index is cut", filepath.Base(path))
	}
	return names[:count], nil
}

// openSSLVersion is the text that every libcrypto carries (OPENSSL_VERSION_TEXT: "OpenSSL 3.5.7 9 Jun 2026").
var openSSLVersion = regexp.MustCompile(`OpenSSL (\d+\.\d+\.\d+[a-z]?) +\d+ [A-Z][a-z]{2} \d{4}`)

// oneOpenSSL holds a Python tree to this: _ssl and _hashlib are there, the objects that hold them carry the OpenSSL that was
// built and no other, nothing in the tree loads a libssl or libcrypto, and none of their symbols is exported.
func oneOpenSSL(s subject) error {
	homes := map[string]string{} // module -> the file that holds it
	err := filepath.WalkDir(s.tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := elf.Open(path)
		if err != nil {
			if isELF(path) {
				return fmt.Errorf("reading %s: %w", filepath.Base(path), err)
			}
			return nil
		}
		defer f.Close()
		if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
			return nil
		}
		return oneOpenSSLObject(f, path, s.openssl, homes)
	})
	if err != nil {
		return err
	}
	for _, module := range []string{"_ssl", "_hashlib"} {
		if homes[module] == "" {
			return fmt.Errorf("module %s was not built: neither in the interpreter nor in lib-dynload", module)
		}
	}
	return nil
}

func oneOpenSSLObject(f *elf.File, path, openssl string, homes map[string]string) error {
	name := filepath.Base(path)
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	for _, lib := range needed {
		if strings.HasPrefix(lib, "libssl") || strings.HasPrefix(lib, "libcrypto") {
			return fmt.Errorf("%s loads %s: that is not the OpenSSL that was built", name, lib)
		}
	}
	defined, err := exported(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	for _, module := range []string{"_ssl", "_hashlib"} {
		if !slices.Contains(defined, "PyInit_"+module) {
			continue
		}
		homes[module] = path
		if err := carries(path, openssl); err != nil {
			return fmt.Errorf("%s holds %s, but %w", name, module, err)
		}
	}
	for _, symbol := range defined {
		if strings.HasPrefix(symbol, "SSL_") || strings.HasPrefix(symbol, "EVP_") {
			return fmt.Errorf("%s exports %s: another OpenSSL in the same process would collide with it", name, symbol)
		}
	}
	return nil
}

// exported lists the defined dynamic symbols.
func exported(f *elf.File) ([]string, error) {
	symbols, err := f.DynamicSymbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil
	}
	var names []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// carries says that the file at path holds the version text of OpenSSL want, and of no other.
func carries(path, want string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := false
	for _, m := range openSSLVersion.FindAllSubmatch(b, -1) {
		if string(m[1]) != want {
			return fmt.Errorf("it carries OpenSSL %s, not %s", m[1], want)
		}
		found = true
	}
	if !found {
		return fmt.Errorf("it does not carry OpenSSL %s", want)
	}
	return nil
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = f.Read(magic)
	return err == nil && bytes.Equal(magic, []byte(elf.ELFMAG))
}
