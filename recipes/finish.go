package recipes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// finish gives controls what their models have, and checks what can be seen only when all is read.
func (s *Set) finish() error {
	names := slices.Sorted(maps.Keys(s.components))
	for _, name := range names {
		if err := s.model(name); err != nil {
			return err
		}
	}
	for _, check := range []func(component) error{s.complete, s.checkSysroots, s.needsExist, s.keysExist, s.setsExist, s.acyclic, s.resolvable} {
		for _, name := range names {
			if err := check(s.components[name]); err != nil {
				return err
			}
		}
	}
	if err := s.setsMentioned(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.profiles)) {
		if err := s.checkProfile(s.profiles[name].Profile, s.profiles[name].at); err != nil {
			return err
		}
	}
	return nil
}

// model gives a component with "like" its model's versions, sources and licence, and one that is trained also
// how the model is configured: its counts fit only what is compiled alike.
func (s *Set) model(name string) error {
	c := s.components[name]
	at := c.at.at("like")
	if c.like == "" && (c.role == Control || c.role == Training) {
		return at.fail("name the component whose sources these are", "role %s without like", c.role)
	}
	if c.like == "" {
		return nil
	}
	m, ok := s.components[c.like]
	switch {
	case c.role != Control && c.role != Training:
		return at.fail("only a component of role control or training has a model", "like with role %s", c.role)
	case !ok || m.like != "":
		return at.fail("components: "+strings.Join(s.names(), ", "), "like %s: no such component to take after", c.like)
	case len(c.versions) > 0:
		return c.at.at("versions").fail("remove them: versions and sources are the model's", "versions beside like")
	}
	c.versions, c.license, c.homepage, c.cpe = m.versions, or(c.license, m.license), or(c.homepage, m.homepage), or(c.cpe, m.cpe)
	if c.role == Training {
		c.configure, c.env, c.files = orList(c.configure, m.configure), orList(c.env, m.env), slices.Concat(m.files, c.files)
	}
	s.components[name] = c
	return nil
}

func (s *Set) complete(c component) error {
	k := &checker{}
	k.given(string(c.role), c.at.at("role"), "install, library, tool, control, training, data or sysroot")
	k.given(c.summary, c.at.at("summary"), "one line that says what it is")
	k.given(c.license, c.at.at("license"), "an SPDX expression")
	k.given(c.homepage, c.at.at("homepage"), "upstream's page")
	k.require(len(c.versions) > 0, c.at.at("versions"), "list at least one version with its sources", "versions is missing")
	k.require(c.role != Data || len(c.needs)+len(c.configure)+len(c.env)+len(c.files)+len(c.make)+len(c.build)+len(c.install)+len(c.checks) == 0, c.at.at("role"), "give it its sources and no more", "data is not built")
	k.require(len(c.install) > 0 || c.role == Training || c.role == Data, c.at.at("install"), "list the commands that install into {dest}", "install is missing")
	k.require(len(c.pins) == 0 || c.role == Training, c.at.at("pins"), "only what a training gives can be pinned", "pins with role %s", c.role)
	k.require(len(c.train) > 0 == (c.role == Training), c.at.at("train"), "a component of role training is trained, and no other", "train is missing, or out of place")
	return k.err
}

func (s *Set) needsExist(c component) error {
	for _, need := range c.needs {
		n, ok := s.components[need.item]
		if !ok || n.role == Data || n.role == Control && c.role != Control {
			return need.at.fail("components: "+strings.Join(s.names(), ", "), "need %q is not known", need.item)
		}
		if n.role == Training && n.like != c.name {
			return need.at.fail("a profile fits only its model, "+n.like, "need %q is another's training", need.item)
		}
	}
	return nil
}

func (s *Set) keysExist(c component) error {
	for _, p := range c.pins {
		if err := s.keyExists(p.item.Source, p.at); err != nil {
			return err
		}
	}
	if c.like != "" {
		return nil // the model's sources
	}
	for _, v := range c.versionList() {
		for i, src := range c.versions[v].Sources {
			if err := s.keyExists(src, c.versions[v].at.at("sources", i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Set) keyExists(src Source, at place) error {
	if sig := src.Signature; sig != nil && s.keys[sig.Key] == nil {
		return at.at("signature", "key").fail("put the public key into keys/"+sig.Key+".asc", "key %s is not among the keys", sig.Key)
	}
	for i, a := range src.Alternatives {
		if err := s.keyExists(a, at.at("alternatives", i)); err != nil {
			return err
		}
	}
	return nil
}

// acyclic follows c's needs back to c.
func (s *Set) acyclic(c component) error {
	var walk func(trail []string) error
	walk = func(trail []string) error {
		for _, need := range s.components[trail[len(trail)-1]].needs {
			if need.item == c.name {
				return need.at.fail("remove one of these needs", "needs in a circle: %s -> %s", strings.Join(trail, " -> "), c.name)
			}
			if slices.Contains(trail, need.item) {
				continue // a circle without c: found from one of its own members
			}
			if err := walk(append(slices.Clone(trail), need.item)); err != nil {
				return err
			}
		}
		return nil
	}
	return walk([]string{c.name})
}

// resolvable looks at every text's placeholders, and at every version in every variant for names that are
// given twice.
func (s *Set) resolvable(c component) error {
	var needs []string
	for _, n := range c.needs {
		needs = append(needs, n.item)
	}
	k := &checker{}
	for _, f := range c.configure {
		k.text(f.item.Arg, f.at.at("arg"), needs)
	}
	for _, v := range c.env {
		k.text(v.item.Value, v.at.at("value"), needs)
	}
	for _, f := range c.make {
		k.text(f.item.Arg, f.at.at("arg"), needs)
	}
	for _, f := range c.files {
		for _, one := range f.item {
			if !one.Literal {
				k.text(one.Content, f.at.at("content"), needs)
			}
		}
	}
	for _, e := range slices.Concat(c.build, c.train, c.install) {
		for i, arg := range e.item.Argv {
			if arg != configureArg && arg != makeArg {
				k.text(arg, e.at.at("run", i), needs)
			}
		}
	}
	for _, v := range c.versionList() {
		for _, each := range variants(v, c.sets()) {
			k.checked(unique(c.recipe(each)), c.at, "give the two entries conditions that exclude each other")
		}
	}
	return k.err
}

func (k *checker) text(s string, at place, needs []string) {
	k.checked(checkPlaceholders(s, needs), at, "placeholders are listed in recipes/README.md; a need's are {prefix:NAME} and {dep:NAME}")
}

func unique(r *Recipe) error {
	seen := map[string]bool{}
	see := func(kind, name string) error {
		if seen[kind+name] {
			return fmt.Errorf("%s %s is given twice for version %s", kind, name, r.Version)
		}
		seen[kind+name] = true
		return nil
	}
	for _, f := range r.Configure {
		if err := see("flag", f.Arg); err != nil {
			return err
		}
	}
	for _, f := range r.Make {
		if err := see("argument", f.Arg); err != nil {
			return err
		}
	}
	for _, v := range r.Env {
		if err := see("variable", v.Name); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		if err := see("file", f.Path); err != nil {
			return err
		}
	}
	if len(r.Install) == 0 && r.Role != Training && r.Role != Data {
		return fmt.Errorf("no install command for version %s", r.Version)
	}
	return nil
}
