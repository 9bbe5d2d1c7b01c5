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
	cpe       string
	needs     []entry[string]
	versions  map[string]release
	configure []entry[Flag]
	env       []entry[Var]
	files     []entry[[]File] // one entry may bring a folder of files
	make      []entry[Flag]
	build     []entry[Command]
	train     []entry[Command]
	pins      []entry[Pin]
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
	at       place
	item     T
	when     version.Constraint
	floor    Floor    // "" for every floor
	optimize Optimize // "" for every one
	with     string   // an optional set that has to be chosen, or ""
	without  string   // one that must not be
}

// variant is what a component is built for.
type variant struct {
	version  string
	floor    Floor
	optimize Optimize
	with     []string // the optional sets that are chosen
}

// variants lists all that a version can be built for, as far as it knows of optional sets.
func variants(v string, optional []string) []variant {
	var all []variant
	for _, f := range []Floor{TLS12, TLS13} {
		for _, o := range Optimizations {
			for _, with := range choices(optional) {
				all = append(all, variant{v, f, o, with})
			}
		}
	}
	return all
}

// chosen returns the items whose conditions hold.
func chosen[T any](list []entry[T], v variant) []T {
	var items []T
	for _, e := range list {
		if e.holds(v) {
			items = append(items, e.item)
		}
	}
	return items
}

func (e entry[T]) holds(v variant) bool {
	return e.when.Allows(v.version) && (e.floor == "" || v.floor.AtLeast(e.floor)) && v.optimize.AtLeast(e.optimize) &&
		(e.with == "" || slices.Contains(v.with, e.with)) && (e.without == "" || !slices.Contains(v.with, e.without))
}

// over returns c with everything that top gives laid over it.
func (c component) over(top component) component {
	c.at, c.name, c.like = top.at, top.name, or(top.like, c.like)
	c.role, c.summary = or(top.role, c.role), or(top.summary, c.summary)
	c.license, c.homepage, c.cpe = or(top.license, c.license), or(top.homepage, c.homepage), or(top.cpe, c.cpe)
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
	c.make = orList(top.make, c.make)
	c.build = orList(top.build, c.build)
	c.train = orList(top.train, c.train)
	c.pins = orList(top.pins, c.pins)
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

// recipe returns the variant's recipe. The version exists.
func (c component) recipe(v variant) *Recipe {
	r := c.versions[v.version].Recipe
	r.Name, r.Origin, r.Role = c.name, or(c.like, c.name), c.role
	r.Summary, r.License, r.Homepage, r.CPE = c.summary, or(r.License, c.license), c.homepage, c.cpe
	r.Needs = chosen(c.needs, v)
	r.Configure = chosen(c.configure, v)
	r.Env = chosen(c.env, v)
	r.Files = slices.Concat(chosen(c.files, v)...)
	r.Make = chosen(c.make, v)
	r.Build = chosen(c.build, v)
	r.Train, r.Pins = chosen(c.train, v), chosen(c.pins, v)
	r.Install = chosen(c.install, v)
	r.Checks = chosen(c.checks, v)
	return &r
}
