package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
)

// targets are those of the table, with the names of their flags.
func targets(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range usage.Names() {
		one, _ := usage.Find(name)
		all[name] = []string{}
		for _, f := range one.Flags {
			all[name] = append(all[name], f.Name)
		}
	}
	return all
}

var (
	invoked = regexp.MustCompile("(?:tlsfloor\"?|mage)`? +`?([a-z][a-z:]*)((?: +[^`|;&>#\n]+)?)")
	quoted  = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	inline  = regexp.MustCompile("`([a-z][a-z:]*)((?: [^`]*)? -[a-z][^`]*)`")
	flagged = regexp.MustCompile(`(?:^| )-([a-z0-9]+)`)
)

// TestDocumentsNameRealFlags holds every command in documents and examples against the targets and flags that there are.
func TestDocumentsNameRealFlags(t *testing.T) {
	all := targets(t)
	if len(all) < 25 || !slices.Contains(all["build"], "offline") {
		t.Fatalf("%d targets were read", len(all))
	}
	var files []string
	for _, pattern := range []string{"README.md", "recipes/README.md", "docs/*.md", "docs/examples/*/*", ".ci/README.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	commands := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, bad := wrongFlags(string(text), all)
		commands += n
		for _, b := range bad {
			t.Errorf("%s: %s", file, b)
		}
	}
	t.Logf("%d commands were looked at", commands)
	if commands < 80 {
		t.Error("that is too few")
	}
	for _, planted := range []string{"    tlsfloor build -ofline", "say `build -ofline` or", "$ \"$tlsfloor\" bundle -sing=x"} {
		if _, bad := wrongFlags(planted, all); len(bad) == 0 {
			t.Errorf("%q is not found", planted)
		}
	}
}

// wrongFlags counts commands, and names what no target has.
func wrongFlags(text string, all map[string][]string) (n int, bad []string) {
	for _, m := range append(invoked.FindAllStringSubmatch(text, -1), inline.FindAllStringSubmatch(text, -1)...) {
		flags, ok := all[m[1]]
		if !ok {
			continue // words of a sentence
		}
		n++
		for _, f := range flagged.FindAllStringSubmatch(quoted.ReplaceAllString(m[2], "Q"), -1) {
			if !slices.Contains(flags, f[1]) && f[1] != "h" {
				bad = append(bad, m[1]+" has no flag -"+f[1])
			}
		}
	}
	return n, bad
}

// TestHelpIsComplete reads what -h prints from: every target says in a sentence what it does, and every flag what it is.
func TestHelpIsComplete(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, filepath.Join("..", "..", "magefile.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[int]string{} // by line
	for _, c := range file.Comments {
		comments[set.Position(c.Pos()).Line] = strings.TrimSpace(c.Text())
	}
	flags := 0
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || !fn.Name.IsExported() {
			continue
		}
		if doc := fn.Doc.Text(); !strings.HasPrefix(doc, fn.Name.Name+" ") || !strings.HasSuffix(strings.TrimSpace(doc), ".") || strings.Count(strings.TrimSpace(doc), "\n") > 0 {
			t.Errorf("%s: -h would print %q", fn.Name.Name, doc)
		}
		for _, p := range fn.Type.Params.List {
			if _, optional := p.Type.(*ast.StarExpr); !optional {
				continue
			}
			flags++
			if says := comments[set.Position(p.Pos()).Line]; len(p.Names) != 1 || len(says) < 10 {
				t.Errorf("%s: -h would say of -%s: %q", fn.Name.Name, p.Names[0], says)
			}
		}
	}
	if flags < 200 {
		t.Errorf("only %d flags were looked at", flags)
	}
}
