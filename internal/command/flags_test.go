package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestEveryFlagIsResolved gives every flag by its environment variable: each must arrive in the options.
func TestEveryFlagIsResolved(t *testing.T) {
	values := map[string]string{"Prefix": "/p", "Floor": "1.3", "Root": "/r", "Sandbox": "none", "Deps": "check", "Check": "full", "Trust": "both", "StartTLS": "postgres", "Max": "1.1", "MTLS": "passthrough", "Packages": "deb", "Maintainer": "A <b@c>"}
	f := reflect.TypeFor[Flags]()
	for i := range f.NumField() {
		field := f.Field(i)
		value := values[field.Name]
		switch field.Type.Elem().Kind() {
		case reflect.Bool:
			value = "true"
		case reflect.Int:
			value = "7"
		case reflect.Int64:
			value = "7s"
		default:
			if value == "" {
				value = "/x"
			}
		}
		t.Run(field.Name, func(t *testing.T) {
			plain, err := Flags{}.resolve()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("TLSFLOOR_"+upper(field.Name), value)
			given, err := Flags{}.resolve()
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(spoken, field.Name) {
				if !reflect.DeepEqual(plain, given) {
					t.Errorf("TLSFLOOR_%s switches a check off", upper(field.Name))
				}
				return
			}
			a, b := reflect.ValueOf(plain).FieldByName(field.Name), reflect.ValueOf(given).FieldByName(field.Name)
			if !a.IsValid() || reflect.DeepEqual(a.Interface(), b.Interface()) {
				t.Errorf("TLSFLOOR_%s=%s changes nothing", upper(field.Name), value)
			}
		})
	}
}

// TestEveryParameterIsPassedOn reads magefile.go: a parameter that no target hands on would be a flag without effect.
func TestEveryParameterIsPassedOn(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "magefile.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		used := map[string]bool{}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				used[id.Name] = true
			}
			return true
		})
		for _, field := range fn.Type.Params.List {
			for _, name := range field.Names {
				seen++
				if !used[name.Name] {
					t.Errorf("%s: flag -%s has no effect", fn.Name.Name, name.Name)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d parameters were seen", seen)
	}
}
