package verify

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// object writes a minimal ELF64 file with the given defined symbols, imported symbols and needed libraries.
func object(t *testing.T, defined, imported, needed []string) []byte {
	t.Helper()
	return objectOf(t, elf.SHT_SYMTAB, defined, imported, needed)
}

// stripped is an object that has the symbols for the dynamic linker only.
func stripped(t *testing.T, defined ...string) []byte {
	t.Helper()
	return objectOf(t, elf.SHT_DYNSYM, defined, nil, nil)
}

func objectOf(t *testing.T, kind elf.SectionType, defined, imported, needed []string) []byte {
	t.Helper()
	const headers, sections = 64, 4
	names := []byte{0}
	name := func(s string) uint32 {
		at := uint32(len(names))
		names = append(append(names, s...), 0)
		return at
	}
	symbols := new(bytes.Buffer)
	binary.Write(symbols, binary.LittleEndian, elf.Sym64{})
	for i, list := range [][]string{defined, imported} {
		for _, s := range list {
			section := uint16(1 - i) // 1 is a section, 0 is SHN_UNDEF
			binary.Write(symbols, binary.LittleEndian, elf.Sym64{Name: name(s), Info: 1<<4 | 2, Shndx: section})
		}
	}
	dynamic := new(bytes.Buffer)
	for _, s := range needed {
		binary.Write(dynamic, binary.LittleEndian, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(name(s))})
	}
	binary.Write(dynamic, binary.LittleEndian, elf.Dyn64{})
	at := uint64(headers)
	place := func(data []byte, kind elf.SectionType, size uint64) elf.Section64 {
		s := elf.Section64{Type: uint32(kind), Off: at, Size: uint64(len(data)), Link: 1, Entsize: size}
		at += s.Size
		return s
	}
	table := []elf.Section64{{}, place(names, elf.SHT_STRTAB, 0), place(symbols.Bytes(), kind, 24), place(dynamic.Bytes(), elf.SHT_DYNAMIC, 16)}
	out := new(bytes.Buffer)
	header := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: at, Ehsize: headers, Shentsize: 64, Shnum: sections, Shstrndx: 1}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	for _, part := range []any{header, names, symbols.Bytes(), dynamic.Bytes(), table} {
		if err := binary.Write(out, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func archive(members ...[]byte) []byte {
	out := []byte("!<arch>\n")
	for i, m := range append([][]byte{make([]byte, 4)}, members...) {
		name := fmt.Sprintf("m%d.o/", i)
		if i == 0 {
			name = "/" // the symbol index
		}
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "644", len(m))
		out = append(out, m...)
		if len(m)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMethodsIn(t *testing.T) {
	good := object(t, []string{"TLS_client_method", "TLSv1_2_client_method"}, []string{"TLSv1_1_method"}, nil)
	planted := object(t, []string{"TLSv1_1_client_method", "DTLSv1_method"}, nil, nil)
	for _, test := range []struct {
		name  string
		data  []byte
		floor Floor
		want  []string
		err   string
	}{
		{"hardened", archive(good, object(t, nil, nil, nil)), TLS12, nil, ""},
		{"planted in the last member", archive(append(good, 0), planted), TLS12, []string{"DTLSv1_method", "TLSv1_1_client_method"}, ""},
		{"floor 1.3", archive(good), TLS13, []string{"TLSv1_2_client_method"}, ""},
		{"empty", archive(), TLS12, nil, "no TLS_client_method"},
		{"another library", archive(planted), TLS12, nil, "no TLS_client_method"},
		{"no archive", good, TLS12, nil, "not an ar archive"},
		{"nothing", nil, TLS12, nil, "not an ar archive"},
		{"cut", archive(good)[:100], TLS12, nil, "EOF"},
		{"bad header", append(archive(good), bytes.Repeat([]byte{'x'}, 60)...), TLS12, nil, "malformed header"},
	} {
		got, err := methodsIn(write(t, filepath.Join(t.TempDir(), "libssl.a"), test.data), test.floor)
		if !slices.Equal(got, test.want) || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
}

// tree lays out a Python: the interpreter behind a link, and one extension module.
func tree(t *testing.T, interpreter, module []byte) *court {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin", "python3.13"), interpreter)
	write(t, filepath.Join(dir, "lib", "python3.13", "lib-dynload", "_x.so"), module)
	link := filepath.Join(dir, "bin", "python3")
	if err := os.Symlink("python3.13", link); err != nil {
		t.Fatal(err)
	}
	return &court{Options: Options{Toolchain: Toolchain{Python: link}}.withDefaults()}
}

func TestSymbolsAndNeeded(t *testing.T) {
	builtin := object(t, []string{"PyInit__ssl", "TLS_client_method"}, nil, []string{"libc.so.6"})
	for _, test := range []struct {
		name        string
		interpreter []byte
		module      []byte
		symbols     []string
		needed      []string
	}{
		{"hardened", builtin, object(t, nil, nil, []string{"libm.so.6"}), nil, nil},
		{"defined in the interpreter", object(t, []string{"PyInit__ssl", "TLSv1_1_method"}, nil, nil), object(t, nil, nil, nil), []string{"TLSv1_1_method"}, nil},
		{"imported by a module", builtin, object(t, nil, []string{"TLSv1_method"}, []string{"libssl.so.3", "libcrypto.so.1.1"}),
			[]string{"TLSv1_method"}, []string{"libcrypto.so.1.1", "libssl.so.3"}},
	} {
		c := tree(t, test.interpreter, test.module)
		if got, err := c.look(t.Context(), Offer{Who: Python, Act: Symbols}); err != nil || !slices.Equal(got, test.symbols) {
			t.Errorf("%s: symbols %v, %v", test.name, got, err)
		}
		if got, err := c.look(t.Context(), Offer{Who: Python, Act: Needed, Match: "libssl,libcrypto"}); err != nil || !slices.Equal(got, test.needed) {
			t.Errorf("%s: needed %v, %v", test.name, got, err)
		}
	}
	c := tree(t, object(t, nil, nil, nil), object(t, nil, nil, nil))
	if _, err := c.look(t.Context(), Offer{Who: Python, Act: Symbols}); err == nil {
		t.Error("a Python without _ssl: no error")
	}
	c = tree(t, stripped(t, "PyInit__ssl"), object(t, []string{"TLS_client_method"}, nil, nil))
	if got, err := c.look(t.Context(), Offer{Who: Python, Act: Symbols}); err == nil || !strings.Contains(err.Error(), "stripped") {
		t.Errorf("a stripped Python: %v, %v", got, err)
	}
	c = tree(t, object(t, nil, nil, nil), stripped(t, "PyInit__ssl", "TLSv1_1_method"))
	if got, err := c.look(t.Context(), Offer{Who: Python, Act: Symbols}); err != nil || !slices.Equal(got, []string{"TLSv1_1_method"}) {
		t.Errorf("a stripped module that exports a method: %v, %v", got, err)
	}
	c = tree(t, []byte("#!/bin/sh\n"), nil)
	for _, act := range []Act{Symbols, Needed} {
		if got := c.try(t.Context(), Offer{Who: Python, Act: act}); got.Problem == "" {
			t.Errorf("%s of a script: %s", act, got.Got)
		}
	}
}

func TestNeededWithoutModules(t *testing.T) {
	for _, test := range []struct {
		name    string
		symbols []string
		bad     bool
	}{{"all built in", []string{"PyInit__ssl"}, false}, {"modules elsewhere", nil, true}} {
		c := tree(t, object(t, test.symbols, nil, []string{"libc.so.6"}), nil)
		if err := os.RemoveAll(filepath.Join(filepath.Dir(c.Toolchain.Python), "..", "lib")); err != nil {
			t.Fatal(err)
		}
		got, err := c.look(t.Context(), Offer{Who: Python, Act: Needed, Match: "libssl,libcrypto"})
		if (err != nil) != test.bad || len(got) > 0 {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
}

// Every file of the Python is a subject, under the path that it has in the place it is made for.
func TestIdentifyNamesTheModules(t *testing.T) {
	c := tree(t, object(t, nil, nil, nil), object(t, nil, nil, nil))
	root := filepath.Dir(filepath.Dir(c.Toolchain.Python))
	c.Toolchain.Python = "/made/for/bin/python3"
	c.Locate = func(path string) string { return strings.Replace(path, "/made/for", root, 1) }
	subjects, _ := c.identify(t.Context())
	i := slices.IndexFunc(subjects, func(s Tested) bool { return s.Name == "_x.so" })
	if i < 0 || subjects[i].Path != "/made/for/lib/python3.13/lib-dynload/_x.so" || len(subjects[i].SHA256) != 64 {
		t.Errorf("%+v", subjects)
	}
}

func TestMacrosMissing(t *testing.T) {
	all := "#ifndef OPENSSL_THREADS\n#  define OPENSSL_THREADS\n#endif\n"
	for _, m := range []string{"SSL3", "TLS1", "TLS1_1", "DTLS1"} {
		all += "# define OPENSSL_NO_" + m + "\n#define OPENSSL_NO_" + m + "_METHOD\n"
	}
	for _, test := range []struct {
		file, text string
		want       []string
		bad        bool
	}{
		{"configuration.h", all, nil, false},
		{"opensslconf.h", all, nil, false},
		{"configuration.h", strings.ReplaceAll(all, "# define OPENSSL_NO_TLS1_1\n", ""), []string{"no OPENSSL_NO_TLS1_1"}, false},
		{"configuration.h", strings.ReplaceAll(all, "#define OPENSSL_NO_DTLS1_METHOD\n", "/* OPENSSL_NO_DTLS1_METHOD */\n"), []string{"no OPENSSL_NO_DTLS1_METHOD"}, false},
		{"configuration.h", "", nil, true},
		{"other.h", all, nil, true},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, test.file), []byte(test.text))
		got, err := macrosMissing(dir, TLS12)
		if !slices.Equal(got, test.want) || (err != nil) != test.bad {
			t.Errorf("%s: %v, %v", test.file, got, err)
		}
	}
}

func TestLooksNeedTheirSubject(t *testing.T) {
	c := &court{Options: Options{}.withDefaults()}
	for _, act := range []Act{Methods, Symbols, Macros, Has, Needed, Maps} {
		if got := c.try(t.Context(), Offer{Who: Python, Act: act, Match: "libssl"}); got.Problem == "" {
			t.Errorf("%s with nothing given: %s", act, got.Got)
		}
	}
}
