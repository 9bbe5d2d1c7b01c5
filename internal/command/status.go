package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// sited is one profile's generations for programs (-json).
type sited struct {
	Profile     string              `json:"profile"`
	Current     int                 `json:"current"`
	Generations []deploy.Generation `json:"generations"`
	Doubts      []deploy.Doubt      `json:"doubts,omitempty"`  // why what people get is not what was proved
	Altered     []string            `json:"altered,omitempty"` // what was installed, and is not as it was
	Added       []deploy.Added      `json:"added,omitempty"`
	Packages    []string            `json:"user_packages,omitempty"`
	Trust       string              `json:"trust,omitempty"`
	again       string              // the command that mends what was altered
}

// status prints the installed generations and what is in use.
func (c *command) status(ctx context.Context) error {
	names, err := deploy.Profiles(c.Root, c.Prefix)
	if err != nil {
		return err
	}
	if c.given["Profile"] {
		if !slices.Contains(names, c.Profile) {
			if _, err := c.choose(ctx); err != nil { // misspelt
				return err
			}
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n != c.Profile })
	}
	all := []sited{}
	var doubtful error
	for _, name := range names {
		site, err := deploy.Installed(c.Root, c.Prefix, name)
		if err != nil {
			return err
		}
		s, err := siteStatus(ctx, site)
		if err != nil {
			return err
		}
		all = append(all, s)
		doubtful = cmp.Or(doubtful, s.doubtful())
	}
	if c.JSON {
		return errors.Join(c.json(all), doubtful)
	}
	if len(all) == 0 {
		what := "nothing"
		if c.given["Profile"] {
			what = "nothing of profile " + c.Profile
		}
		c.line("%s is installed below %s", what, filepath.Join(c.Root, c.Prefix))
		return nil
	}
	for _, s := range all {
		c.printStatus(s)
	}
	return doubtful
}

func siteStatus(ctx context.Context, site deploy.Site) (sited, error) {
	s := sited{Profile: site.Profile, Current: site.Current(), Doubts: site.Standing()}
	var err error
	if s.Generations, err = site.Generations(); err != nil || s.Current == 0 {
		return s, err
	}
	g, err := site.Generation(s.Current)
	s.again = g.Again()
	if err != nil {
		return s, nil // it is among the doubts
	}
	i, err := site.Inspect(ctx, s.Current, false)
	if err != nil {
		return s, err
	}
	s.Altered, s.Added = i.Changed, i.Added
	if d := site.DoubtProof(g); d != nil && len(i.Altered()) == 0 {
		s.Doubts = append(s.Doubts, *d)
	}
	if t, err := site.Trust(); err == nil {
		s.Trust = trustSummary(t)
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.Trust = "broken: " + err.Error()
	} else if file := site.TrustFollowed(); file != "" {
		s.Trust = "whatever is in " + file
	}
	s.Packages, err = site.UserPackages(s.Current)
	return s, err
}

// doubtful is an error where people do not get what was proved.
func (s sited) doubtful() error {
	if len(s.Doubts) > 0 {
		d, code := s.Doubts[0], fault.Incomplete
		if d.Breached {
			code = fault.Breached
		}
		return fault.New(code, d.Mend+" mends it", "profile %s is not what was proved: %s %s", s.Profile,
			visible(d.Path), d.What)
	}
	return alteredError(s.Profile, s.again, deploy.Inspection{Changed: s.Altered, Added: s.Added})
}

func (c *command) printStatus(s sited) {
	c.line("%s", s.Profile)
	for _, g := range s.Generations {
		mark := " "
		if g.Number == s.Current {
			mark = "*"
		}
		if g.Left {
			c.line("  %3d  uninstalled; files are left that were not installed", g.Number)
			continue
		}
		if g.Broken != "" {
			c.line("%s %3d  broken: %s; `build` puts another in use, `uninstall` removes all", mark,
				g.Number, ui.Line(g.Broken))
			continue
		}
		var what []string
		for _, name := range []string{"openssl", "python"} {
			if comp, ok := g.Components[name]; ok {
				what = append(what, name+" "+comp.Version)
			}
		}
		if g.Sysroot != "" {
			what = append(what, "for "+g.Sysroot)
		}
		if len(g.With) > 0 {
			what = append(what, "with "+strings.Join(g.With, "+"))
		}
		proof := "no proof"
		if g.Proof != nil {
			proof = fmt.Sprintf("proof: %s, %d cases, %s%s", g.Proof.Status, g.Proof.Cases,
				g.Proof.Time.Local().Format("2006-01-02 15:04"), madeWhere(*g.Proof))
		}
		if g.GLIBC != "" {
			proof += ", needs glibc " + g.GLIBC
		}
		switch {
		case g.Package != "":
			proof += ", from the package " + g.Package
		case g.Signer != "":
			proof += ", from a bundle that key " + g.Signer[:min(16, len(g.Signer))] + " signed"
		case g.Bundle != "":
			proof += ", from a bundle that nobody trusted had signed"
		}
		if g.Downgrade != "" {
			proof += "; -downgrade: it was older than " + g.Downgrade
		}
		c.line("%s %3d  %s  %-34s %s",
			mark, g.Number, g.Created.Local().Format("2006-01-02 15:04"), strings.Join(what, ", "), proof)
	}
	for _, d := range s.Doubts {
		c.line("      not what was proved: %s %s (%s mends it)", visible(d.Path), d.What, d.Mend)
	}
	c.printDifferences(s)
	if s.Trust != "" {
		c.line("      trust: %s", s.Trust)
	}
	if len(s.Packages) > 0 {
		c.line("      packages of yours: %s", strings.Join(s.Packages, ", "))
	}
}

// madeWhere says where a proof was made.
func madeWhere(p deploy.ProofNote) string {
	switch {
	case p.Elsewhere != "":
		return " elsewhere: it came with " + p.Elsewhere + ", and nothing was tried here"
	case p.Host != "":
		return " on " + p.Host
	}
	return ""
}

// rollback switches back to the generation before the one in use, or to the one that -to names.
func (c *command) rollback(ctx context.Context) error {
	site, err := deploy.Installed(c.Root, c.Prefix, c.Profile)
	if err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	unlock, err := c.lock(ctx, site)
	if err != nil {
		return err
	}
	defer unlock()
	from := site.Current()
	if from != 0 && c.To == from {
		c.line("%s: generation %d is in use already", c.Profile, from)
		return nil
	}
	packages, err := site.UserPackages(max(from, 1))
	if from != 0 && err == nil && len(packages) > 0 {
		c.sink.Warn(fmt.Sprintf("generation %d keeps the packages that you installed: %s", from, strings.Join(packages, ", ")))
	}
	g, err := site.Rollback(c.To)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(g)
	}
	what := ""
	if g.Adopted {
		what = " (what stood there before tlsfloor)"
	}
	c.line("%s: generation %d is in use%s, made %s; `rollback -to=%d` goes forward again",
		c.Profile, g.Number, what, g.Created.Local().Format(time.DateTime), from)
	return nil
}
