package verify

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// look carries out a static offer. It returns what was found of the things that must not be there, sorted,
// and an error when what must always be there was not seen: then the look itself did not work.
func (c *court) look(ctx context.Context, o Offer) ([]string, error) {
	prefix, module := c.Toolchain.OpenSSLPrefix, c.Toolchain.Module
	if o.Who.Weak() {
		prefix, module = c.Toolchain.WeakOpenSSLPrefix, c.Toolchain.WeakSSL
	}
	switch o.Act {
	case Methods:
		binary := c.Toolchain.OpenSSL
		if o.Who.Weak() {
			binary = c.Toolchain.WeakOpenSSL
		}
		return c.methods(ctx, binary, prefix)
	case Versions:
		return versionsIn(c.Locate(filepath.Join(prefix, "lib", "libssl.a")), c.Floor)
	case Macros:
		return macrosMissing(c.Locate(filepath.Join(prefix, "include", "openssl")), c.Floor)
	case Symbols:
		return c.symbols(module)
	case Needed:
		return neededBy(c.Locate(c.Toolchain.Python), c.Locate(c.Toolchain.Module), o.Match)
	}
	s := c.subjects[o.Who]
	if s == nil {
		return nil, fmt.Errorf("%s: not given", o.Who)
	}
	report, err := s.Inspect(ctx, o.Act)
	if err != nil {
		return nil, err
	}
	switch o.Act {
	case Maps:
		return matching(report.Facts, o.Match), nil
	case Imports:
		return c.imported(o, report.Facts)
	}
	if !slices.Contains(report.Facts, "HAS_TLSv1_3") {
		return nil, fmt.Errorf("the ssl module has no TLS 1.3: %q", report.Facts)
	}
	return slices.DeleteFunc(report.Facts, func(f string) bool { return !slices.Contains(claimsBelow(c.Floor), f) }), nil
}

// protocol is how one version is called in OpenSSL's macros, its C functions and Python's ssl module.
type protocol struct {
	version                wire.Version
	macro, method, pythons string
}

var protocols = []protocol{
	{wire.SSL30, "SSL3", "SSLv3", "SSLv3"},
	{wire.TLS10, "TLS1", "TLSv1", "TLSv1"},
	{wire.TLS11, "TLS1_1", "TLSv1_1", "TLSv1_1"},
	{wire.TLS11, "DTLS1", "DTLSv1", ""}, // DTLS 1.0 is TLS 1.1 on datagrams (RFC 4347 section 1)
	{wire.TLS12, "TLS1_2", "TLSv1_2", "TLSv1_2"},
	{wire.TLS12, "DTLS1_2", "DTLSv1_2", ""}, // RFC 6347
}

// below calls f for every protocol under the floor.
func below(f Floor, do func(protocol)) {
	for _, p := range protocols {
		if p.version < wire.Version(f) {
			do(p)
		}
	}
}

// methodsBelow names the fixed-version methods (SSL_CTX_new(3ssl)): with one of them a program needs no
// negotiation.
func methodsBelow(f Floor) (names []string) {
	below(f, func(p protocol) {
		names = append(names, p.method+"_method", p.method+"_client_method", p.method+"_server_method")
	})
	return names
}

func claimsBelow(f Floor) (names []string) {
	below(f, func(p protocol) {
		if p.pythons != "" {
			names = append(names, "HAS_"+p.pythons, "PROTOCOL_"+p.pythons)
		}
	})
	return names
}

// macrosMissing reads the headers and names the OPENSSL_NO_ macros that are not set. OpenSSL 1.1.1 has them
// in opensslconf.h, 3.0 and later in configuration.h.
func macrosMissing(dir string, f Floor) (missing []string, err error) {
	var text []byte
	for _, name := range []string{"configuration.h", "opensslconf.h"} {
		if text, err = os.ReadFile(filepath.Join(dir, name)); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if directive, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			if w := strings.Fields(directive); len(w) >= 2 && w[0] == "define" {
				set[w[1]] = true
			}
		}
	}
	if !set["OPENSSL_THREADS"] {
		return nil, fmt.Errorf("%s: defines no OPENSSL_THREADS", filepath.Base(dir))
	}
	below(f, func(p protocol) {
		for _, macro := range []string{"OPENSSL_NO_" + p.macro, "OPENSSL_NO_" + p.macro + "_METHOD"} {
			if !set[macro] {
				missing = append(missing, "no "+macro)
			}
		}
	})
	return missing, nil
}

// methodsIn names the fixed-version methods that a static library defines: what a C program could link to.
func methodsIn(library string, f Floor) ([]string, error) {
	defined := map[string]bool{}
	err := eachMember(library, func(r io.ReaderAt) error {
		return elffile.LookAt(r, func(object *elf.File) error {
			symbols, err := object.Symbols()
			for _, s := range symbols {
				if s.Section != elf.SHN_UNDEF {
					defined[s.Name] = true
				}
			}
			return ignoreNoSymbols(err)
		})
	})
	if err == nil && !defined["TLS_client_method"] {
		err = errors.New("no TLS_client_method")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the symbols of %s: %w", filepath.Base(library), err)
	}
	return among(methodsBelow(f), defined), nil
}

func ignoreNoSymbols(err error) error {
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil
	}
	return err
}

func among(names []string, set map[string]bool) []string {
	found := slices.DeleteFunc(names, func(n string) bool { return !set[n] })
	slices.Sort(found)
	return found
}

// eachMember calls f for every object in an ar(5) archive.
func eachMember(path string, f func(io.ReaderAt) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	const magic, headerSize = "!<arch>\n", 60
	header := make([]byte, headerSize)
	if _, err := file.ReadAt(header[:len(magic)], 0); err != nil || string(header[:len(magic)]) != magic {
		return errors.New("not an ar archive")
	}
	for at := int64(len(magic)); ; {
		if n, err := file.ReadAt(header, at); n == 0 && err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("member at byte %d: %w", at, err)
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 || string(header[58:]) != "`\n" {
			return fmt.Errorf("member at byte %d: malformed header", at)
		}
		// "/" is the symbol index, "//" the long names, "/123" a member with a long name.
		if name := strings.TrimSpace(string(header[:16])); name != "/" && name != "//" && name != "/SYM64/" {
			if err := f(io.NewSectionReader(file, at+headerSize, size)); err != nil {
				return fmt.Errorf("member %s: %w", name, err)
			}
		}
		at += headerSize + size + size%2
	}
}

// symbols names the fixed-version methods that the Python, or the one module, mentions in any symbol table: defined or imported.
func (c *court) symbols(module string) ([]string, error) {
	files := []string{c.Locate(module)}
	if module == "" {
		var err error
		if files, err = pythonFiles(c.Locate(c.Toolchain.Python)); err != nil {
			return nil, err
		}
	}
	named, holder := map[string]bool{}, map[string]bool(nil)
	for _, path := range files {
		own, err := symbolsOf(path)
		if err != nil {
			return nil, fmt.Errorf("reading the symbols of %s: %w", filepath.Base(path), err)
		}
		if own["PyInit__ssl"] {
			holder = own
		}
		maps.Copy(named, own)
	}
	found := among(methodsBelow(c.Floor), named)
	// What was found needs no guard. That nothing was found means nothing where the names of OpenSSL are stripped off:
	// PyInit__ssl is exported and stays, TLS_client_method, which _ssl always calls, goes.
	if len(found) == 0 && holder == nil {
		return nil, noSSL(files)
	}
	if len(found) == 0 && !holder["TLS_client_method"] {
		return nil, fmt.Errorf("%s: the file with PyInit__ssl has no symbol TLS_client_method: stripped", filepath.Base(files[0]))
	}
	return found, nil
}

func noSSL(files []string) error {
	return fmt.Errorf("%s: no file of it has the symbol PyInit__ssl", filepath.Base(files[0]))
}

// symbolsOf gives the names in both symbol tables of a file, defined or imported.
func symbolsOf(path string) (map[string]bool, error) {
	named := map[string]bool{}
	err := elffile.Look(path, func(f *elf.File) error {
		for _, table := range []func() ([]elf.Symbol, error){f.Symbols, f.DynamicSymbols} {
			symbols, err := table()
			if ignoreNoSymbols(err) != nil {
				return err
			}
			for _, s := range symbols {
				named[s.Name] = true
			}
		}
		return nil
	})
	return named, err
}

// pythonFiles lists the interpreter behind path and its extension modules.
func pythonFiles(path string) ([]string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	prefix, version := filepath.Dir(filepath.Dir(real)), filepath.Base(real) // bin/python3.13 has lib/python3.13
	modules, err := filepath.Glob(filepath.Join(prefix, "lib", version, "lib-dynload", "*.so"))
	return append([]string{real}, modules...), err
}

// neededBy names the libraries in the DT_NEEDED of the Python's files, and of a module that it loads in place of its own _ssl, that begin with one of match (ELF, generic ABI, "Dynamic Section").
func neededBy(python, module, match string) ([]string, error) {
	files, err := pythonFiles(python)
	if err != nil {
		return nil, err
	}
	if module != "" {
		files = append(files, module)
	}
	var all []string
	for _, path := range files {
		libraries, err := importedBy(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		all = append(all, libraries...)
	}
	found := matching(all, match)
	if len(found) == 0 && len(files) == 1 { // no extension module: either all is in the interpreter, or the modules are elsewhere
		own, err := symbolsOf(files[0])
		if err != nil {
			return nil, fmt.Errorf("reading the symbols of %s: %w", filepath.Base(files[0]), err)
		}
		if !own["PyInit__ssl"] {
			return nil, fmt.Errorf("%w, and it has no extension modules", noSSL(files))
		}
	}
	return found, nil
}

// matching returns the names, once each and sorted, that begin with one of the comma-separated prefixes.
func matching(names []string, prefixes string) []string {
	found := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.ContainsFunc(strings.Split(prefixes, ","), func(p string) bool { return strings.HasPrefix(name, p) })
	})
	slices.Sort(found)
	return slices.Compact(found)
}
