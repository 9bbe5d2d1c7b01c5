// Package steps walks a Plan: a step whose Key the store has is reused; any other is fetched, unpacked,
// patched, run in a sandbox, checked and recorded. Steps that do not wait for each other run at the same
// time, under one job server, so that N jobs never become 2N.
//
// Promises: an Output is recorded only after its checks passed; a step that fails leaves the store as it was,
// and its work folder, log and a script to re-enter it under the store's failed folder; nothing outside the
// store is touched.
package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Builder builds plans.
type Builder struct {
	Store *store.Store
	Fetch Fetch
	Mode  sandbox.Mode
	Host  sandbox.Host // where the host's tools are
	Jobs  int          // compilers at the same time
	Sink  event.Sink

	// Vary, if any, changes the world of every command. It is for showing that Outputs do not follow such
	// changes: its records are in a store that nobody else reads.
	Vary func(*sandbox.Spec)
}

// Result is what a walk came to.
type Result struct {
	Records map[string]store.Record // component -> its record
	Built   []string                // steps that ran; the others were reused
}

// State is what is known of one Build step before anything runs.
type State struct {
	Step   *plan.Step
	Lines  digest.Lines  // the Key's lines; nil while a need has no Output yet
	Key    digest.Digest // zero while unknown
	Record *store.Record // set on a hit
	Miss   string        // why it is not a hit
}

// Survey says for each Build step whether the store has it. It changes nothing.
func (b *Builder) Survey(p *plan.Plan) []State {
	outputs := map[string]digest.Digest{}
	var all []State
	for _, s := range p.Components() {
		st := b.look(s, outputs)
		if st.Record != nil {
			outputs[s.Recipe.Name] = st.Record.Output
		}
		all = append(all, st)
	}
	return all
}

// look computes a step's Key and asks the store for it.
func (b *Builder) look(s *plan.Step, outputs map[string]digest.Digest) State {
	st := State{Step: s}
	lines, known := s.KeyLines(b.present(s.Recipe), outputs)
	if !known {
		st.Miss = "a step that it needs has to run first"
		return st
	}
	st.Lines, st.Key = lines, lines.Sum()
	r, err := b.Store.Record(st.Key)
	if err != nil {
		st.Miss = err.Error()
		return st
	}
	st.Record = &r
	return st
}

// present chooses for each source the alternative that the store has, else the first: only one of them is the
// bytes of this Key.
func (b *Builder) present(r *recipes.Recipe) map[string]digest.Digest {
	chosen := map[string]digest.Digest{}
	for _, src := range r.Sources {
		chosen[src.File] = src.SHA256
		if b.Store.Exists(src.SHA256) {
			continue
		}
		for _, alt := range src.Alternatives {
			if b.Store.Exists(alt.SHA256) {
				chosen[src.File] = alt.SHA256
				break
			}
		}
	}
	return chosen
}

// run is one walk.
type run struct {
	*Builder
	plan   *plan.Plan
	jobs   *jobServer
	memory *gate
	ways   map[string]float64       // component -> seconds from its beginning to the end of the build, by the last records
	done   map[string]chan struct{} // closed when a component's Output is known

	mu      sync.Mutex
	fetched map[digest.Digest]*fetching // by the pin, as two components may name their files alike
	outputs map[string]digest.Digest
	result  Result
}

// Run builds what the store does not have.
func (b *Builder) Run(ctx context.Context, p *plan.Plan) (Result, error) {
	jobs, err := newJobServer(max(b.Jobs, 1))
	if err != nil {
		return Result{}, err
	}
	defer jobs.close()
	r := &run{Builder: b, plan: p, jobs: jobs, memory: &gate{available: AvailableMemory}, ways: b.ways(p), done: map[string]chan struct{}{}, fetched: map[digest.Digest]*fetching{},
		outputs: map[string]digest.Digest{}, result: Result{Records: map[string]store.Record{}}}
	survey := b.Survey(p)
	for _, st := range survey {
		r.done[st.Step.Recipe.Name] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, st := range survey {
		if st.Record != nil {
			r.finish(st.Step, *st.Record, "reused")
			continue
		}
		g.Go(func() error { return r.step(ctx, st) })
	}
	err = g.Wait()
	return r.result, err
}

// ways returns for each component how long the longest chain of steps is that begins with it. A step that was
// never built counts as a second, so that without records the longest chain counts.
func (b *Builder) ways(p *plan.Plan) map[string]float64 {
	ways := map[string]float64{}
	steps := p.Components()
	for _, s := range slices.Backward(steps) { // those that need it come after it
		own := 1.0
		if last, err := b.Store.Last(p.Profile.Name, s.Name); err == nil {
			own = max(own, last.Seconds)
		}
		rest := 0.0
		for _, other := range steps {
			if _, needs := other.Needs[s.Recipe.Name]; needs {
				rest = max(rest, ways[other.Recipe.Name])
			}
		}
		ways[s.Recipe.Name] = own + rest
	}
	return ways
}

// step builds one component that the survey missed. Its sources are fetched and unpacked while what it needs
// is built.
func (r *run) step(ctx context.Context, st State) error {
	s := st.Step
	j := &job{run: r, step: s}
	defer j.close()
	if err := j.prepare(ctx); err != nil {
		return fmt.Errorf("preparing %s: %w", s.Recipe.Name, err)
	}
	for _, need := range s.Recipe.Needs {
		select {
		case <-r.done[need]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	lines, ok := s.KeyLines(j.sources, r.known())
	if !ok {
		return fmt.Errorf("building %s: a need has no output", s.Recipe.Name)
	}
	key := lines.Sum()
	unlock, err := r.Store.Lock(ctx, key.String(), func() {
		r.Sink.Note(s.Name + ": another tlsfloor is building the same; waiting for it")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if rec, err := r.Store.Record(key); err == nil {
		r.finish(s, rec, "reused")
		return nil
	}
	begun := time.Now()
	rec := store.Record{Step: s.Name, Profile: r.plan.Profile.Name, Key: key, Lines: lines, Sandbox: string(r.Mode), Sources: j.blobs()}
	r.Sink.Emit(event.Event{Kind: event.Begin, Step: s.Name, Text: "building"})
	if rec.Output, rec.Log, err = j.build(ctx); err != nil {
		return r.failed(j, begun, err)
	}
	rec.Finished, rec.Seconds = time.Now().UTC(), time.Since(begun).Seconds()
	if err := r.Store.PutRecord(rec); err != nil {
		return r.failed(j, begun, err)
	}
	r.mu.Lock()
	r.result.Built = append(r.result.Built, s.Name)
	r.mu.Unlock()
	r.finish(s, rec, "built")
	return nil
}

func (r *run) known() map[string]digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.outputs)
}

func (r *run) finish(s *plan.Step, rec store.Record, how string) {
	r.mu.Lock()
	r.outputs[s.Recipe.Name] = rec.Output
	r.result.Records[s.Recipe.Name] = rec
	r.mu.Unlock()
	e := event.Event{Kind: event.Done, Step: s.Name, Text: how + " " + s.Recipe.Name + " " + s.Recipe.Version}
	if how == "built" {
		e.Seconds = rec.Seconds
	}
	r.Sink.Emit(e)
	close(r.done[s.Recipe.Name])
}

func (r *run) failed(j *job, begun time.Time, err error) error {
	if !errors.Is(err, context.Canceled) {
		r.Sink.Emit(event.Event{Kind: event.Fail, Step: j.step.Name, Text: firstLine(err), Seconds: time.Since(begun).Seconds()})
	}
	return err
}
