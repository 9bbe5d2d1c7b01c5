// Package elffile reads ELF files that nobody vouches for.
//
// debug/elf says of itself that it is not hardened against such files. What this package promises of a
// hostile one:
//
//   - A panic while it is read is an error of that file (Guard), and so everything that is asked of it
//     belongs into a Guard.
//   - What debug/elf allocates before it has checked anything is bounded by New: the number of sections and
//     the table of their names; so is what it unpacks: a compressed table is refused, which no linker writes.
//   - Look opens nothing but regular files and does not wait for a pipe.
//
// Exceptions: memory follows the size of the file. Nothing here follows what a file names.
package elffile

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxVersions bounds in bytes the tables of symbol versions: real ones have a few hundred, and reading a
// crafted one takes the square of its size.
const maxVersions = 16 << 10

// Guard calls one part after the other, up to the first that has an error. A panic in one is its error.
func Guard(parts ...func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("broken: %v", p)
		}
	}()
	for _, read := range parts {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// New reads the tables of sections and segments, and refuses what no linker writes. It and all that is
// asked of the file are to be called in a Guard.
func New(r io.ReaderAt) (*elf.File, error) {
	if err := bounded(r); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	for _, s := range f.Sections {
		packed := s.Flags&elf.SHF_COMPRESSED != 0
		switch s.Type {
		case elf.SHT_DYNAMIC, elf.SHT_DYNSYM, elf.SHT_SYMTAB, elf.SHT_STRTAB, elf.SHT_GNU_VERSYM:
			if packed {
				return nil, fmt.Errorf("section %.64q is compressed", s.Name)
			}
		case elf.SHT_GNU_VERNEED, elf.SHT_GNU_VERDEF:
			if s.FileSize > maxVersions || packed {
				return nil, fmt.Errorf("section %.64q has %d bytes", s.Name, s.FileSize)
			}
		}
	}
	return f, nil
}

// LookAt hands the file in r to do.
func LookAt(r io.ReaderAt, do func(*elf.File) error) error {
	return Guard(func() error {
		f, err := New(r)
		if err != nil {
			return err
		}
		return do(f)
	})
}

// Look hands the file at path to do.
func Look(path string, do func(*elf.File) error) error {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s: no regular file", path))
	}
	return LookAt(file, do)
}

// place is where the header says its table of sections is (System V ABI, ELF Header).
type place struct {
	offset             uint64
	size, count, names uint16
}

// bounded looks at what debug/elf allocates for: without a count in the header the first section has it, in
// 64 bits, and the table of names may be compressed.
func bounded(r io.ReaderAt) error {
	head := make([]byte, 64)
	if n, err := r.ReadAt(head, 0); n < 52 || string(head[:4]) != elf.ELFMAG {
		return errors.Join(errors.New("not an ELF file"), notEnd(err))
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		order = binary.BigEndian
	}
	at := place{uint64(order.Uint32(head[0x20:])), order.Uint16(head[0x2e:]), order.Uint16(head[0x30:]), order.Uint16(head[0x32:])}
	if head[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		at = place{order.Uint64(head[0x28:]), order.Uint16(head[0x3a:]), order.Uint16(head[0x3c:]), order.Uint16(head[0x3e:])}
	}
	const flags = 8 // of a section, after its name and type
	switch {
	case at.count == 0 && at.offset == 0:
		return nil
	case at.count == 0:
		return errors.New("more than 65,279 sections")
	case at.names >= at.count:
		return errors.New("the names of its sections are in none of them")
	}
	var names [4]byte
	if _, err := r.ReadAt(names[:], int64(at.offset+uint64(at.names)*uint64(at.size)+flags)); err != nil {
		return fmt.Errorf("the names of its sections are outside of it: %w", err)
	}
	if order.Uint32(names[:])&uint32(elf.SHF_COMPRESSED) != 0 {
		return errors.New("the names of its sections are compressed")
	}
	return nil
}

func notEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
