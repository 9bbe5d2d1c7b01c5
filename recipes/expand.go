package recipes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The arguments that stand for all configure flags and for all make arguments.
const (
	configureArg = "{configure}"
	makeArg      = "{make}"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+(:[a-z0-9][a-z0-9._+-]*)?\}`)
	minor       = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?`)
	known       = []string{"{jobs}", "{dest}", "{src}", "{prefix}", "{target}", "{triple}", "{version}", "{minor}"}
)

// Steps is what a recipe runs, placeholders replaced.
type Steps struct {
	Env     []Var
	Files   []File
	Build   []Command
	Train   []Command
	Install []Command
}

// Expand replaces the placeholders by vars, whose keys are written without braces ("jobs", "dep:zlib").
// {version} and {minor} are the recipe's own. A placeholder that vars lack is an error.
func (r *Recipe) Expand(vars map[string]string) (*Steps, error) {
	own := maps.Clone(vars)
	if own == nil {
		own = map[string]string{}
	}
	own["version"], own["minor"] = r.Version, minor.FindString(r.Version)
	x := &expansion{vars: own}
	s := &Steps{}
	for _, v := range r.Env {
		s.Env = append(s.Env, Var{v.Name, x.text(v.Value), v.Why})
	}
	for _, f := range r.Files {
		if !f.Literal {
			f.Content = x.text(f.Content)
		}
		s.Files = append(s.Files, f)
	}
	x.lists = map[string][]Flag{configureArg: r.Configure, makeArg: r.Make}
	s.Build, s.Train, s.Install = x.commands(r.Build), x.commands(r.Train), x.commands(r.Install)
	if x.missing != "" {
		return nil, fault.New(fault.Usage, "the package comment of recipes lists the placeholders", "expanding %s %s: no value for %s", r.Name, r.Version, x.missing)
	}
	return s, nil
}

type expansion struct {
	vars    map[string]string
	lists   map[string][]Flag // an argument -> those that it stands for
	missing string            // the first placeholder without a value
}

func (x *expansion) text(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(p string) string {
		name := p[1 : len(p)-1]
		value, ok := x.vars[name]
		if !ok && x.missing == "" {
			x.missing = p
		}
		return value
	})
}

func (x *expansion) commands(list []Command) []Command {
	var out []Command
	for _, c := range list {
		var argv []string
		for _, arg := range c.Argv {
			flags, isList := x.lists[arg]
			if !isList {
				argv = append(argv, x.text(arg))
			}
			for _, f := range flags {
				argv = append(argv, x.text(f.Arg))
			}
		}
		out = append(out, Command{argv, c.Memory})
	}
	return out
}

// checkPlaceholders looks at one text: every placeholder must be known, or belong to one of needs.
func checkPlaceholders(s string, needs []string) error {
	for _, p := range placeholder.FindAllString(s, -1) {
		kind, need, ofNeed := strings.Cut(p[1:len(p)-1], ":")
		if ofNeed {
			if kind != "prefix" && kind != "dep" {
				return fmt.Errorf("%s is no placeholder", p)
			}
			if !slices.Contains(needs, need) {
				return fmt.Errorf("%s: %s is not among the needs", p, need)
			}
		} else if !slices.Contains(known, p) {
			return fmt.Errorf("%s is no placeholder", p)
		}
	}
	return nil
}
