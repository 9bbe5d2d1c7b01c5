// Package audit finds every TLS stack in a tree of files, or in a running process, and says of each whether a TLS floor is compiled into
// it, and how that is known.
//
// It promises that
//   - it runs nothing that it finds, and opens regular files only; a damaged or hostile file is a Problem of the report and stops nothing;
//   - Holds is said of a stack only for a reason that stands in the file: it has no code for the versions below the floor. A minimum that a
//     program, a configuration or a library's default sets is policy, which can be lowered: such a stack is Below;
//   - what it cannot tell is Unknown, and Unknown is not Holds;
//   - a file that links a stack has the verdict of the file that the loader takes for it.
//
// Exceptions: what a program loads by dlopen(3) is seen only in a process; archives (.a, .whl, .jar, images of containers) are not looked
// into; of scripts nothing is known but the interpreter's own stack.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Verdict says whether the floor is compiled in.
type Verdict string

// The verdicts.
const (
	Holds   Verdict = "holds"   // there is no code for anything below the floor
	Below   Verdict = "below"   // there is: a program, a configuration or a default decides
	Unknown Verdict = "unknown" // it cannot be told from the file
)

// Stack is one TLS implementation in one file.
type Stack struct {
	File    string   `json:"file"`
	Library string   `json:"library"`           // such as OpenSSL
	Version string   `json:"version,omitempty"` // its own
	Via     []string `json:"via,omitempty"`     // the libraries by which File links it, the last one has it inside; none: File has it inside
	Package string   `json:"package,omitempty"` // what brought File
	Verdict Verdict  `json:"verdict"`
	Known   string   `json:"known"`             // how
	Live    string   `json:"live,omitempty"`    // what a client did that was driven
	Instead string   `json:"instead,omitempty"` // what to do about it
}

// Report is what a tree or a process holds.
type Report struct {
	Subject  string    `json:"subject"`
	Floor    string    `json:"floor"`
	Files    int       `json:"files"` // regular files that were looked at
	Programs int       `json:"programs"`
	Bytes    int64     `json:"bytes"` // of programs and libraries
	Stacks   []Stack   `json:"stacks"`
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is a file that could not be looked at.
type Problem struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Worst is Below if one stack is, else Unknown if one is or a file could not be looked at, else Holds.
func (r *Report) Worst() Verdict {
	worst := Holds
	for _, s := range r.Stacks {
		if s.Verdict == Below {
			return Below
		}
		if s.Verdict == Unknown {
			worst = Unknown
		}
	}
	if len(r.Problems) > 0 {
		worst = Unknown
	}
	return worst
}

// Count is the number of stacks with a verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, s := range r.Stacks {
		if s.Verdict == v {
			n++
		}
	}
	return n
}

// auditor is one run.
type auditor struct {
	owners *owners
	loaded map[string]string // of a process: the file that a name has brought in
	mu     sync.Mutex
	known  map[string]*object // by path
	report *Report
}

func newAuditor(subject string) *auditor {
	return &auditor{known: map[string]*object{}, owners: newOwners(), report: &Report{Subject: subject, Floor: "1.2", Stacks: []Stack{}}}
}

// Tree looks at all files below dir. Links are not followed, but dir itself may be one.
func Tree(ctx context.Context, dir string) (*Report, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	a := newAuditor(dir)
	paths := make(chan string)
	var wait sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		wait.Go(func() {
			for path := range paths {
				a.look(path)
			}
		})
	}
	err = filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.problem(path, err)
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() && isMetadata(path):
			a.owners.wheel(path)
		case d.Type().IsRegular():
			if d.Name() == "pyvenv.cfg" {
				for _, base := range interpreter(path) {
					paths <- base
				}
			}
			paths <- path
		}
		return nil
	})
	close(paths)
	wait.Wait()
	if err != nil {
		return nil, fmt.Errorf("auditing %s: %w", dir, err)
	}
	return a.finish(), nil
}

// interpreter lists the files of the Python that a virtual environment is of, which stand outside of it: the program and its extension
// modules (PEP 405).
func interpreter(cfg string) (all []string) {
	for _, line := range lines(cfg, 100) {
		key, value, _ := strings.Cut(line, "=")
		home := strings.TrimSpace(value)
		if strings.TrimSpace(key) != "home" || !filepath.IsAbs(home) {
			continue
		}
		for _, pattern := range []string{filepath.Join(home, "python3"), filepath.Join(home, "..", "lib*", "python3*", "lib-dynload", "*.so")} {
			found, _ := filepath.Glob(pattern)
			for _, path := range found {
				if real, err := filepath.EvalSymlinks(path); err == nil {
					all = append(all, real)
				}
			}
		}
	}
	return all
}

// Files looks at single files, such as those that a process has mapped.
func Files(ctx context.Context, subject string, paths []string) (*Report, error) {
	a := newAuditor(subject)
	a.loaded = map[string]string{}
	for _, path := range paths {
		a.loaded[filepath.Base(path)] = path
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.owners.near(path)
		a.look(path)
	}
	return a.finish(), nil
}

// look adds a file's own stacks to the report; those that it links follow when all files are known.
func (a *auditor) look(path string) {
	o, size, err := a.open(path)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Files++
	if err != nil {
		a.report.Problems = append(a.report.Problems, Problem{path, err.Error()})
		return
	}
	if o != nil {
		o.asked = true
		a.report.Programs++
		a.report.Bytes += size
	}
}

func (a *auditor) problem(path string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Problems = append(a.report.Problems, Problem{path, err.Error()})
}

// finish follows what is linked, and sorts.
func (a *auditor) finish() *Report {
	asked := []*object{}
	for _, o := range a.known {
		if o.asked {
			asked = append(asked, o)
		}
	}
	slices.SortFunc(asked, func(x, y *object) int { return strings.Compare(x.path, y.path) })
	for _, o := range asked {
		for _, s := range a.stacks(o) {
			s.File, s.Package = o.path, a.owners.of(o.path)
			s.Instead = instead(s)
			a.report.Stacks = append(a.report.Stacks, s)
		}
	}
	slices.SortFunc(a.report.Problems, func(x, y Problem) int { return strings.Compare(x.File, y.File) })
	slices.SortStableFunc(a.report.Stacks, func(x, y Stack) int {
		return cmp.Or(strings.Compare(x.File, y.File), strings.Compare(x.Library, y.Library), len(x.Via)-len(y.Via))
	})
	return a.report
}

// open reads a file once. nil without an error: it is no program and no library.
func (a *auditor) open(path string) (*object, int64, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, 0, err
	}
	a.mu.Lock()
	o, ok := a.known[real]
	a.mu.Unlock()
	if ok {
		return o, 0, nil
	}
	f, err := openRegular(real)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	o, size, err := read(real, f)
	if err != nil || o == nil {
		return nil, 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if other := a.known[real]; other != nil {
		return other, 0, nil
	}
	a.known[real] = o
	return o, size, nil
}
