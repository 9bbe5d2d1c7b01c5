package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzExplain holds that whatever two contents are, they end in a difference when they differ and in none
// when not, and that each can be shown. See FuzzUnpack about its flags.
func FuzzExplain(f *testing.F) {
	for _, wide := range []bool{true, false} {
		a := object(binary.LittleEndian, wide, nil)
		f.Add(a, object(binary.LittleEndian, wide, func(s []testSection) []testSection { s[0].data = "\x90"; return s }))
		f.Add(a, object(binary.BigEndian, wide, nil))
		f.Add(a, a[:len(a)-70])
	}
	f.Add([]byte("\x2b\x0e\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x"), []byte("\x2b\x0e\r\n\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00y"))
	long := arMember("//", 0, 0, 0, "a-name-that-is-long.o/\n")
	f.Add(arOf(arMagic, long, arMember("/0", 1, 2, 0o644, "x")), arOf(arMagic, long, arMember("/9", 1, 2, 0o644, "y"), arMember("#1/3", 0, 0, 0, "abc")))
	f.Add(arOf(thinMagic, long), arOf(thinMagic, arMember("x.o/", 1, 2, 0o644, "")))
	f.Add(gz(f, []byte("a")), gz(f, []byte("b")))
	f.Add(xzed(f, []byte("a")), xzed(f, []byte("b")))
	f.Add(tarOf(f, fileEntry("a", "1"), linkEntry(tar.TypeLink, "b", "a")), tarOf(f, fileEntry("a", "2"), dirEntry("a")))
	f.Add(zipOf(f, 5, zipMember{zip.FileHeader{Name: "x", Method: zip.Deflate}, "1"}), zipOf(f, 5, zipMember{zip.FileHeader{Name: "x"}, "2"}))
	f.Add([]byte("text\nline"), []byte("text\r\nlime"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		dirs := [2]string{t.TempDir(), t.TempDir()}
		put(t, dirs[0], "f", a)
		put(t, dirs[1], "f", b)
		r, err := Compare(t.Context(), dirs[0], dirs[1], CompareOptions{Temp: dirs[0], Limits: Limits{Bytes: 1 << 20, Entries: 100}})
		if err != nil {
			t.Fatal(err)
		}
		least := 0
		switch {
		case len(a) != len(b):
			least = 2 // the size and why
		case !bytes.Equal(a, b):
			least = 1
		}
		if n := len(r.Differences); n < least || least == 0 && n > 0 || n > perPath+1 {
			t.Fatalf("want at least %d: %+v", least, r.Differences)
		}
		for _, d := range r.Differences {
			if all := d.Reason + d.A + d.B; !utf8.ValidString(all) || strings.ContainsAny(all, "\n\x1b\x00") || len(all) > 4096 {
				t.Errorf("not to be shown: %+v", d)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
