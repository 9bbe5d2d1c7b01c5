package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// rig is where a generation and the weak controls stand while they are tried.
type rig struct {
	mode   sandbox.Mode
	work   string
	mounts []sandbox.Mount // host folder -> compiled-in prefix
}

// loopback refuses a machine on which nothing can be proved: without namespaces programs have to connect
// over the host's own loopback.
func loopback(ctx context.Context, mode sandbox.Mode) error {
	if mode == sandbox.Namespaces {
		return nil
	}
	return trial.Loopback(ctx)
}

// prove tries a generation that may not be in use yet: the programs run in a namespace where its trees stand
// at their compiled-in prefixes.
func (c *command) prove(ctx context.Context, w *workshop, g deploy.Generation, records map[string]store.Record) (*verify.Proof, error) {
	work, release, err := w.store.Work(ctx, "verify", false)
	if err != nil {
		return nil, err
	}
	defer release()
	b := rig{mode: w.builder.Mode, work: work}
	for name := range g.Components {
		b.mounts = append(b.mounts, sandbox.Mount{From: w.genDir(g.Number, name), To: g.Components[name].Prefix})
	}
	if err := b.add(ctx, w, records, recipes.Control); err != nil {
		return nil, err
	}
	proof, err := c.try(ctx, b, string(w.profile.Floor), g, w.weak(b))
	if err != nil {
		return nil, fmt.Errorf("proving generation %d: %w", g.Number, err)
	}
	return proof, nil
}

// pretend stands for the judge in a test of what happens around a proof.
var pretend func(b rig, q trial.Request, g deploy.Generation) (*verify.Proof, error)

// try proves the generation whose components stand in the rig.
func (c *command) try(ctx context.Context, b rig, profileFloor string, g deploy.Generation,
	weak verify.Toolchain) (*verify.Proof, error) {
	floor, err := verify.ParseFloor(profileFloor)
	if err != nil {
		return nil, err
	}
	if c.Root != "" && b.mode != sandbox.Namespaces {
		c.sink.Warn("without namespaces the programs are tried where they are staged, not at their compiled-in prefixes")
	}
	q, err := b.request(floor, weak)
	if err != nil {
		return nil, err
	}
	q.OpenSSLVersion, q.PythonVersion = g.Components["openssl"].Version, g.Components["python"].Version
	if o, ok := g.Components["openssl"]; ok {
		q.Toolchain.OpenSSL, q.Toolchain.OpenSSLPrefix = b.at(o.Prefix, "bin/openssl"), b.at(o.Prefix, "")
	}
	if p, ok := g.Components["python"]; ok {
		q.Toolchain.Python = b.at(p.Prefix, "bin/python3")
	}
	if pretend != nil {
		return pretend(b, q, g)
	}
	if err := addLibraries(ctx, &q, g.Clients()); err != nil {
		return nil, fault.New(fault.Incomplete, "`build` puts back what is missing in an installed tree",
			"a client that the tree was built with cannot be tried: %w", err)
	}
	q.Toolchain.HostPython, q.Toolchain.HostOpenSSL = present("/usr/bin/python3"), present("/usr/bin/openssl")
	return trial.Run(ctx, q, c.sink)
}

// request is a proof in the rig, with a fresh folder for what the programs read of it.
func (b rig) request(floor verify.Floor, t verify.Toolchain) (trial.Request, error) {
	dir, err := os.MkdirTemp(b.work, "case-")
	if err != nil {
		return trial.Request{}, err
	}
	return trial.Request{World: b.world(), Floor: floor, Toolchain: t, WorkDir: dir}, nil
}

// world is what programs see of the rig.
func (b rig) world() trial.World { return trial.World{Mode: b.mode, Mounts: b.mounts} }

// present returns path where a program stands there, and else nothing.
func present(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// add restores the components of a role from the store, to stand at their prefixes.
func (b *rig) add(ctx context.Context, w *workshop, records map[string]store.Record, role recipes.Role) error {
	for _, s := range w.plan.Components() {
		if s.Recipe.Role != role {
			continue
		}
		dir := filepath.Join(b.work, s.Recipe.Name)
		if err := w.store.Restore(ctx, records[s.Recipe.Name].Output, dir); err != nil {
			return err
		}
		b.mounts = append(b.mounts, sandbox.Mount{From: dir, To: s.Prefix})
	}
	return nil
}

// weak names the weak peers of the plan, which stand in the rig.
func (w *workshop) weak(b rig) verify.Toolchain {
	prefixes := map[string]string{}
	for _, s := range w.plan.Components() {
		prefixes[s.Recipe.Name] = s.Prefix
	}
	return b.weak(prefixes)
}

// weak names the weak peers at their compiled-in prefixes, by component.
func (b rig) weak(prefixes map[string]string) (t verify.Toolchain) {
	if prefix := prefixes["openssl-weak"]; prefix != "" {
		t.WeakOpenSSL, t.WeakOpenSSLPrefix = b.at(prefix, "bin/openssl"), b.at(prefix, "")
	}
	if prefix := prefixes["python-weak"]; prefix != "" {
		t.WeakSSL = b.at(prefix, "lib/_ssl.so")
	}
	return t
}

// at returns the path by which a launched program knows a file below a prefix.
func (b rig) at(prefix, file string) string {
	path := filepath.Join(prefix, file)
	if b.mode == sandbox.Namespaces {
		return path
	}
	return b.locate(path) // without namespaces programs run where they stand
}

// locate returns where this process finds what stands at path for a launched program.
func (b rig) locate(path string) string { return b.world().Locate(path) }

// candidate is a generation that is to be proved and kept with its proof.
func (ch *chosen) candidate(g deploy.Generation) deploy.Candidate {
	page := func(p *verify.Proof) ([]byte, error) { return report.HTML(p, ch.about(g)) }
	return deploy.Candidate{Site: ch.site, Generation: g, Floor: string(ch.profile.Floor), Page: page, Elsewhere: ch.elsewhere}
}

// proveAgain proves the generation in use anew.
func (c *command) proveAgain(ctx context.Context, w *workshop, n int, records map[string]store.Record) error {
	g, err := w.site.Generation(n)
	if err != nil {
		return err
	}
	_, proof, err := deploy.Prove(ctx, w.candidate(g), func(ctx context.Context, g deploy.Generation) (*verify.Proof, error) {
		return c.prove(ctx, w, g, records)
	})
	if proof == nil {
		return err
	}
	if err != nil {
		return errors.Join(err, c.report(w.site, g, proof, "not proved"))
	}
	return c.report(w.site, g, proof, fmt.Sprintf("generation %d is in use, proved again", n))
}
