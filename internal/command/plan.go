package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// planned is one step for programs (-json).
type planned struct {
	Step    string          `json:"step"`
	Version string          `json:"version"`
	Needs   []string        `json:"needs,omitempty"`
	Key     digest.Digest   `json:"key"`
	Hit     bool            `json:"hit"`
	Reason  string          `json:"reason,omitempty"`
	Seconds float64         `json:"seconds,omitempty"` // of the last record
	Lines   digest.Lines    `json:"lines,omitempty"`
	Changed []digest.Change `json:"changed,omitempty"`
}

// plan prints the steps of a build, their keys, and which of them the store has.
func (c *command) plan(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	w, err := c.open(ctx, ch)
	if err != nil {
		return err
	}
	states := w.builder.Survey(w.plan)
	switch {
	case c.Explain != "":
		return c.explain(w, states)
	case c.Why != "":
		return c.why(w, states)
	case c.JSON:
		var all []planned
		for _, st := range states {
			all = append(all, w.planned(st))
		}
		return c.json(all)
	}
	c.drawPlan(ch, w, states)
	return nil
}

// drawPlan prints the steps as a table, in an order in which they can run, and the longest way through what
// has to run.
func (c *command) drawPlan(ch *chosen, w *workshop, states []steps.State) {
	with := ""
	if len(ch.profile.With) > 0 {
		with = ", with " + strings.Join(ch.profile.With, " and ")
	}
	fmt.Fprintf(c.out, "%s%s: TLS %s and later, into %s\n\n", ch.profile.Name, with, ch.profile.Floor, c.Prefix)
	wide := 10
	for _, st := range states {
		wide = max(wide, len(st.Step.Recipe.Version))
	}
	fmt.Fprintf(c.out, "%-14s %-*s %-13s %-5s %7s  %s\n", "STEP", wide, "VERSION", "KEY", "STORE", "TIME", "NEEDS")
	var all []planned
	for _, st := range states {
		p := w.planned(st)
		all = append(all, p)
		key, hit, time := "-", "miss", "-"
		if !p.Key.IsZero() {
			key = p.Key.Short()
		}
		if p.Hit {
			hit = "hit"
		}
		if p.Seconds > 0 {
			time = fmt.Sprintf("%.1f s", p.Seconds)
		}
		fmt.Fprintf(c.out, "%-14s %-*s %-13s %-5s %7s  %s\n", strings.TrimPrefix(p.Step, "build/"), wide, p.Version, key, hit, time, strings.Join(p.Needs, ", "))
	}
	if path, seconds := criticalPath(all); len(path) > 0 {
		fmt.Fprintf(c.out, "\ncritical path: %s", strings.Join(path, " > "))
		if seconds > 0 {
			fmt.Fprintf(c.out, ", about %.0f s", seconds)
		}
		fmt.Fprintln(c.out)
	}
}

// criticalPath returns the components of the longest chain of steps that have to run, and its seconds by
// their last records. Where no times are known the chain with the most steps counts.
func criticalPath(all []planned) (path []string, seconds float64) {
	type way struct {
		path    []string
		seconds float64
	}
	ways := map[string]way{}
	longer := func(a, b way) bool {
		return a.seconds > b.seconds || a.seconds == b.seconds && len(a.path) > len(b.path)
	}
	var longest way
	for _, p := range all {
		name := strings.TrimPrefix(p.Step, "build/")
		var before way
		for _, need := range p.Needs {
			if longer(ways[need], before) {
				before = ways[need]
			}
		}
		if !p.Hit {
			before = way{append(slices.Clone(before.path), name), before.seconds + p.Seconds}
		}
		ways[name] = before
		if longer(before, longest) {
			longest = before
		}
	}
	return longest.path, longest.seconds
}

func (w *workshop) planned(st steps.State) planned {
	p := planned{Step: st.Step.Name, Version: st.Step.Recipe.Version, Needs: st.Step.Recipe.Needs, Key: st.Key, Hit: st.Record != nil, Reason: st.Miss}
	if last, err := w.store.Last(w.profile.Name, st.Step.Name); err == nil {
		p.Seconds = last.Seconds
	}
	return p
}

// find returns the state of the step that a person names: "openssl" or "build/openssl".
func find(states []steps.State, name string) (steps.State, error) {
	i := slices.IndexFunc(states, func(st steps.State) bool {
		return st.Step.Name == name || st.Step.Name == "build/"+name
	})
	if i < 0 {
		var names []string
		for _, st := range states {
			names = append(names, st.Step.Recipe.Name)
		}
		return steps.State{}, fault.New(fault.Usage, "the steps are: "+strings.Join(names, ", "),
			"step %q: not in this plan", name)
	}
	return states[i], nil
}

// explain prints the lines of a step's key, and each flag's reason.
func (c *command) explain(w *workshop, states []steps.State) error {
	st, err := find(states, c.Explain)
	if err != nil {
		return err
	}
	if c.JSON {
		p := w.planned(st)
		p.Lines = st.Lines
		return c.json(p)
	}
	if st.Lines == nil {
		fmt.Fprintf(c.out, "%s: no key yet: %s\n", st.Step.Name, st.Miss)
	} else {
		fmt.Fprintf(c.out, "%s %s\n%s", st.Step.Name, st.Key, st.Lines)
	}
	for _, src := range st.Step.Recipe.Sources {
		fmt.Fprintf(c.out, "\nwho vouches for %s:\n  %s\n", src.File, src.Vouched)
	}
	fmt.Fprintln(c.out, "\nwhy these flags:")
	for _, f := range st.Step.Recipe.Configure {
		fmt.Fprintf(c.out, "  %s\n      %s\n", f.Arg, f.Why)
	}
	return nil
}

// why prints what changed since the step's last record.
func (c *command) why(w *workshop, states []steps.State) error {
	st, err := find(states, c.Why)
	if err != nil {
		return err
	}
	p := w.planned(st)
	last, err := w.store.Last(w.profile.Name, st.Step.Name)
	switch {
	case err != nil:
		p.Reason = "it was never built with this store"
	case st.Lines == nil:
		p.Reason = st.Miss
	default:
		p.Changed = digest.Diff(last.Lines, st.Lines)
		if len(p.Changed) == 0 && p.Hit {
			p.Reason = "nothing changed since " + last.Finished.Local().Format("2006-01-02 15:04:05")
		}
	}
	if c.JSON {
		return c.json(p)
	}
	fmt.Fprintln(c.out, strings.TrimSpace(st.Step.Name+": "+p.Reason))
	for _, ch := range p.Changed {
		fmt.Fprintf(c.out, "  %s\n    - %s\n    + %s\n", ch.Label, ch.Old, ch.New)
	}
	return nil
}
