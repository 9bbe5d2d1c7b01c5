package recipes

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Optional is an optional set: what entries with its name in "with" or "without" add to a build that chooses
// it.
type Optional struct{ Name, Summary string }

type described struct {
	Optional
	at      place
	overlay bool // whether an overlay brought it
}

func (s *Set) readOptional(l layer, stem, name string, data []byte) error {
	d, err := parseOptional(stem, name, data)
	if err == nil {
		d.overlay = l.FS != fs.FS(embedded)
		s.optional[stem] = d
	}
	return err
}

func parseOptional(stem, name string, data []byte) (described, error) {
	var f optionalFile
	doc, err := parse(name, data, &f)
	if err != nil {
		return described{}, err
	}
	c := &checker{}
	out := described{Optional: c.optional(f, doc.top(), stem), at: doc.top()}
	return out, c.err
}

// Optionals returns the optional sets in order of name.
func (s *Set) Optionals() []Optional {
	var all []Optional
	for _, name := range slices.Sorted(maps.Keys(s.optional)) {
		all = append(all, s.optional[name].Optional)
	}
	return all
}

// With returns names of optional sets in the one form that a profile holds them in: known, in order, each
// once.
func (s *Set) With(names []string) ([]string, error) {
	for _, name := range names {
		if _, ok := s.optional[name]; !ok {
			var known, hint []string
			for _, o := range s.Optionals() {
				known, hint = append(known, o.Name), append(hint, o.Name+": "+o.Summary)
			}
			return nil, fault.New(fault.Usage, strings.Join(hint, "; "), "optional set %q: not known (there are: %s)", name, strings.Join(known, ", "))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

// choices lists all that can be chosen of some sets: each with and without each other.
func choices(sets []string) [][]string {
	all := [][]string{nil}
	for _, name := range sets {
		for _, one := range slices.Clone(all) {
			all = append(all, append(slices.Clone(one), name))
		}
	}
	return all
}

// mention is a place that names an optional set.
type mention struct {
	set string
	at  place
}

// mentions lists the optional sets that c's conditions name, in the order of the file.
func (c component) mentions() []mention {
	return slices.Concat(mentions(c.needs), mentions(c.configure), mentions(c.env), mentions(c.files), mentions(c.make), mentions(c.build),
		mentions(c.train), mentions(c.install))
}

func mentions[T any](list []entry[T]) []mention {
	var all []mention
	for _, e := range list {
		if e.with != "" {
			all = append(all, mention{e.with, e.at.at("with")})
		}
		if e.without != "" {
			all = append(all, mention{e.without, e.at.at("without")})
		}
	}
	return all
}

// sets are the names of the optional sets that c's conditions name.
func (c component) sets() []string {
	var names []string
	for _, m := range c.mentions() {
		names = append(names, m.set)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// variant is what a profile builds a version of c for. A training is the same with all sets: they add to the
// interpreter and change nothing of what it runs, so that one set of counts, and one pin, serves all of them.
// Where that were wrong, the compiler would miss counts or find those of another program, and stop.
func (c component) variant(version string, p *Profile) variant {
	v := variant{version, p.Floor, p.Optimize, p.With}
	if c.role == Training {
		v.with = nil
	}
	return v
}

func (s *Set) setsExist(c component) error {
	for _, m := range c.mentions() {
		if _, ok := s.optional[m.set]; !ok {
			return m.at.fail("describe it in sets/"+m.set+".yaml", "set %q is not known", m.set)
		}
	}
	return nil
}

// setsMentioned finds sets that would do nothing. One of ours can become so by an overlay's recipe in place
// of the one that names it; then there is no such set, and who asks for it is told so.
func (s *Set) setsMentioned() error {
	used := map[string]bool{}
	for _, c := range s.components {
		for _, name := range c.sets() {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.optional)) {
		switch d := s.optional[name]; {
		case used[name]:
		case d.overlay:
			return d.at.at("name").fail("name it in the condition of some entry", "set %s is chosen for nothing: no recipe names it", name)
		default:
			delete(s.optional, name)
		}
	}
	return nil
}
