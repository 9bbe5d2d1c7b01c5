package audit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// object is a program or a library.
type object struct {
	path    string
	needed  []string
	runpath []string // with $ORIGIN replaced
	rpath   []string
	machine elf.Machine
	own     []Stack
	crypto  string // the version of OpenSSL, where it is its libcrypto
	asked   bool   // it is one of those that the report is about
}

// maxFile bounds in bytes what is read of one file.
const maxFile = 2 << 30

// read looks at an open file. nil without an error: it is no ELF file.
func read(path string, f *os.File) (o *object, size int64, err error) {
	var magic [4]byte
	switch _, err := io.ReadFull(f, magic[:]); {
	case err == io.EOF || err == io.ErrUnexpectedEOF: // too short for one
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case string(magic[:]) != elf.ELFMAG:
		return nil, 0, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Size() > maxFile {
		return nil, 0, fmt.Errorf("%d bytes: too large to be looked at", info.Size())
	}
	data, done, err := mapped(f, info.Size())
	if err != nil {
		return nil, 0, err
	}
	defer done()
	o, err = parse(path, data)
	return o, info.Size(), err
}

// parse reads an ELF file. debug/elf is careful with hostile files, but says itself that it is not made for them; a file that was cut while
// it was mapped ends in a fault. Both are an error of this file.
func parse(path string, data []byte) (o *object, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("reading an ELF file: %v", r)
		}
	}()
	if err := bounded(data); err != nil {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	e, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	for _, s := range e.Sections {
		if s.Flags&elf.SHF_COMPRESSED != 0 && s.Flags&elf.SHF_ALLOC != 0 || s.Flags&elf.SHF_COMPRESSED != 0 && s.Type != elf.SHT_PROGBITS {
			return nil, fmt.Errorf("reading an ELF file: section %q is compressed, which no linker does", s.Name)
		}
	}
	if e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return nil, nil // objects of a compiler, core dumps
	}
	o = &object{path: path, machine: e.Machine}
	if o.needed, err = e.ImportedLibraries(); err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	o.runpath, o.rpath = folders(e, elf.DT_RUNPATH, path), folders(e, elf.DT_RPATH, path)
	o.own = inside(path, e, data)
	if strings.HasPrefix(filepath.Base(path), "libcrypto.so") {
		o.crypto = kindOf{version: openSSLVersion}.find(data)
	}
	return o, nil
}

// folders are those of a RUNPATH or RPATH.
func folders(e *elf.File, tag elf.DynTag, path string) (all []string) {
	list, _ := e.DynString(tag)
	for _, folder := range strings.Split(strings.Join(list, ":"), ":") {
		if folder = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(folder); filepath.IsAbs(folder) {
			all = append(all, folder)
		}
	}
	return all
}

// bounded looks at what debug/elf allocates for before anything of it has been checked: the number of sections, and the table of their names,
// which may be compressed (System V ABI, ELF Header and Section Header).
func bounded(data []byte) error {
	if len(data) < 64 {
		return errors.New("it is cut off")
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		order = binary.BigEndian
	}
	var offset uint64
	var size, count, names, flags int
	if data[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		offset, size, count, names, flags = order.Uint64(data[0x28:]), int(order.Uint16(data[0x3a:])), int(order.Uint16(data[0x3c:])), int(order.Uint16(data[0x3e:])), 8
	} else {
		offset, size, count, names, flags = uint64(order.Uint32(data[0x20:])), int(order.Uint16(data[0x2e:])), int(order.Uint16(data[0x30:])), int(order.Uint16(data[0x32:])), 8
	}
	if count == 0 {
		if offset != 0 {
			return errors.New("more than 65,279 sections")
		}
		return nil
	}
	at := offset + uint64(names)*uint64(size) + uint64(flags)
	if names >= count || at+4 > uint64(len(data)) || at < offset {
		return errors.New("the names of its sections are outside of it")
	}
	if order.Uint32(data[at:])&uint32(elf.SHF_COMPRESSED) != 0 {
		return errors.New("the names of its sections are compressed")
	}
	return nil
}
