package verify

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateDoc = flag.Bool("update-doc", false, "write the case table into docs/proof.md")

// TestDocListsCases holds the table of docs/proof.md against the cases: a page that describes another judge is worse than none.
func TestDocListsCases(t *testing.T) {
	const begin, end = "<!-- cases -->\n", "<!-- /cases -->\n"
	path := filepath.Join("..", "docs", "proof.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no case table between %q and %q", path, begin, end)
	}
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
	if got == want.String() {
		return
	}
	if !*updateDoc {
		t.Fatalf("%s is not what the cases are: run go test ./verify -run TestDocListsCases -update-doc", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
