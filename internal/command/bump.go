package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/bump"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// bumped is what was found for one component.
type bumped struct {
	Component string `json:"component"`
	Version   string `json:"version"`
	Newer     string `json:"newer,omitempty"`  // and written
	Series    string `json:"series,omitempty"` // the newest of another series, which a person decides about
	Vouched   string `json:"vouched,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"` // no place could be asked
	// Why newer ones were not taken: they are too young, are listed and nowhere to be had, or nobody
	// vouches for them.
	Waits   []string `json:"waits,omitempty"`
	Missing []string `json:"missing,omitempty"`
	Refused []string `json:"refused,omitempty"`
	err     error
}

// bumper is one run.
type bumper struct {
	*command
	*fetch.Fetcher
	store *store.Store
	apt   *bump.Apt
	seen  *bump.Seen
	set   *recipes.Set
	work  string
	dir   string // of the recipes
	edits map[string]string
}

const (
	maxListBytes = 64 << 20 // of a page that lists versions
	maxTried     = 8        // newer versions of a component that are tried, the newest first
)

// bump looks for newer versions of what a profile pins, checks them, and writes them into the recipes.
func (c *command) bump(ctx context.Context) error {
	b := &bumper{command: c, dir: c.Out, edits: map[string]string{}}
	if b.dir == "" {
		b.dir = "recipes"
	}
	if _, err := os.Stat(filepath.Join(b.dir, "profiles")); err != nil {
		return fault.New(fault.Usage, "run it in a checkout of tlsfloor, or name a copy of its folder recipes with -out=<folder>", "bump: no recipes to write to: %w", err)
	}
	want := c.selection()
	want.recipes = append(slices.Clone(want.recipes), b.dir)
	ch, err := c.chooseAs(ctx, want)
	if err != nil {
		return err
	}
	pinned := func(name string) bool {
		return slices.ContainsFunc(ch.recipes, func(r *recipes.Recipe) bool { return r.Name == name && bumpable(r) })
	}
	for _, name := range c.Component {
		if !pinned(name) {
			return fault.New(fault.Usage, "`plan` lists the components of a profile", "-component=%s: profile %s pins no such source", name, c.Profile)
		}
	}
	st, work, release, err := c.workFolder(ctx, "bump")
	if err != nil {
		return err
	}
	defer release()
	b.store, b.work, b.set = st, work, ch.set
	if b.Fetcher, err = c.newFetcher(ch, st); err != nil {
		return err
	}
	if b.seen, err = bump.ReadSeen(filepath.Join(st.Dir(), "first-seen.json")); err != nil {
		return err
	}
	if err := b.lists(ctx, ch.recipes); err != nil {
		return err
	}
	var all []bumped
	for _, r := range ch.recipes {
		if !bumpable(r) || len(c.Component) > 0 && !slices.Contains(c.Component, r.Name) {
			continue
		}
		one := b.look(ctx, r)
		if err := ctx.Err(); err != nil {
			return err
		}
		all = append(all, one)
	}
	if err := errors.Join(b.seen.Write(), b.write()); err != nil {
		return err
	}
	return b.tell(all)
}

// bumpable components have one source of their own.
func bumpable(r *recipes.Recipe) bool { return r.Name == r.Origin && len(r.Sources) == 1 }

// lists has apt fetch what its archive's suites have; without apt canonical places are left.
func (b *bumper) lists(ctx context.Context, pinned []*recipes.Recipe) error {
	l := bump.Lists{
		Dir: filepath.Join(b.work, "apt"), Suites: bump.Suites, Keyring: bump.Keyring, Stale: b.Stale,
	}
	for _, r := range pinned {
		for _, s := range r.Sources {
			if s.Apt != nil {
				l.Packages = append(l.Packages, s.Apt.Package)
			}
		}
	}
	if len(l.Packages) == 0 || b.Offline {
		return nil
	}
	var err error
	if l.Bases, err = (fetch.HostApt{}).Bases(ctx); err == nil {
		b.sink.Emit(event.Event{Kind: event.Begin, Step: "lists", Text: "fetching the distribution's lists of sources"})
		b.apt, err = bump.NewApt(ctx, l)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	// somebody tries, or an archive is broken: no reason to go on
	case fault.CodeOf(err) == fault.BadSignature:
		return fmt.Errorf("bump: %w", err)
	case err != nil:
		b.sink.Warn("no distribution's lists: " + err.Error())
		b.apt = nil
	}
	return nil
}

// look finds, checks and edits in one component's newer version.
func (b *bumper) look(ctx context.Context, r *recipes.Recipe) bumped {
	one := bumped{Component: r.Name, Version: r.Version}
	b.sink.Emit(event.Event{Kind: event.Begin, Step: "look/" + r.Name, Text: "looking for what is newer than " + r.Version})
	all, asked, err := b.candidates(ctx, r, false)
	one.Unknown = !asked
	if err == nil && r.Role == recipes.Install { // its interfaces change from one series to the next
		if other := bump.Newest(all); len(other) > 0 {
			one.Series = other[0].Version
		}
		all, _, err = b.candidates(ctx, r, true)
	}
	if err != nil {
		one.Refused, one.err = []string{err.Error()}, err
	}
	newest := bump.Newest(all)
	if len(newest) > 0 && one.Series == newest[0].Version {
		one.Series = ""
	}
	for _, c := range newest[:min(len(newest), maxTried)] {
		if b.take(ctx, r, c, &one) {
			break
		}
	}
	b.sink.Emit(event.Event{Kind: event.Done, Step: "look/" + r.Name, Text: one.Newer})
	return one
}

// take edits the candidate in, or says in one why not. It reports whether no older one is to be tried: a
// version that is listed and not there, too young, or of a stranger's making must not keep a good one away.
func (b *bumper) take(ctx context.Context, r *recipes.Recipe, c bump.Candidate, one *bumped) bool {
	vouched, made, err := b.confirm(ctx, r, &c)
	if errors.Is(err, fs.ErrNotExist) {
		one.Missing = append(one.Missing, c.Version)
		return false
	}
	if err == nil {
		now := time.Now()
		if made.IsZero() {
			made = b.seen.First(r.Name, c, now)
		}
		if from := made.Add(b.Wait); now.Before(from) {
			one.Waits = append(one.Waits, fmt.Sprintf("%s of %s, until %s", c.Version,
				made.UTC().Format(time.DateOnly), from.UTC().Format("2006-01-02 15:04 UTC")))
			return false
		}
		err = b.edit(r, c, vouched)
	}
	if err != nil {
		one.Refused = append(one.Refused, c.Version+": "+err.Error())
		if one.err == nil {
			one.err = err
		}
		code := fault.CodeOf(err)
		// a network that is down is so for the next one too
		return code != fault.BadSignature && code != fault.BadDigest
	}
	one.Newer, one.Vouched = c.Version, vouched
	return true
}

// candidates asks every place, and reports whether any could be asked.
func (b *bumper) candidates(ctx context.Context, r *recipes.Recipe, same bool) (all []bump.Candidate, asked bool, err error) {
	src := r.Sources[0]
	if b.apt != nil && b.apt.Has(src, r.Version) {
		asked = true
		all = b.apt.Candidates(src, r.Version, same)
	}
	for i, page := range bump.Pages(src, r.Version) {
		if b.Offline {
			break
		}
		file := filepath.Join(b.work, fmt.Sprintf("%s-%d", r.Name, i))
		if err := b.Get(ctx, page.URL, file, maxListBytes, func(string) error { return nil }); err != nil {
			if ctx.Err() != nil {
				return nil, asked, ctx.Err()
			}
			continue // a note has said so
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, asked, err
		}
		asked = true
		all = append(all, page.Candidates(string(text), src, r.Version, same)...)
	}
	return all, asked, nil
}

// confirm brings the source into the store, checks its signature and that it is of that version, and says
// who vouches for it, and when it was signed.
func (b *bumper) confirm(ctx context.Context, r *recipes.Recipe, c *bump.Candidate) (vouched string,
	made time.Time, err error) {
	s := &c.Source
	if s.SHA256.IsZero() {
		if s.Signature == nil {
			return "", made, fault.New(fault.BadSignature,
				"wait until the distribution has it, or pin it by hand",
				"upstream does not sign it, and no distribution's list has its digest")
		}
		if err := b.download(ctx, s); err != nil {
			return "", made, err
		}
	}
	got, err := b.Fetch(ctx, fetchSource(s))
	if err != nil {
		return "", made, err
	}
	if err := b.bound(ctx, r, *c, got.Signature); err != nil {
		return "", made, err
	}
	if !got.Signature.Good() {
		return c.Voucher + "; upstream's own place was not tried", made, nil
	}
	vouched = "upstream's signature of " + got.Signature.Time.Format(time.DateOnly) +
		", verified when the pin was made"
	if c.Voucher != "" {
		vouched += "; " + c.Voucher
	}
	return vouched, got.Signature.Time, nil
}

// download brings a file that nobody has pinned into the store; its signature is looked at afterwards.
func (b *bumper) download(ctx context.Context, s *recipes.Source) error {
	file := filepath.Join(b.work, "download")
	var errs []error
	for _, u := range s.URLs {
		err := b.Get(ctx, u, file, 1<<30, func(string) error { return nil })
		if err == nil {
			if s.SHA256, s.Size, err = digest.OfFile(file); err == nil {
				err = b.store.Import(file, s.SHA256)
			}
			return err
		}
		errs = append(errs, err)
	}
	i := slices.IndexFunc(errs, func(err error) bool { return !errors.Is(err, fs.ErrNotExist) })
	return errs[max(i, 0)]
}

// edit changes the texts of the recipe and of the profiles that pin the old version.
func (b *bumper) edit(r *recipes.Recipe, c bump.Candidate, vouched string) error {
	name := r.Name + ".yaml"
	text, err := b.text(name)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = bump.Overlay(r, c, vouched), nil
	} else if err == nil {
		text, err = bump.Recipe(text, r.Version, c, vouched)
	}
	if err != nil {
		return err
	}
	b.edits[name] = text
	profiles, err := filepath.Glob(filepath.Join(b.dir, "profiles", "*.yaml"))
	for _, file := range profiles {
		name := filepath.Join("profiles", filepath.Base(file))
		text, err := b.text(name)
		if err != nil {
			return err
		}
		if text, was := bump.Profile(text, r.Name, r.Version, c.Version); was {
			b.edits[name] = text
		}
	}
	return err
}

func (b *bumper) text(name string) (string, error) {
	if text, ok := b.edits[name]; ok {
		return text, nil
	}
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	return string(text), err
}

// write loads all with the changes first, and then makes them.
func (b *bumper) write() error {
	if len(b.edits) == 0 {
		return nil
	}
	tried := filepath.Join(b.work, "recipes")
	if err := os.CopyFS(tried, os.DirFS(b.dir)); err != nil {
		return fmt.Errorf("bump: %w", err)
	}
	for name, text := range b.edits {
		if err := os.WriteFile(filepath.Join(tried, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("bump: %w", err)
		}
	}
	if _, err := recipes.Load(tried); err != nil {
		return fmt.Errorf("bump: what was to be written is no recipe any more: %w", err)
	}
	return b.replace()
}
