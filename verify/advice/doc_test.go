package advice

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateDoc = flag.Bool("update-doc", false, "write the entries into docs/errors.md")

// TestDocListsEntries holds docs/errors.md against the list.
func TestDocListsEntries(t *testing.T) {
	const begin, end = "<!-- entries -->\n", "<!-- /entries -->\n"
	path := filepath.Join("..", "..", "docs", "errors.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place between %q and %q", path, begin, end)
	}
	var want strings.Builder
	for _, e := range entries {
		want.WriteString("\n## " + e.ID + "\n\n" + strings.ToUpper(e.Means[:1]) + e.Means[1:] + ". At fault: " + string(e.Fault) + ".\n\n")
		for _, do := range e.Do {
			want.WriteString("- " + do + "\n")
		}
	}
	want.WriteString("\n")
	if got == want.String() {
		return
	}
	if !*updateDoc {
		t.Fatalf("%s is not what the list is: run go test ./verify/advice -run TestDocListsEntries -update-doc", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
