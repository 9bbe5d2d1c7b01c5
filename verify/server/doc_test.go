package server

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateDoc = flag.Bool("update-doc", false, "write the table of scenarios into docs/serve.md")

// TestDocListsScenarios holds the table of docs/serve.md against the scenarios.
func TestDocListsScenarios(t *testing.T) {
	const begin, end = "<!-- scenarios -->\n", "<!-- /scenarios -->\n"
	path := filepath.Join("..", "..", "docs", "serve.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	}
	var want strings.Builder
	want.WriteString("\n| scenario | what it is | a hardened client |\n|---|---|---|\n")
	for _, s := range Scenarios(0) {
		fmt.Fprintf(&want, "| %s | %s | %s |\n", s.Name, s.Why, s.Must)
	}
	want.WriteString("\n")
	if got == want.String() {
		return
	}
	if !*updateDoc {
		t.Fatalf("%s is not what the scenarios are: run go test ./verify/server -run TestDocListsScenarios -update-doc", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
