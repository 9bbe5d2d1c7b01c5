package elfpolicy

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
)

const elfMagic = elf.ELFMAG

// kind says what an object is for.
type kind int

const (
	program     kind = iota // is started: it has a loader, or says that it is a PIE
	shared                  // is loaded
	relocatable             // is linked
	library                 // a static library, seen as a whole
)

// object is what the rules ask about. All of it is read when it is opened.
type object struct {
	path     string
	kind     kind
	file     *elf.File
	reader   io.ReaderAt
	code     uint64   // bytes of machine instructions
	needed   []string // libraries that it loads
	search   []string // folders where they are looked for first
	versions []string // symbols' versions that it cannot be loaded without
	imports  []string
	exports  []string // what other objects can bind to
	defined  []string // all that the full symbol table defines
	hasTable bool     // there is a full symbol table
	bindNow  bool
	textRel  bool // its code is changed when it is loaded
	marked   bool // as a program, without naming a loader
}

// open reads an object.
func open(path string, r io.ReaderAt) (*object, error) {
	o := &object{path: path, reader: r}
	return o, elffile.Guard(o.header, o.dynamic, o.classify, o.dynamicSymbols, o.needs, o.symbols)
}

// header reads the tables of sections and segments, and refuses what no linker writes. The loader follows the
// segments and we the sections: they have to agree.
func (o *object) header() (err error) {
	if o.file, err = elffile.New(o.reader); err != nil {
		return err
	}
	for _, s := range o.file.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 && s.Type == elf.SHT_PROGBITS {
			o.code += s.Size
		}
	}
	section := o.file.SectionByType(elf.SHT_DYNAMIC)
	for _, p := range o.file.Progs {
		if p.Type == elf.PT_DYNAMIC && (section == nil || section.Offset != p.Off || section.Size != p.Filesz) {
			return errors.New("its sections do not show what the loader reads")
		}
	}
	return nil
}

// dynamic reads the section that tells the loader what to do.
func (o *object) dynamic() error {
	var err error
	text := func(tag elf.DynTag) []string {
		all, e := o.file.DynString(tag)
		err = errors.Join(err, e)
		return all
	}
	value := func(tag elf.DynTag) (bits uint64, given bool) {
		all, e := o.file.DynValue(tag)
		err = errors.Join(err, e)
		for _, v := range all {
			bits |= v
		}
		return bits, len(all) > 0
	}
	o.needed = text(elf.DT_NEEDED)
	o.search = append(text(elf.DT_RPATH), text(elf.DT_RUNPATH)...)
	flags, _ := value(elf.DT_FLAGS)
	flags1, _ := value(elf.DT_FLAGS_1)
	_, now := value(elf.DT_BIND_NOW)
	_, textRel := value(elf.DT_TEXTREL)
	o.bindNow = now || flags&uint64(elf.DF_BIND_NOW) != 0 || flags1&uint64(elf.DF_1_NOW) != 0
	o.textRel = textRel || flags&uint64(elf.DF_TEXTREL) != 0
	o.marked = flags1&uint64(elf.DF_1_PIE) != 0
	return err
}

func (o *object) classify() error {
	switch o.file.Type {
	case elf.ET_REL:
		o.kind = relocatable
	case elf.ET_EXEC:
		o.kind = program
	case elf.ET_DYN:
		o.kind = shared
		if o.segment(elf.PT_INTERP) != nil || o.marked {
			o.kind = program
		}
	default:
		return fmt.Errorf("type %s is nothing to install", o.file.Type)
	}
	return nil
}

func (o *object) segment(t elf.ProgType) *elf.Prog {
	i := slices.IndexFunc(o.file.Progs, func(p *elf.Prog) bool { return p.Type == t })
	if i < 0 {
		return nil
	}
	return o.file.Progs[i]
}

func (o *object) dynamicSymbols() error {
	all, err := o.file.DynamicSymbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil
	}
	for _, s := range all {
		visible := elf.ST_VISIBILITY(s.Other) == elf.STV_DEFAULT || elf.ST_VISIBILITY(s.Other) == elf.STV_PROTECTED
		switch {
		case s.Section == elf.SHN_UNDEF:
			o.imports = append(o.imports, s.Name)
		case s.Library != "": // the C library's own data, such as stdout, which a program holds a copy of
		case elf.ST_BIND(s.Info) != elf.STB_LOCAL && visible:
			o.exports = append(o.exports, s.Name)
		}
	}
	return err
}

// needs reads the versions of symbols that the loader insists on.
func (o *object) needs() error {
	if o.file.SectionByType(elf.SHT_GNU_VERNEED) == nil {
		return nil
	}
	all, err := o.file.DynamicVersionNeeds()
	for _, lib := range all {
		for _, dep := range lib.Needs {
			if dep.Flags&elf.VER_FLG_WEAK == 0 {
				o.versions = append(o.versions, dep.Dep)
			}
		}
	}
	return err
}

func (o *object) symbols() error {
	all, err := o.file.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil
	}
	o.hasTable = true
	for _, s := range all {
		switch {
		case s.Section != elf.SHN_UNDEF:
			o.defined = append(o.defined, s.Name)
		case o.kind == relocatable:
			o.imports = append(o.imports, s.Name)
		}
	}
	return err
}

// buildID returns what the linker stamped the object with; stripping leaves it.
func (o *object) buildID() []byte {
	s := o.file.Section(".note.gnu.build-id")
	if s == nil || s.Size > 1<<10 || s.Flags&elf.SHF_COMPRESSED != 0 {
		return nil
	}
	var id []byte
	err := elffile.Guard(func() (err error) {
		id, err = s.Data()
		return err
	})
	if err != nil {
		return nil
	}
	return bytes.Clone(id)
}

// object looks at one object of the tree.
func (s *scan) object(path string, r io.ReaderAt) {
	s.report.Objects++
	o, err := open(path, r)
	if err != nil {
		s.find(path, Readable, "%v", err)
		return
	}
	s.judge(o)
	for _, name := range o.needed {
		s.needed[name] = true
	}
	s.report.GLIBC = newer(s.report.GLIBC, highest(o.versions))
}

// Exported lists what other objects can bind to in the object at path: nothing for a file that is no program
// or shared object. One that is broken is an error.
func Exported(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, len(elfMagic))
	if _, err := f.ReadAt(head, 0); err != nil || string(head) != elfMagic {
		return nil, nil
	}
	o := &object{reader: f}
	if err := elffile.Guard(o.header, o.dynamicSymbols); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", filepath.Base(path), Readable, err)
	}
	return o.exports, nil
}
