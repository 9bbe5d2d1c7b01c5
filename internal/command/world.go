package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/patches"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// chosen is the profile that the flags name, with its recipes.
type chosen struct {
	set       *recipes.Set
	profile   *recipes.Profile
	recipes   []*recipes.Recipe
	site      deploy.Site
	elsewhere string        // the bundle that brought the proof with it; empty: the proof is made here
	trust     *deploy.Trust // what build makes the installed OpenSSL trust; nil: nothing to do with it
}

// selection is what of a profile's recipes is wanted, where that is not what the flags say.
type selection struct {
	recipes []string // folders
	sysroot string
	with    []string
}

func (c *command) selection() selection { return selection{c.Recipes, c.Sysroot, c.With} }

// load reads the recipes, and those of -recipes.
func (c *command) load() (*recipes.Set, error) { return load(c.Recipes) }

// load reads the recipes, and those in folders: what stands there is run.
func load(folders []string) (*recipes.Set, error) {
	for _, dir := range folders {
		if err := owned.Tree(dir); err != nil {
			return nil, fmt.Errorf("recipes: %w", err)
		}
	}
	return recipes.Load(folders...)
}

// choose loads the recipes and resolves the profile.
func (c *command) choose(ctx context.Context) (*chosen, error) { return c.chooseAs(ctx, c.selection()) }

// chooseAs is choose with something else than the flags say.
func (c *command) chooseAs(ctx context.Context, want selection) (*chosen, error) {
	set, err := load(want.recipes)
	if err != nil {
		return nil, err
	}
	p, err := set.Profile(c.Profile)
	if err != nil {
		return nil, err
	}
	if c.Optimize != "" {
		if p.Optimize, err = recipes.ParseOptimize(c.Optimize); err != nil {
			return nil, fault.New(fault.Usage, "one of: none, pgo, pgo+lto", "-optimize=%s: unknown value", c.Optimize)
		}
	}
	if want.sysroot != "" {
		if p.Sysroot, err = set.Sysroot(want.sysroot, runtime.GOARCH); err != nil {
			return nil, err
		}
	}
	if p.With, err = set.With(want.with); err != nil {
		return nil, err
	}
	all, err := set.Resolve(p)
	if err != nil {
		return nil, err
	}
	pin(ctx, p, all)
	return &chosen{set: set, profile: p, recipes: all, site: deploy.Site{Root: c.Root, Base: c.Prefix, Profile: p.Name, Prefixes: p.Prefixes}}, nil
}

// pin puts pinned profiles in the place of trainings, where there are any for the host's compiler and the
// sysroot.
func pin(ctx context.Context, p *recipes.Profile, all []*recipes.Recipe) {
	for i, r := range all {
		if len(r.Pins) > 0 {
			all[i] = r.Pinned(compiler(ctx), p.Sysroot)
		}
	}
}

// compiler is the first line of what the host's compiler says about itself; empty without one.
func compiler(ctx context.Context) string {
	found, _ := sandbox.Host{}.Tools(ctx, []sandbox.Need{"cc"})
	if len(found) == 0 {
		return ""
	}
	return found[0].Version
}

// patches returns the patches of one version, a site's own included.
func (ch *chosen) patches(component, version string) ([]patches.Patch, error) {
	return patches.For(component, version, ch.set.Patches()...)
}

// endOfLife lists the components whose upstream has stopped mending them, as of now.
func (ch *chosen) endOfLife(now time.Time) []*recipes.Recipe {
	var old []*recipes.Recipe
	for _, r := range ch.recipes {
		if r.Role != recipes.Control && !r.EOL.IsZero() && now.After(r.EOL) {
			old = append(old, r)
		}
	}
	return old
}

// refuseEOL stops a profile past its end of life unless -alloweol was said.
func (c *command) refuseEOL(ch *chosen, now time.Time) error {
	for _, r := range ch.endOfLife(now) {
		if c.AllowEOL {
			c.sink.Warn(fmt.Sprintf("%s %s has had no security fixes since %s", r.Name, r.Version, r.EOL.Format(time.DateOnly)))
			continue
		}
		return fault.New(fault.Usage, "choose another -profile (`doctor` lists them), or say -alloweol if you must have this one",
			"profile %s: %s %s has had no security fixes since %s", ch.profile.Name, r.Name, r.Version, r.EOL.Format(time.DateOnly))
	}
	return nil
}

// workshop is what building needs beyond the recipes.
type workshop struct {
	*chosen
	store   *store.Store
	plan    *plan.Plan
	builder *steps.Builder
}

// open prepares store, host and plan. It needs the host's tools: see equip.
func (c *command) open(ctx context.Context, ch *chosen) (*workshop, error) {
	st, err := c.openStore(ctx)
	if err != nil {
		return nil, err
	}
	pin(ctx, ch.profile, ch.recipes) // once more: the compiler may have been installed in between
	mode, err := c.mode(ctx)
	if err != nil {
		return nil, err
	}
	if err := sandbox.Hide(mode); err != nil {
		return nil, err
	}
	tools, err := sandbox.Host{}.Fingerprint(ctx, st.Dir())
	if err != nil {
		return nil, err
	}
	host := plan.Host{Sandbox: string(mode), Env: mode.Environ(sandbox.WorkPath), Tools: tools}
	if mode == sandbox.None {
		host.Sandbox += " " + st.Dir() // without namespaces the path reaches the bytes
	}
	if host.Triple, host.Target, err = platform(); err != nil {
		return nil, err
	}
	p, err := plan.New(plan.Input{Profile: ch.profile, Recipes: ch.recipes, Patches: ch.patches, Base: c.Prefix, Host: host})
	if err != nil {
		return nil, err
	}
	fetch, err := c.fetcher(ch, st)
	if err != nil {
		return nil, err
	}
	b := &steps.Builder{Store: st, Fetch: fetch, Mode: mode, Jobs: c.Jobs, Sink: c.sink}
	return &workshop{ch, st, p, b}, nil
}

// mode decides how steps are isolated. Root builds nothing without namespaces unless that was asked for.
func (c *command) mode(ctx context.Context) (sandbox.Mode, error) {
	mode, reason, err := c.isolation(ctx)
	switch {
	case err != nil || reason == "":
	case os.Geteuid() == 0:
		return mode, fault.New(fault.Failed,
			"allow user namespaces, or run as an ordinary user; -sandbox=none builds with root's rights",
			"as root nothing is built without a sandbox: %s", reason)
	default:
		c.sink.Warn("building without a sandbox: " + reason)
	}
	return mode, err
}

// trialMode decides the same for programs that are tried and were built elsewhere, by somebody trusted: where
// there are no namespaces, as in a chroot, they are tried all the same.
func (c *command) trialMode(ctx context.Context) (sandbox.Mode, error) {
	mode, reason, err := c.isolation(ctx)
	if err == nil && reason != "" {
		c.sink.Warn("programs are tried without a sandbox: " + reason)
	}
	return mode, err
}

// isolation is the mode that is asked for or can be had, with the reason where no namespaces can be.
func (c *command) isolation(ctx context.Context) (mode sandbox.Mode, reason string, err error) {
	if c.Sandbox == "none" {
		return sandbox.None, "", nil
	}
	if mode, reason = sandbox.Probe(ctx); mode == sandbox.None && c.Sandbox == "require" {
		return mode, reason, fault.New(fault.Failed, "allow user namespaces (sysctl user.max_user_namespaces, "+
			"kernel.unprivileged_userns_clone), run as root, or leave -sandbox=require out",
			"sandbox: %s", reason)
	}
	return mode, reason, nil
}

// platform names the machine as compilers and as OpenSSL do.
func platform() (triple, target string, err error) {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64-linux-gnu", "linux-x86_64", nil
	case "arm64":
		return "aarch64-linux-gnu", "linux-aarch64", nil
	}
	return "", "", fault.New(fault.Failed, "tlsfloor builds on linux/amd64 and linux/arm64", "platform %s/%s: unknown", runtime.GOOS, runtime.GOARCH)
}

// fetcher brings sources into st.
func (c *command) fetcher(ch *chosen, st *store.Store) (steps.Fetch, error) {
	f, err := c.newFetcher(ch, st)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, src *recipes.Source) (digest.Digest, error) {
		got, err := f.Fetch(ctx, fetchSource(src))
		return got.Source.SHA256, ch.nameOthers(src, err)
	}, nil
}

// nameOthers adds to the error of a source that cannot be had the other versions that are pinned: nothing is
// ever built instead of what was asked for, but a person may choose.
func (ch *chosen) nameOthers(src *recipes.Source, err error) error {
	if err == nil || fault.CodeOf(err) != fault.Failed {
		return err
	}
	for _, r := range ch.recipes {
		if !slices.ContainsFunc(r.Sources, func(s recipes.Source) bool { return s.SHA256 == src.SHA256 }) {
			continue
		}
		others := slices.DeleteFunc(ch.set.Versions(r.Origin), func(v string) bool { return v == r.Version })
		if len(others) > 0 {
			return fault.New(fault.Failed, fmt.Sprintf("%s; other pinned versions of %s: %s", fault.HintOf(err), r.Origin, strings.Join(others, ", ")), "%w", err)
		}
	}
	return err
}

func (c *command) newFetcher(ch *chosen, st *store.Store) (*fetch.Fetcher, error) {
	return fetch.New(st, fetch.Options{Mirrors: c.Mirror, Offline: c.Offline, Apt: fetch.HostApt{}, Keys: ch.set.Key, Sink: c.fetchSink})
}

// gather fetches a source and writes it and its signature into the folder dir, by their names; it returns the
// source's.
func (c *command) gather(ctx context.Context, ch *chosen, st *store.Store, src *recipes.Source, dir string) (string, error) {
	f, err := c.newFetcher(ch, st)
	if err != nil {
		return "", err
	}
	got, err := f.Fetch(ctx, fetchSource(src))
	if err != nil {
		return "", err
	}
	files := map[string]digest.Digest{got.Source.File: got.Source.SHA256}
	if got.Source.Signature != nil {
		files[got.Source.Signature.File] = got.Signature.Blob
	}
	for name, d := range files {
		text, err := st.Read(d)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return "", err
		}
	}
	return got.Source.File, nil
}

// fetchSink puts progress, which fetch knows by its file, under the step's name.
func (c *command) fetchSink(e event.Event) {
	if e.Kind == event.Progress {
		e.Step = steps.FetchName(e.Step)
	}
	c.sink(e)
}

// fetchSource says a recipe's source in fetch's words.
func fetchSource(src *recipes.Source) fetch.Source {
	s := fetch.Source{Name: src.File, File: src.File, SHA256: src.SHA256, Size: src.Size, URLs: src.URLs}
	if src.Apt != nil {
		s.AptPackage, s.AptFile = src.Apt.Package, src.Apt.File
	}
	if sig := src.Signature; sig != nil {
		s.Signature = &fetch.Signature{File: sig.File, SHA256: sig.SHA256, URLs: sig.URLs, Fingerprint: sig.Key}
		if sig.Apt != nil {
			s.Signature.AptFile = sig.Apt.File
		}
	}
	for i := range src.Alternatives {
		s.Alternatives = append(s.Alternatives, fetchSource(&src.Alternatives[i]))
	}
	return s
}

// genDir is the host's path of generation n's component.
func (ch *chosen) genDir(n int, component string) string {
	return filepath.Join(ch.site.Dir(n), component)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
