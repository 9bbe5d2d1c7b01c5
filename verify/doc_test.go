package verify

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/docpart"
)

// TestDocListsCases holds the table of docs/proof.md against the cases: a page that describes another judge is worse than none.
func TestDocListsCases(t *testing.T) {
	var want strings.Builder
	want.WriteString("\n| case | side | why it exists | controls |\n|---|---|---|---|\n")
	for _, c := range ExpectedCases(TLS12, "3.5.7", "3.13.15") {
		var controls []string
		for _, control := range c.Controls {
			controls = append(controls, control.Name)
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", c.Name, c.Role, c.Why, strings.Join(controls, "; "))
	}
	want.WriteString("\n")
	docpart.Hold(t, filepath.Join("..", "docs", "proof.md"), "cases", want.String())
}
