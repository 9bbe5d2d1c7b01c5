package audit

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// object is a program or a library.
type object struct {
	path    string
	needed  []string
	search  []string // RPATH or RUNPATH, with $ORIGIN replaced
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
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != elf.ELFMAG {
		return nil, 0, nil // too short for one, or another kind of file
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
	e, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	if e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return nil, nil // objects of a compiler, core dumps
	}
	o = &object{path: path, machine: e.Machine}
	if o.needed, err = e.ImportedLibraries(); err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		list, _ := e.DynString(tag)
		for _, folder := range strings.Split(strings.Join(list, ":"), ":") {
			if folder != "" {
				folder = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(folder)
				o.search = append(o.search, folder)
			}
		}
		if len(o.search) > 0 {
			break // with a RUNPATH an RPATH is ignored (ld.so(8))
		}
	}
	o.own = inside(path, e, data)
	if strings.HasPrefix(filepath.Base(path), "libcrypto.so") {
		o.crypto = kind{version: openSSLVersion}.find(data)
	}
	return o, nil
}

// systemFolders are where the loader looks by itself, for any distribution and architecture that we know of.
var systemFolders = []string{"/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"}

// resolve is the file that the loader takes for a name (ld.so(8)), without LD_LIBRARY_PATH; "" if there is none. It
// looks in folders after the file's own.
func (o *object) resolve(name string, folders []string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, folder := range slices.Concat(o.search, folders) {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && sameMachine(path, o.machine) {
			return path
		}
	}
	return ""
}

// sameMachine reads no more than the header: the loader passes over libraries for another processor.
func sameMachine(path string, want elf.Machine) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [20]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:4]) != elf.ELFMAG {
		return false
	}
	machine := uint16(header[18]) | uint16(header[19])<<8
	if header[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		machine = uint16(header[19]) | uint16(header[18])<<8
	}
	return elf.Machine(machine) == want
}
