package server

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/docpart"
)

// TestDocListsScenarios holds the table of docs/serve.md against the scenarios.
func TestDocListsScenarios(t *testing.T) {
	var want strings.Builder
	want.WriteString("\n| scenario | what it is | a hardened client |\n|---|---|---|\n")
	for _, s := range Scenarios(0) {
		fmt.Fprintf(&want, "| %s | %s | %s |\n", s.Name, s.Why, s.Must)
	}
	want.WriteString("\n")
	docpart.Hold(t, filepath.Join("..", "..", "docs", "serve.md"), "scenarios", want.String())
}
