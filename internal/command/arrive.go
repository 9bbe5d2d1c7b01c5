package command

import (
	"context"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// place is where the bundle that -from names is copied from.
type place struct {
	bundle.Source
	named string // the archive that -from names, if it does
	done  func()
}

// take copies the bundle that -from names into the work folder, and checks the copy.
func (c *command) take(ctx context.Context, st *store.Store, work string, trust bundle.Trust, all bool) (
	*bundle.Checked, error) {
	if c.isRepository() {
		return c.takeFromRepository(ctx, st, work, trust, all)
	}
	from, err := c.place(ctx, st, trust)
	if err != nil {
		return nil, err
	}
	defer from.done()
	wish := bundle.Wish{All: all, Named: from.named}
	return bundle.Take(ctx, from.Source, filepath.Join(work, "bundle"), trust, wish)
}

func (c *command) place(ctx context.Context, st *store.Store, trust bundle.Trust) (place, error) {
	u, err := url.Parse(c.From)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http")
	if c.Offline && (web || publish.IsOCI(c.From)) {
		return place{}, fault.New(fault.Usage, "copy the folder here and install from that",
			"-from=%s: -offline was said", c.From)
	}
	switch {
	case web:
		return c.website(u, st, trust)
	case publish.IsOCI(c.From):
		from, err := publish.FromOCI(ctx, c.From, func(doing string) {
			c.sink.Emit(event.Event{Kind: event.Begin, Step: "fetch", Text: doing})
		})
		return place{from, "", func() {}}, err
	}
	info, err := os.Stat(c.From)
	if err != nil {
		return place{}, fault.New(fault.Usage, "a bundle's tarball, its folder, or the https address of one of these",
			"-from: %w", err)
	}
	dir, named := c.From, ""
	if !info.IsDir() {
		dir, named = filepath.Dir(c.From), filepath.Base(c.From)
	}
	from, done, err := bundle.Folder(dir)
	return place{from, named, done}, err
}

// website is a bundle in the web, at the address of its folder or of one of its archives.
func (c *command) website(u *url.URL, st *store.Store, trust bundle.Trust) (place, error) {
	if u.Scheme == "http" && trust.Unsigned {
		return place{}, fault.New(fault.BadSignature, "use https, or name the key of whoever signed it",
			"-from=%s: neither the connection nor a signature says whose it is", c.From)
	}
	named := ""
	if strings.Contains(path.Base(u.Path), ".tar.") {
		named, u.Path = path.Base(u.Path), path.Dir(u.Path)
	}
	f, err := fetch.New(st, fetch.Options{Sink: c.fetchSink})
	if err != nil {
		return place{}, err
	}
	from := publish.FromWeb(f, u)
	from.Name = c.From
	return place{from, named, func() {}}, nil
}
