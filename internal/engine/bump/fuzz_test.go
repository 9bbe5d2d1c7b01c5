package bump

import (
	"strings"
	"testing"
)

// FuzzRelease: an InRelease is read without a panic, and no digest comes out that is not in it.
func FuzzRelease(f *testing.F) {
	sum := strings.Repeat("1", 64)
	f.Add([]byte(goodRelease + "Date: Tue, 01 Dec 2026 00:00:00 UTC\nSHA256:\n " + sum +
		" 5 main/source/Sources\n"))
	f.Add([]byte("Suite: a\r\nValid-Until: x\r\n"))
	f.Add([]byte("SHA256:\n " + sum + " -1 a\n " + sum + " 1 a\n " + strings.Repeat("2", 64) + " 1 a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRelease(text)
		if err != nil {
			return
		}
		for name, l := range r.files {
			if l.size < 0 || !strings.Contains(string(text), name) ||
				!strings.Contains(strings.ToLower(string(text)), l.sha256.String()) {
				t.Errorf("%q: %+v", name, l)
			}
		}
	})
}

// FuzzStanza: a list's stanza is read without a panic, and a file's name has no white space.
func FuzzStanza(f *testing.F) {
	f.Add(sources)
	f.Add(xzStanza)
	f.Fuzz(func(t *testing.T, text string) {
		for name, l := range parseStanza(text).files {
			if l.size < 0 || len(strings.Fields(name)) != 1 {
				t.Errorf("%q: %+v", name, l)
			}
		}
	})
}
