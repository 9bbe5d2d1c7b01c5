package audit

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// Static libraries are judged as what is linked from them would be.
const (
	arMagic   = "!<arch>\n"
	thinMagic = "!<thin>\n"
	arHeader  = 60
)

// compiled is the evidence of a compiler's object, or of an archive of them.
func compiled(data []byte, h hits) evidence {
	e := evidence{hits: h, form: native, data: data}
	var l sight
	each := func(member []byte) {
		f, err := objectFile(member)
		if err != nil {
			return
		}
		symbols, _ := f.Symbols()
		for _, s := range symbols {
			if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC &&
				elf.ST_BIND(s.Info) != elf.STB_LOCAL {
				e.exports = append(e.exports, s.Name)
			}
		}
		l.objects(f, member)
	}
	if bytes.HasPrefix(data, []byte(arMagic)) {
		members(data, func(_ string, b []byte) { each(b) })
	} else {
		each(data)
	}
	e.openSSL = func() sight { return l }
	return e
}

// objects searches a compiler's object, whose addresses the linker fills in.
func (l *sight) objects(f *elf.File, data []byte) {
	if f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return
	}
	part := func(s *elf.Section) []byte {
		if s.Offset > uint64(len(data)) || s.Size > uint64(len(data))-s.Offset {
			return nil
		}
		return data[s.Offset : s.Offset+s.Size]
	}
	for n, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 {
			continue
		}
		filled := map[int]bool{}
		for _, r := range f.Sections {
			if r.Type != elf.SHT_RELA || int(r.Info) != n {
				continue
			}
			for b := part(r); len(b) >= 24; b = b[24:] {
				filled[int(binary.LittleEndian.Uint64(b))] = true
			}
		}
		l.search(part(s), func(at int) bool { return filled[at] })
	}
}

// objectFile reads a compiler's object, of which debug/elf allocates no more than it has bytes.
func objectFile(data []byte) (*elf.File, error) {
	if len(data) < headerSize || string(data[:4]) != elf.ELFMAG {
		return nil, errors.New("no ELF file")
	}
	if err := bounded(data); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_COMPRESSED != 0 && s.Type != elf.SHT_PROGBITS {
			return nil, errors.New("a compressed section that no linker makes")
		}
	}
	return f, nil
}

// members calls visit for the files of an ar archive, with their whole names as GNU's and BSD's ar write
// them.
func members(data []byte, visit func(name string, body []byte)) {
	long := []byte(nil)
	for b := data[len(arMagic):]; len(b) >= arHeader; {
		size, err := strconv.ParseInt(strings.TrimSpace(string(b[48:58])), 10, 64)
		if err != nil || size < 0 || size > int64(len(b)-arHeader) {
			return
		}
		name := strings.TrimRight(string(b[:16]), " ")
		body := b[arHeader : arHeader+size]
		switch {
		case name == "//":
			long = body
		case name == "/" || name == "/SYM64/":
		case strings.HasPrefix(name, "#1/"):
			if n, err := strconv.Atoi(name[3:]); err == nil && n >= 0 && n <= len(body) {
				visit(strings.TrimRight(string(body[:n]), "\x00"), body[n:])
			}
		case strings.HasPrefix(name, "/"):
			at, _ := strconv.Atoi(name[1:])
			if at >= 0 && at < len(long) {
				name, _, _ = strings.Cut(string(long[at:]), "/\n")
			}
			visit(name, body)
		default:
			visit(strings.TrimSuffix(name, "/"), body)
		}
		b = b[min(int64(len(b)), arHeader+size+size&1):]
	}
}

// bounded looks at what debug/elf allocates for before anything of it has been checked: the number of
// sections, and the table of their names,
// which may be compressed (System V ABI, ELF Header and Section Header).
func bounded(data []byte) error {
	var order binary.ByteOrder = binary.LittleEndian
	if data[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		order = binary.BigEndian
	}
	var offset uint64
	var size, count, names int
	if data[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		offset, size, count, names = order.Uint64(data[0x28:]), int(order.Uint16(data[0x3a:])),
			int(order.Uint16(data[0x3c:])), int(order.Uint16(data[0x3e:]))
	} else {
		offset, size, count, names = uint64(order.Uint32(data[0x20:])), int(order.Uint16(data[0x2e:])),
			int(order.Uint16(data[0x30:])), int(order.Uint16(data[0x32:]))
	}
	if count == 0 {
		if offset != 0 {
			return errors.New("more than 65,279 sections")
		}
		return nil
	}
	at := offset + uint64(names)*uint64(size) + 8
	if names >= count || at+4 > uint64(len(data)) || at < offset {
		return errors.New("the names of its sections are outside of it")
	}
	if order.Uint32(data[at:])&uint32(elf.SHF_COMPRESSED) != 0 {
		return errors.New("the names of its sections are compressed")
	}
	return nil
}
