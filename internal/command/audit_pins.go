package command

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/engine/advisory"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// pinned is one version of a component, with what is known against it.
type pinned struct {
	Component string         `json:"component"`
	Version   string         `json:"version"`
	Profiles  []string       `json:"profiles"`
	Hits      []advisory.Hit `json:"advisories"`
	recipe    *recipes.Recipe
}

// auditPins holds every pinned version against a folder of advisories.
func (c *command) auditPins(context.Context) error {
	limit, err := advisory.ParseSeverity(c.Severity)
	if err != nil {
		return fault.New(fault.Usage, "one of: none, low, medium, high, critical", "-severity=%s: unknown value", c.Severity)
	}
	if c.OSV == "" {
		return fault.New(fault.Usage, "-osv=<folder> with advisories in OSV format, such as an unpacked all.zip of osv.dev", "audit:pins: no advisories are named")
	}
	set, err := c.load()
	if err != nil {
		return err
	}
	pins, err := c.pins(set)
	if err != nil {
		return err
	}
	db, err := advisory.Read(c.OSV)
	if err != nil {
		return err
	}
	bad, unsure := 0, 0
	for i, p := range pins {
		pins[i].Hits = append(pins[i].Hits, db.Affecting(subjectOf(p.recipe))...)
		for _, h := range pins[i].Hits {
			switch {
			case !h.Sure:
				unsure++
			case h.Severity >= limit:
				bad++
			}
		}
	}
	if c.JSON {
		err = c.json(pins)
	} else {
		c.printPins(pins, db.Len())
	}
	switch {
	case bad > 0:
		return fault.New(fault.VulnerablePin, "choose a profile with newer versions, or pin the fixed ones in a folder for -recipes", "%d advisories of severity %s or worse speak of pinned versions", bad, limit)
	case unsure > 0:
		return fault.New(fault.Incomplete,
			"the table names them: their databases give commits, or what is no version",
			"of %d advisories it cannot be told whether they speak of pinned versions", unsure)
	}
	return err
}

// pins lists what the profiles pin, or the one that was named, in order of name and version.
func (c *command) pins(set *recipes.Set) ([]pinned, error) {
	profiles := set.Profiles()
	if c.given["Profile"] {
		p, err := set.Profile(c.Profile)
		if err != nil {
			return nil, err
		}
		profiles = []*recipes.Profile{p}
	}
	choices := [][]string{nil}
	for _, o := range set.Optionals() {
		choices = append(choices, []string{o.Name})
	}
	var all []pinned
	for _, p := range profiles {
		for _, p.With = range choices {
			list, err := set.Resolve(p)
			if err != nil && len(p.With) > 0 {
				continue // not every profile can have every set
			}
			if err != nil {
				return nil, err
			}
			all = addPins(all, p.Name, list)
		}
	}
	slices.SortStableFunc(all, func(a, b pinned) int { return strings.Compare(a.Component, b.Component) })
	return all, nil
}

// addPins adds what ends up in what a profile installs.
func addPins(all []pinned, profile string, list []*recipes.Recipe) []pinned {
	for _, r := range list {
		if r.Role != recipes.Install && r.Role != recipes.Library {
			continue
		}
		i := slices.IndexFunc(all, func(q pinned) bool { return q.Component == r.Name && q.Version == r.Version })
		if i < 0 {
			all = append(all, pinned{Component: r.Name, Version: r.Version, Hits: []advisory.Hit{}, recipe: r})
			i = len(all) - 1
		}
		if !slices.Contains(all[i].Profiles, profile) {
			all[i].Profiles = append(all[i].Profiles, profile)
		}
	}
	return all
}

// alsoKnown are names of repositories and packages that a recipe does not have.
var alsoKnown = map[string][]string{"python": {"cpython"}, "postgresql": {"postgres"}, "xz": {"xz-utils"}, "libuuid": {"util-linux"}, "sqlite": {"sqlite3"}}

var repository = regexp.MustCompile(`^https://github\.com/[^/]+/([^/]+)`)

// subjectOf is a recipe as databases know it.
func subjectOf(r *recipes.Recipe) advisory.Subject {
	s := advisory.Subject{Version: r.Version, Names: append([]string{r.Name}, alsoKnown[r.Name]...), PyPI: r.Name == "psycopg2"}
	if _, product, ok := strings.Cut(r.CPE, ":"); ok {
		s.Names = append(s.Names, product)
	}
	urls := []string{r.Homepage}
	for _, src := range r.Sources {
		urls = append(urls, src.URLs...)
	}
	for _, u := range urls {
		if m := repository.FindStringSubmatch(u); m != nil {
			s.Names = append(s.Names, strings.ToLower(path.Base(m[1])))
		}
	}
	return s
}

func (c *command) printPins(pins []pinned, advisories int) {
	clean := []string{}
	printed := false
	for _, p := range pins {
		if len(p.Hits) == 0 {
			clean = append(clean, p.Component+" "+p.Version)
			continue
		}
		if !printed {
			c.line("%-12s %-16s %-18s %-9s %-4s %-14s %s",
				"COMPONENT", "VERSION", "ADVISORY", "SEVERITY", "CVSS", "FIXED IN", "SUMMARY")
			printed = true
		}
		for _, h := range p.Hits {
			fixed, score := "-", "-"
			if len(h.Fixed) > 0 {
				fixed = strings.Join(h.Fixed, ", ")
			}
			if h.Score > 0 {
				score = fmt.Sprintf("%.1f", h.Score)
			}
			summary := h.Summary
			if !h.Sure {
				summary = "(it cannot be told: only commits, or no plain version) " + summary
			}
			if runes := []rune(summary); len(runes) > 80 {
				summary = string(runes[:77]) + "..."
			}
			c.line("%-12s %-16s %-18s %-9s %-4s %-14s %s", p.Component, p.Version, h.ID,
				h.Severity, score, fixed, ui.Line(summary))
		}
	}
	c.line("%d advisories were read; nothing in them about: %s", advisories, strings.Join(clean, ", "))
	for _, p := range profilesOf(pins) {
		n := 0
		for _, q := range pins {
			if slices.Contains(q.Profiles, p) {
				n += len(q.Hits)
			}
		}
		c.line("%-12s %d", p, n)
	}
}

func profilesOf(pins []pinned) []string {
	var names []string
	for _, p := range pins {
		names = append(names, p.Profiles...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
