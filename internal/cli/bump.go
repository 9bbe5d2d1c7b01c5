package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/bump"
	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/fetch"
	"github.com/tlsfloor/tlsfloor/internal/store"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Bump looks for newer versions of what a profile pins, checks them, and writes them into the recipes.
func Bump(ctx context.Context, f Flags) error { return run(ctx, f, (*command).bump) }

// bumped is what was found for one component.
type bumped struct {
	Component string `json:"component"`
	Version   string `json:"version"`
	Newer     string `json:"newer,omitempty"`  // and written
	Series    string `json:"series,omitempty"` // the newest of another series, which a person decides about
	Vouched   string `json:"vouched,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"` // no place could be asked
	Refused   string `json:"refused,omitempty"` // why a newer one was not taken
	err       error
}

// bumper is one run.
type bumper struct {
	*command
	*fetch.Fetcher
	store *store.Store
	apt   *bump.Apt
	work  string
	dir   string // of the recipes
	edits map[string]string
}

const maxListBytes = 64 << 20 // of a page that lists versions

func (c *command) bump(ctx context.Context) error {
	b := &bumper{command: c, dir: c.Out, edits: map[string]string{}}
	if b.dir == "" {
		b.dir = "recipes"
	}
	if _, err := os.Stat(filepath.Join(b.dir, "profiles")); err != nil {
		return fault.New(fault.Usage, "run it in a checkout of tlsfloor, or name a copy of its folder recipes with -out=<folder>", "bump: no recipes to write to: %w", err)
	}
	c.Recipes = append(c.Recipes, b.dir)
	ch, err := c.choose(ctx)
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
	b.store, b.work = st, work
	if b.Fetcher, err = c.newFetcher(ch, st); err != nil {
		return err
	}
	if err := b.lists(ctx); err != nil {
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
	if err := b.write(); err != nil {
		return err
	}
	return b.tell(all)
}

// bumpable components have one source of their own.
func bumpable(r *recipes.Recipe) bool { return r.Name == r.Origin && len(r.Sources) == 1 }

// lists has apt fetch what its archive's suites have; without apt canonical places are left.
func (b *bumper) lists(ctx context.Context) error {
	bases, err := fetch.HostApt{}.Bases(ctx)
	if err == nil && !b.Offline {
		b.sink.Emit(event.Event{Kind: event.Begin, Step: "lists", Text: "fetching the distribution's lists of sources"})
		b.apt, err = bump.NewApt(ctx, filepath.Join(b.work, "apt"), bases, bump.Suites)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
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
		if other, ok := bump.Newest(all); ok {
			one.Series = other.Version
		}
		all, _, err = b.candidates(ctx, r, true)
	}
	var c bump.Candidate
	found := false
	if err == nil {
		c, found = bump.Newest(all)
	}
	if found {
		if one.Series == c.Version {
			one.Series = ""
		}
		if one.Vouched, err = b.confirm(ctx, &c); err == nil {
			err = b.edit(r, c, one.Vouched)
		}
		if err == nil {
			one.Newer = c.Version
		} else {
			one.Refused, one.err = c.Version+": "+err.Error(), err
		}
	} else if err != nil {
		one.Refused, one.err = err.Error(), err
	}
	b.sink.Emit(event.Event{Kind: event.Done, Step: "look/" + r.Name, Text: or(&one.Newer, "")})
	return one
}

// candidates asks every place, and reports whether any could be asked.
func (b *bumper) candidates(ctx context.Context, r *recipes.Recipe, same bool) (all []bump.Candidate, asked bool, err error) {
	src := r.Sources[0]
	if b.apt != nil && b.apt.Has(src, r.Version) {
		asked = true
		if all, err = b.apt.Candidates(ctx, src, r.Version, same); err != nil {
			return nil, asked, err
		}
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

// confirm brings the source into the store, checks its signature, and says who vouches for it.
func (b *bumper) confirm(ctx context.Context, c *bump.Candidate) (string, error) {
	s := &c.Source
	if s.SHA256.IsZero() {
		if s.Signature == nil {
			return "", fault.New(fault.BadSignature, "wait until the distribution has it, or pin it by hand", "upstream does not sign it, and no distribution's list has its digest")
		}
		if err := b.download(ctx, s); err != nil {
			return "", err
		}
	}
	got, err := b.Fetch(ctx, fetchSource(s))
	if err != nil {
		return "", err
	}
	if !got.Signature.Good() {
		return c.Voucher + "; upstream's own place was not tried", nil
	}
	vouched := "upstream's signature of " + got.Signature.Time.Format(time.DateOnly) + ", verified when the pin was made"
	if c.Voucher != "" {
		vouched += "; " + c.Voucher
	}
	return vouched, nil
}

// download brings a file that nobody has pinned into the store; its signature is looked at afterwards.
func (b *bumper) download(ctx context.Context, s *recipes.Source) (err error) {
	file := filepath.Join(b.work, "download")
	for _, u := range s.URLs {
		if err = b.Get(ctx, u, file, 1<<30, func(string) error { return nil }); err == nil {
			if s.SHA256, s.Size, err = digest.OfFile(file); err == nil {
				err = b.store.Import(file, s.SHA256)
			}
			return err
		}
	}
	return err
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

// replace writes everything beside what it replaces first, which is where a disk or a folder says no.
func (b *bumper) replace() error {
	for name, text := range b.edits {
		beside := filepath.Join(b.dir, name+".new")
		if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
			return fault.New(fault.Failed, "nothing was changed; let yourself write there, or name a copy of the folder with -out=<folder>", "bump: %w", err)
		}
		defer os.Remove(beside)
	}
	for name := range b.edits {
		if err := os.Rename(filepath.Join(b.dir, name+".new"), filepath.Join(b.dir, name)); err != nil {
			return fault.New(fault.Failed, "some of the files may be written already: `git diff` shows which", "bump: %w", err)
		}
	}
	return nil
}

func (b *bumper) tell(all []bumped) error {
	var errs []error
	for _, one := range all {
		errs = append(errs, one.err)
	}
	if !slices.ContainsFunc(all, func(o bumped) bool { return !o.Unknown }) { // a nightly job must not take that for good news
		errs = append(errs, fault.New(fault.Failed, "it wants a network, and not TLSFLOOR_OFFLINE", "bump: no place that lists versions could be asked"))
	}
	if b.JSON {
		return errors.Join(b.json(all), first(errs))
	}
	for _, one := range all {
		says := "the newest"
		switch {
		case one.Unknown:
			says = "not known: no place that lists its versions could be asked"
		case one.Newer != "":
			says = "-> " + one.Newer + "  " + one.Vouched
		case one.Refused != "":
			says = "left as it is: " + one.Refused
		}
		if one.Series != "" {
			says += "; of another series: " + one.Series
		}
		fmt.Fprintf(b.out, "%-12s %-14s %s\n", one.Component, one.Version, says)
	}
	if len(b.edits) > 0 {
		var names []string
		for name := range b.edits {
			names = append(names, filepath.Join(b.dir, name))
		}
		slices.Sort(names)
		fmt.Fprintf(b.out, "written: %s\n`git diff` shows it; then test, and build\n", strings.Join(names, ", "))
	}
	return first(errs)
}

// first is the first error that is one.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
