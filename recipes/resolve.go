package recipes

import (
	"maps"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Profile returns the profile of that name.
func (s *Set) Profile(name string) (*Profile, error) {
	p, ok := s.profiles[name]
	if !ok {
		names := strings.Join(slices.Sorted(maps.Keys(s.profiles)), ", ")
		return nil, fault.New(fault.Usage, "profiles: "+names, "profile %q: not known (there are: %s)", name, names)
	}
	return p.clone(), nil
}

// Profiles returns all profiles in order of name.
func (s *Set) Profiles() []*Profile {
	var all []*Profile
	for _, name := range slices.Sorted(maps.Keys(s.profiles)) {
		all = append(all, s.profiles[name].clone())
	}
	return all
}

func (p placed) clone() *Profile {
	c := *p.Profile
	c.Versions, c.Prefixes, c.Controls, c.With = maps.Clone(c.Versions), maps.Clone(c.Prefixes), slices.Clone(c.Controls), slices.Clone(c.With)
	return &c
}

// Versions returns the versions of a component, oldest first; none for an unknown one.
func (s *Set) Versions(component string) []string { return s.components[component].versionList() }

// Pinning names the version whose source, or an alternative of it, has the digest: "openssl 3.5.7"; "" where
// no recipe has it.
func (s *Set) Pinning(d digest.Digest) string {
	for _, name := range slices.Sorted(maps.Keys(s.components)) {
		for _, v := range s.Versions(name) {
			for _, src := range s.components[name].versions[v].Sources {
				for _, one := range append([]Source{src}, src.Alternatives...) {
					if one.SHA256 == d {
						return name + " " + v
					}
				}
			}
		}
	}
	return ""
}

// Data returns the newest version of a component of role data.
func (s *Set) Data(component string) (*Recipe, error) {
	c := s.components[component]
	if c.role != Data {
		return nil, fault.New(fault.Usage, "", "component %s: no data", component)
	}
	list := c.versionList()
	return c.recipe(variant{version: list[len(list)-1]}), nil
}

// Resolve returns the profile's recipes: each after those that it needs, otherwise in order of name,
// and the controls last. What only an optional set needs is left out where the set is not chosen.
func (s *Set) Resolve(p *Profile) ([]*Recipe, error) {
	if err := s.checkProfile(p, place{}); err != nil {
		return nil, err
	}
	var out []*Recipe
	done := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		c := s.components[name]
		number, _ := s.versionOf(p, or(c.like, name))
		v := c.variant(number, p)
		for _, need := range slices.Sorted(slices.Values(chosen(c.needs, v))) {
			visit(need)
		}
		out = append(out, c.recipe(v))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Versions)) {
		if !s.ofSet(name) {
			visit(name)
		}
	}
	for _, name := range p.Controls {
		visit(name)
	}
	if p.Sysroot != "" {
		return s.against(p.Sysroot, out)
	}
	return out, nil
}

// ofSet reports whether a component is there for an optional set: then it is built where something needs it,
// and not for itself.
func (s *Set) ofSet(component string) bool {
	for _, c := range s.components {
		for _, need := range c.needs {
			if need.item == component && need.with != "" {
				return true
			}
		}
	}
	return false
}

// versionOf is the version of a component that a profile has: the one that it names, or a library's only one.
func (s *Set) versionOf(p *Profile, component string) (string, bool) {
	if v, ok := p.Versions[component]; ok {
		return v, true
	}
	c := s.components[component]
	if all := c.versionList(); (c.role == Library || c.role == Tool) && len(all) == 1 {
		return all[0], true
	}
	return "", false
}

// checkProfile holds a profile against the components. at is the zero place for a profile that is not
// from a file.
func (s *Set) checkProfile(p *Profile, at place) error {
	for _, name := range slices.Sorted(maps.Keys(p.Versions)) {
		if err := s.checkChoice(p, name, at); err != nil {
			return err
		}
	}
	folders := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Prefixes)) {
		folder, where := p.Prefixes[name], at.at("prefixes", name)
		if _, ok := p.Versions[name]; !ok || s.components[name].role != Install {
			return where.fail("only an installed component of the profile has a prefix", "prefix for %s", name)
		}
		if !nameForm.MatchString(folder) {
			return where.fail(hintName, "prefix %q is not the name of a folder", folder)
		}
		if other, twice := folders[folder]; twice {
			return where.fail("give each its own folder", "prefix %q of %s is also %s's", folder, name, other)
		}
		folders[folder] = name
	}
	for i, name := range p.Controls {
		c, ok := s.components[name]
		if !ok || c.role != Control {
			return at.at("controls", i).fail("a control is a component with \"role: control\"", "%s is no control", name)
		}
		if err := s.checkNeeds(p, c, at.at("controls", i)); err != nil {
			return err
		}
		if slices.Index(p.Controls, name) != i {
			return at.at("controls", i).fail("remove one of the two", "control %s is listed twice", name)
		}
	}
	return nil
}

func (s *Set) checkChoice(p *Profile, name string, at place) error {
	c, ok := s.components[name]
	v, where := p.Versions[name], at.at("versions", name)
	if !ok || c.like != "" {
		return where.fail("components: "+strings.Join(s.names(), ", "), "component %s is not known", name)
	}
	if c.role == Data {
		return where.fail("remove it: its newest version is used where something asks for it", "%s is data and not built", name)
	}
	if _, ok := c.versions[v]; !ok {
		return where.fail("versions of "+name+": "+strings.Join(c.versionList(), ", ")+"; an overlay adds others", "%s %s is not known", name, v)
	}
	if _, ok := p.Prefixes[name]; !ok && c.role == Install {
		return at.at("prefixes").fail("add the name of the folder below /opt", "%s is installed and has no prefix", name)
	}
	return s.checkNeeds(p, c, where)
}

func (s *Set) checkNeeds(p *Profile, c component, at place) error {
	model := or(c.like, c.name)
	v, ok := s.versionOf(p, model)
	if !ok {
		return at.fail("add "+model+" to the profile's versions", "%s is like %s, of which the profile has no version", c.name, model)
	}
	for _, need := range chosen(c.needs, c.variant(v, p)) {
		n := s.components[need]
		_, known := s.versionOf(p, need)
		if n.role == Training || known && (n.role == Library || n.role == Tool) {
			if err := s.checkNeeds(p, n, at); err != nil {
				return err
			}
			continue
		}
		if !known && !slices.Contains(p.Controls, need) {
			return at.fail("add "+need+" to the profile's versions, or controls", "%s %s needs %s, which the profile does not have", c.name, v, need)
		}
	}
	return nil
}

// names returns the components that a profile can choose a version of.
func (s *Set) names() []string {
	var out []string
	for name, c := range s.components {
		if c.like == "" && c.role != Data {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
