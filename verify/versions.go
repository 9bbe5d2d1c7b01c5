package verify

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// OpenSSL negotiates from two tables (ssl/statem/statem_lib.c, since 1.1.0): for each version its number and
// the functions that give a client's and a server's method, none where the version was left out. They are in
// no symbol that a program could link to, so that a library without the fixed-version methods may still
// speak what those spoke.
var versionTables = []string{"tls_version_table", "dtls_version_table"}

// versionEntry is the size in bytes of struct version_info on a 64-bit machine: an int, padding and two
// pointers.
const versionEntry, versionPointer = 24, 8

// versionsIn names the versions below the floor for which a static libssl has a method in its tables.
func versionsIn(library string, f Floor) ([]string, error) {
	found, seen := map[string]bool{}, map[string]bool{}
	err := eachMember(library, func(r io.ReaderAt) error {
		return elffile.LookAt(r, func(object *elf.File) error {
			symbols, err := object.Symbols()
			if ignoreNoSymbols(err) != nil {
				return err
			}
			for _, s := range symbols {
				name, _, _ := strings.Cut(s.Name, ".") // what a compiler appended
				if s.Section == elf.SHN_UNDEF || !slices.Contains(versionTables, name) {
					continue
				}
				if err := readTable(object, s, f, found); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				seen[name] = true
			}
			return nil
		})
	})
	for _, name := range versionTables {
		if err == nil && !seen[name] {
			err = fmt.Errorf("no %s: stripped of its local symbols, or no OpenSSL", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the versions of %s: %w", filepath.Base(library), err)
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// readTable adds to found the versions of one table that are below the floor and have a method. One that has
// none at all was not understood.
func readTable(object *elf.File, s elf.Symbol, f Floor, found map[string]bool) error {
	if int(s.Section) >= len(object.Sections) || object.Class != elf.ELFCLASS64 || s.Size == 0 ||
		s.Size%versionEntry != 0 {
		return errors.New("not a table of 64-bit entries")
	}
	data, err := object.Sections[s.Section].Data()
	if err != nil {
		return err
	}
	if s.Value+s.Size > uint64(len(data)) || s.Value+s.Size < s.Value {
		return errors.New("outside of its section")
	}
	pointers, err := relocated(object, s.Section)
	if err != nil {
		return err
	}
	methods := 0
	for at := s.Value; at < s.Value+s.Size; at += versionEntry {
		if !pointers[at+versionPointer] && !pointers[at+2*versionPointer] {
			continue
		}
		methods++
		v := spoken(object.ByteOrder.Uint32(data[at:]))
		if v < wire.Version(f) {
			found[fmt.Sprintf("%s has %s", strings.TrimSuffix(s.Name, "_version_table"), v)] = true
		}
	}
	if methods == 0 {
		return errors.New("no version has a method")
	}
	return nil
}

// spoken is the version of TLS that a number in a table stands for: DTLS counts down from 1.0, which is TLS
// 1.1, and has one number of before that (RFC 4347, RFC 6347; OpenSSL's DTLS1_BAD_VER).
func spoken(number uint32) wire.Version {
	switch number {
	case 0x0100, 0xfeff:
		return wire.TLS11
	case 0xfefd:
		return wire.TLS12
	case 0xfefc:
		return wire.TLS13
	}
	return wire.Version(number)
}

// relocated are the places of a section into which the linker writes an address (System V ABI, Relocation).
func relocated(object *elf.File, section elf.SectionIndex) (map[uint64]bool, error) {
	const entry = 24 // bytes of an Elf64_Rela
	at := map[uint64]bool{}
	for _, s := range object.Sections {
		if s.Type != elf.SHT_RELA || s.Info != uint32(section) {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return nil, err
		}
		for ; len(data) >= entry; data = data[entry:] {
			at[object.ByteOrder.Uint64(data)] = true
		}
	}
	return at, nil
}
