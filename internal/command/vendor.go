package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// vendor writes every source of a profile, with its signature and the key that it is held against, as one
// file for -mirror.
func (c *command) vendor(ctx context.Context) error {
	if c.O == "" {
		return fault.New(fault.Usage, "such as -o=sources.tar", "vendor: -o says where to")
	}
	if err := writable("-o", c.O); err != nil {
		return err
	}
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	st, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	dir, release, err := st.Work(ctx, "vendor", false)
	if err != nil {
		return err
	}
	defer release()
	sources, err := ch.vendored()
	if err != nil {
		return err
	}
	if err := c.gatherAll(ctx, ch, st, sources, dir); err != nil {
		return err
	}
	if err := ch.writeKeys(sources, dir); err != nil {
		return err
	}
	files, err := filesOf(dir)
	if err == nil {
		err = bundle.WriteSums(dir, files)
	}
	if err != nil {
		return err
	}
	err = writeFile(c.O, func(w io.Writer) error {
		return archive.Pack(ctx, w, dir, "sources", archive.PackOptions{Format: archive.Plain, When: time.Unix(0, 0)})
	})
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	info, err := os.Stat(c.O)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(map[string]any{"file": c.O, "bytes": info.Size(), "files": files})
	}
	c.line("%s: %d files, %d MB, all that %s is built from; build with -mirror=%s -offline",
		c.O, len(files), info.Size()>>20, ch.profile.Name, c.O)
	return nil
}

// vendored are the sources of a profile, and Mozilla's list: the host that builds may have no CAs.
func (ch *chosen) vendored() ([]recipes.Source, error) {
	var all []recipes.Source
	add := func(list []recipes.Source) {
		for _, src := range list {
			if !slices.ContainsFunc(all, func(s recipes.Source) bool { return s.File == src.File }) {
				all = append(all, src)
			}
		}
	}
	for _, r := range ch.recipes {
		add(r.Sources)
	}
	list, err := ch.set.Data(mozillaCA)
	if err != nil {
		return nil, err
	}
	add(list.Sources)
	return all, nil
}

// gatherAll brings every source into dir, whatever becomes of the others.
func (c *command) gatherAll(ctx context.Context, ch *chosen, st *store.Store, sources []recipes.Source, dir string) error {
	errs := make([]error, len(sources))
	var wait sync.WaitGroup
	for i := range sources {
		wait.Go(func() { _, errs[i] = c.gather(ctx, ch, st, &sources[i], dir) })
	}
	wait.Wait()
	return unfetched(sources, errs)
}

// writeKeys puts the keys of signatures into dir: somebody without tlsfloor checks with them.
func (ch *chosen) writeKeys(sources []recipes.Source, dir string) error {
	for _, src := range sources {
		if src.Signature == nil {
			continue
		}
		key, err := ch.set.Key(src.Signature.Key)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, src.Signature.Key+".key.asc"), key, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filesOf lists the files of a folder.
func filesOf(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return files, err
}
