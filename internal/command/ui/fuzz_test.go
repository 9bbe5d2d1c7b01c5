package ui

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzClean: what is printed holds nothing that deceives, and is not changed by a second look.
func FuzzClean(f *testing.F) {
	for text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if strings.ContainsFunc(got, unsafe) || !utf8.ValidString(got) || orders.MatchString(got) ||
			Clean(got) != got {
			t.Errorf("%q: %q", text, got)
		}
	})
}
