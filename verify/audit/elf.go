package audit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// image is an ELF program or library as the loader sees it: by its program headers. Section headers are not
// read, which are for linkers, and
// which a file need not have, nor have right (System V ABI, Program Loading and Dynamic Linking).
type image struct {
	*elf.File
	data    []byte
	dynamic map[elf.DynTag][]uint64
}

// headerSize is that of an ELF file of 64 bits; one of 32 bits is shorter.
const headerSize = 64

// newImage reads the headers of a file whose section headers have been taken away.
func newImage(data []byte) (*image, error) {
	if len(data) < headerSize {
		return nil, errors.New("it is cut off")
	}
	header := bytes.Clone(data[:headerSize])
	if header[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		clear(header[0x28:0x30])
		clear(header[0x3c:0x40])
	} else {
		clear(header[0x20:0x24])
		clear(header[0x30:0x34])
	}
	e, err := elf.NewFile(patched{header, bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	i := &image{File: e, data: data, dynamic: map[elf.DynTag][]uint64{}}
	for _, p := range e.Progs {
		if p.Type == elf.PT_DYNAMIC {
			i.readDynamic(i.part(p.Off, p.Filesz))
		}
	}
	return i, nil
}

// patched is a file with another header.
type patched struct {
	header []byte
	rest   *bytes.Reader
}

func (p patched) ReadAt(b []byte, at int64) (n int, err error) {
	if n, err = p.rest.ReadAt(b, at); at >= 0 && at < int64(len(p.header)) {
		copy(b[:n], p.header[at:])
	}
	return n, err
}

// part is a range of the file, as much as is there.
func (i *image) part(at, size uint64) []byte {
	if at > uint64(len(i.data)) {
		return nil
	}
	return i.data[at : at+min(size, uint64(len(i.data))-at)]
}

// word is the size of an address in bytes.
func (i *image) word() int {
	if i.Class == elf.ELFCLASS64 {
		return 8
	}
	return 4
}

// number reads an address.
func (i *image) number(b []byte) uint64 {
	if i.Class == elf.ELFCLASS64 {
		return i.ByteOrder.Uint64(b)
	}
	return uint64(i.ByteOrder.Uint32(b))
}

func (i *image) readDynamic(b []byte) {
	const most = 100_000
	for n, w := 0, i.word(); len(b) >= 2*w && n < most; b, n = b[2*w:], n+1 {
		tag := elf.DynTag(i.number(b))
		if tag == elf.DT_NULL {
			return
		}
		i.dynamic[tag] = append(i.dynamic[tag], i.number(b[w:]))
	}
}

// one is the value of a tag, 0 without one.
func (i *image) one(tag elf.DynTag) uint64 {
	if v := i.dynamic[tag]; len(v) > 0 {
		return v[0]
	}
	return 0
}

// at is the file from what is loaded at an address to the end of its segment.
func (i *image) at(address uint64) []byte {
	for _, p := range i.Progs {
		if p.Type == elf.PT_LOAD && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			return i.part(p.Off+address-p.Vaddr, p.Filesz-(address-p.Vaddr))
		}
	}
	return nil
}

// strings is the table of names, and where it stands in the file.
func (i *image) strings() (table []byte, from, to int) {
	table = i.at(i.one(elf.DT_STRTAB))
	if table == nil {
		return nil, 0, 0
	}
	from = len(i.data) - cap(table) // a slice of the whole
	table = table[:min(uint64(len(table)), i.one(elf.DT_STRSZ))]
	return table, from, from + len(table)
}

func text(table []byte, at uint64) string {
	if at >= uint64(len(table)) {
		return ""
	}
	s, _, _ := bytes.Cut(table[at:], []byte{0})
	return string(s)
}

// list gives the names that a tag has.
func (i *image) list(tag elf.DynTag) (all []string) {
	table, _, _ := i.strings()
	for _, at := range i.dynamic[tag] {
		if name := text(table, at); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// symbols are the functions that the file defines for others, and those that it wants from others.
func (i *image) symbols() (defined, wanted []string) {
	table, _, _ := i.strings()
	size, kind := 24, 4
	if i.Class != elf.ELFCLASS64 {
		size, kind = 16, 12
	}
	b := i.at(i.one(elf.DT_SYMTAB))
	for n, count := 1, i.symbolCount(); n < count && (n+1)*size <= len(b); n++ {
		s := b[n*size:]
		name := text(table, uint64(i.ByteOrder.Uint32(s)))
		section := i.ByteOrder.Uint16(s[kind+2:])
		switch {
		case name == "":
		case section == uint16(elf.SHN_UNDEF):
			wanted = append(wanted, name)
		default:
			defined = append(defined, name)
		}
	}
	return defined, wanted
}

// symbolCount is what the tables of hashes say, or else what fits between the symbols and their names.
func (i *image) symbolCount() int {
	const most = 1 << 22
	if b := i.at(i.one(elf.DT_HASH)); len(b) >= 8 {
		return int(min(i.ByteOrder.Uint32(b[4:]), most))
	}
	if n := gnuCount(i.at(i.one(elf.DT_GNU_HASH)), i.ByteOrder, i.word()); n > 0 {
		return min(n, most)
	}
	if from, to := i.one(elf.DT_SYMTAB), i.one(elf.DT_STRTAB); to > from {
		return int(min((to-from)/16, most))
	}
	return 0
}

// gnuCount follows the last chain of a table of GNU's hashes: buckets, first symbol, size of the filter,
// shift, filter, buckets, chains.
func gnuCount(b []byte, order binary.ByteOrder, word int) int {
	if len(b) < 16 {
		return 0
	}
	buckets, first := int(order.Uint32(b)), int(order.Uint32(b[4:]))
	filter := int(order.Uint32(b[8:]))
	if filter > len(b) || buckets > len(b) || 16+filter*word+buckets*4 > len(b) {
		return 0
	}
	b = b[16+filter*word:]
	last := 0
	for n := range buckets {
		last = max(last, int(order.Uint32(b[4*n:])))
	}
	if last < first {
		return first // it defines nothing
	}
	chains := b[buckets*4:]
	for at := last - first; 4*at+4 <= len(chains); at++ {
		if order.Uint32(chains[4*at:])&1 == 1 {
			return first + at + 1
		}
	}
	return 0
}

// end is the end of what the headers speak of: what stands behind is for nobody but the program itself.
func (i *image) end() uint64 {
	all := []uint64{uint64(headerSize)}
	for _, p := range i.Progs {
		all = append(all, p.Off+p.Filesz)
	}
	b := i.data
	var offset, size, count uint64
	if i.Class == elf.ELFCLASS64 {
		offset, size, count = i.ByteOrder.Uint64(b[0x28:]), uint64(i.ByteOrder.Uint16(b[0x3a:])),
			uint64(i.ByteOrder.Uint16(b[0x3c:]))
	} else {
		offset, size, count = uint64(i.ByteOrder.Uint32(b[0x20:])), uint64(i.ByteOrder.Uint16(b[0x2e:])),
			uint64(i.ByteOrder.Uint16(b[0x30:]))
	}
	all = append(all, offset+size*count)
	for n := range count {
		h := i.part(offset+n*size, size)
		if i.Class == elf.ELFCLASS64 && len(h) >= 0x28 &&
			i.ByteOrder.Uint32(h[4:]) != uint32(elf.SHT_NOBITS) {
			all = append(all, i.ByteOrder.Uint64(h[0x18:])+i.ByteOrder.Uint64(h[0x20:]))
		} else if i.Class == elf.ELFCLASS32 && len(h) >= 0x18 &&
			i.ByteOrder.Uint32(h[4:]) != uint32(elf.SHT_NOBITS) {
			all = append(all, uint64(i.ByteOrder.Uint32(h[0x10:]))+uint64(i.ByteOrder.Uint32(h[0x14:])))
		}
	}
	end := uint64(0)
	for _, e := range all {
		if e <= uint64(len(b)) { // what claims more is a damaged or a hostile header
			end = max(end, e)
		}
	}
	return end
}

// relocations are the addresses that the loader fills in with an address of the file's own (System V ABI,
// Relocation). Packed ones (RELR)
// are not among them: what they fill in is not zero in the file.
func (i *image) relocations() map[uint64]bool {
	const entry = 24
	all := map[uint64]bool{}
	b := i.at(i.one(elf.DT_RELA))
	b = b[:min(uint64(len(b)), i.one(elf.DT_RELASZ))]
	for ; len(b) >= entry; b = b[entry:] {
		all[binary.LittleEndian.Uint64(b)] = true
	}
	return all
}

// parseELF reads a program or a library; nil without an error for what is neither.
func parseELF(path string, data []byte) (*object, error) {
	i, err := newImage(data)
	if err != nil {
		return nil, fmt.Errorf("reading an ELF file: %w", err)
	}
	switch i.Type {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		own := inside(compiled(data, scan(data)))
		return &object{path: path, own: own, payload: uint64(len(data))}, nil
	default:
		return nil, nil // core dumps
	}
	o := &object{path: path, machine: i.Machine, payload: i.end(), dynamic: len(i.dynamic) > 0}
	i.wants(o)
	defined, wanted := i.symbols()
	h := scan(data[:o.payload])
	sees := lazily(i.sight)
	o.own = inside(evidence{hits: h, form: native, data: data, exports: defined, openSSL: sees})
	_, from, to := i.strings()
	o.loads = named(h, data, from, to, canLoad(o.dynamic, wanted, data))
	if strings.HasPrefix(filepath.Base(path), "libcrypto.so") {
		o.crypto = find(openSSLVersion, data)
	}
	return o, nil
}

// canLoad reports whether a program calls dlopen(3), which a static one has from glibc with its messages.
func canLoad(dynamic bool, wanted []string, data []byte) bool {
	if !dynamic {
		return bytes.Contains(data, []byte(bare("invalid mode for| dlopen()")))
	}
	return slices.Contains(wanted, "dlopen") || slices.Contains(wanted, "dlmopen")
}
