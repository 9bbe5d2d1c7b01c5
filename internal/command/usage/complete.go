package usage

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

// Shells are those that WriteCompletion knows.
var Shells = []string{"bash", "zsh", "fish"}

//go:embed shells
var shells embed.FS

// completing is what the scripts in the folder shells are filled with.
type completing struct {
	Targets []Target
	Names   []string
	Words   map[string][]string // of flags that have values to choose from, by their names
	Plain   []string            // flags with a value that nobody can guess
	Lists   []string            // flags with several values, behind commas
}

// WriteCompletion writes what a shell reads to complete the targets, flags and values of the program
// tlsfloor. The shell then runs nothing of tlsfloor.
func WriteCompletion(w io.Writer, shell string) error {
	if !slices.Contains(Shells, shell) {
		return fmt.Errorf("no shell that is known: %q", shell)
	}
	c := completing{Targets: Targets, Names: Names(), Words: map[string][]string{}}
	for _, f := range fields() {
		switch {
		case f.Kind == Switch:
			c.Words[f.Name] = []string{"true", "false"}
		case f.Kind == Number || f.Kind == Period:
			c.Plain = append(c.Plain, f.Name)
		case len(f.Words) > 0:
			c.Words[f.Name] = f.Words
		}
		if f.Kind == List {
			c.Lists = append(c.Lists, f.Name)
		}
	}
	script, err := template.New(shell).Funcs(template.FuncMap{
		"join": strings.Join,
		// For _describe of zsh a colon ends the word.
		"colons": func(name string) string { return strings.ReplaceAll(name, ":", `\:`) },
		"quote":  map[string]func(string) string{"bash": quoted, "zsh": quoted, "fish": quotedFish}[shell],
	}).ParseFS(shells, "shells/"+shell)
	if err != nil {
		return err
	}
	return script.ExecuteTemplate(w, shell, c)
}

// Called are the names that a target is called by.
func (t Target) Called() []string {
	if t.Alias != "" {
		return []string{t.Name, t.Alias}
	}
	return []string{t.Name}
}

// Switch says whether the flag may stand without a value.
func (f Flag) Switch() bool { return f.Kind == Switch }

// quoted is a word for bash and zsh, whatever is in it.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// quotedFish is a word for fish.
func quotedFish(word string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(word) + "'"
}
