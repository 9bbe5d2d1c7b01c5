package recipes

import (
	"maps"
	"slices"

	"github.com/tlsfloor/tlsfloor/recipes/version"
)

// component is a checked componentFile, or several merged.
type component struct {
	at        place
	name      string
	like      string
	role      Role
	summary   string
	license   string
	homepage  string
	needs     []entry[string]
	versions  map[string]release
	configure []entry[Flag]
	env       []entry[Var]
	files     []entry[File]
	build     []entry[Command]
	install   []entry[Command]
	checks    []entry[Check]
}

// release is one version of a component.
type release struct {
	at     place
	Recipe // Version, License, EOL, FIPS and Sources only
}

// entry is a list item with its conditions.
type entry[T any] struct {
	at    place
	item  T
	when  version.Constraint
	floor Floor // "" for every floor
}

// chosen returns the items whose conditions hold.
func chosen[T any](list []entry[T], v string, f Floor) []T {
	var items []T
	for _, e := range list {
		if e.when.Allows(v) && (e.floor == "" || f.AtLeast(e.floor)) {
			items = append(items, e.item)
		}
	}
	return items
}

// over returns c with everything that top gives laid over it.
func (c component) over(top component) component {
	c.at, c.name, c.like = top.at, top.name, or(top.like, c.like)
	c.role, c.summary = or(top.role, c.role), or(top.summary, c.summary)
	c.license, c.homepage = or(top.license, c.license), or(top.homepage, c.homepage)
	versions := maps.Clone(c.versions)
	if versions == nil {
		versions = map[string]release{}
	}
	maps.Copy(versions, top.versions)
	c.versions = versions
	c.needs = orList(top.needs, c.needs)
	c.configure = orList(top.configure, c.configure)
	c.env = orList(top.env, c.env)
	c.files = orList(top.files, c.files)
	c.build = orList(top.build, c.build)
	c.install = orList(top.install, c.install)
	c.checks = orList(top.checks, c.checks)
	return c
}

func or[T ~string](a, b T) T {
	if a != "" {
		return a
	}
	return b
}

// orList prefers a list that was given, an empty one included.
func orList[T any](a, b []entry[T]) []entry[T] {
	if a != nil {
		return a
	}
	return b
}

// versionList returns the component's versions, oldest first.
func (c component) versionList() []string {
	return slices.SortedFunc(maps.Keys(c.versions), version.Compare)
}

// recipe returns version v as it is built for floor f. The version exists.
func (c component) recipe(v string, f Floor) *Recipe {
	r := c.versions[v].Recipe
	r.Name, r.Origin, r.Role = c.name, or(c.like, c.name), c.role
	r.Summary, r.License, r.Homepage = c.summary, or(r.License, c.license), c.homepage
	r.Needs = chosen(c.needs, v, f)
	r.Configure = chosen(c.configure, v, f)
	r.Env = chosen(c.env, v, f)
	r.Files = chosen(c.files, v, f)
	r.Build = chosen(c.build, v, f)
	r.Install = chosen(c.install, v, f)
	r.Checks = chosen(c.checks, v, f)
	return &r
}
