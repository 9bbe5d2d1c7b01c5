package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/patches"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// job is one step being built. Its work folder holds src, dest and the trainings, which its commands may
// write to (see folder.go), and needs, bin and log, which they may not.
type job struct {
	*run
	step    *plan.Step
	work    string
	release func() // removes work
	sources map[string]digest.Digest
	epoch   int64 // SOURCE_DATE_EPOCH: the time of the source's newest file, seconds since 1970
	log     *logFile
}

// fetching is one source on its way, waited for by every step that uses it.
type fetching struct {
	done chan struct{}
	got  digest.Digest
	err  error
}

// source fetches src once per walk.
func (r *run) source(ctx context.Context, src *recipes.Source) (digest.Digest, error) {
	r.mu.Lock()
	f, under := r.fetched[src.SHA256]
	if !under {
		f = &fetching{done: make(chan struct{})}
		r.fetched[src.SHA256] = f
	}
	r.mu.Unlock()
	if under {
		<-f.done
		return f.got, f.err
	}
	defer close(f.done)
	f.got, f.err = r.Fetch.Step(ctx, r.Sink, src)
	return f.got, f.err
}

// Fetch brings a source into the store, in whichever of its alternatives, and says which digest that has.
type Fetch func(context.Context, *recipes.Source) (digest.Digest, error)

// FetchName is the name of the step that fetches a file.
func FetchName(file string) string { return "fetch/" + file }

// Step runs one fetch with its events.
func (fetch Fetch) Step(ctx context.Context, sink event.Sink, src *recipes.Source) (digest.Digest, error) {
	begun, name := time.Now(), FetchName(src.File)
	sink.Emit(event.Event{Kind: event.Begin, Step: name, Text: "fetching"})
	d, err := fetch(ctx, src)
	if ctx.Err() != nil {
		return d, ctx.Err()
	}
	if err != nil {
		sink.Emit(event.Event{Kind: event.Fail, Step: name, Text: firstLine(err), Seconds: time.Since(begun).Seconds()})
		return d, err
	}
	sink.Emit(event.Event{Kind: event.Done, Step: name, Text: "fetched", Seconds: time.Since(begun).Seconds()})
	return d, nil
}

// prepareFolders makes the work folder and begins the log.
func (j *job) prepareFolders(ctx context.Context) (err error) {
	if j.work, j.release, err = j.Store.Work(ctx, j.step.Recipe.Name, j.Mode == sandbox.None); err != nil {
		return err
	}
	// What is mounted is named by a path without links, once, before the first command runs.
	if j.work, err = filepath.EvalSymlinks(j.work); err != nil {
		return err
	}
	for _, dir := range []string{destDir, ".home", "needs"} {
		if err := os.Mkdir(filepath.Join(j.work, dir), 0o755); err != nil {
			return err
		}
	}
	j.log, err = newLog(filepath.Join(j.work, "log"), j.step.Name, j.Sink)
	return err
}

// prepare fetches, unpacks and patches.
func (j *job) prepare(ctx context.Context) error {
	r := j.step.Recipe
	if err := j.prepareFolders(ctx); err != nil {
		return err
	}
	j.sources = map[string]digest.Digest{}
	for i := range r.Sources {
		d, err := j.source(ctx, &r.Sources[i])
		if err != nil {
			return err
		}
		j.sources[r.Sources[i].File] = d
		if err := j.unpack(ctx, d, r.Sources[i].File, i); err != nil {
			return err
		}
	}
	var err error
	if j.epoch, err = newest(j.src()); err != nil {
		return err
	}
	return errors.Join(j.patch(), j.wrap())
}

func (j *job) src() string { return filepath.Join(j.work, srcDir) }

// unpack puts the first source at src and further ones at src/<file's stem>, which of a .deb is the package's
// name.
func (j *job) unpack(ctx context.Context, d digest.Digest, file string, i int) error {
	f, err := j.Store.Open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	dir := j.src()
	if i > 0 {
		stem, _, _ := strings.Cut(file, ".tar")
		if strings.HasSuffix(file, ".deb") {
			stem, _, _ = strings.Cut(file, "_")
		}
		dir = filepath.Join(dir, stem)
	}
	if err := archive.Unpack(ctx, f, dir, archive.Options{Strip: 1}); err != nil {
		return fmt.Errorf("unpacking %s: %w", file, err)
	}
	return nil
}

func (j *job) patch() error {
	for _, p := range j.step.Patches {
		if err := patches.Apply(j.src(), p); err != nil {
			return err
		}
	}
	return nil
}

// blobs lists the sources that were used, in the recipe's order.
func (j *job) blobs() []digest.Digest {
	var all []digest.Digest
	for _, src := range j.step.Recipe.Sources {
		all = append(all, j.sources[src.File])
	}
	return all
}

// newest returns the time of the newest file below dir.
func newest(dir string) (int64, error) {
	var t int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			t = max(t, info.ModTime().Unix())
		}
		return err
	})
	return t, err
}

// build configures, compiles, installs, checks and stores.
func (j *job) build(ctx context.Context) (output, log digest.Digest, err error) {
	if err := j.restoreNeeds(ctx); err != nil {
		return output, log, err
	}
	steps, err := j.step.Recipe.Expand(j.vars())
	if err != nil {
		return output, log, err
	}
	if err := writeFiles(j.src(), steps.Files, j.epoch); err != nil {
		return output, log, err
	}
	if err := j.jobs.acquire(ctx, j.ways[j.step.Recipe.Name]); err != nil {
		return output, log, err
	}
	defer j.jobs.release()
	env := j.env(steps)
	if err := j.commands(ctx, steps.Build, env); err != nil {
		return output, log, err
	}
	if err := j.train(ctx, steps.Train, env); err != nil {
		return output, log, err
	}
	if err := j.commands(ctx, steps.Install, env); err != nil {
		return output, log, err
	}
	tree, err := j.installed()
	if err != nil {
		return output, log, j.fail([]string{"check", "installed"}, env, err)
	}
	for _, name := range j.step.Recipe.Checks {
		if err := check(name, j.subject(tree)); err != nil {
			return output, log, j.fail([]string{"check", string(name)}, env, err)
		}
	}
	if output, err = j.Store.AddTree(ctx, tree); err != nil {
		return output, log, err
	}
	log, err = j.log.store(j.Store)
	return output, log, err
}

func (j *job) restoreNeeds(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	outputs := j.known()
	for _, need := range j.step.Recipe.Needs {
		g.Go(func() error {
			return j.Store.Restore(ctx, outputs[need], filepath.Join(j.work, "needs", need))
		})
	}
	return g.Wait()
}

func writeFiles(src string, files []recipes.File, epoch int64) error {
	root, err := os.OpenRoot(src)
	if err != nil {
		return err
	}
	defer root.Close()
	when := time.Unix(epoch, 0)
	for _, f := range files {
		if err := root.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
		if err := root.WriteFile(f.Path, []byte(f.Content), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
		if err := root.Chtimes(f.Path, when, when); err != nil {
			return err
		}
	}
	return nil
}

// inside returns the path by which a command knows a file of the work folder.
func (j *job) inside(elem ...string) string {
	return filepath.Join(append([]string{j.Mode.InnerPath(j.work)}, elem...)...)
}

func (j *job) vars() map[string]string {
	r := j.step.Recipe
	v := map[string]string{
		"jobs": strconv.Itoa(j.Jobs), "src": j.inside("src"), "dest": j.inside("dest"), "prefix": j.step.Prefix,
		"target": j.plan.Host.Target, "triple": j.plan.Host.Triple,
	}
	for need, prefix := range j.step.Needs {
		v["prefix:"+need], v["dep:"+need] = prefix, j.dep(need)
	}
	v["minor"] = minor(r.Version)
	return v
}

// dep is the path by which a command knows the tree of what the step needs.
func (j *job) dep(need string) string {
	if j.Mode == sandbox.Namespaces {
		return j.step.Needs[need] // mounted there
	}
	return j.inside("needs", need)
}

// minor is the first two parts of a version: Python's lib/python3.13.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// installed returns the tree below dest that the prefix names. A file outside of it would be lost, so it is
// an error, as is a link in the place of the tree or of a folder above it, and whatever is neither file,
// folder nor link.
func (j *job) installed() (string, error) {
	dest, name := filepath.Join(j.work, destDir), j.step.Recipe.Name
	tree := filepath.Join(dest, j.step.Prefix)
	inside, empty := strings.TrimPrefix(tree, dest+"/")+"/", true
	err := plain(dest, func(rel string, _ fs.DirEntry) error {
		if rel+"/" == inside {
			return fmt.Errorf("the prefix %s is no folder", j.step.Prefix)
		}
		if !strings.HasPrefix(rel, inside) {
			return fmt.Errorf("/%s lies outside of the prefix %s", rel, j.step.Prefix)
		}
		empty = false
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("installing %s: %w", name, err)
	}
	top, err := openFolder(dest, j.step.Prefix, false)
	if err == nil {
		top.Close()
	}
	if empty {
		nothing := fmt.Errorf("installing %s: nothing was installed below %s", name, j.step.Prefix)
		return "", errors.Join(nothing, err)
	}
	return tree, err
}

// close ends a job.
func (j *job) close() {
	if j.log != nil {
		j.log.Close()
	}
	if j.work == "" {
		return
	}
	j.release() // a failed command has moved it away before
}

func firstLine(err error) string {
	line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
	return string(line)
}
