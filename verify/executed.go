package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Executed is what was started for a program and what ran in the end, each by its digest: a name may lead to
// a wrapper, which behaves as it likes with whoever starts it. Paths are those of the subject.
type Executed struct {
	Who   Who      `json:"who"`
	Start string   `json:"start,omitempty"` // how it was started, where it was in several ways
	Named Tested   `json:"named"`           // the file that was started
	Ran   []Tested `json:"ran"`             // the programs that its processes ran, the last one last; none seen
	Maps  []Tested `json:"maps,omitempty"`  // the libraries that are mapped into the last one
	Other string   `json:"other,omitempty"` // why what ran is not what was named; else empty
}

// Ran is what one start of a program led to.
type Ran struct {
	Start    string
	Programs []Tested // outermost first; none where no process was seen
	Maps     []Tested // the libraries of the last one
}

// Executioner is a Subject that knows what its processes ran.
type Executioner interface {
	// Executed returns one Ran for each way in which it was started.
	Executed() []Ran
}

// executed tells of every program that was tried what ran.
func (c *court) executed() (all []Executed) {
	for who, path := range map[Who]string{Python: c.Toolchain.Python, OpenSSL: c.Toolchain.OpenSSL} {
		s, ok := c.subjects[who].(Executioner)
		if !ok {
			continue
		}
		named := Tested{string(who), path, fileDigest(c.Locate(path))}
		for _, r := range s.Executed() {
			e := Executed{Who: who, Start: r.Start, Named: named, Ran: r.Programs, Maps: r.Maps}
			e.Other = e.other(firstLine(c.Locate(path)))
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Executed) int {
		return strings.Compare(string(a.Who)+" "+a.Start, string(b.Who)+" "+b.Start)
	})
	return all
}

// other says why what ran is not what was named.
func (e Executed) other(line string) string {
	if len(e.Ran) == 0 {
		return "no process was seen: what ran as " + e.Named.Path + " is not known"
	}
	last := e.Ran[len(e.Ran)-1]
	var names []string
	for _, one := range e.Ran {
		names = append(names, one.Path)
	}
	switch {
	case strings.HasPrefix(line, "#!"):
		return fmt.Sprintf("%s is a script (%s), and what ran is %s", e.Named.Path, line, strings.Join(names,
			", then "))
	case last.SHA256 != e.Named.SHA256:
		return fmt.Sprintf("%s is a program that starts another: what ran is %s", e.Named.Path,
			strings.Join(names, ", then "))
	case len(e.Ran) > 1:
		return fmt.Sprintf("%s ran as %s", e.Named.Path, strings.Join(names, ", then "))
	}
	return ""
}

// firstLine is the first of a file, up to a bound.
func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 128)
	n, _ := f.Read(head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	return line
}

// wrapperLines say where something else ran than what was named.
func (p *Proof) wrapperLines() (lines []string) {
	for _, e := range p.Executed {
		if e.Other == "" {
			continue
		}
		who := string(e.Who)
		if e.Start != "" {
			who += " " + e.Start
		}
		if len(e.Ran) == 0 {
			lines = append(lines, fmt.Sprintf("wrapper: %s: %s", who, e.Other))
			continue
		}
		last := e.Ran[len(e.Ran)-1]
		lines = append(lines, fmt.Sprintf("wrapper: %s: %s (%s, sha256 %s)", who, e.Other,
			filepath.Base(last.Path), last.SHA256))
	}
	return lines
}
