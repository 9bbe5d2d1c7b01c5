package command

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/advisory"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// bundle writes what was built as a folder of files that can be checked without tlsfloor.
func (c *command) bundle(ctx context.Context) error {
	signer, err := c.signer() // before anything is built
	if err != nil {
		return err
	}
	if c.pgp, err = c.packageSigner(); err != nil {
		return err
	}
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	if err := c.refuseEOL(ch, time.Now()); err != nil {
		return err
	}
	if c.OSV != "" {
		if c.advised, err = c.advisories(ch); err != nil {
			return err
		}
	}
	w, records, err := c.ran(ctx, ch)
	if err != nil {
		return err
	}
	written, err := c.writeBundle(ctx, w, records, signer)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(written)
	}
	for _, a := range slices.Concat(written.Index.Archives, written.Index.Packages) {
		c.line("%-70s %6.1f MB  %s", a.File, float64(a.Bytes)/1e6, a.SHA256.Short())
	}
	how := "not signed: whoever installs it has to say -unsigned"
	if written.Key != "" {
		how = "signed by key " + written.Key[:16]
	}
	if c.pgp != nil {
		how += "\npackages signed by OpenPGP key " + c.pgp.ID
	}
	fmt.Fprintf(c.out, "%s\n%s\n", written.Dir, how)
	return nil
}

// signer is whom -sign names, or nil.
func (c *command) signer() (*sign.Signer, error) {
	if c.Sign == "" {
		if len(c.Key) > 0 {
			return nil, fault.New(fault.Usage, "-sign=<private key> signs; -key only says which key that is",
				"-key without -sign")
		}
		return nil, nil
	}
	var public *sign.Key
	if len(c.Key) > 1 {
		return nil, fault.New(fault.Usage, "one public key, that of -sign", "-key names %d files", len(c.Key))
	}
	if len(c.Key) == 1 {
		k, err := sign.ReadKey(c.Key[0])
		if err != nil {
			return nil, err
		}
		public = &k
	}
	return sign.Apart(c.Sign, public)
}

// packageSigner is whom -pgpkey names, or nil.
func (c *command) packageSigner() (*sign.PGP, error) {
	switch {
	case c.PGPKey == "":
		return nil, nil
	case len(c.Packages) == 0:
		return nil, fault.New(fault.Usage, "-packages=deb,rpm writes what it signs",
			"-pgpkey without -packages")
	}
	return sign.PGPApart(c.PGPKey)
}

// packaged adds which packages are asked for.
func (c *command) packaged(o bundle.Options) bundle.Options {
	o.Packages, o.Release, o.Maintainer, o.Advisories = c.Packages, c.Release, c.Maintainer, c.advised
	o.PGP = c.pgp
	o.Sequence, o.Valid = int64(c.Sequence), time.Duration(c.Valid)*24*time.Hour
	return o
}

// advisories reads what is known about the chosen versions.
func (c *command) advisories(ch *chosen) (*bundle.Advisories, error) {
	db, err := advisory.Read(c.OSV)
	if err != nil {
		return nil, err
	}
	all := &bundle.Advisories{Read: db.Len()}
	for _, p := range addPins(nil, c.Profile, ch.recipes) {
		for _, h := range db.Affecting(subjectOf(p.recipe)) {
			all.Known = append(all.Known, bundle.Known{Component: p.Component, Version: p.Version, Advisory: h.ID, Severity: h.Severity.String(), Fixed: h.Fixed, Summary: h.Summary, Sure: h.Sure})
		}
	}
	return all, nil
}

// unproven writes what of a bundle does not depend on its proof into the store, as a tree to compare with.
func (c *command) unproven(ctx context.Context, w *workshop, records map[string]store.Record) (digest.Digest, error) {
	work, release, err := w.store.Work(ctx, "bundle", false)
	if err != nil {
		return digest.Digest{}, err
	}
	defer release()
	trees := filepath.Join(work, "trees")
	for _, one := range w.trees(records) {
		if err := w.store.Restore(ctx, one.Output, filepath.Join(trees, filepath.Base(one.Prefix))); err != nil {
			return digest.Digest{}, err
		}
	}
	written, err := bundle.Write(ctx, bundle.Input{Plan: w.plan, Records: records, Store: w.store, Fetch: w.builder.Fetch, Claim: c.subject(ctx, w)},
		c.packaged(bundle.Options{Out: filepath.Join(work, "out"), Trees: trees, Jobs: c.Jobs}))
	if err != nil {
		return digest.Digest{}, err
	}
	return w.store.AddTree(ctx, written.Dir)
}

// writeBundle restores what was built aside, proves it there, and packs it.
func (c *command) writeBundle(ctx context.Context, w *workshop, records map[string]store.Record, signer *sign.Signer) (*bundle.Written, error) {
	work, release, err := w.store.Work(ctx, "bundle", false)
	if err != nil {
		return nil, err
	}
	defer release()
	b := rig{mode: w.builder.Mode, work: filepath.Join(work, "controls")}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return nil, err
	}
	trees := filepath.Join(work, "trees")
	g := w.generation(records)
	for name, one := range g.Components {
		dir := filepath.Join(trees, filepath.Base(one.Prefix))
		if err := w.store.Restore(ctx, one.Output, dir); err != nil {
			return nil, err
		}
		b.mounts = append(b.mounts, sandbox.Mount{From: dir, To: g.Components[name].Prefix})
	}
	if err := b.add(ctx, w, records, recipes.Control); err != nil {
		return nil, err
	}
	controls := b.work
	b.work = filepath.Join(work, "verify")
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return nil, err
	}
	proof, err := c.try(ctx, b, string(w.profile.Floor), g, w.weak(b))
	if err == nil {
		err = deploy.Verdict(proof)
	}
	if err != nil {
		return nil, fmt.Errorf("proving what is to be bundled: %w", err)
	}
	begun := time.Now()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "bundle", Text: "reading sources"})
	written, err := bundle.Write(ctx, bundle.Input{Plan: w.plan, Records: records, Store: w.store, Fetch: w.builder.Fetch, Claim: c.subject(ctx, w)},
		c.packaged(bundle.Options{Out: cmp.Or(c.Out, filepath.Join("artifacts", "out")), Trees: trees, Controls: controls, Proof: proof, About: w.about(deploy.Generation{Components: g.Components}),
			Signer: signer, Jobs: c.Jobs, Progress: func(doing string) {
				c.sink.Emit(event.Event{Kind: event.Begin, Step: "bundle", Text: doing})
			}}))
	if err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "bundle", Text: "stopped", Seconds: time.Since(begun).Seconds()})
		return nil, err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "bundle", Text: written.Index.Name, Seconds: time.Since(begun).Seconds()})
	return written, nil
}
