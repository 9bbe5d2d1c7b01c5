package archive

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// maxSymbols bounds the symbols that are compared one by one.
const maxSymbols = 1 << 20

// container gives an ELF file's sections as members, its texts and constants first: a time or a path in them
// moves all that is behind them, and a build ID follows from everything.
func (e *elfFile) container() container {
	names := make([]string, len(e.sections))
	for i, s := range e.sections {
		names[i] = s.name
	}
	return container{
		names: names,
		what:  "sections",
		title: func(name string) string { return "ELF section " + plain(name) },
		rank: func(i int) int {
			s := e.sections[i]
			switch {
			case s.name == ".note.gnu.build-id", s.name == ".gnu_debuglink", s.name == ".shstrtab":
				return 2
			case s.Flags&uint64(elf.SHF_STRINGS) != 0, elf.SectionType(s.Type) == elf.SHT_STRTAB,
				strings.HasPrefix(s.name, ".rodata"), s.name == ".comment", s.name == ".interp":
				return 0
			}
			return 1
		},
		read: e.member,
	}
}

func (e *elfFile) member(i int) (member, error) {
	s := e.sections[i]
	raw, err := e.data(s)
	if err != nil {
		return member{}, err
	}
	kind := elf.SectionType(s.Type)
	var l digest.Lines
	l.Add("type", kind.String())
	l.Add("flags", elf.SectionFlag(s.Flags).String())
	l.Addf("alignment", "%d", s.Addralign)
	l.Addf("entry size", "%d", s.Entsize)
	l.Add("link", e.nameOf(s.Link))
	if kind == elf.SHT_REL || kind == elf.SHT_RELA {
		l.Add("info", e.nameOf(s.Info))
	} else {
		l.Addf("info", "%d", s.Info)
	}
	if raw == nil {
		l.Addf("size", "%d", s.Size)
	}
	m := member{fields: l, raw: raw, explain: e.explain(s.name)}
	if kind == elf.SHT_SYMTAB || kind == elf.SHT_DYNSYM {
		m.explain = e.symbols
		if s.Link < uint32(len(e.sections)) {
			m.names, err = e.data(e.sections[s.Link])
		}
	}
	return m, err
}

// nameOf names a section that another refers to: its index changes with any section before it.
func (e *elfFile) nameOf(i uint32) string {
	if i > 0 && i < uint32(len(e.sections)) {
		return e.sections[i].name
	}
	return strconv.FormatUint(uint64(i), 10)
}

// explain returns how the contents of a section are explained.
func (e *elfFile) explain(name string) func(f findings, a, b member, at int64) error {
	return func(f findings, a, b member, at int64) error {
		va, vb := excerpt(a.raw, at), excerpt(b.raw, at)
		if ida, idb := e.buildID(a.raw), e.buildID(b.raw); name == ".note.gnu.build-id" && ida != "" && idb != "" {
			va, vb = ida, idb
		}
		if a.raw.Size() != b.raw.Size() {
			va += fmt.Sprintf(" (%d bytes)", a.raw.Size())
			vb += fmt.Sprintf(" (%d bytes)", b.raw.Size())
		}
		f.add("", at, va, vb)
		return nil
	}
}

// buildID returns the ID in a GNU build-ID note, "" where it is none.
func (e *elfFile) buildID(c content) string {
	b, err := readPart(c, 0, 16+64)
	if err != nil || len(b) <= 16 || e.order.Uint32(b) != 4 || string(b[12:16]) != "GNU\x00" {
		return ""
	}
	if n := e.order.Uint32(b[4:]); int64(n) <= int64(len(b)-16) {
		return fmt.Sprintf("%x", b[16:16+n])
	}
	return ""
}

// symbol is one entry of a symbol table (gABI, "Symbol Table").
type symbol struct {
	name        string
	info, other byte
	section     uint16
	value, size uint64
}

func (s symbol) String() string {
	return fmt.Sprintf("%s: %s %s in section %d, value %#x, size %d", s.shown(), elf.ST_BIND(s.info), elf.ST_TYPE(s.info), s.section, s.value, s.size)
}

func (s symbol) shown() string {
	if s.name == "" {
		return "(no name)"
	}
	return plain(s.name)
}

// symbols adds the first symbol that differs in more than its value, else the first that differs: values
// follow from what stands before them.
func (e *elfFile) symbols(f findings, a, b member, at int64) error {
	entry := int64(elf.Sym64Size)
	if !e.wide {
		entry = elf.Sym32Size
	}
	na, nb := a.raw.Size()/entry, b.raw.Size()/entry
	if max(na, nb) > maxSymbols {
		return e.explain("")(f, a, b, at)
	}
	ra, rb := bufio.NewReader(io.NewSectionReader(a.raw, 0, a.raw.Size())), bufio.NewReader(io.NewSectionReader(b.raw, 0, b.raw.Size()))
	first := int64(-1)
	var fa, fb symbol
	for i := range min(na, nb) {
		sa, err := e.symbol(ra, entry, a.names)
		if err != nil {
			return err
		}
		sb, err := e.symbol(rb, entry, b.names)
		if err != nil {
			return err
		}
		if first < 0 && (sa.value != sb.value || sa.section != sb.section) {
			first, fa, fb = i, sa, sb
		}
		if sa.name != sb.name || sa.size != sb.size || sa.info != sb.info || sa.other != sb.other {
			first, fa, fb = i, sa, sb
			break
		}
	}
	if first >= 0 {
		f.add("symbol "+fa.shown(), first*entry, fa.String(), fb.String())
	} else if na == nb {
		f.bytes("", a.raw, b.raw, at)
	}
	if na != nb {
		f.add("number of symbols", -1, strconv.FormatInt(na, 10), strconv.FormatInt(nb, 10))
	}
	return nil
}

func (e *elfFile) symbol(r io.Reader, entry int64, names content) (s symbol, err error) {
	b := make([]byte, entry)
	if _, err := io.ReadFull(r, b); err != nil {
		return s, err
	}
	if e.wide {
		s.info, s.other, s.section = b[4], b[5], e.order.Uint16(b[6:])
		s.value, s.size = e.order.Uint64(b[8:]), e.order.Uint64(b[16:])
	} else {
		s.value, s.size = uint64(e.order.Uint32(b[4:])), uint64(e.order.Uint32(b[8:]))
		s.info, s.other, s.section = b[12], b[13], e.order.Uint16(b[14:])
	}
	if at := e.order.Uint32(b); names != nil && at > 0 {
		name, err := readPart(names, int64(at), elfName)
		if err != nil {
			return s, err
		}
		before, _, _ := bytes.Cut(name, []byte{0})
		s.name = string(before)
	}
	return s, nil
}
