package usage

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files")

const generated = "// Code generated from internal/command/usage by its test with -update; DO NOT EDIT.\n"

// TestGenerated holds the files that are made from the table against it, and with -update writes them.
func TestGenerated(t *testing.T) {
	for path, text := range map[string]string{
		filepath.Join("..", "..", "..", "magefile.go"): magefile(Targets),
		filepath.Join("..", "options.go"):              options(fields()),
	} {
		want, err := format.Source([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, text)
		}
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the table makes: go test ./internal/command/usage -update", path)
		}
	}
}

// TestGeneratedTells: a row that changes, in any of what is passed on, changes what is generated.
func TestGeneratedTells(t *testing.T) {
	plain := magefile(Targets) + options(fields())
	for name, change := range map[string]func(*Target){
		"a flag more":      func(t *Target) { t.Flags = append(t.Flags, toggle("Planted", "a planted flag")) },
		"a flag less":      func(t *Target) { t.Flags = t.Flags[1:] },
		"another help":     func(t *Target) { t.Flags = []Flag{t.Flags[0].says("other words")} },
		"another kind":     func(t *Target) { t.Flags = []Flag{number(t.Flags[0].Field, t.Flags[0].Help)} },
		"another sentence": func(t *Target) { t.Doc = "does something else." },
		"another argument": func(t *Target) { t.Arguments = []Flag{text("From", "")} },
	} {
		changed := append([]Target{}, Targets...)
		change(&changed[0])
		if magefile(changed)+options(fields()) == plain {
			t.Errorf("%s is not seen", name)
		}
	}
}

// namespaces are the targets' first names, with what mage's own documentation shows of them.
var namespaces = map[string]string{
	"bundle": "is what leaves this machine.",
	"keys":   "are what a repository is signed with (docs/keys.md).",
	"store":  "looks after the folder that keeps sources and results.",
	"trust":  "is what the installed OpenSSL trusts by default.",
	"audit":  "finds the TLS stacks beside this toolchain's.",
}

// magefile is the text of magefile.go. Mage takes a parameter that is a pointer for a flag, and the comment
// behind it, on the same line, for the flag's help.
func magefile(targets []Target) string {
	var b strings.Builder
	b.WriteString(generated + `
//go:build mage

// tlsfloor builds an OpenSSL without SSLv3, TLS 1.0 and TLS 1.1 and a Python linked to it, and proves that the
// result refuses them. A flag can be given as an environment variable too: TLSFLOOR_ and its name in capitals.
package main

import (
	"context"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/tlsfloor/tlsfloor/internal/command"
)

func init() { command.Arguments() }
`)
	said := map[string]bool{}
	for _, t := range targets {
		space, name, grouped := strings.Cut(t.Name, ":")
		receiver := ""
		if !grouped {
			name = space
		} else {
			receiver = "(" + title(space) + ") "
		}
		if t.Alias != "" {
			fmt.Fprintf(&b, "\n// Aliases are other names of targets: `%s` is what people type.\n", t.Alias)
			fmt.Fprintf(&b, "var Aliases = map[string]any{%q: %s.%s}\n", t.Alias, title(space), title(name))
		}
		if grouped && !said[space] {
			said[space] = true
			fmt.Fprintf(&b, "\n// %s %s\ntype %[1]s mg.Namespace\n", title(space), namespaces[space])
		}
		fmt.Fprintf(&b, "\n// %s %s\nfunc %s%[1]s(ctx context.Context,", title(name), t.Doc, receiver)
		var given []string
		for _, a := range t.Arguments {
			fmt.Fprintf(&b, " %s %s,", a.Name, a.mageType())
			given = append(given, fmt.Sprintf("%q: %s", a.Name, a.Name))
		}
		b.WriteString("\n")
		for _, f := range t.Flags {
			fmt.Fprintf(&b, "\t%s *%s, // %s\n", f.Name, f.mageType(), f.Help)
			given = append(given, fmt.Sprintf("%q: %s", f.Name, f.Name))
		}
		fmt.Fprintf(&b, ") error {\n\treturn command.Run(ctx, %q, command.Flags{%s})\n}\n", t.Name,
			filled(given))
	}
	return b.String()
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func (f Flag) mageType() string {
	if f.Kind == List {
		return string(Text)
	}
	return string(f.Kind)
}

// filled writes items on as few lines as there is room for.
func filled(items []string) string {
	if one := strings.Join(items, ", "); len(one) < 50 {
		return one
	}
	var b strings.Builder
	width := 200
	for _, item := range items {
		sep := " "
		if width+len(item)+2 > 100 {
			sep, width = "\n\t\t", 8
		}
		b.WriteString(sep + item + ",")
		width += len(item) + 2
	}
	return b.String() + "\n\t"
}

// options is the text of options.go.
func options(fields []Flag) string {
	var b strings.Builder
	b.WriteString(generated + `
package command

import "time"

// options are the values of a target's flags and arguments. They are read once, and nothing changes them.
type options struct {
	given map[string]bool // the fields that did not get their default

`)
	for _, f := range fields {
		kind := map[Kind]string{List: "[]string"}[f.Kind]
		if kind == "" {
			kind = string(f.Kind)
		}
		fmt.Fprintf(&b, "\t%s %s\n", f.Field, kind)
	}
	return b.String() + "}\n"
}
