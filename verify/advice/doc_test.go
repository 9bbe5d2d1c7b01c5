package advice

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/docpart"
)

// TestDocListsEntries holds docs/errors.md against the list.
func TestDocListsEntries(t *testing.T) {
	var want strings.Builder
	for _, e := range entries {
		want.WriteString("\n## " + e.ID + "\n\n" + strings.ToUpper(e.Means[:1]) + e.Means[1:] + ". At fault: " + string(e.Fault) + ".\n\n")
		for _, do := range e.Do {
			want.WriteString("- " + do + "\n")
		}
	}
	want.WriteString("\n")
	docpart.Hold(t, filepath.Join("..", "..", "docs", "errors.md"), "entries", want.String())
}
