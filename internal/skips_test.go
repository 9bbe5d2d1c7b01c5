package internal

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateSkips = flag.Bool("update-skips", false, "write .ci/skips.txt anew")

// skipsIn lists the calls in a test file that leave a test out, each with its reason as it is written.
func skipsIn(file string, src any) (all []string, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, method.Sel.Name) {
			return true
		}
		reason := "no reason"
		if len(call.Args) > 0 {
			reason = types.ExprString(call.Args[0])
		}
		all = append(all, reason)
		return true
	})
	return all, nil
}

// TestSkipsAreListed: whoever adds a test that may be left out says so in .ci/skips.txt, where a reader sees
// all that a green run may not have tried. `go test ./internal -update-skips` writes the list.
func TestSkipsAreListed(t *testing.T) {
	var found []string
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		skips, err := skipsIn(file, nil)
		for _, reason := range skips {
			if reason == "no reason" {
				t.Errorf("%s: a test is left out without a reason", file)
			}
			found = append(found, fmt.Sprintf("%s: %s", strings.TrimPrefix(filepath.Dir(file), "../"), reason))
		}
		return err
	})
	if err != nil || len(found) < 20 {
		t.Fatal(len(found), err)
	}
	slices.Sort(found)
	text := strings.Join(slices.Compact(found), "\n") + "\n"
	const list = "../.ci/skips.txt"
	if *updateSkips {
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text, "\n") {
		if !slices.Contains(strings.Split(string(want), "\n"), line) {
			t.Errorf("not in .ci/skips.txt: %s", line)
		}
	}
	for _, line := range strings.Split(string(want), "\n") {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("no test says any more: %s", line)
		}
	}
}

// TestPlantedSkipsAreFound: each way to leave a test out, and a call that is none.
func TestPlantedSkipsAreFound(t *testing.T) {
	const text = `package p
func f(t T) { t.Skip("a"); t.Skipf("b %v", 1); t.SkipNow(); t.Skip("c: " + why); skip("d") }`
	got, err := skipsIn("planted_test.go", text)
	if want := []string{`"a"`, `"b %v"`, "no reason", `"c: " + why`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
