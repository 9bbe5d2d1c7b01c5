package archive

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// testSection is one section of a test's ELF file.
type testSection struct {
	name  string
	kind  elf.SectionType
	flags elf.SectionFlag
	link  uint32
	data  string
}

// elfOf makes an ELF file with one program header and the given sections, then that of their names.
func elfOf(order binary.ByteOrder, wide bool, sections ...testSection) []byte {
	var body, table, names bytes.Buffer
	names.WriteByte(0)
	sections = append([]testSection{{}}, sections...)
	sections = append(sections, testSection{name: ".shstrtab", kind: elf.SHT_STRTAB})
	put := func(w *bytes.Buffer, v any) { binary.Write(w, order, v) }
	start, prog, entry := uint64(64), 56, 64
	class := byte(elf.ELFCLASS64)
	if !wide {
		start, prog, entry, class = 52, 32, 40, byte(elf.ELFCLASS32)
	}
	start += uint64(prog)
	for i, s := range sections {
		at := uint32(names.Len())
		names.WriteString(s.name + "\x00")
		if i == len(sections)-1 {
			s.data = names.String()
		}
		h := elf.Section64{Name: at, Type: uint32(s.kind), Flags: uint64(s.flags), Off: start + uint64(body.Len()), Size: uint64(len(s.data)), Link: s.link, Addralign: 1}
		body.WriteString(s.data)
		if wide {
			put(&table, h)
		} else {
			put(&table, elf.Section32{Name: h.Name, Type: h.Type, Flags: uint32(h.Flags), Off: uint32(h.Off), Size: uint32(h.Size), Link: h.Link, Addralign: 1})
		}
	}
	data := byte(elf.ELFDATA2LSB)
	if order == binary.BigEndian {
		data = byte(elf.ELFDATA2MSB)
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', class, data, 1}
	end := start + uint64(body.Len())
	var out bytes.Buffer
	if wide {
		put(&out, elf.Header64{Ident: ident, Type: 3, Machine: 62, Version: 1, Phoff: 64, Shoff: end, Ehsize: 64, Phentsize: 56, Phnum: 1,
			Shentsize: uint16(entry), Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)})
		put(&out, elf.Prog64{Type: 1, Flags: 5, Filesz: end, Memsz: end, Align: 4096})
	} else {
		put(&out, elf.Header32{Ident: ident, Type: 3, Machine: 62, Version: 1, Phoff: 52, Shoff: uint32(end), Ehsize: 52, Phentsize: 32, Phnum: 1,
			Shentsize: uint16(entry), Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)})
		put(&out, elf.Prog32{Type: 1, Flags: 5, Filesz: uint32(end), Memsz: uint32(end), Align: 4096})
	}
	return append(append(out.Bytes(), body.Bytes()...), table.Bytes()...)
}

// symbolsOf makes a symbol table for symbols whose names are n bytes each; their names stand from offset 1
// on.
func symbolsOf(order binary.ByteOrder, wide bool, n int, values ...uint64) string {
	var b bytes.Buffer
	for i, v := range values {
		at := uint32(1 + i*(n+1))
		if wide {
			binary.Write(&b, order, elf.Sym64{Name: at, Info: 0x12, Shndx: 1, Value: v, Size: 8})
		} else {
			binary.Write(&b, order, elf.Sym32{Name: at, Info: 0x12, Shndx: 1, Value: uint32(v), Size: 8})
		}
	}
	return b.String()
}

func progbits(name, data string) testSection {
	return testSection{name: name, kind: elf.SHT_PROGBITS, data: data}
}

// object is an ELF file such as a compiler makes, changed by change.
func object(order binary.ByteOrder, wide bool, change func(s []testSection) []testSection) []byte {
	id := func(b byte) string {
		var note bytes.Buffer
		binary.Write(&note, order, []uint32{4, 20, 3})
		return note.String() + "GNU\x00" + strings.Repeat(string([]byte{b}), 20)
	}
	s := []testSection{
		progbits(".text", "\x55\x48\x89\xe5\x90\x90\xc3"),
		progbits(".rodata", "\x00\x01\x02\x00built at 12:34:56 on Nov 22 2026\x00\xff"),
		{name: ".note.gnu.build-id", kind: elf.SHT_NOTE, data: id(0x11)},
		progbits(".comment", "GCC: (Debian 12.2.0-14) 12.2.0\x00"),
		progbits(".debug_str", "main.c\x00/build/first/source\x00int\x00"),
		{name: ".symtab", kind: elf.SHT_SYMTAB, link: 7, data: symbolsOf(order, wide, 3, 16, 32, 48)},
		{name: ".strtab", kind: elf.SHT_STRTAB, data: "\x00one\x00two\x00six\x00"},
		{name: ".bss", kind: elf.SHT_NOBITS},
	}
	if change != nil {
		s = change(s)
	}
	for i := range s {
		if s[i].data == "new id" {
			s[i].data = id(0x22)
		}
	}
	return elfOf(order, wide, s...)
}

func TestELF(t *testing.T) {
	swap := func(s []testSection, i int, old, new string) []testSection {
		if !strings.Contains(s[i].data, old) {
			t.Fatalf("no %q in %s", old, s[i].name)
		}
		s[i].data = strings.Replace(s[i].data, old, new, 1)
		return s
	}
	for _, c := range []struct {
		name   string
		change func(s []testSection) []testSection
		want   []want
	}{
		{"time in .rodata", func(s []testSection) []testSection { return swap(s, 1, "34:56", "35:56") },
			[]want{{"f", "ELF section .rodata", 17, `34 3a 35 36`, `in "built at 12:35:56 on Nov 22 2026"`}}},
		{"code", func(s []testSection) []testSection { return swap(s, 0, "\x90\x90", "\x90\xcc") },
			[]want{{"f", "ELF section .text", 5, "90 c3", "cc c3"}}},
		{"comment", func(s []testSection) []testSection { return swap(s, 3, "12.2.0\x00", "12.2.1\x00") },
			[]want{{"f", "ELF section .comment", 29, "12.2.0\"", "12.2.1\""}}},
		{"build path", func(s []testSection) []testSection { return swap(s, 4, "first", "other") },
			[]want{{"f", "ELF section .debug_str", 14, `"/build/first/source"`, `"/build/other/source"`}}},
		{"build ID last", func(s []testSection) []testSection { s[2].data = "new id"; return swap(s, 4, "first", "other") },
			[]want{{"f", "ELF section .debug_str", 14, "first", "other"}, {"f", "ELF section .note.gnu.build-id", 16, strings.Repeat("11", 20), strings.Repeat("22", 20)}}},
		{"symbol name", func(s []testSection) []testSection { return swap(s, 6, "two", "tow") },
			[]want{{"f", "ELF section .strtab", 6, "wo", "ow"}}},
		{"section type", func(s []testSection) []testSection { s[3].kind = elf.SHT_NOTE; return s },
			[]want{{"f", "ELF section .comment: type", -1, "SHT_PROGBITS", "SHT_NOTE"}}},
		{"section flags", func(s []testSection) []testSection { s[1].flags = elf.SHF_ALLOC; return s },
			[]want{{"f", "ELF section .rodata: flags", -1, "", "SHF_ALLOC"}}},
		{"order", func(s []testSection) []testSection { s[0], s[1] = s[1], s[0]; return s },
			[]want{{"f", "order of sections", -1, ".text at place 2", ".rodata at place 2"},
				{"f", "ELF section .shstrtab", 3, "text", "roda"}, {"f", "ELF section .text: offset", -1, "0x", "0x"}, {"f", "ELF section .rodata: offset", -1, "0x", "0x"}}},
	} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, wide := range []bool{true, false} {
				t.Run(c.name, func(t *testing.T) {
					found(t, explained(t, object(order, wide, nil), object(order, wide, c.change)), c.want...)
				})
			}
		}
	}
}

func TestELFSymbols(t *testing.T) {
	for _, wide := range []bool{true, false} {
		of := func(names string, values ...uint64) []byte {
			return object(binary.LittleEndian, wide, func(s []testSection) []testSection {
				s[5].data, s[6].data = symbolsOf(binary.LittleEndian, wide, 3, values...), names
				return s
			})
		}
		entry := int64(16)
		if wide {
			entry = 24
		}
		const names = "\x00one\x00two\x00six\x00"
		found(t, explained(t, of(names, 16, 32, 48), of(names, 16, 33, 49)),
			want{"f", "ELF section .symtab: symbol two", entry, "two: STB_GLOBAL STT_FUNC in section 1, value 0x20, size 8", "value 0x21"})
		// A name that differs says more than a value before it.
		found(t, explained(t, of(names, 16, 32, 48), of("\x00one\x00two\x00sax\x00", 16, 33, 49)),
			want{"f", "ELF section .strtab", 10, "ix", "ax"},
			want{"f", "ELF section .symtab: symbol six", 2 * entry, "six: ", "sax: "})
	}
	a := object(binary.LittleEndian, true, nil)
	b := object(binary.LittleEndian, true, func(s []testSection) []testSection {
		s[5].data = symbolsOf(binary.LittleEndian, true, 3, 16, 32)
		return s
	})
	r := explained(t, a, b)
	if d := r.Differences[1]; d.Reason != "ELF section .symtab: number of symbols" || d.A != "3" || d.B != "2" {
		t.Errorf("%+v", r.Differences)
	}
}

func TestELFOnlyOnOneSide(t *testing.T) {
	a := object(binary.LittleEndian, true, nil)
	b := object(binary.LittleEndian, true, func(s []testSection) []testSection { return append(s[:4:4], s[5:]...) })
	r := explained(t, a, b)
	if d := r.Differences[1]; d.Reason != "ELF section .debug_str: only in the first" {
		t.Errorf("%+v", r.Differences)
	}
}

func TestELFHeaders(t *testing.T) {
	a := object(binary.LittleEndian, true, nil)
	patched := func(at int, b byte) []byte { c := bytes.Clone(a); c[at] ^= b; return c }
	found(t, explained(t, a, patched(16, 1)), want{"f", "ELF header: type", -1, "ET_DYN", "ET_EXEC"})
	found(t, explained(t, a, patched(7, 3)), want{"f", "ELF header: OS/ABI", -1, "ELFOSABI_NONE", "ELFOSABI_LINUX"})
	found(t, explained(t, a, patched(24, 1)), want{"f", "ELF header: entry", -1, "0x0", "0x1"})
	found(t, explained(t, a, patched(64+4, 2)), want{"f", "ELF program header 0: flags", -1, "PF_X+PF_R", "PF_X+PF_W+PF_R"})
	found(t, explained(t, a, patched(58, 1)), want{"f", "bytes (ELF: damaged ELF file)", 58, "40", "41"})
	found(t, explained(t, a, a[:40]), want{"f", "size", -1, "", "40"}, want{"f", "bytes (ELF: damaged ELF file)", 40, "", "(end)"})
	long := append(bytes.Clone(a), "tail"...)
	found(t, explained(t, a, long), want{"f", "size", -1, "", ""}, want{"f", "ELF bytes outside of sections", int64(len(a)), "(end)", "|tail|"})
	found(t, explained(t, a, object(binary.LittleEndian, false, nil)),
		want{"f", "size", -1, "", ""}, want{"f", "ELF header: class", -1, "ELFCLASS64", "ELFCLASS32"})
}

// TestELFReal patches a byte of this very program, whose sections another reader finds.
func TestELFReal(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.NewFile(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(a)
	rodata, text := e.Section(".rodata"), e.Section(".text")
	for _, s := range []*elf.Section{rodata, text} {
		if s == nil {
			t.Fatal("a program without .rodata or .text")
		}
		b[s.Offset+1000] ^= 1
	}
	found(t, explained(t, a, b), want{"f", "ELF section .rodata", 1000, "", ""}, want{"f", "ELF section .text", 1000, "", ""})
}
