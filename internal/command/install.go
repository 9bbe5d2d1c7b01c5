package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
)

// arrival is a bundle on its way in.
type arrival struct {
	*bundle.Checked
	site  deploy.Site
	store *store.Store
	work  string // a folder for what is needed in between
}

// installBundle installs a bundle that somebody has built, having checked it first.
func (c *command) installBundle(ctx context.Context) error {
	a, release, err := c.receive(ctx, "install")
	if err != nil {
		return err
	}
	defer release()
	w, err := c.receiver(a)
	if err != nil {
		return err
	}
	if err := c.fits(a); err != nil {
		return err
	}
	if !a.Weak() && !c.Unproved {
		return fault.New(fault.Incomplete, "take the "+a.Index.Name+"-controls archive too, or say -unproved and rely on the proof that the bundle brings",
			"bundle %s: the weak peers are missing, and without them nothing can be proved on this machine", a.Index.Name)
	}
	if err := c.anchors(ctx, w); err != nil {
		return err
	}
	unlock, err := c.lock(ctx, a.site)
	if err != nil {
		return err
	}
	defer unlock()
	return c.settle(ctx, a, w)
}

// receive brings the bundle that -from names here and checks it; release removes what that needs in between.
func (c *command) receive(ctx context.Context, why string) (*arrival, func(), error) {
	trust, err := c.bundleTrust()
	if err != nil {
		return nil, nil, err
	}
	trust.Stale = why == "verify" // it is in use already
	st, work, release, err := c.workFolder(ctx, why)
	if err != nil {
		return nil, nil, err
	}
	a, err := c.arrive(ctx, st, work, trust)
	if err != nil {
		release()
		return nil, nil, err
	}
	return a, release, nil
}

// workFolder makes a folder for what is needed in between.
func (c *command) workFolder(ctx context.Context, name string) (*store.Store, string, func(), error) {
	st, err := c.openStore(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	work, release, err := st.Work(ctx, name, false)
	return st, work, release, err
}

// arrive brings the bundle here and checks it.
func (c *command) arrive(ctx context.Context, st *store.Store, work string, trust bundle.Trust) (*arrival, error) {
	begun := time.Now()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "check", Text: "reading " + c.From})
	checked, err := c.take(ctx, st, work, trust, false)
	if err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "check", Text: "refused", Seconds: time.Since(begun).Seconds()})
		return nil, err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "check", Text: whose(checked), Seconds: time.Since(begun).Seconds()})
	if checked.Key != nil && checked.Release == nil {
		c.sink.Warn("the bundle does not say which release it is: it counts as older than all that do, and never expires")
	}
	a := &arrival{Checked: checked, store: st, work: work}
	base := ""
	if c.given["Prefix"] {
		base = c.Prefix
	}
	a.site = checked.Index.Site(c.Root, base)
	return a, nil
}

func whose(k *bundle.Checked) string {
	if k.Key == nil {
		return k.Index.Name + ", whose signature nobody looked at"
	}
	return k.Index.Name + ", signed by " + k.Key.From
}

// fits looks whether the bundle can be installed here before anything is written.
func (c *command) fits(a *arrival) error {
	triple, _, err := platform()
	if err != nil {
		return err
	}
	if x := a.Index; x.OS != "linux" || x.Claim.Triple != triple {
		return fault.New(fault.Failed, "take the bundle for "+triple, "bundle %s: it is for %s, and this machine is %s", x.Name, x.Claim.Triple, triple)
	}
	if err := a.site.Ready(c.Adopt); err != nil {
		return err
	}
	if err := a.site.Runs(deploy.Generation{GLIBC: a.Index.GLIBC}); err != nil {
		return fault.New(fault.CodeOf(err), "take a bundle that was built with -sysroot for an older system", "bundle %s: %w", a.Index.Name, err)
	}
	var size int64
	for _, one := range a.Index.Claim.Components {
		size += one.Bytes + int64(one.Files)*4096 // a file ends in the middle of a block
	}
	return roomFor(c.Store, filepath.Join(a.site.Root, a.site.Base), size, c.sink)
}

// receiver is what the steps after a build need of a workshop, made from what the bundle says of itself.
func (c *command) receiver(a *arrival) (*workshop, error) {
	set, err := c.load()
	if err != nil {
		return nil, err
	}
	x := a.Index
	if err := c.asked(set, x); err != nil {
		return nil, err
	}
	ch := &chosen{set: set, site: a.site, profile: &recipes.Profile{Name: x.Claim.Profile, Floor: recipes.Floor(x.Floor), Prefixes: a.site.Prefixes, With: x.Claim.With, Sysroot: x.Claim.Sysroot}}
	for name, p := range x.Parts {
		eol, err := time.Parse(time.DateOnly, p.EOL)
		if err != nil {
			eol = time.Time{}
		}
		ch.recipes = append(ch.recipes, &recipes.Recipe{Name: name, Version: p.Version, EOL: eol})
		if !eol.IsZero() && time.Now().After(eol) && p.Role == string(recipes.Install) {
			c.sink.Warn(fmt.Sprintf("%s %s has had no security fixes since %s", name, p.Version, p.EOL))
		}
	}
	return &workshop{chosen: ch, store: a.store}, nil
}

// settle stages, proves and switches. It is called under the site's lock.
func (c *command) settle(ctx context.Context, a *arrival, w *workshop) error {
	downgrade, err := c.fresh(a)
	if err != nil {
		return err
	}
	g, reused, err := c.unpacked(ctx, a)
	if err != nil {
		return err
	}
	if downgrade != "" {
		err = a.site.NoteDowngrade(g.Number, downgrade)
	}
	if !a.Weak() {
		w.elsewhere = a.Index.Name
	}
	if err == nil {
		err = c.decide(ctx, w, g, reused, func(ctx context.Context, g deploy.Generation) (*verify.Proof, error) {
			return c.proveHere(ctx, a, g)
		})
	}
	if err == nil {
		err = a.Remember(a.site)
	}
	return err
}

// unpacked finds the generation that holds the bundle's trees untouched, or makes a new one.
func (c *command) unpacked(ctx context.Context, a *arrival) (g deploy.Generation, reused bool, err error) {
	want := a.Generation(a.site)
	all, err := a.site.Generations()
	if err != nil {
		return g, false, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if !sameAs(all[i], want) || all[i].Broken != "" {
			continue
		}
		altered, _, err := a.site.Altered(ctx, all[i].Number, c.Check == "full")
		if err == nil && len(altered) == 0 {
			return all[i], true, nil
		}
		if err == nil {
			c.sink.Warn(fmt.Sprintf("generation %d is left as it is: %s and %d more files in it were altered; the bundle is unpacked anew", all[i].Number, altered[0], len(altered)-1))
		}
	}
	begun := time.Now()
	want.Created = begun.UTC()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "install", Text: "unpacking " + a.Archive})
	g, err = a.site.Stage(ctx, a.Filler(), want)
	if err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "install", Text: "stopped", Seconds: time.Since(begun).Seconds()})
		return g, false, err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "install", Text: fmt.Sprintf("generation %d", g.Number), Seconds: time.Since(begun).Seconds()})
	return g, false, nil
}

// proveHere proves the generation on this machine, with the weak peers of the bundle; without them the
// bundle's own proof stands.
func (c *command) proveHere(ctx context.Context, a *arrival, g deploy.Generation) (*verify.Proof, error) {
	controls := filepath.Join(a.work, "controls")
	prefixes, err := a.Controls(ctx, controls)
	if err != nil {
		return nil, err
	}
	if prefixes == nil {
		c.sink.Warn("nothing was tried on this machine: the proof is the bundle's own, of " + a.Proof.Time.Local().Format(time.DateTime))
		return a.Proof, nil
	}
	b := rig{work: filepath.Join(a.work, "verify")}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return nil, err
	}
	if b.mode, err = c.trialMode(ctx); err != nil {
		return nil, err
	}
	for name := range g.Components {
		b.mounts = append(b.mounts, sandbox.Mount{From: filepath.Join(a.site.Dir(g.Number), name), To: g.Components[name].Prefix})
	}
	for name, prefix := range prefixes {
		b.mounts = append(b.mounts, sandbox.Mount{From: filepath.Join(controls, name), To: prefix})
	}
	proof, err := c.try(ctx, b, a.Index.Floor, g, b.weak(prefixes))
	if err != nil {
		return nil, fmt.Errorf("proving generation %d: %w", g.Number, err)
	}
	return proof, nil
}

func (c *command) bundleVerify(ctx context.Context) error {
	trust, err := c.bundleTrust()
	if err != nil {
		return err
	}
	set, err := recipes.Load()
	if err != nil {
		return err
	}
	st, work, release, err := c.workFolder(ctx, "bundle-verify")
	if err != nil {
		return err
	}
	defer release()
	k, err := c.take(ctx, st, work, trust, true)
	if err == nil {
		err = c.asked(set, k.Index)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(struct {
			Index   *bundle.Index   `json:"index"`
			Signer  string          `json:"signer,omitempty"`
			Release *bundle.Release `json:"release,omitempty"`
			Proof   string          `json:"proof"`
		}{k.Index, signerID(k), k.Release, k.Proof.Summary()})
	}
	fmt.Fprintf(c.out, "%s\n%s, of %s\nneeds glibc %s on %s\n", whose(k), k.Proof.Summary(), k.Proof.Time.Format(time.DateTime), k.Index.GLIBC, k.Index.Arch)
	if r := k.Release; r != nil && !r.Expires.IsZero() {
		fmt.Fprintf(c.out, "release %d, to be installed until %s\n", r.Sequence, r.Expires.Format(time.DateOnly))
	}
	return nil
}

func signerID(k *bundle.Checked) string {
	if k.Key == nil {
		return ""
	}
	return k.Key.ID
}
