package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// fetched is one source for programs (-json).
type fetched struct {
	File   string        `json:"file"`
	SHA256 digest.Digest `json:"sha256"`
}

// fetch brings a profile's sources into the store, checked, and builds nothing.
func (c *command) fetch(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	st, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	fetch, err := c.fetcher(ch, st)
	if err != nil {
		return err
	}
	var sources []recipes.Source
	for _, r := range ch.recipes {
		for _, src := range r.Sources {
			if !slices.ContainsFunc(sources, func(s recipes.Source) bool { return s.File == src.File }) {
				sources = append(sources, src)
			}
		}
	}
	if c.Trust == "mozilla" || c.Trust == "both" {
		list, err := ch.set.Data(mozillaCA)
		if err != nil {
			return err
		}
		sources = append(sources, list.Sources...)
	}
	all, err := c.fetchAll(ctx, fetch, sources)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(all)
	}
	for _, f := range all {
		c.line("%s  %s", f.SHA256, f.File)
	}
	return nil
}

// fetchAll fetches every source, whatever becomes of the others: whoever fills a mirror wants to know all
// that is missing.
func (c *command) fetchAll(ctx context.Context, fetch steps.Fetch,
	sources []recipes.Source) ([]fetched, error) {
	all, errs := make([]fetched, len(sources)), make([]error, len(sources))
	var g sync.WaitGroup
	for i, src := range sources {
		g.Go(func() {
			d, err := fetch.Step(ctx, c.sink, &src)
			all[i], errs[i] = fetched{src.File, d}, err
		})
	}
	g.Wait()
	return all, unfetched(sources, errs)
}

// unfetched is the error of all that could not be fetched. What is worse than out of reach, such as another
// digest, comes first and gives the exit status; of several hints of equal weight the one that says most is
// given.
func unfetched(sources []recipes.Source, errs []error) error {
	var failed, worse []error
	var missing []string
	hint := ""
	for i, err := range errs {
		if err == nil {
			continue
		}
		if fault.CodeOf(err) != fault.Failed {
			worse = append(worse, err)
			continue
		}
		failed, missing = append(failed, err), append(missing, sources[i].File)
		if h := fault.HintOf(err); len(h) > len(hint) {
			hint = h
		}
	}
	switch {
	case len(worse) > 0:
		return errors.Join(append(worse, failed...)...)
	case len(failed) == 0:
		return nil
	case len(failed) == 1:
		return failed[0]
	}
	return fault.New(fault.Failed, hint, "%d of %d sources could not be fetched: %s", len(failed), len(sources), strings.Join(missing, ", "))
}
