package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// health is the doctor's report for programs (-json).
type health struct {
	Sandbox  string            `json:"sandbox"`
	Reason   string            `json:"sandbox_reason,omitempty"`
	UID      int               `json:"sandbox_uid"` // of steps, outside of their namespace
	UIDWhy   string            `json:"sandbox_uid_reason,omitempty"`
	Tools    map[string]string `json:"tools"`
	Missing  []string          `json:"missing,omitempty"`
	DiskFree map[string]int64  `json:"disk_free_bytes"`
	Memory   int64             `json:"memory_free_bytes"`
	Loopback string            `json:"loopback"` // "ready", or why nothing can be proved here
	Prefix   string            `json:"prefix"`   // "ready", or why not
	Profiles []profileHealth   `json:"profiles"`
}

type profileHealth struct {
	Name       string            `json:"name"`
	Floor      recipes.Floor     `json:"floor"`
	Summary    string            `json:"summary"`
	Components []componentHealth `json:"components"`
}

type componentHealth struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	EOL     string `json:"end_of_life,omitempty"`
	Past    bool   `json:"past_end_of_life,omitempty"`
	FIPS    string `json:"fips,omitempty"`
}

// doctor says what this machine lacks and how the profiles stand.
func (c *command) doctor(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	h, lack := c.examine(ctx, ch)
	if h.Profiles, err = profilesHealth(ch.set, time.Now()); err != nil {
		return err
	}
	if c.JSON {
		if err := c.json(h); err != nil {
			return err
		}
		return lack
	}
	c.printHealth(h)
	return lack
}

// examine looks at the machine; lack is the first error that a build here would end with.
func (c *command) examine(ctx context.Context, ch *chosen) (h health, lack error) {
	var host sandbox.Host
	mode, reason := sandbox.Probe(ctx)
	id := sandbox.Outside()
	if mode == sandbox.None {
		id = sandbox.Identity{UID: os.Geteuid()}
	}
	h = health{Sandbox: string(mode), Reason: reason, Tools: map[string]string{}, DiskFree: map[string]int64{}, Loopback: "ready", Prefix: "ready"}
	h.UID, h.UIDWhy = id.UID, id.Reason
	found, missing := host.Tools(ctx, sandbox.BuildNeeds())
	for _, t := range found {
		if t.Version != "" {
			h.Tools[string(t.Need)] = t.Path + ": " + t.Version
		}
	}
	for _, n := range missing {
		h.Missing = append(h.Missing, string(n))
	}
	for _, dir := range []string{c.Store, filepath.Join(c.Root, c.Prefix)} {
		if free, err := freeBytes(dir); err == nil {
			h.DiskFree[dir] = free
		}
	}
	h.Memory = steps.AvailableMemory()
	if err := loopback(ctx, mode); err != nil {
		h.Loopback = err.Error()
	}
	ready := ch.site.Ready(false)
	if ready != nil {
		h.Prefix = ready.Error()
	}
	var unboxed error
	if mode == sandbox.None && os.Geteuid() == 0 { // root builds nothing so, unless it is said
		_, unboxed = c.mode(ctx)
	}
	return h, first([]error{unboxed, host.MissingError(missing), ready, loopback(ctx, mode), c.usableStore()})
}

// usableStore looks at the store's place without making anything.
func (c *command) usableStore() error {
	if err := c.storeNamed(); err != nil {
		return err
	}
	info, err := os.Stat(c.Store)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return fault.New(fault.Usage, "name a folder with -store=<folder>", "store %s: %w", c.Store, err)
	}
	return nil
}

func profilesHealth(set *recipes.Set, now time.Time) ([]profileHealth, error) {
	var all []profileHealth
	for _, p := range set.Profiles() {
		rs, err := set.Resolve(p)
		if err != nil {
			return nil, err
		}
		ph := profileHealth{Name: p.Name, Floor: p.Floor, Summary: p.Summary}
		for _, r := range rs {
			if r.Role != recipes.Install {
				continue
			}
			ch := componentHealth{Name: r.Name, Version: r.Version, FIPS: r.FIPS}
			if !r.EOL.IsZero() {
				ch.EOL, ch.Past = r.EOL.Format(time.DateOnly), now.After(r.EOL)
			}
			ph.Components = append(ph.Components, ch)
		}
		all = append(all, ph)
	}
	return all, nil
}

func (c *command) printHealth(h health) {
	row := func(what, text string) { fmt.Fprintf(c.out, "%-10s %s\n", what, text) }
	for _, need := range sandbox.BuildNeeds() {
		if text, ok := h.Tools[string(need)]; ok {
			row(string(need), text)
		}
	}
	if len(h.Missing) > 0 {
		row("missing", strings.Join(h.Missing, ", "))
	}
	switch {
	case h.Reason != "":
		row("sandbox", h.Sandbox+": "+h.Reason)
	case h.UIDWhy != "":
		row("sandbox", fmt.Sprintf("%s; steps run as uid %d outside of them: %s", h.Sandbox, h.UID, h.UIDWhy))
	default:
		row("sandbox", fmt.Sprintf("%s; steps run as uid %d outside of them", h.Sandbox, h.UID))
	}
	for _, dir := range []string{c.Store, filepath.Join(c.Root, c.Prefix)} {
		row("disk", fmt.Sprintf("%s free at %s", ui.Bytes(h.DiskFree[dir]), dir))
	}
	row("memory", ui.Bytes(h.Memory)+" free")
	row("loopback", h.Loopback)
	row("prefix", h.Prefix)
	for _, p := range h.Profiles {
		fmt.Fprintf(c.out, "\n%s (TLS %s and later): %s\n", p.Name, p.Floor, p.Summary)
		for _, comp := range p.Components {
			life := "no end of life announced"
			switch {
			case comp.Past:
				life = "no security fixes since " + comp.EOL + ": building it wants -alloweol"
			case comp.EOL != "":
				life = "security fixes until " + comp.EOL
			}
			fmt.Fprintf(c.out, "  %-8s %-8s %s; FIPS 140: %s\n", comp.Name, comp.Version, life, comp.FIPS)
		}
	}
}
