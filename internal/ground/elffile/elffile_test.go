package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ask asks a file for all that the judge and the policy ask.
func ask(f *elf.File) error {
	f.ImportedLibraries()
	f.Symbols()
	f.DynamicSymbols()
	f.DynamicVersionNeeds()
	f.DynamicVersions()
	f.DynString(elf.DT_RUNPATH)
	f.DynValue(elf.DT_FLAGS_1)
	return nil
}

// trap is a file whose bytes from an offset on make the reader panic.
type trap struct {
	io.ReaderAt
	from int64
}

func (t trap) ReadAt(p []byte, at int64) (int, error) {
	if at >= t.from {
		panic("planted")
	}
	return t.ReaderAt.ReadAt(p, at)
}

func self(t testing.TB) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPanicIsAnError(t *testing.T) {
	data := self(t)
	for _, from := range []int64{0, 1, 65} { // the header, the tables, what they lead to
		if err := LookAt(trap{bytes.NewReader(data), from}, ask); err == nil || !strings.Contains(err.Error(), "planted") {
			t.Errorf("from byte %d: %v", from, err)
		}
	}
	if err := LookAt(bytes.NewReader(data), func(*elf.File) error { panic("in what is asked") }); err == nil {
		t.Error("a panic of a question is none")
	}
	if err := LookAt(bytes.NewReader(data), ask); err != nil {
		t.Errorf("control: this program: %v", err)
	}
}

// Before these were refused, debug/elf allocated or unpacked what they say.
func TestBounds(t *testing.T) {
	good := self(t)
	sections := binary.LittleEndian.Uint64(good[0x28:])
	names := sections + 64*uint64(binary.LittleEndian.Uint16(good[0x3e:]))
	for name, spoil := range map[string]func([]byte){
		"billions of sections": func(b []byte) {
			binary.LittleEndian.PutUint16(b[0x3c:], 0)
			binary.LittleEndian.PutUint64(b[sections+32:], 1<<40)
		},
		"compressed names":      func(b []byte) { b[names+9] |= byte(elf.SHF_COMPRESSED >> 8) },
		"names outside":         func(b []byte) { binary.LittleEndian.PutUint64(b[0x28:], 1<<60) },
		"names of no section":   func(b []byte) { binary.LittleEndian.PutUint16(b[0x3e:], 0xfff0) },
		"compressed strings":    compress(sections, elf.SHT_STRTAB),
		"compressed symbols":    compress(sections, elf.SHT_DYNSYM),
		"a cut header":          func(b []byte) { clear(b[:4]) },
		"sections of odd sizes": func(b []byte) { binary.LittleEndian.PutUint16(b[0x3a:], 1) },
	} {
		bad := bytes.Clone(good)
		spoil(bad)
		if err := LookAt(bytes.NewReader(bad), ask); err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

// compress makes the first section one of a type, and packed.
func compress(sections uint64, kind elf.SectionType) func([]byte) {
	return func(b []byte) {
		binary.LittleEndian.PutUint32(b[sections+64+4:], uint32(kind))
		b[sections+64+9] |= byte(elf.SHF_COMPRESSED >> 8)
	}
}

func TestLookOpensFilesOnly(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, filepath.Dir(pipe), "/dev/null", pipe + "none"} {
		if err := Look(path, ask); err == nil {
			t.Errorf("%s: is read", path)
		}
	}
	if err := Look(pipe+"none", ask); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

// The first seed's reader panics; the others are an ELF file and what is left of one.
func FuzzLookAt(f *testing.F) {
	head := self(f)[:4096]
	f.Add(head, int64(64))
	f.Add(head, int64(1<<40))
	f.Add(head[:64], int64(1<<40))
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		LookAt(trap{bytes.NewReader(data), from}, ask)
	})
}
