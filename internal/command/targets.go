package command

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"time"
)

// target is one of the magefile's, as mage reads it: parameters that are pointers are flags, others are arguments before them.
type target struct {
	name      string
	arguments []parameter
	flags     []parameter
}

// parameter is one of a target's; field is what it is called in Flags, whose name its environment variable has.
type parameter struct{ name, kind, field string }

// kinds are the types that mage knows.
var kinds = map[string]struct {
	of   reflect.Type
	want string
}{
	"string":        {reflect.TypeFor[string](), ""},
	"int":           {reflect.TypeFor[int](), "a whole number is wanted"},
	"bool":          {reflect.TypeFor[bool](), "true or false is wanted"},
	"time.Duration": {reflect.TypeFor[time.Duration](), "a time with its unit is wanted, such as 90s or 45m"},
}

// accepts says why a value is none of the parameter's kind.
func (p parameter) accepts(value string) error {
	if _, err := parse(kinds[p.kind].of, value); err != nil {
		return fmt.Errorf("%s", kinds[p.kind].want)
	}
	return nil
}

// readTargets reads the targets of a magefile, by their names. It was compiled with this program: it is sound.
func readTargets(source string) map[string]target {
	file, err := parser.ParseFile(token.NewFileSet(), "magefile.go", source, parser.SkipObjectResolution)
	if err != nil {
		panic(err)
	}
	all := map[string]target{}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.IsExported() {
			t := readTarget(fn)
			all[t.name] = t
		}
	}
	ast.Inspect(file, func(n ast.Node) bool { // Aliases: "bundle": Bundle.Write
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		alias, isText := pair.Key.(*ast.BasicLit)
		of, isTarget := pair.Value.(*ast.SelectorExpr)
		if isText && isTarget {
			all[strings.Trim(alias.Value, `"`)] = all[strings.ToLower(of.X.(*ast.Ident).Name+":"+of.Sel.Name)]
		}
		return true
	})
	return all
}

func readTarget(fn *ast.FuncDecl) target {
	t := target{name: strings.ToLower(fn.Name.Name)}
	if fn.Recv != nil {
		t.name = strings.ToLower(fn.Recv.List[0].Type.(*ast.Ident).Name) + ":" + t.name
	}
	for _, field := range fn.Type.Params.List[1:] { // behind the context
		to, kind := &t.arguments, field.Type
		if star, ok := field.Type.(*ast.StarExpr); ok {
			to, kind = &t.flags, star.X
		}
		for _, id := range field.Names {
			*to = append(*to, parameter{strings.ToLower(id.Name), kindName(kind), fieldOf(fn, id.Name)})
		}
	}
	return t
}

// fieldOf is the field of Flags that a target hands a parameter on in.
func fieldOf(fn *ast.FuncDecl, parameter string) (field string) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if value, ok := pair.Value.(*ast.Ident); ok && value.Name == parameter {
				field = pair.Key.(*ast.Ident).Name
			}
		}
		return true
	})
	return field
}

func kindName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.X.(*ast.Ident).Name + "." + e.Sel.Name
	}
	return ""
}
