package elfpolicy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	archiveMagic = "!<arch>\n"
	thinMagic    = "!<thin>\n"
)

// maxNames bounds the table of long member names.
const maxNames = 1 << 20

// member is one file of an archive.
type member struct {
	name string
	data *io.SectionReader
}

// members lists the files of an ar(5) archive in the GNU form, but the index and the table of long names: for
// every member 60 bytes of text (name 16, time 12, owner 6, group 6, mode 8, size 10, and "`\n"), then its
// bytes, then one byte if they are odd.
func members(r io.ReaderAt, size int64) ([]member, error) {
	const header = 60
	var all []member
	var names string
	for at := int64(len(archiveMagic)); at < size; {
		text := make([]byte, header)
		if _, err := r.ReadAt(text, at); err != nil {
			return nil, errors.New("the archive is cut")
		}
		length, err := strconv.ParseInt(strings.TrimRight(string(text[48:58]), " "), 10, 64)
		at += header
		if err != nil || length < 0 || length > size-at || string(text[58:]) != "`\n" {
			return nil, fmt.Errorf("the archive is broken before byte %d", at)
		}
		data := io.NewSectionReader(r, at, length)
		at += length + length%2
		switch name := strings.TrimRight(string(text[:16]), " "); {
		case name == "/" || name == "/SYM64/":
		case name == "//":
			b := make([]byte, min(length, maxNames))
			if _, err := io.ReadFull(data, b); err != nil {
				return nil, errors.New("the archive's names are cut")
			}
			names = string(b)
		default:
			all = append(all, member{memberName(name, names), data})
		}
	}
	return all, nil
}

// memberName resolves "foo.o/" and "/17", a place in the table of long names.
func memberName(name, names string) string {
	if at, err := strconv.Atoi(strings.TrimPrefix(name, "/")); err == nil && strings.HasPrefix(name, "/") && at >= 0 && at < len(names) {
		long, _, _ := strings.Cut(names[at:], "\n")
		return strings.TrimSuffix(long, "/")
	}
	return strings.TrimSuffix(name, "/")
}

// library looks at a static library: at each member, and at all of them together where only the whole says something.
func (s *scan) library(path string, r io.ReaderAt, size int64) {
	s.report.Libraries++
	list, err := members(r, size)
	if err != nil {
		s.find(path, Readable, "%v", err)
		return
	}
	whole := &object{path: path, kind: library, hasTable: true}
	imports := map[string]bool{}
	for _, m := range list {
		name := path + "(" + m.name + ")"
		o, err := open(name, m.data)
		if err != nil {
			s.find(name, Readable, "%v", err)
			continue
		}
		if o.kind != relocatable {
			s.find(name, Readable, "a member that cannot be linked: %s", o.file.Type)
			continue
		}
		if slices.Contains(o.defined, "__gnu_lto_slim") {
			s.find(name, Readable, "holds the compiler's notes instead of code: compile it without LTO, or with -ffat-lto-objects")
		}
		for _, name := range o.imports {
			if !imports[name] {
				imports[name] = true
				whole.imports = append(whole.imports, name)
			}
		}
		whole.code += o.code
		whole.defined = append(whole.defined, o.defined...)
		o.defined = nil // the whole is asked for the methods
		s.judge(o)
	}
	s.judge(whole)
}
