package cli

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/store"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Fetch brings a profile's sources into the store, checked, and builds nothing.
func Fetch(ctx context.Context, f Flags) error { return run(ctx, f, (*command).fetch) }

// fetched is one source for programs (-json).
type fetched struct {
	File   string        `json:"file"`
	SHA256 digest.Digest `json:"sha256"`
}

func (c *command) fetch(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	st, err := store.Open(c.Store)
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
	all := make([]fetched, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	for i, src := range sources {
		g.Go(func() error {
			d, err := fetch.Step(ctx, c.sink, &src)
			all[i] = fetched{src.File, d}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if c.JSON {
		return c.json(all)
	}
	for _, f := range all {
		fmt.Fprintf(c.out, "%s  %s\n", f.SHA256, f.File)
	}
	return nil
}
