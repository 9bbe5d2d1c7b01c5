package usage

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/docpart"
)

// TestDocument writes docs/flags.md's table: each flag once, with the targets that have it.
func TestDocument(t *testing.T) {
	targets, first := map[string][]string{}, map[string]Flag{}
	for _, one := range Targets {
		for _, f := range one.Flags {
			targets[f.Field] = append(targets[f.Field], "`"+one.typed()+"`")
			first[f.Field] = f
		}
	}
	var b strings.Builder
	b.WriteString("| flag | values | default | variable | targets |\n|---|---|---|---|---|\n")
	byName := func(a, b string) int {
		return cmp.Or(cmp.Compare(first[a].Name, first[b].Name), cmp.Compare(a, b))
	}
	for _, field := range slices.SortedFunc(maps.Keys(first), byName) {
		f := first[field]
		fmt.Fprintf(&b, "| `-%s` | %s | %s | %s | %s |\n", f.Name, f.values(), f.fallback, f.variable(),
			strings.Join(targets[field], ", "))
	}
	docpart.Hold(t, filepath.Join("..", "..", "..", "docs", "flags.md"), "flags", b.String())
}

func (f Flag) values() string {
	if len(f.Words) > 0 && f.Kind == Text && f.Name != "profile" {
		return strings.Join(f.Words, ", ")
	}
	return map[Kind]string{Text: "text", List: "list", Number: "number", Switch: "yes", Period: "time"}[f.Kind]
}

func (f Flag) variable() string {
	switch {
	case f.spoken:
		return "none"
	case f.shared == "":
		return "of each target"
	}
	return "`" + f.shared + "`"
}
