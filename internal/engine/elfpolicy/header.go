package elfpolicy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// isHeader reports whether a file of the tree is one of OpenSSL's headers.
func isHeader(file string) bool {
	return path.Base(path.Dir(file)) == "openssl" && path.Ext(file) == ".h"
}

// header finds the forbidden methods that a header declares to whoever includes it. OpenSSL installs one text
// for all configurations and leaves declarations out by macros, so the conditions around a name decide.
func (s *scan) header(file string, r io.ReaderAt, size int64) error {
	if !s.asked(Methods) {
		return nil
	}
	macros, err := s.defines(path.Dir(file))
	if err != nil {
		return err
	}
	declared := map[string]bool{}
	err = conditional(io.NewSectionReader(r, 0, size), macros, func(line string, _ []branch) {
		for _, name := range s.methods.word.FindAllString(line, -1) {
			if !declared[name] {
				declared[name] = true
				s.find(file, Methods, "declares %s, which speaks a version below %s", name, s.methods.floor)
			}
		}
	})
	if err != nil {
		s.find(file, Readable, "%v", err)
	}
	return nil
}

// defines lists the macros that OpenSSL's configuration in a folder of headers defines in every case.
func (s *scan) defines(dir string) (map[string]bool, error) {
	if macros, known := s.macros[dir]; known {
		return macros, nil
	}
	macros := map[string]bool{}
	for _, name := range []string{"configuration.h", "opensslconf.h"} { // the first since 3.0, the second before
		f, err := regular(s.tree, path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = conditional(f, nil, func(line string, around []branch) {
			if m := define.FindStringSubmatch(line); m != nil && !slices.ContainsFunc(around, func(b branch) bool { return !b.harmless(m[1]) }) {
				macros[m[1]] = true
			}
		})
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path.Join(dir, name), err)
		}
	}
	if s.macros == nil {
		s.macros = map[string]map[string]bool{}
	}
	s.macros[dir] = macros
	return macros, nil
}

var (
	directive = regexp.MustCompile(`^\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b\s*(\w*)`)
	define    = regexp.MustCompile(`^\s*#\s*define\s+(\w+)`)
	comment   = regexp.MustCompile(`/\*.*?\*/|//.*`)
)

// truth is what is known of a condition.
type truth int

const (
	maybe truth = iota
	yes
	no
)

// branch is one condition that is open: the part of it that is being read.
type branch struct {
	holds  truth
	unless string // the macro of an ifndef, in its first part
}

// harmless reports whether a definition of macro inside this branch is always made: the branch guards against
// reading the file, or defining the macro, twice.
func (b branch) harmless(macro string) bool {
	return b.unless != "" && (b.unless == macro || strings.HasSuffix(b.unless, "_H"))
}

// conditional calls see for every line of C text that is not certainly left out, without its comments.
func conditional(r io.Reader, macros map[string]bool, see func(line string, around []branch)) error {
	var open []branch
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	inComment := false
	for lines.Scan() {
		var line string
		line, inComment = uncommented(lines.Text(), inComment)
		if m := directive.FindStringSubmatch(line); m != nil {
			open = next(open, m[1], m[2], macros)
			continue
		}
		if !slices.ContainsFunc(open, func(b branch) bool { return b.holds == no }) {
			see(line, open)
		}
	}
	return lines.Err()
}

// next is the open conditions after a directive.
func next(open []branch, word, macro string, macros map[string]bool) []branch {
	last := len(open) - 1
	switch {
	case word == "ifndef" && macros[macro]:
		return append(open, branch{no, macro})
	case word == "ifndef":
		return append(open, branch{maybe, macro})
	case word == "ifdef" && macros[macro]:
		return append(open, branch{holds: yes})
	case word == "ifdef" || word == "if":
		return append(open, branch{})
	case last < 0: // broken text: nothing is left out
		return open
	case word == "endif":
		return open[:last]
	}
	opposite := map[truth]truth{maybe: maybe, yes: no, no: yes}[open[last].holds]
	if word == "elif" && opposite == yes {
		opposite = maybe
	}
	open[last] = branch{holds: opposite}
	return open
}

// uncommented returns a line without comments, and whether one is still open at its end.
func uncommented(line string, inside bool) (string, bool) {
	if inside {
		_, rest, closed := strings.Cut(line, "*/")
		if !closed {
			return "", true
		}
		line = rest
	}
	line = comment.ReplaceAllString(line, " ")
	before, _, opened := strings.Cut(line, "/*")
	return before, opened
}

// regular opens the file at name below the folder tree, and nothing outside of it: whoever built the tree
// chose its links.
func regular(tree, name string) (*os.File, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: no regular file", name)
	}
	return root.Open(filepath.FromSlash(name))
}
