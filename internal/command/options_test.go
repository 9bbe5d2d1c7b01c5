package command

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
)

// source is this package without its tests, with the types of what it says.
type source struct {
	files  []*ast.File
	info   *types.Info
	pkg    *types.Package
	fields map[types.Object]string // of the options
	set    *token.FileSet
}

// readSource reads the package; planted files stand in the place of those of their names, or beside them.
func readSource(t *testing.T, planted map[string]string) source {
	t.Helper()
	s := source{set: token.NewFileSet(), fields: map[types.Object]string{}, info: &types.Info{
		Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}}
	names, err := filepath.Glob("*.go")
	names = slices.DeleteFunc(append(names, slices.Collect(maps.Keys(planted))...),
		func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		var text any
		if planted[name] != "" {
			text = planted[name]
		}
		file, parseErr := parser.ParseFile(s.set, name, text, parser.SkipObjectResolution)
		err = errors.Join(err, parseErr)
		s.files = append(s.files, file)
	}
	if err != nil {
		t.Fatal(err)
	}
	exports := compiled(t)
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	check := types.Config{Importer: importer.ForCompiler(s.set, "gc", open)}
	if s.pkg, err = check.Check("command", s.set, s.files, s.info); err != nil {
		t.Fatal(err)
	}
	all := s.pkg.Scope().Lookup("options").Type().Underlying().(*types.Struct)
	for f := range all.Fields() {
		s.fields[f] = f.Name()
	}
	return s
}

// compiled is where the compiler has left what each package exports.
var compiled = func() func(t *testing.T) map[string]string {
	var once sync.Once
	all := map[string]string{}
	return func(t *testing.T) map[string]string {
		once.Do(func() {
			cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(out)) {
				path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
				all[path] = file
			}
		})
		return all
	}
}()

// changes lists where an option is assigned to, or may be: its address is taken.
func (s source) changes() (all []string) {
	note := func(e ast.Expr) {
		if index, ok := e.(*ast.IndexExpr); ok { // an item of a list, or what was given
			e = index.X
		}
		if sel, ok := e.(*ast.SelectorExpr); ok && s.fields[s.info.Uses[sel.Sel]] != "" {
			all = append(all, s.set.Position(e.Pos()).String()+": "+sel.Sel.Name)
		}
	}
	for _, file := range s.files {
		if s.set.Position(file.Pos()).Filename == "flags.go" { // reads them
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, to := range n.Lhs {
					note(to)
				}
			case *ast.IncDecStmt:
				note(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					note(n.X)
				}
			case *ast.RangeStmt:
				note(n.Key)
				note(n.Value)
			}
			return true
		})
	}
	return all
}

// TestOptionsAreSetOnce: what was read from the command line stays as it was said.
func TestOptionsAreSetOnce(t *testing.T) {
	if changes := readSource(t, nil).changes(); len(changes) > 0 {
		t.Errorf("options are changed: %s", strings.Join(changes, "; "))
	}
	for _, planted := range []string{
		`c.Sysroot = "x"`,
		`c.With, _ = nil, 1`,
		`c.Recipes = append(c.Recipes, "x")`,
		`c.Recipes[0] = "x"`,
		`c.To++`,
		`p := &c.Python; *p = "x"`,
		`for _, c.Server = range []string{"x"} {}`,
		`c.given["Prefix"] = true`,
	} {
		text := "package command\nfunc (c *command) planted() {\n" + planted + "\n}\n"
		if changes := readSource(t, map[string]string{"planted.go": text}).changes(); len(changes) != 1 {
			t.Errorf("%s: %v is seen", planted, changes)
		}
	}
}

// reads returns which options each target's method reads, itself and by what it calls.
func (s source) reads() map[string]map[string]bool {
	calls, direct := map[types.Object][]types.Object{}, map[types.Object][]string{}
	methods := map[string]types.Object{}
	collect := func(of types.Object, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			used := s.info.Uses[id]
			if name := s.fields[used]; name != "" {
				direct[of] = append(direct[of], name)
			}
			if f, ok := used.(*types.Func); ok {
				calls[of] = append(calls[of], f.Origin())
			} else if used != nil && used.Parent() == s.pkg.Scope() { // such as a table of functions
				calls[of] = append(calls[of], used)
			}
			return true
		})
	}
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					collect(s.info.Defs[n.Name], n.Body)
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "does" { // "build": twice((*command).build)
					for _, e := range n.Values[0].(*ast.CompositeLit).Elts {
						pair := e.(*ast.KeyValueExpr)
						name := strings.Trim(pair.Key.(*ast.BasicLit).Value, `"`)
						methods[name] = types.NewLabel(token.NoPos, nil, name) // stands for the pair
						collect(methods[name], pair.Value)
					}
				} else if len(n.Values) > 0 {
					collect(s.info.Defs[n.Names[0]], n)
				}
			}
			return true
		})
	}
	all := map[string]map[string]bool{}
	for target, method := range methods {
		all[target] = map[string]bool{}
		seen := map[types.Object]bool{}
		next := []types.Object{method}
		for len(next) > 0 {
			f := next[0]
			if next = next[1:]; seen[f] {
				continue
			}
			seen[f] = true
			next = append(next, calls[f]...)
			for _, name := range direct[f] {
				all[target][name] = true
			}
		}
	}
	return all
}

// framing are the options that run reads for every target.
var framing = []string{"JSON", "Quiet", "Timeout", "Trace"}

// defaults are the options that a target reads and has no flag for, since nothing but the default makes
// sense there.
var defaults = map[string]string{
	// nothing is fetched or built
	"plan": "Jobs Mirror Offline Root",
	// sources do not depend on them
	"fetch":  "Optimize Prefix Root",
	"vendor": "Optimize Prefix Root",
	// a bundle is for any image, and a bundle's folder is what is published
	"bundle:write": "Root",
	"publish":      "Profile Recipes Sysroot With",
	// it makes the root that is trusted
	"keys:init": "TrustRoot",
	// of a profile only the prefixes, or the versions, are asked for
	"status": "Optimize Sysroot With",
	"doctor": "Optimize Sysroot With",
	"bump":   "Optimize Prefix Root Sysroot With",
	// nothing is signed, or installed
	"verify":  "Sign",
	"profile": "Root Sign With",
	"rebuild": "Root Sequence Valid",
	// the default profile is measured
	"bench": "Optimize Prefix Profile Recipes Root Sysroot With",
	// the fast tests fetch nothing
	"check": "Mirror",
}

// TestTargetsReadTheirFlags follows each target's method: a flag that nothing reads has no effect, and an
// option without a flag could be set by nothing but its default.
func TestTargetsReadTheirFlags(t *testing.T) {
	check := func(s source) (bad []string) {
		reads := s.reads()
		for _, target := range usage.Targets {
			has := map[string]bool{}
			for _, f := range slices.Concat(target.Arguments, target.Flags) {
				if has[f.Field] = true; !reads[target.Name][f.Field] && !slices.Contains(framing, f.Field) {
					bad = append(bad, target.Name+" -"+f.Name+" has no effect")
				}
			}
			var without []string
			for name := range reads[target.Name] {
				if !has[name] && name != "given" && !slices.Contains(framing, name) {
					without = append(without, name)
				}
			}
			slices.Sort(without)
			if got := strings.Join(without, " "); got != defaults[target.Name] {
				bad = append(bad, target.Name+" reads "+got+" without a flag, not "+defaults[target.Name])
			}
		}
		return bad
	}
	for _, bad := range check(readSource(t, nil)) {
		t.Error(bad)
	}
	text, err := os.ReadFile("clean.go")
	if err != nil {
		t.Fatal(err)
	}
	for planted, want := range map[string]string{
		"false":             "clean -all has no effect",
		"c.All && c.To > 0": "clean reads To without a flag, not ",
	} {
		other := strings.ReplaceAll(string(text), "c.All", planted)
		bad := check(readSource(t, map[string]string{"clean.go": other}))
		if !slices.Equal(bad, []string{want}) {
			t.Errorf("%s for c.All: %q is seen, not %q", planted, bad, want)
		}
	}
}

// TestEveryTargetDoes holds the table against what runs.
func TestEveryTargetDoes(t *testing.T) {
	var names []string
	for _, target := range usage.Targets {
		names = append(names, target.Name)
	}
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(does)); !slices.Equal(got, names) {
		t.Errorf("there is something to run for %v, and the targets are %v", got, names)
	}
}
