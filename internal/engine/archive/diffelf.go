package archive

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

const (
	elfSections = 1 << 16 // most sections
	elfName     = 256     // bytes of a section's name that are looked at
)

// elfFile is an ELF file's tables (System V gABI, chapters 4 and 5), those of 32-bit files widened. They are
// read here and not by debug/elf, which trusts the sizes in a file and unpacks what they say is packed.
type elfFile struct {
	c        content
	order    binary.ByteOrder
	wide     bool // 64-bit
	header   elf.Header64
	programs []elf.Prog64
	sections []elfSection
}

type elfSection struct {
	elf.Section64
	name string
}

func (c *comparer) elf(ctx context.Context, f findings, a, b content) error {
	ea, err := readELF(a)
	if err != nil {
		return err
	}
	eb, err := readELF(b)
	if err != nil {
		return err
	}
	f.fields("ELF header: ", ea.identity(), eb.identity())
	if ea.wide != eb.wide || ea.order != eb.order {
		return nil
	}
	ca, cb := ea.container(), eb.container()
	if err := c.members(ctx, f, ca, cb); err != nil {
		return err
	}
	f.fields("ELF header: ", ea.layout(), eb.layout())
	for i := range min(len(ea.programs), len(eb.programs)) {
		f.fields(fmt.Sprintf("ELF program header %d: ", i), programFields(ea.programs[i]), programFields(eb.programs[i]))
	}
	both, _, _ := pair(ca.names, cb.names)
	for _, p := range both {
		f.fields(ca.title(ca.names[p[0]])+": ", ea.sections[p[0]].place(), eb.sections[p[1]].place())
	}
	return nil
}

var errELF = errors.New("damaged ELF file")

func readELF(c content) (*elfFile, error) {
	ident, err := readPart(c, 0, elf.EI_NIDENT)
	if err != nil || len(ident) < elf.EI_NIDENT {
		return nil, errELF
	}
	e := &elfFile{c: c, wide: elf.Class(ident[elf.EI_CLASS]) == elf.ELFCLASS64, order: binary.LittleEndian}
	if elf.Data(ident[elf.EI_DATA]) == elf.ELFDATA2MSB {
		e.order = binary.BigEndian
	}
	if err := e.readHeader(); err != nil {
		return nil, err
	}
	if err := e.readPrograms(); err != nil {
		return nil, err
	}
	return e, e.readSections()
}

func (e *elfFile) readHeader() error {
	if e.wide {
		return e.read(0, &e.header)
	}
	var n elf.Header32
	err := e.read(0, &n)
	e.header = elf.Header64{Ident: n.Ident, Type: n.Type, Machine: n.Machine, Version: n.Version, Entry: uint64(n.Entry),
		Phoff: uint64(n.Phoff), Shoff: uint64(n.Shoff), Flags: n.Flags, Ehsize: n.Ehsize, Phentsize: n.Phentsize, Phnum: n.Phnum,
		Shentsize: n.Shentsize, Shnum: n.Shnum, Shstrndx: n.Shstrndx}
	return err
}

// read decodes into what stands at an offset; a slice must fit into the file before it is made.
func (e *elfFile) read(offset uint64, into any) error {
	p, err := part(e.c, int64(offset), int64(binary.Size(into)))
	if err != nil {
		return errELF
	}
	return binary.Read(p, e.order, into)
}

// fits tells whether a table of n entries of the given size lies within the file.
func (e *elfFile) fits(offset uint64, n, size int) bool {
	_, err := part(e.c, int64(offset), int64(n)*int64(size))
	return err == nil
}

func (e *elfFile) readPrograms() error {
	h, n := e.header, int(e.header.Phnum)
	switch {
	case n == 0:
		return nil
	case e.wide:
		if int(h.Phentsize) != binary.Size(elf.Prog64{}) || !e.fits(h.Phoff, n, int(h.Phentsize)) {
			return errELF
		}
		e.programs = make([]elf.Prog64, n)
		return e.read(h.Phoff, e.programs)
	}
	if int(h.Phentsize) != binary.Size(elf.Prog32{}) || !e.fits(h.Phoff, n, int(h.Phentsize)) {
		return errELF
	}
	narrow := make([]elf.Prog32, n)
	err := e.read(h.Phoff, narrow)
	for _, p := range narrow {
		e.programs = append(e.programs, elf.Prog64{Type: p.Type, Flags: p.Flags, Off: uint64(p.Off), Vaddr: uint64(p.Vaddr),
			Paddr: uint64(p.Paddr), Filesz: uint64(p.Filesz), Memsz: uint64(p.Memsz), Align: uint64(p.Align)})
	}
	return err
}

// readSections reads the section headers and names. With 65,280 sections or more, their number and the index
// of the names stand in the first header.
func (e *elfFile) readSections() error {
	h := e.header
	if h.Shoff == 0 {
		return nil
	}
	n, names := uint64(h.Shnum), uint32(h.Shstrndx)
	if n == 0 || names == uint32(elf.SHN_XINDEX) {
		first, err := e.sectionTable(1)
		if err != nil {
			return err
		}
		if n == 0 {
			n = first[0].Size
		}
		if names == uint32(elf.SHN_XINDEX) {
			names = first[0].Link
		}
	}
	if n == 0 || n > elfSections || uint64(names) >= n {
		return errELF
	}
	table, err := e.sectionTable(int(n))
	if err != nil {
		return err
	}
	total := uint64(0)
	for _, s := range table {
		if elf.SectionType(s.Type) != elf.SHT_NOBITS {
			if total += s.Size; s.Size > uint64(e.c.Size()) || total > 2*uint64(e.c.Size()) {
				return errors.New("sections that are larger than the file, or overlap")
			}
		}
		name, err := e.text(table[names], s.Name)
		if err != nil {
			return err
		}
		e.sections = append(e.sections, elfSection{s, name})
	}
	return nil
}

func (e *elfFile) sectionTable(n int) ([]elf.Section64, error) {
	size := binary.Size(elf.Section32{})
	if e.wide {
		size = binary.Size(elf.Section64{})
	}
	if int(e.header.Shentsize) != size || !e.fits(e.header.Shoff, n, size) {
		return nil, errELF
	}
	table := make([]elf.Section64, n)
	if e.wide {
		return table, e.read(e.header.Shoff, table)
	}
	narrow := make([]elf.Section32, n)
	err := e.read(e.header.Shoff, narrow)
	for i, s := range narrow {
		table[i] = elf.Section64{Name: s.Name, Type: s.Type, Flags: uint64(s.Flags), Addr: uint64(s.Addr), Off: uint64(s.Off),
			Size: uint64(s.Size), Link: s.Link, Info: s.Info, Addralign: uint64(s.Addralign), Entsize: uint64(s.Entsize)}
	}
	return table, err
}

// text returns the string at an offset in a section of strings.
func (e *elfFile) text(s elf.Section64, offset uint32) (string, error) {
	if elf.SectionType(s.Type) != elf.SHT_STRTAB || uint64(offset) >= s.Size || int64(s.Off) < 0 || int64(s.Off)+int64(s.Size) < 0 {
		return "", nil // as in a file without names
	}
	b, err := readPart(e.c, int64(s.Off)+int64(offset), min(elfName, int64(s.Size)-int64(offset)))
	name, _, _ := strings.Cut(string(b), "\x00")
	return name, err
}

// data returns a section's contents, nil where it has none in the file.
func (e *elfFile) data(s elfSection) (content, error) {
	switch elf.SectionType(s.Type) {
	case elf.SHT_NULL, elf.SHT_NOBITS:
		return nil, nil
	}
	if int64(s.Off) < 0 || int64(s.Size) < 0 {
		return nil, errELF
	}
	return part(e.c, int64(s.Off), int64(s.Size))
}

// identity is what a file is.
func (e *elfFile) identity() (l digest.Lines) {
	h := e.header
	l.Add("class", elf.Class(h.Ident[elf.EI_CLASS]).String())
	l.Add("data", elf.Data(h.Ident[elf.EI_DATA]).String())
	l.Add("OS/ABI", elf.OSABI(h.Ident[elf.EI_OSABI]).String())
	l.Addf("ABI version", "%d", h.Ident[elf.EI_ABIVERSION])
	l.Addf("padding", "% x", h.Ident[elf.EI_ABIVERSION+1:])
	l.Add("type", elf.Type(h.Type).String())
	l.Add("machine", elf.Machine(h.Machine).String())
	l.Addf("version", "%d", h.Version)
	l.Addf("flags", "%#x", h.Flags)
	return l
}

// layout is where things stand in a file, which mostly follows from their sizes.
func (e *elfFile) layout() (l digest.Lines) {
	h := e.header
	l.Addf("entry", "%#x", h.Entry)
	l.Addf("header size", "%d", h.Ehsize)
	l.Addf("number of program headers", "%d", h.Phnum)
	l.Addf("program headers at", "%#x", h.Phoff)
	l.Addf("number of section headers", "%d", h.Shnum)
	l.Addf("section headers at", "%#x", h.Shoff)
	l.Addf("section of names", "%d", h.Shstrndx)
	return l
}

func programFields(p elf.Prog64) (l digest.Lines) {
	l.Add("type", elf.ProgType(p.Type).String())
	l.Add("flags", elf.ProgFlag(p.Flags).String())
	l.Addf("offset", "%#x", p.Off)
	l.Addf("address", "%#x", p.Vaddr)
	l.Addf("physical address", "%#x", p.Paddr)
	l.Addf("size in the file", "%#x", p.Filesz)
	l.Addf("size in memory", "%#x", p.Memsz)
	l.Addf("alignment", "%#x", p.Align)
	return l
}

func (s elfSection) place() (l digest.Lines) {
	l.Addf("address", "%#x", s.Addr)
	l.Addf("offset", "%#x", s.Off)
	return l
}
