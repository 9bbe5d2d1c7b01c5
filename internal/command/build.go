package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
)

// build is the whole of `mage build`: the house's flow in seven lines.
func (c *command) build(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	if err := c.refuseEOL(ch, time.Now()); err != nil {
		return err
	}
	if err := ch.site.Ready(c.Adopt); err != nil {
		return err
	}
	w, err := c.open(ctx, ch)
	if err != nil {
		return err
	}
	if err := c.anchors(ctx, w); err != nil {
		return err
	}
	if done, err := c.upToDate(ctx, w); done || err != nil {
		return err
	}
	if err := c.room(w); err != nil {
		return err
	}
	if err := loopback(ctx, w.builder.Mode); err != nil { // before minutes are spent
		return err
	}
	if w, err = c.equipped(ctx, w); err != nil {
		return err
	}
	result, err := w.builder.Run(ctx, w.plan)
	if err != nil {
		return err
	}
	return c.install(ctx, w, result)
}

// equipped returns w, planned anew when tools had to be installed: they are part of the keys.
func (c *command) equipped(ctx context.Context, w *workshop) (*workshop, error) {
	hit := true
	for _, st := range w.builder.Survey(w.plan) {
		hit = hit && st.Record != nil
	}
	if hit {
		return w, nil // restoring needs no compiler
	}
	installed, err := c.equip(ctx)
	if err != nil || !installed {
		return w, err
	}
	return c.open(ctx, w.chosen)
}

// ran runs the plan of what was chosen: afterwards the store has all of it.
func (c *command) ran(ctx context.Context, ch *chosen) (*workshop, map[string]store.Record, error) {
	w, err := c.open(ctx, ch)
	if err != nil {
		return nil, nil, err
	}
	if w, err = c.equipped(ctx, w); err != nil {
		return nil, nil, err
	}
	if err := c.refuseSigning(w); err != nil {
		return nil, nil, err
	}
	result, err := w.builder.Run(ctx, w.plan)
	return w, result.Records, err
}

// refuseSigning stops -sign where steps would first run with this user's rights: nothing would keep one of
// them from the key.
func (c *command) refuseSigning(w *workshop) error {
	if c.Sign == "" || w.builder.Mode != sandbox.None {
		return nil
	}
	for _, st := range w.builder.Survey(w.plan) {
		if st.Record == nil {
			return fault.New(fault.Failed,
				"run `build` with these flags first, or allow user namespaces: see `doctor`",
				"-sign: %s would have to be built first, without a sandbox", st.Step.Recipe.Name)
		}
	}
	return nil
}

// trees are the components of a generation, as the records say.
func (w *workshop) trees(records map[string]store.Record) map[string]deploy.Component {
	trees := map[string]deploy.Component{}
	for _, s := range w.plan.Components() {
		if s.Recipe.Role == recipes.Install {
			r := records[s.Recipe.Name]
			trees[s.Recipe.Name] = deploy.Component{Version: s.Recipe.Version, Prefix: s.Prefix, Key: r.Key, Output: r.Output}
		}
	}
	return trees
}

// generation is what the records make.
func (w *workshop) generation(records map[string]store.Record) deploy.Generation {
	return deploy.Generation{Profile: w.profile.Name, With: w.profile.With, Components: w.trees(records)}
}

// upToDate handles the build that has nothing to do: the plan's outputs are installed, linked, untouched and
// proved.
func (c *command) upToDate(ctx context.Context, w *workshop) (bool, error) {
	records := map[string]store.Record{}
	for _, st := range w.builder.Survey(w.plan) {
		if st.Record == nil {
			return false, nil
		}
		records[st.Step.Recipe.Name] = *st.Record
	}
	n := w.site.Current()
	if n == 0 || !w.site.Linked() {
		return false, nil
	}
	unlock, err := c.lock(ctx, w.site)
	if err != nil {
		return false, err
	}
	defer unlock()
	g, err := w.site.Generation(n)
	if err != nil || !sameAs(g, w.generation(records)) {
		return false, nil
	}
	if err := c.mend(ctx, w, n); err != nil {
		return false, err
	}
	if err := errors.Join(c.applyTrust(w), w.site.RepairModule(n)); err != nil {
		return false, err
	}
	if c.Check == "full" {
		return true, c.proveAgain(ctx, w, n, records)
	}
	_, proof, err := w.site.Stored(n)
	if err != nil || proof.Floor.String() != string(w.profile.Floor) {
		return true, c.proveAgain(ctx, w, n, records)
	}
	when := g.Proof.Time.Local().Format(time.DateTime)
	return true, c.reportBrief(w.site, g, proof,
		fmt.Sprintf("generation %d is in use, its proof of %s reused", n, when))
}

// lock makes this the only tlsfloor that changes the site.
func (c *command) lock(ctx context.Context, site deploy.Site) (func(), error) {
	return site.Lock(ctx, func() {
		c.sink.Note("another tlsfloor is at work below " + filepath.Join(site.Root, site.Base) + "; waiting for it")
	})
}

// sameAs reports whether two generations are of the same files and the same optional sets: where a set adds
// no file to some version, status still says with which sets a generation was built.
func sameAs(a, b deploy.Generation) bool {
	return sameOutputs(a.Components, b.Components) && slices.Equal(a.With, b.With) && a.Adopted == b.Adopted
}

func sameOutputs(a, b map[string]deploy.Component) bool {
	if len(a) != len(b) {
		return false
	}
	for name, c := range a {
		if b[name].Output != c.Output || b[name].Prefix != c.Prefix {
			return false
		}
	}
	return true
}

// mend puts altered files of a generation back. It is called under the site's lock.
func (c *command) mend(ctx context.Context, w *workshop, n int) error {
	for range 2 { // a list that had to be mended first tells of the trees only then
		i, err := w.site.Inspect(ctx, n, c.Check == "full")
		if err != nil {
			return err
		}
		altered := i.Altered()
		if len(altered) == 0 {
			return c.reindex(w.site, n, i.Touched)
		}
		c.sayRepairs(w.site, i)
		if err := w.site.Repair(ctx, w.store, n, altered); err != nil {
			return err
		}
	}
	return nil
}

// reindex makes the next look at touched files quick again.
func (c *command) reindex(site deploy.Site, n int, touched []string) error {
	switch len(touched) {
	case 0:
		return nil
	case 1:
		c.sink.Note(touched[0] + " was touched; its bytes are right")
	default:
		c.sink.Note(fmt.Sprintf("%s and %d more files were touched; their bytes are right", touched[0], len(touched)-1))
	}
	return site.Reindex(n)
}

// install makes the built trees a generation, proves it, and only then switches to it.
func (c *command) install(ctx context.Context, w *workshop, result steps.Result) error {
	unlock, err := c.lock(ctx, w.site)
	if err != nil {
		return err
	}
	defer unlock()
	g, reused, err := c.stage(ctx, w, result)
	if err != nil {
		return err
	}
	return c.decide(ctx, w, g, reused, func(ctx context.Context, g deploy.Generation) (*verify.Proof, error) {
		return c.prove(ctx, w, g, result.Records)
	})
}

// decide proves a staged generation and switches to it; one that did not pass goes again, unless it was
// there before. It is called under the site's lock.
func (c *command) decide(ctx context.Context, w *workshop, g deploy.Generation, reused bool, judge deploy.Judge) error {
	proved, proof, err := deploy.Prove(ctx, w.candidate(g), judge)
	if err == nil {
		err = c.applyTrust(w)
	}
	if err == nil {
		err = c.switchTo(w.site, g.Number, proved)
	}
	if err != nil {
		if proof != nil {
			err = errors.Join(err, c.report(w.site, g, proof, "not in use"))
		}
		if !reused {
			err = errors.Join(err, w.site.Discard(g.Number))
		}
		return err
	}
	tell := c.report
	if c.Quiet {
		tell = c.reportBrief
	}
	return tell(w.site, g, proof, fmt.Sprintf("generation %d is in use", g.Number))
}

// stage finds the generation that holds these outputs already, or makes a new one.
func (c *command) stage(ctx context.Context, w *workshop,
	result steps.Result) (g deploy.Generation, reused bool, err error) {
	want := w.generation(result.Records)
	all, err := w.site.Generations()
	if err != nil {
		return g, false, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if sameAs(all[i], want) {
			return all[i], true, c.mend(ctx, w, all[i].Number)
		}
	}
	begun := time.Now()
	want.Sysroot, want.Created = c.Sysroot, begun.UTC()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "install", Text: "copying from the store"})
	g, err = w.site.Stage(ctx, deploy.FromStore(w.store), want)
	if err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "install", Text: "stopped", Seconds: time.Since(begun).Seconds()})
		return g, false, err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "install", Text: fmt.Sprintf("generation %d", g.Number), Seconds: time.Since(begun).Seconds()})
	if g.GLIBC != "" && w.site.GLIBC() == "" {
		c.sink.Note("no C library was found below " + filepath.Join("/", w.site.Root) + "; this generation needs glibc " + g.GLIBC + " or later")
	}
	return g, false, nil
}

// switchTo adopts what is in the way, says which packages of the user stay behind, and switches.
func (c *command) switchTo(site deploy.Site, n int, proved deploy.Proved) error {
	if c.Adopt {
		blocked := site.Blocked()
		old, err := site.Adopt(time.Now().UTC())
		if err != nil {
			return err
		}
		if old.Number == 0 && len(blocked) > 0 {
			c.sink.Note(blocked[0].Path + " was moved to " + site.Aside())
		}
		for name := range old.Components {
			c.sink.Note(fmt.Sprintf("%s was moved aside as generation %d: `rollback` brings it back", site.Prefix(name), old.Number))
		}
	}
	if now := site.Current(); now != 0 && now != n {
		packages, err := site.UserPackages(now)
		if err != nil {
			return err
		}
		if len(packages) > 0 {
			c.sink.Warn(fmt.Sprintf("generation %d holds packages that you installed: they stay there, and the new one does not have them: %s", now, strings.Join(packages, ", ")))
		}
	}
	return site.Switch(proved)
}

// again runs do once more when the store lost something on the way.
func (c *command) again(ctx context.Context, do func(context.Context) error) error {
	err := do(ctx)
	if errors.Is(err, store.ErrMiss) && ctx.Err() == nil {
		c.sink.Warn(err.Error() + "; building what is missing")
		err = do(ctx)
	}
	return err
}

// room looks at disk and memory before anything is fetched.
func (c *command) room(w *workshop) error {
	var need int64
	for _, st := range w.builder.Survey(w.plan) {
		if st.Record == nil {
			need += workSpace(st.Step.Recipe)
		}
	}
	return roomFor(w.store.Dir(), filepath.Join(w.site.Root, w.site.Base), need, c.sink)
}
