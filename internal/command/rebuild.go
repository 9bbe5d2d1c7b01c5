package command

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/rebuild"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// rebuild builds a profile again from nothing, in another world, and compares.
func (c *command) rebuild(ctx context.Context) error {
	vs, err := rebuild.Select(c.Vary)
	if err != nil {
		return err
	}
	if c.Claim != "" && (c.Against != "" || c.Vary != "all") {
		return fault.New(fault.Usage, "leave -against and -vary out", "-claim is for a rebuild of this host's own, under all variations")
	}
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	if err := c.refuseEOL(ch, time.Now()); err != nil {
		return err
	}
	ch.recipes = slices.DeleteFunc(ch.recipes, func(r *recipes.Recipe) bool { return r.Role == recipes.Control }) // not installed
	first, err := c.firstBuild(ctx, ch)
	if err != nil {
		return err
	}
	sets := [][]rebuild.Variation{vs}
	if c.Each {
		sets = nil
		for _, v := range vs {
			sets = append(sets, []rebuild.Variation{v})
		}
	}
	var reports []*rebuild.Report
	for _, set := range sets {
		r, err := first.again(ctx, set)
		if err != nil {
			return errors.Join(err, c.printRebuilds(reports))
		}
		reports = append(reports, r)
		c.sink.Note(names(set) + ": " + r.Verdict())
		if err := c.writeRebuilds(reports); err != nil { // each time: all of them take hours
			return err
		}
	}
	if err := c.printRebuilds(reports); err != nil {
		return err
	}
	for _, r := range reports {
		if !r.Same() {
			return fault.New(fault.NotReproducible, "the report names each file and what differs in it; -vary=<name> shows which variation does it", "%s", r.Verdict())
		}
	}
	for _, r := range reports {
		if r.Count(rebuild.Skipped) > 0 {
			return fault.New(fault.Incomplete, "the report says why; -vary leaves variations out", "%s", r.Verdict())
		}
	}
	if c.Claim != "" {
		return first.claim(ctx, c.Claim, reports)
	}
	return nil
}

func names(vs []rebuild.Variation) string {
	if len(vs) == len(rebuild.Variations) {
		return "all variations"
	}
	var list []string
	for _, v := range vs {
		list = append(list, v.Name)
	}
	return strings.Join(list, ", ")
}

// original is the build that is compared with.
type original struct {
	*command
	w       *workshop
	records map[string]store.Record
	theirs  *theirs       // somebody else's, with -against
	bundle  digest.Digest // of what of a bundle does not depend on its proof
}

func (c *command) firstBuild(ctx context.Context, ch *chosen) (*original, error) {
	w, err := c.open(ctx, ch)
	if err != nil {
		return nil, err
	}
	installed, err := c.equip(ctx) // the second build needs the tools whatever the store has
	if err != nil {
		return nil, err
	}
	if installed {
		if w, err = c.open(ctx, ch); err != nil {
			return nil, err
		}
	}
	if w.builder.Mode == sandbox.None {
		return nil, fault.New(fault.Failed, "`doctor` says what the sandbox lacks", "rebuild: without a sandbox the store's path reaches the bytes, and the second build has another store")
	}
	var need int64
	for _, st := range w.builder.Survey(w.plan) {
		need += workSpace(st.Step.Recipe) // the second build finds nothing in its store
		if st.Record == nil {
			need += workSpace(st.Step.Recipe)
		}
	}
	if err := roomFor(w.store.Dir(), w.store.Dir(), need, c.sink); err != nil {
		return nil, err
	}
	o := &original{command: c, w: w}
	if o.theirs, err = c.against(ctx, w); err != nil || o.theirs != nil {
		return o, err
	}
	result, err := w.builder.Run(ctx, w.plan)
	if err != nil {
		return o, err
	}
	o.records = result.Records
	o.bundle, err = c.unproven(ctx, w, o.records)
	return o, err
}

// bundleOutput is where the output of the bundle stands among those of components.
const bundleOutput = "bundle"

// order is what the child is asked to build.
type order struct {
	Profile, Optimize, Sysroot, Prefix string
	Recipes, With, Packages            []string
	Mirror, Maintainer                 string
	Jobs, Release                      int
}

// again builds once more under the variations that this host can make, and compares.
func (o *original) again(ctx context.Context, vs []rebuild.Variation) (*rebuild.Report, error) {
	dir, release, err := o.w.store.Work(ctx, "rebuild", false)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.Chmod(dir, 0o755); err != nil { // another user works in it
		return nil, err
	}
	r, err := o.compareWith(ctx, dir, vs)
	full := err != nil && (errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "disk full"))
	if err != nil && ctx.Err() == nil && !full {
		return nil, o.keep(dir, err)
	}
	return r, errors.Join(err, rebuild.Work(dir).Remove())
}

// keep moves the folder of a rebuild that failed to where failed steps are, for who looks into it.
func (o *original) keep(dir string, err error) error {
	kept := o.w.store.Failed("rebuild")
	if moved := errors.Join(rebuild.Work(kept).Remove(), os.Rename(dir, kept)); moved != nil {
		return errors.Join(err, moved)
	}
	move := func(text string) string { return strings.ReplaceAll(text, dir, kept) }
	scripts, _ := filepath.Glob(filepath.Join(kept, "elsewhere", "store", "failed", "*", "enter.*"))
	for _, path := range scripts { // they name the folder as it was
		if text, readErr := os.ReadFile(path); readErr == nil {
			err = errors.Join(err, os.WriteFile(path, []byte(move(string(text))), 0o755))
		}
	}
	return fault.New(fault.CodeOf(err), move(fault.HintOf(err)), "the second build: %w", err)
}

func (o *original) compareWith(ctx context.Context, dir string, vs []rebuild.Variation) (*rebuild.Report, error) {
	begun := time.Now()
	work, err := rebuild.Prepare(ctx, dir)
	if err != nil {
		return nil, err
	}
	mirror := filepath.Join(dir, "sources")
	if err := o.exportSources(ctx, mirror); err != nil {
		return nil, err
	}
	first, err := rebuild.Job{Work: work, World: rebuild.NewWorld(nil), Mode: o.w.builder.Mode}.Run(ctx, o.sink)
	if err != nil {
		return nil, err
	}
	what := order{Profile: o.Profile, Optimize: string(o.w.profile.Optimize), Sysroot: o.Sysroot, With: o.w.profile.With, Prefix: o.Prefix, Mirror: mirror, Jobs: o.Jobs,
		Packages: o.Packages, Maintainer: o.Maintainer, Release: o.Release}
	for _, dir := range o.Recipes {
		if dir, err = filepath.Abs(dir); err != nil { // the child is in another folder
			return nil, err
		}
		what.Recipes = append(what.Recipes, dir)
	}
	varied, refused, err := o.vary(ctx, work, vs, what)
	if err != nil {
		return nil, err
	}
	r := &rebuild.Report{Profile: o.Profile, Optimize: what.Optimize, Sysroot: o.Sysroot, With: what.With, Time: begun.UTC().Format(time.RFC3339), Host: machine(ctx),
		Variations: rebuild.Judge(vs, first, varied, refused)}
	if err := o.compare(ctx, work, varied.Outputs, r); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(begun).Seconds()
	return r, nil
}

// vary runs the varied child; a variation that the host refuses is left out, and why is kept.
func (o *original) vary(ctx context.Context, work rebuild.Work, vs []rebuild.Variation, what order) (*rebuild.Result, map[string]string, error) {
	var list []string
	for _, v := range vs {
		list = append(list, v.Name)
	}
	refused := map[string]string{}
	for {
		if slices.Contains(list, "cpus") {
			what.Jobs = o.Jobs + 1
		}
		text, err := json.Marshal(what)
		if err != nil {
			return nil, nil, err
		}
		job := rebuild.Job{Work: work, Names: list, World: rebuild.NewWorld(list), Mode: o.w.builder.Mode, Build: text}
		if err := own(work, job.World, false); err != nil {
			return nil, nil, err
		}
		result, err := job.Run(ctx, o.sink)
		err = errors.Join(err, own(work, job.World, true))
		out := rebuild.Refused(err, list)
		if len(out) == 0 {
			return result, refused, err
		}
		for _, name := range out {
			refused[name] = err.Error()
		}
		list = slices.DeleteFunc(list, func(n string) bool { return slices.Contains(out, n) })
	}
}

// own gives the folder of the varied child to whoever that runs as, or back.
func own(work rebuild.Work, w rebuild.World, back bool) error {
	uid, switched := w.Other()
	if !switched {
		return nil
	}
	if back {
		uid = os.Geteuid()
	}
	root, err := os.OpenRoot(filepath.Join(string(work), "elsewhere")) // no link that somebody put there leads out
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, root.Lchown(path, uid, uid))
	})
}

// exportSources writes the profile's sources to a folder: nothing else of the first store is of any help to
// the second build.
func (o *original) exportSources(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, s := range o.w.plan.Steps {
		if s.Kind != plan.Fetch {
			continue
		}
		if _, err := o.gather(ctx, o.w.chosen, o.w.store, s.Source, dir); err != nil {
			return err
		}
	}
	return nil
}

func init() { rebuild.Main(buildVaried) }

// buildVaried is the child's part: a whole build from an empty store.
func buildVaried(ctx context.Context, text json.RawMessage, work rebuild.Work, vary func(*sandbox.Spec), sink event.Sink) (map[string]string, error) {
	var what order
	if err := json.Unmarshal(text, &what); err != nil {
		return nil, err
	}
	c := &command{sink: sink, options: options{Profile: what.Profile, Optimize: what.Optimize, Sysroot: what.Sysroot, With: what.With, Prefix: what.Prefix, Recipes: what.Recipes,
		Packages: what.Packages, Maintainer: what.Maintainer, Release: what.Release,
		Mirror: []string{what.Mirror}, Jobs: what.Jobs, Sandbox: "require", Store: work.Store(), Offline: true, AllowEOL: true}}
	ch, err := c.choose(ctx)
	if err != nil {
		return nil, err
	}
	ch.recipes = slices.DeleteFunc(ch.recipes, func(r *recipes.Recipe) bool { return r.Role == recipes.Control })
	w, err := c.open(ctx, ch)
	if err != nil {
		return nil, err
	}
	w.builder.Vary = vary
	result, err := w.builder.Run(ctx, w.plan)
	outputs := map[string]string{}
	for name, r := range result.Records {
		outputs[name] = r.Output.String()
	}
	if err != nil {
		return outputs, err
	}
	bundled, err := c.unproven(ctx, w, result.Records)
	outputs[bundleOutput] = bundled.String()
	return outputs, err
}
