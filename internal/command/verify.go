package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
)

// verify proves the generation in use anew, or holds something else to the floor, or explains a case.
func (c *command) verify(ctx context.Context) error {
	if c.Python != "" || c.OpenSSL != "" || c.Client != "" || c.Server != "" || c.StartTLS != "none" ||
		c.ServerName != "" || len(c.Libraries) > 0 || c.MongoDB != "" || c.Postgres != "" {
		return c.verifyOther(ctx)
	}
	if err := c.refuseReport(); err != nil {
		return err
	}
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	if c.Explain != "" {
		return c.explainCase(ch)
	}
	return c.verifyCurrent(ctx, ch)
}

// verifyCurrent proves the generation in use, or the one that -to names, with controls that are built if
// the store does not have them.
func (c *command) verifyCurrent(ctx context.Context, ch *chosen) error {
	n := cmp.Or(c.To, ch.site.Current())
	// what people get, and not only what is tried
	if doubts := ch.site.Standing(); len(doubts) > 0 && n == ch.site.Current() {
		return sited{Profile: ch.profile.Name, Doubts: doubts}.doubtful()
	}
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
	// Every byte first: an altered toolchain is not what was proved, whatever the judge would find.
	i, err := ch.site.Inspect(ctx, n, true)
	if err == nil {
		err = alteredError(ch.profile.Name, g.Again(), i)
	}
	if err != nil {
		return err
	}
	if c.From != "" {
		return c.verifyFrom(ctx, ch, g)
	}
	if as, other := c.asBuilt(g); other {
		if ch, err = c.chooseAs(ctx, as); err != nil {
			return err
		}
	}
	// The controls have to be there: built with this OpenSSL, never installed.
	w, records, err := c.ran(ctx, ch)
	if err != nil && g.Bundle != "" {
		return fault.New(fault.CodeOf(err), "name the bundle "+g.Bundle+" with -from=<folder, https:// or oci:// address>: the weak peers in it need no compiler; or "+fault.HintOf(err), "verify: building the weak peers: %w", err)
	}
	if err != nil {
		return err
	}
	if !sameOutputs(g.Components, w.trees(records)) {
		c.sink.Warn(fmt.Sprintf("generation %d is not what the recipes build now: `build` installs that", n))
	}
	unlock, err := c.lockToProve(ctx, ch.site)
	if err != nil {
		return err
	}
	defer unlock()
	proof, err := c.prove(ctx, w, g, records)
	if err != nil {
		return err
	}
	return c.provedAgain(ch, g, proof)
}

// verifyFrom proves the generation in use with the weak peers of the bundle that it was installed from.
func (c *command) verifyFrom(ctx context.Context, ch *chosen, g deploy.Generation) error {
	a, release, err := c.receive(ctx, "verify")
	if err != nil {
		return err
	}
	defer release()
	if !sameAs(g, a.Generation(a.site)) {
		return fault.New(fault.Usage, "`status` says which bundle it was installed from", "verify: %s is another toolchain than generation %d, which is in use", a.Index.Name, g.Number)
	}
	unlock, err := c.lockToProve(ctx, ch.site)
	if err != nil {
		return err
	}
	defer unlock()
	proof, err := c.proveHere(ctx, a, g)
	if err == nil && proof == a.Proof {
		err = fault.New(fault.Incomplete, "take the bundle with its -controls archive beside it", "verify: without weak peers nothing is proved here")
	}
	if err != nil {
		return err
	}
	return c.provedAgain(ch, g, proof)
}

// lockToProve is lock, but for those who may write nothing there: they can prove what others use, and keep no
// proof.
func (c *command) lockToProve(ctx context.Context, site deploy.Site) (func(), error) {
	unlock, err := c.lock(ctx, site)
	if errors.Is(err, fs.ErrPermission) {
		return func() {}, nil
	}
	return unlock, err
}

// provedAgain keeps the proof and tells of it.
func (c *command) provedAgain(ch *chosen, g deploy.Generation, proof *verify.Proof) error {
	n := g.Number
	if err := ch.candidate(g).Keep(proof); err != nil {
		c.sink.Warn("the proof was not kept: " + err.Error())
	}
	verdict, state := deploy.Verdict(proof), fmt.Sprintf("generation %d is in use, proved again", n)
	if n != ch.site.Current() {
		state = fmt.Sprintf("generation %d is proved again; `rollback -to=%d` puts it in use", n, n)
	}
	if verdict != nil {
		state = "not proved"
	}
	// The verdict decides on the exit code, and neither of the two that tell of it keeps the other from doing
	// so.
	return errors.Join(verdict, c.writeReport(ch.about(g), proof), c.report(ch.site, g, proof, state))
}

// asBuilt is what was wanted of a generation, where the flags say nothing else: the controls are built as
// that was. other says whether that is something else than the flags say.
func (c *command) asBuilt(g deploy.Generation) (s selection, other bool) {
	s = c.selection()
	if s.sysroot == "" && g.Sysroot != "" {
		s.sysroot, other = g.Sysroot, true
	}
	if len(s.with) == 0 && len(g.With) > 0 {
		s.with, other = g.With, true
	}
	return s, other
}
