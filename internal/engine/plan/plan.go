// Package plan turns a profile's recipes and a description of the host into a DAG of Steps with Keys. It is
// pure: it reads nothing, runs nothing, and the same Input gives the same Plan.
//
// A Key names everything that can change a step's Output; `plan -explain` prints its lines. Left out on
// purpose:
//
//   - the number of jobs, and in a sandbox the store's and the work folder's path: it shows a constant one. Without a
//     sandbox the store's path is a line of the key, as it can reach the bytes, and the host's headers and programs that
//     the fingerprint does not cover are visible: such an Output is only as good as the host was clean
//   - URLs and mirrors: a source is its digest, wherever it came from
//   - the reasons ("why") and licences in a recipe: text for people
//   - how a compiler is made to use a sysroot, which is a need as any other. The host's own libc headers stay lines of the key beside
//     it, although no step sees them: an update of the host's libc then builds anew what comes out equal, and a key needs no exception
//   - time: SOURCE_DATE_EPOCH follows from the source's bytes
package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/patches"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Format is raised whenever tlsfloor's own building changes what comes out for equal recipes.
const Format = 1

// Env is what is set for every step, beside the sandbox's own environment and SOURCE_DATE_EPOCH, which
// follows from the sources. Python's hashes must not be random where they reach a build.
var Env = []string{"PYTHONHASHSEED=0"}

// Kind says what a Step does.
type Kind string

// The kinds of steps.
const (
	Fetch Kind = "fetch"
	Build Kind = "build"
)

// Step is one node of the DAG.
type Step struct {
	Name    string // "fetch/openssl-3.5.7.tar.gz", "build/openssl"
	Kind    Kind
	Deps    []string          // names of Steps that come first
	Recipe  *recipes.Recipe   // the component
	Source  *recipes.Source   // Fetch only
	Patches []patches.Patch   // Build only
	Prefix  string            // Build only: the compiled-in prefix
	Needs   map[string]string // Build only: needed component -> its compiled-in prefix
	base    digest.Lines      // Build only: the Key's lines that are known before anything ran
}

// Host is what a Key has to know of the machine.
type Host struct {
	Triple  string       // "x86_64-linux-gnu"
	Target  string       // OpenSSL's name of the platform, "linux-x86_64"
	Sandbox string       // the sandbox mode that steps will run in
	Env     []string     // the environment that every step begins with
	Tools   digest.Lines // the fingerprint of compiler, libc headers, make, perl, ...
}

// Input is all that a Plan depends on.
type Input struct {
	Profile *recipes.Profile
	Recipes []*recipes.Recipe // in dependency order
	Patches func(component, version string) ([]patches.Patch, error)
	Base    string // the folder of the prefixes, /opt by default
	Host    Host
}

// Plan is a DAG of Steps in an order in which they can run.
type Plan struct {
	Profile *recipes.Profile
	Base    string
	Host    Host
	Steps   []*Step
}

// New makes the plan.
func New(in Input) (*Plan, error) {
	p := &Plan{Profile: in.Profile, Base: in.Base, Host: in.Host}
	prefixes := map[string]string{}
	for _, r := range in.Recipes {
		prefixes[r.Name] = p.prefix(r)
		var fetched []string
		for i := range r.Sources {
			s := &Step{Name: "fetch/" + r.Sources[i].File, Kind: Fetch, Recipe: r, Source: &r.Sources[i]}
			if other := p.Step(s.Name); other != nil && other.Source.SHA256 != s.Source.SHA256 {
				s.Name += "@" + s.Source.SHA256.Short() // another component's file of the same name
			}
			fetched = append(fetched, s.Name)
			if p.Step(s.Name) == nil { // two components may share a source
				p.Steps = append(p.Steps, s)
			}
		}
		step := &Step{Name: "build/" + r.Name, Kind: Build, Recipe: r, Deps: fetched, Prefix: prefixes[r.Name], Needs: map[string]string{}}
		for _, need := range r.Needs {
			if prefixes[need] == "" {
				return nil, fmt.Errorf("planning %s: it needs %s, which profile %s does not have", r.Name, need, in.Profile.Name)
			}
			step.Deps = append(step.Deps, "build/"+need)
			step.Needs[need] = prefixes[need]
		}
		var err error
		if step.Patches, err = in.Patches(r.Origin, r.Version); err != nil {
			return nil, fmt.Errorf("planning %s: %w", r.Name, err)
		}
		step.base = p.lines(step)
		p.Steps = append(p.Steps, step)
	}
	return p, nil
}

// prefix returns where a component is compiled to live. What is never installed lives below a constant folder
// that no host has.
func (p *Plan) prefix(r *recipes.Recipe) string {
	if dir := p.Profile.Prefixes[r.Name]; dir != "" {
		return path.Join(p.Base, dir)
	}
	return "/deps/" + r.Name
}

// Step returns the step with that name, or nil.
func (p *Plan) Step(name string) *Step {
	for _, s := range p.Steps {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Components returns the Build steps.
func (p *Plan) Components() []*Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s *Step) bool { return s.Kind != Build })
}

func (p *Plan) lines(s *Step) digest.Lines {
	var l digest.Lines
	r := s.Recipe
	l.Addf("format", "tlsfloor build %d", Format)
	l.Add("component", r.Name+" "+r.Version)
	l.Add("prefix", s.Prefix)
	l.Add("triple", p.Host.Triple)
	l.Add("target", p.Host.Target)
	l.Add("sandbox", p.Host.Sandbox)
	for _, v := range slices.Concat(p.Host.Env, Env) {
		l.Add("environment", v)
	}
	for _, patch := range s.Patches {
		l.Add("patch", patch.Name+" "+patch.Digest.String())
	}
	for _, v := range r.Env {
		l.Add("env", v.Name+"="+v.Value)
	}
	for _, f := range r.Files {
		l.Add("file", f.Path+" "+digest.Of([]byte(f.Content)).String())
	}
	for _, f := range r.Configure {
		l.Add("flag", f.Arg)
	}
	for _, f := range r.Make {
		l.Add("argument", f.Arg)
	}
	for _, c := range r.Build {
		l.Addf("build", "%q", c.Argv)
	}
	for _, c := range r.Train {
		l.Addf("train", "%q", c.Argv)
	}
	for _, c := range r.Install {
		l.Addf("install", "%q", c.Argv)
	}
	for _, c := range r.Checks {
		l.Add("check", string(c)+" "+string(p.Profile.Floor)) // some look at the floor
	}
	for _, t := range p.Host.Tools {
		l.Add("host", strings.TrimSpace(t.Label+" "+t.Value))
	}
	return l
}

// KeyLines returns all lines of a Build step's Key. sources maps a source's file to the digest of the bytes
// that are used, outputs a needed component to its Output. ok is false while one of them is not known yet.
func (s *Step) KeyLines(sources, outputs map[string]digest.Digest) (lines digest.Lines, ok bool) {
	lines = slices.Clone(s.base)
	for _, src := range s.Recipe.Sources {
		d, known := sources[src.File]
		if !known {
			return nil, false
		}
		lines.Add("source", src.File+" "+d.String())
	}
	for _, need := range s.Recipe.Needs {
		d, known := outputs[need]
		if !known {
			return nil, false
		}
		lines.Add("need", need+" "+s.Needs[need]+" "+d.String())
	}
	return lines, true
}
