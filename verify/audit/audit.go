// Package audit finds every TLS stack in a tree of files, or in a running process, and says of each whether a
// TLS floor is compiled into it, and how that is known.
//
// It promises that
// - it runs nothing that it finds, and opens regular files only; a damaged or hostile file is a Gap of the
// report and stops nothing;
//   - Holds is said of a stack only for a reason that stands in the file: it has no code for the versions below the floor. A minimum that a
//     program, a configuration or a library's default sets is policy, which can be lowered: such a stack is Below;
//   - what it cannot tell is Unknown, and Unknown is not Holds;
//   - what it did not look into is a Gap, with the reason, and a report with a gap does not hold;
//
// - a file that links a stack has the verdict of the file that the loader takes for it, and so has one that
// names a library for dlopen(3);
// - a link is judged by the file that it leads to, wherever that is, and a virtual environment by all that
// its Python would import from.
//
// Exceptions: a name of a library that is put together at run time is seen only in a process; of a link into
// a folder around the tree, and of
// what a first line's interpreter other than Python loads, nothing is looked at but the gap and the
// interpreter; a stack with neither a mark
// of the table nor the labels of RFC 5246 in it is not found.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
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
	File    string   `json:"file"`              // path, or path!member of an archive
	Link    string   `json:"link,omitempty"`    // what led to it, where it is outside of the tree
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
	Subject  string  `json:"subject"`
	Floor    string  `json:"floor"`
	Files    int     `json:"files"`    // regular files whose kind was told
	Programs int     `json:"programs"` // programs, libraries and other code that was looked at
	Archives int     `json:"archives"` // that were opened
	Members  int     `json:"members"`  // in archives
	Bytes    int64   `json:"bytes"`    // of programs and libraries
	Stacks   []Stack `json:"stacks"`
	Gaps     []Gap   `json:"not_looked_into"`
}

// Reason is why something was not looked into.
type Reason string

// The reasons.
const (
	Unreadable Reason = "unreadable" // damaged, or not readable for this user, or gone
	Packed     Reason = "packed"     // its code is unpacked when it runs
	Encrypted  Reason = "encrypted"
	Format     Reason = "format" // of a known or unknown format that is not read
	TooDeep    Reason = "too deep"
	TooBig     Reason = "too big"
	Elsewhere  Reason = "elsewhere" // it leads where the audit does not go
)

// Gap is something that was not looked into.
type Gap struct {
	File   string `json:"file"`
	Reason Reason `json:"reason"`
	Text   string `json:"text"`
}

// Worst is Below if one stack is, else Unknown if one is or something was not looked into, else Holds.
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
	if len(r.Gaps) > 0 {
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
	root   string // the tree, with links resolved; "" for single files
	owners *owners
	loaded map[string]string // of a process: the file that a name has brought in
	mapped bool              // it is a process: what is loaded is looked at, whatever asked for it
	named  map[string][]*object
	mu     sync.Mutex
	looked map[string]bool              // files that were looked at, by path
	known  map[string]*object           // by path
	beside map[string]map[string]string // of an archive: its members by their last names
	links  map[string]string            // what led to a file outside of the tree
	more   []task                       // what was found on the way
	twins  twins
	report *Report
}

func newAuditor(subject string) *auditor {
	return &auditor{known: map[string]*object{}, looked: map[string]bool{},
		beside: map[string]map[string]string{}, links: map[string]string{},
		owners: newOwners(), report: &Report{Subject: subject, Floor: "1.2", Stacks: []Stack{},
			Gaps: []Gap{}}}
}

// Tree looks at all files below dir, and at what its links and its Python environments lead to.
func Tree(ctx context.Context, dir string) (*Report, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, err
	}
	a := newAuditor(dir)
	a.root = real
	a.more = []task{{path: real}}
	if err := a.drain(ctx); err != nil {
		return nil, fmt.Errorf("auditing %s: %w", dir, err)
	}
	return a.finish(ctx), nil
}

// Mapped is a file of a process: Path names it, and Open is where it can be read, such as
// /proc/1/map_files/...
type Mapped struct{ Path, Open string }

// Files looks at single files.
func Files(ctx context.Context, subject string, paths []string) (*Report, error) {
	var files []Mapped
	for _, path := range paths {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		files = append(files, Mapped{path, path})
	}
	return newAuditor(subject).files(ctx, files)
}

// Process looks at the files that a process has mapped: what one of them links is another of them.
func Process(ctx context.Context, subject string, files []Mapped) (*Report, error) {
	a := newAuditor(subject)
	a.mapped = true
	return a.files(ctx, files)
}

// files looks at files of which each is loaded where another one asks for its name.
func (a *auditor) files(ctx context.Context, files []Mapped) (*Report, error) {
	a.loaded = map[string]string{}
	for _, f := range files {
		a.loaded[filepath.Base(f.Path)] = f.Path
	}
	for _, f := range files {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.owners.near(f.Path)
		a.look(ctx, f.Path, f.Open, "")
	}
	if err := a.drain(ctx); err != nil {
		return nil, err
	}
	return a.finish(ctx), nil
}

// drain does what there is to do, until nothing more is found: folders by one, files by as many as there are
// processors.
func (a *auditor) drain(ctx context.Context) error {
	for {
		a.mu.Lock()
		tasks := a.more
		a.more = nil
		a.mu.Unlock()
		if len(tasks) == 0 {
			return ctx.Err()
		}
		files := make(chan task)
		var wait sync.WaitGroup
		for range max(2, runtime.NumCPU()) {
			wait.Go(func() {
				for t := range files {
					a.look(ctx, t.path, t.path, t.link)
				}
			})
		}
		for _, t := range tasks {
			a.walk(ctx, t, files)
		}
		close(files)
		wait.Wait()
	}
}

// look adds what a file has itself to the report; what it links follows when all files are known. A pipe or a
// device is an error.
func (a *auditor) look(ctx context.Context, path, open, link string) {
	if ctx.Err() != nil {
		return
	}
	f, err := openRegular(open)
	a.mu.Lock()
	again := a.looked[path]
	a.looked[path] = true
	if !again {
		a.report.Files++
		if link != "" && a.links[path] == "" {
			a.links[path] = link
		}
	}
	a.mu.Unlock()
	if err != nil {
		a.unseen(path, Unreadable, cause(err))
		return
	}
	defer f.Close()
	if again {
		return
	}
	buffer, back := borrow()
	n, err := f.ReadAt((*buffer)[:headBytes], 0)
	kind := plain
	if n > 0 {
		kind, _, _ = kindOf(path, (*buffer)[:n])
	}
	back()
	if n == 0 {
		if err != nil && !isEOF(err) {
			a.unseen(path, Unreadable, cause(err))
		}
		return
	}
	info, err := f.Stat()
	if err == nil && kind == plain {
		if kind, _ = kindOfRest(f, info.Size()); kind == plain {
			return
		}
	}
	switch {
	case err != nil:
		a.unseen(path, Unreadable, cause(err))
		return
	case info.Size() > maxFile:
		a.unseen(path, TooBig, fmt.Sprintf("%d bytes", info.Size()))
		return
	}
	data, done, err := whole(f, info.Size())
	if err != nil {
		a.unseen(path, Unreadable, cause(err))
		return
	}
	defer done()
	a.content(ctx, place{name: path, left: &allowance{maxBytes, maxEntries}}, data)
}

// cause is an error without the path, which stands beside it.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// unseen notes something that was not looked into.
func (a *auditor) unseen(path string, why Reason, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Gaps = append(a.report.Gaps, Gap{path, why, text})
}

// finish follows what is linked, and sorts.
func (a *auditor) finish(ctx context.Context) *Report {
	asked := []*object{}
	for _, o := range a.known {
		if o.asked {
			asked = append(asked, o)
		}
	}
	slices.SortFunc(asked, func(x, y *object) int { return strings.Compare(x.path, y.path) })
	a.named = byName(asked)
	for _, o := range asked {
		file, _, _ := strings.Cut(o.path, "!")
		link := a.links[file]
		for _, s := range a.stacks(ctx, o) {
			s.File, s.Link = o.path, link
			if s.Package = a.owners.of(file); link != "" && s.Package == "" {
				s.Package = a.owners.of(link)
			}
			s.Instead = instead(s)
			a.report.Stacks = append(a.report.Stacks, s)
		}
	}
	slices.SortFunc(a.report.Gaps, func(x, y Gap) int {
		return cmp.Or(strings.Compare(x.File, y.File), strings.Compare(x.Text, y.Text))
	})
	a.report.Gaps = slices.Compact(a.report.Gaps)
	slices.SortStableFunc(a.report.Stacks, func(x, y Stack) int {
		return cmp.Or(strings.Compare(x.File, y.File), strings.Compare(x.Library, y.Library), len(x.Via)-len(y.Via))
	})
	return a.report
}
