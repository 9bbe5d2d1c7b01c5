package verify

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Loaded is what a Python says that its import of ssl led to, in the facts of an Imports look: each is a
// word and a path.
const (
	LoadedSSL     = "ssl "      // the module ssl
	LoadedCode    = "_ssl "     // the extension below it; Builtin where it is in the interpreter
	LoadedLibrary = "library "  // the folder of the standard library
	Isolated      = "isolated " // before ssl and _ssl: the same for the judge's other process
	Builtin       = "built-in"
)

// told takes the path out of the fact that begins with word, "" where there is none.
func told(facts []string, word string) string {
	i := slices.IndexFunc(facts, func(f string) bool { return strings.HasPrefix(f, word) })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(facts[i], word)
}

// imported says what is not as it has to be with what import ssl loads. Paths are left out: they differ
// between machines.
func (c *court) imported(o Offer, facts []string) (found []string, err error) {
	module, code, library := told(facts, LoadedSSL), told(facts, LoadedCode), told(facts, LoadedLibrary)
	if module == "" || code == "" || library == "" || !slices.Contains(facts, "HAS_TLSv1_3") {
		return nil, fmt.Errorf("what import ssl loads was not told: %q", facts)
	}
	given := o.Who == Python && c.Toolchain.Module != "" && code == c.Toolchain.Module
	if filepath.Dir(module) != library {
		found = append(found, "ssl is not the standard library's")
	}
	if code != Builtin && filepath.Dir(code) != filepath.Join(library, "lib-dynload") && !given {
		found = append(found, "_ssl is not the interpreter's")
	}
	if module != told(facts, Isolated+LoadedSSL) || code != told(facts, Isolated+LoadedCode) {
		found = append(found, "ssl differs for the judge")
	}
	for _, claim := range claimsBelow(c.Floor) {
		if slices.Contains(facts, claim) {
			found = append(found, claim)
		}
	}
	slices.Sort(found)
	return found, nil
}

// modules are the files behind Python's import of ssl which are not among its extension modules.
func (c *court) modules(ctx context.Context, known []Tested) (all []Tested) {
	s := c.subjects[Python]
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	report, err := s.Inspect(ctx, Imports)
	if err != nil {
		return nil // static-import is unproven
	}
	for _, word := range []string{LoadedSSL, LoadedCode} {
		path := told(report.Facts, word)
		if path == "" || path == Builtin || slices.ContainsFunc(known,
			func(t Tested) bool { return t.Path == path }) {
			continue
		}
		all = append(all, Tested{Name: filepath.Base(path), Path: path, SHA256: fileDigest(c.Locate(path))})
	}
	return all
}
