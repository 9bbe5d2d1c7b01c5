// Package elfpolicy holds every object below a folder to what a hardened, self-contained toolchain has to be,
// by reading it: nothing is run, and no tool of the host is asked.
//
// Looked at are programs, shared objects, relocatable objects, the members of static libraries, and OpenSSL's
// headers. Links are not followed: what they lead to inside the folder is looked at under its own name.
//
// What it promises:
//
//   - All findings are listed, sorted, not only the first. The rules, each with its reason, are the table in rules.go.
//   - What cannot be read, or was stripped of what would prove it, is a finding: unproven counts as broken.
//   - A rule is applied where its answer is known. The stack protector leaves a trace only where the compiler found something
//     to guard: it is asked for from a size on at which code without any is not seen in practice. Fortified calls are asked
//     for where a call is there that always becomes one, and of programs where any is there that can.
//   - Memory follows the symbol tables' size, not the files': those are read in pieces.
//
// What it cannot see: what an object loads with dlopen, and whether each single function is guarded.
package elfpolicy

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Policy is what a tree is held to.
type Policy struct {
	Floor      string // "1.2" or "1.3": the lowest TLS version
	Rules      []Rule // those that are asked for; none means all
	Unstripped string // folder that has the programs as they were before they were stripped, found by their build ID; may be ""
}

// Finding is one breach of one rule.
type Finding struct {
	Path   string `json:"path"` // below the tree, with slashes; a library's member is named in brackets
	Rule   Rule   `json:"rule"`
	Detail string `json:"detail"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Path, f.Rule, f.Detail) }

// Report is what a look at a tree gave.
type Report struct {
	Objects   int       `json:"objects"`   // programs, shared and relocatable objects
	Libraries int       `json:"libraries"` // static ones
	Needed    []string  `json:"needed"`    // names of all libraries that are loaded, sorted
	GLIBC     string    `json:"glibc,omitempty"`
	Findings  []Finding `json:"findings"`
}

func (r *Report) String() string {
	s := fmt.Sprintf("%d objects, %d static libraries, %d findings", r.Objects, r.Libraries, len(r.Findings))
	if r.GLIBC != "" {
		s += ", needs glibc " + r.GLIBC
	}
	return s
}

// Err returns an error that names the first finding and counts the others, or nil.
func (r *Report) Err() error {
	switch n := len(r.Findings); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s", r.Findings[0])
	default:
		return fmt.Errorf("%s, and %d more findings", r.Findings[0], n-1)
	}
}

// Scan holds all that lies below tree to the policy. The error is about reading; breaches are in the report.
func Scan(tree string, p Policy) (*Report, error) {
	methods, ok := forbidden[p.Floor]
	if !ok {
		return nil, fmt.Errorf("elf policy: floor %q is not known", p.Floor)
	}
	s := &scan{Policy: p, tree: tree, methods: methods, needed: map[string]bool{}, report: &Report{}}
	if err := walk(tree, s.file); err != nil {
		return nil, err
	}
	s.report.Needed = slices.Sorted(maps.Keys(s.needed))
	slices.SortFunc(s.report.Findings, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return s.report, nil
}

// scan is one look at a tree.
type scan struct {
	Policy
	tree    string
	methods *forbiddenMethods
	macros  map[string]map[string]bool // folder of headers -> macros that including one of them defines
	needed  map[string]bool
	report  *Report
}

func (s *scan) asked(r Rule) bool { return len(s.Rules) == 0 || slices.Contains(s.Rules, r) }

func (s *scan) find(path string, r Rule, format string, args ...any) {
	if s.asked(r) {
		s.report.Findings = append(s.report.Findings, Finding{path, r, fmt.Sprintf(format, args...)})
	}
}

// walk calls look for every regular file below tree, in order of path.
func walk(tree string, look func(path string, f io.ReaderAt, size int64) error) error {
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		return look(filepath.ToSlash(rel), f, info.Size())
	})
}

// file looks at one file of the tree.
func (s *scan) file(path string, f io.ReaderAt, size int64) error {
	head := make([]byte, len(archiveMagic))
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	switch head := string(head[:n]); {
	case strings.HasPrefix(head, elfMagic):
		s.object(path, f)
	case head == archiveMagic:
		s.library(path, f, size)
	case head == thinMagic:
		s.find(path, Readable, "a thin archive: what it lists lies elsewhere")
	case isHeader(path):
		return s.header(path, f, size)
	}
	return nil
}
