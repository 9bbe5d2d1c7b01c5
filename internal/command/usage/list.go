package usage

import (
	"fmt"
	"io"
	"strings"
)

// WriteList writes the targets, by what people come for, each with the first sentence of what it does.
func WriteList(w io.Writer) error {
	width := 0
	for _, t := range Targets {
		width = max(width, len(t.typed()))
	}
	var b strings.Builder
	b.WriteString("Targets; -h <target> says what flags one has:\n")
	for _, g := range Groups {
		fmt.Fprintf(&b, "\n%s: %s\n", g.Group, g.For)
		for _, t := range Targets {
			if t.Group == g.Group {
				fmt.Fprintf(&b, "  %-*s  %s\n", width, t.typed(), t.Says())
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Says is the first sentence of what it does.
func (t Target) Says() string {
	first, _, _ := strings.Cut(t.Doc, ". ")
	return strings.TrimSuffix(first, ".")
}
