// Package docpart holds parts of the documentation against what they describe. Only tests use it.
package docpart

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update-doc", false, "write the parts of docs/ anew that list what the code has")

// Hold fails t unless the part of the page at path between the lines "<!-- name -->" and "<!-- /name -->" is
// want. With -update-doc it is made so: a page that describes something else is worse than none.
func Hold(t testing.TB, path, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s: no part between %q and %q", path, begin, end)
	case got == want:
	case !*update:
		t.Fatalf("%s: %s are not what the code has: run this test with -update-doc", path, name)
	default:
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
