package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Verify proves the generation in use anew.
func Verify(ctx context.Context, f Flags) error {
	return run(ctx, f, func(c *command, ctx context.Context) error { return c.again(ctx, c.verify) })
}

func (c *command) verify(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	n := ch.site.Current()
	if n == 0 {
		return fault.New(fault.Failed, "`build` installs it; `status` lists what is installed", "verify: profile %s is not installed below %s", ch.profile.Name, filepath.Join(c.Root, c.Prefix))
	}
	g, err := ch.site.Generation(n)
	if err != nil {
		return err
	}
	if g.Adopted {
		return fault.New(fault.Incomplete, "`build` installs one of ours beside it", "verify: generation %d was there before tlsfloor: there are no controls for it", n)
	}
	if c.asBuilt(g) {
		if ch, err = c.choose(ctx); err != nil {
			return err
		}
	}
	w, err := c.open(ctx, ch)
	if err != nil {
		return err
	}
	if w, err = c.equipped(ctx, w); err != nil {
		return err
	}
	// The controls have to be there: built with this OpenSSL, never installed.
	result, err := w.builder.Run(ctx, w.plan)
	if err != nil {
		return err
	}
	if !sameOutputs(g.Components, w.trees(result.Records)) {
		c.sink.Warn(fmt.Sprintf("generation %d is not what the recipes build now: `build` installs that", n))
	}
	unlock, err := c.lock(ctx, ch.site)
	if err != nil {
		return err
	}
	defer unlock()
	proof, err := c.prove(ctx, w, g, result.Records)
	if err != nil {
		return err
	}
	if err := c.keepProof(ch.site, n, proof); err != nil {
		c.sink.Warn("the proof was not kept: " + err.Error())
	}
	if err := c.outcome(proof); err != nil {
		return errors.Join(err, c.report(ch.site, g, proof, "not proved"))
	}
	return c.report(ch.site, g, proof, fmt.Sprintf("generation %d is in use, proved again", n))
}

// asBuilt makes the command's choices those of a generation, where it was given none: the controls are built as that was. It reports
// whether something changed.
func (c *command) asBuilt(g artifacts.Generation) bool {
	changed := false
	if c.Sysroot == "" && g.Sysroot != "" {
		c.Sysroot, changed = g.Sysroot, true
	}
	if len(c.With) == 0 && len(g.With) > 0 {
		c.With, changed = g.With, true
	}
	return changed
}
