package bundle

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Input is what a bundle is made of.
type Input struct {
	Plan    *plan.Plan
	Records map[string]store.Record // by component
	Store   *store.Store
	Fetch   func(context.Context, *recipes.Source) (digest.Digest, error) // brings a source into the store, should it not be there any more
	Claim   artifacts.Claim                                               // what was built, on what host; its components are filled in
}

// part is one component of the plan.
type part struct {
	*plan.Step
	record  store.Record
	tree    store.Tree // of what is installed or tried
	notices []notice
	copies  []vendored
	newest  time.Time // of the files of its sources
}

// facts are all that the files of a bundle are written from.
type facts struct {
	Input
	name  string
	parts []*part
	when  time.Time // of the newest file of the sources of what is installed: what a build takes for now
}

// installed are the parts that the archives hold.
func (f *facts) installed() []*part { return f.of(recipes.Install) }

// controls are the weak peers of the proof.
func (f *facts) controls() []*part { return f.of(recipes.Control) }

// shipped are the parts whose code is in what is installed, and those themselves.
func (f *facts) shipped() []*part { return f.of(recipes.Install, recipes.Library) }

func (f *facts) of(roles ...recipes.Role) (some []*part) {
	for _, p := range f.parts {
		if slices.Contains(roles, p.Recipe.Role) {
			some = append(some, p)
		}
	}
	return some
}

// gather reads what the store and the sources know.
func gather(ctx context.Context, in Input) (*facts, error) {
	f := &facts{Input: in}
	for _, s := range in.Plan.Components() {
		p := &part{Step: s, record: in.Records[s.Recipe.Name]}
		if p.record.Key.IsZero() {
			return nil, fmt.Errorf("bundle: %s was not built", s.Recipe.Name)
		}
		f.parts = append(f.parts, p)
	}
	f.name = name(in.Plan, f.installed())
	f.Claim.Components = map[string]artifacts.Claimed{}
	for _, p := range slices.Concat(f.installed(), f.controls()) {
		var err error
		if p.tree, err = in.Store.Tree(p.record.Output); err != nil {
			return nil, err
		}
		if p.Recipe.Role == recipes.Install {
			f.Claim.Components[p.Recipe.Name] = artifacts.NewClaimed(p.Recipe.Version, p.Prefix, p.record.Output, p.tree)
		}
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(2) // each decodes in a goroutine of its own
	for _, p := range f.shipped() {
		eg.Go(func() error { return p.readSources(ctx, in) })
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	for _, p := range f.installed() {
		if p.newest.After(f.when) {
			f.when = p.newest
		}
		if err := p.readWheels(in.Store); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// name is tlsfloor-<profile>-python-<v>-openssl-<v>-<os>-<arch>, with what else tells bundles of one profile
// apart.
func name(p *plan.Plan, installed []*part) string {
	all := []string{"tlsfloor", p.Profile.Name}
	for _, one := range slices.Backward(installed) {
		all = append(all, one.Recipe.Name, one.Recipe.Version)
	}
	all = append(all, p.Profile.With...)
	arch, _, _ := strings.Cut(p.Host.Triple, "-")
	all = append(all, "linux", arch)
	if p.Profile.Sysroot != "" {
		all = append(all, strings.ReplaceAll(p.Profile.Sysroot, "/", "-"))
	}
	return strings.Join(all, "-")
}

// sources are those that it was built from: where a repacked archive stood in for upstream's, that one.
func (p *part) sources() []recipes.Source {
	all := slices.Clone(p.Recipe.Sources)
	for i := range all {
		for _, other := range all[i].Alternatives {
			if i < len(p.record.Sources) && other.SHA256 == p.record.Sources[i] {
				all[i] = other
			}
		}
	}
	return all
}

// readSources looks into the sources for what has to be said of them.
func (p *part) readSources(ctx context.Context, in Input) error {
	for _, src := range p.sources() {
		if !in.Store.Has(src.SHA256) {
			if _, err := in.Fetch(ctx, &src); err != nil {
				return err
			}
		}
		r, err := in.Store.Open(src.SHA256)
		if err != nil {
			return err
		}
		err = archive.Visit(ctx, r, src.File, archive.Limits{}, p.look)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// look takes a licence, or a list of copies of others' code, from a file of the source.
func (p *part) look(v archive.Visited) error {
	if !v.Mode.IsRegular() {
		return nil
	}
	if v.Time.After(p.newest) {
		p.newest = v.Time
	}
	_, inside, _ := strings.Cut(path.Clean(v.Name), "/")
	switch {
	case isNotice(p.Recipe.Name, inside, v.Size):
		return p.readNotice(inside, v.Body)
	case inside == upstreamList:
		return p.readUpstreamList(v.Body)
	case inside == expatHeader:
		return p.readExpat(v.Body)
	}
	return nil
}
