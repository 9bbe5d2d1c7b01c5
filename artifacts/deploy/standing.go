package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Doubt is a reason why what people get is not what was proved.
type Doubt struct {
	Path string `json:"path"` // where
	What string `json:"what"` // completes the sentence that begins with Path
	Mend string `json:"mend"` // the one command that mends it

	Breached bool `json:"breached,omitempty"` // it was tried, and went below the floor
}

// Again is the command that installs the generation's toolchain once more, and so mends it.
func (g Generation) Again() string {
	switch {
	case g.Package != "":
		return "install the package " + g.Package + " again"
	case g.Bundle != "":
		return "`install` the bundle " + g.Bundle + " again"
	}
	return "`build`"
}

// Standing says what is between people and the generation in use: `current`, its record, and the links at the
// prefixes. It has no doubt of a site where nothing is in use.
func (s Site) Standing() []Doubt {
	n := s.Current()
	g, err := s.Generation(n)
	mend := g.Again()
	var doubts []Doubt
	if at, what := s.doubtCurrent(n, err); what != "" {
		doubts = append(doubts, Doubt{Path: at, What: what, Mend: "`build`"})
	} else if n == 0 {
		return nil
	}
	prefixes := s.Prefixes
	if err == nil {
		if g.Adopted && len(s.trees(n)) > 0 {
			what := "says that its trees are of the time before tlsfloor, which has their lists"
			doubts = append(doubts, Doubt{Path: filepath.Join(s.Dir(n), record), What: what, Mend: mend})
		}
		prefixes = map[string]string{}
		for name, c := range g.Components {
			prefixes[name] = path.Base(c.Prefix)
			if path.Dir(c.Prefix) != s.Base {
				what := fmt.Sprintf("says that %s is installed at %s", name, c.Prefix)
				doubts = append(
					doubts,
					Doubt{Path: filepath.Join(s.Dir(n), record), What: what, Mend: mend},
				)
			}
		}
	}
	s.Prefixes = prefixes
	for _, c := range s.components() {
		if what := s.doubtLink(c, n, len(doubts) == 0); what != "" {
			d := Doubt{Path: s.link(c), What: what, Mend: mend}
			if exists(d.Path) && !s.strayed(c) && !s.linked(c) && g.Package == "" {
				d.Mend = strings.Replace(mend, "`build`", "`build -adopt`", 1)
				d.Mend = strings.Replace(d.Mend, "`install`", "`install -adopt`", 1)
			}
			doubts = append(doubts, d)
		}
	}
	if at, what := s.doubtModule(g); err == nil && what != "" {
		doubts = append(doubts, Doubt{Path: at, What: what, Mend: mend})
	}
	return doubts
}

// DoubtProof says what is wrong with the proof of a generation whose trees are as they were installed; or
// nil. Files of the time before tlsfloor have none, and a package comes without one.
func (s Site) DoubtProof(g Generation) *Doubt {
	d := &Doubt{Path: filepath.Join(s.Dir(g.Number), "proof.json"), Mend: "`verify`"}
	if g.Proof == nil {
		if g.Adopted || g.Package != "" {
			return nil
		}
		d.What = "is not noted: generation " + strconv.Itoa(g.Number) + " has no proof"
		return d
	}
	p, err := s.Proof(g)
	if err == nil {
		err = Verdict(p)
		d.Breached = fault.CodeOf(err) == fault.Breached
	}
	if err == nil {
		err = s.about(g, p, false)
	}
	if err == nil {
		return nil
	}
	d.What = "does not hold: " + err.Error()
	return d
}

const record = "generation.json"

// doubtCurrent says what is wrong with `current` and the record that it leads to, and where.
func (s Site) doubtCurrent(n int, recordErr error) (at, what string) {
	at = filepath.Join(s.Home(), "current")
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if slices.ContainsFunc(s.components(), s.linked) {
			return at, "is missing: the prefixes lead nowhere"
		}
		return at, ""
	case err != nil:
		return at, "cannot be looked at: " + err.Error()
	case info.Mode().Type() != fs.ModeSymlink:
		return at, "is not the link to a generation, but something else"
	case n == 0:
		target, _ := os.Readlink(at)
		return at, fmt.Sprintf("leads to %q, which is no generation", target)
	}
	if info, err := os.Lstat(s.Dir(n)); err != nil || !info.IsDir() {
		return at, fmt.Sprintf("leads to generation %d, which is not there", n)
	}
	if recordErr != nil {
		return filepath.Join(s.Dir(n), record), "cannot be read: " + recordErr.Error()
	}
	return at, ""
}

// doubtLink says what is wrong with a prefix; follow also looks where its link ends.
func (s Site) doubtLink(component string, n int, follow bool) string {
	at := s.link(component)
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is missing"
	case err != nil:
		return "cannot be looked at: " + err.Error()
	case info.Mode().Type() != fs.ModeSymlink:
		return "is not the link to the generation in use, but something else"
	}
	if !s.linked(component) {
		target, _ := os.Readlink(at)
		return fmt.Sprintf("leads to %q and not to the generation in use", target)
	}
	if !follow {
		return ""
	}
	there, err := os.Stat(at)
	ours, ourErr := os.Stat(filepath.Join(s.Dir(n), component))
	if err != nil || ourErr != nil || !os.SameFile(there, ours) {
		return fmt.Sprintf("does not end at the %s of generation %d", component, n)
	}
	return ""
}

// strayed reports whether the link at a prefix was one of ours, though another than it has to be: it leads
// into the site's own folder, or to one of its prefixes. Nobody loses anything where it is replaced.
func (s Site) strayed(component string) bool {
	at := s.link(component)
	target, err := os.Readlink(at)
	if err != nil || s.linked(component) {
		return false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(at), target)
	} else if s.Root != "" {
		target = filepath.Join(s.Root, target)
	}
	target = filepath.Clean(target)
	return strings.HasPrefix(target+"/", s.Home()+"/") ||
		slices.ContainsFunc(s.components(), func(c string) bool { return s.link(c) == target })
}
