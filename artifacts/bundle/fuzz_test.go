package bundle

import (
	"path"
	"strings"
	"testing"
)

// FuzzSums: the signed list names files beside it only, whatever stands in it.
func FuzzSums(f *testing.F) {
	sum := strings.Repeat("a", 64)
	f.Add([]byte(sum + "  index.json\n"))
	f.Add([]byte(sum + "  ../x\n"))
	f.Add([]byte(sum + "  a\n" + sum + "  a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseSums(text)
		if err != nil {
			return
		}
		for name := range all {
			if name == "" || name == "." || name == ".." || path.Base(name) != name {
				t.Errorf("%q is a name", name)
			}
		}
	})
}

// FuzzIndex: an index is read without a panic, and what was read is written and read again.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte(`{"format":1,"profile":"min-tls1_2","archives":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := parseIndex(text)
		if err != nil {
			return
		}
		again, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseIndex(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

// FuzzRelease: the numbered release is read without a panic.
func FuzzRelease(f *testing.F) {
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) { parseRelease(text) })
}
