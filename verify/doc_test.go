package verify

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/docpart"
)

// TestDocListsCases holds the table of docs/proof.md against the cases: a page that describes another judge
// is worse than none.
func TestDocListsCases(t *testing.T) {
	cases := ExpectedCases(TLS12, "3.5.7", "3.13.15")
	docpart.Hold(t, filepath.Join("..", "docs", "proof.md"), "cases", listed(cases))
	ofClients := slices.DeleteFunc(CasesOf(KindPython, TLS12, "3.5.7", "3.13.15", everyLibrary...), func(c Case) bool { return c.Offer.Setup.Library == "" })
	docpart.Hold(t, filepath.Join("..", "docs", "clients.md"), "client-cases", listed(ofClients))
}

// listed is a table of cases.
func listed(cases []Case) string {
	var b strings.Builder
	b.WriteString("\n| case | side | why it exists | controls |\n|---|---|---|---|\n")
	for _, c := range cases {
		var controls []string
		for _, control := range c.Controls {
			controls = append(controls, control.Name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.Name, c.Role, c.Why, strings.Join(controls, "; "))
	}
	b.WriteString("\n")
	return b.String()
}
