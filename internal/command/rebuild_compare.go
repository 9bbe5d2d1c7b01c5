package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/rebuild"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// theirs is somebody else's build: what they claim, or what they publish.
type theirs struct {
	name  string
	claim *artifacts.Claim
	file  string // a tarball
}

// against reads what -against names.
func (c *command) against(ctx context.Context, w *workshop) (*theirs, error) {
	t := &theirs{name: c.Against}
	switch {
	case c.Against == "":
		return nil, nil
	case !strings.HasSuffix(c.Against, ".json"):
		t.file = c.Against
		if _, err := os.Stat(t.file); err != nil {
			return nil, fault.New(fault.Usage, "an index.json or a tarball", "-against: %w", err)
		}
		return t, nil
	}
	claims, err := artifacts.ReadClaims(c.Against)
	if err != nil {
		return nil, err
	}
	ours := c.subject(ctx, w)
	if t.claim = claims.Find(ours); t.claim == nil {
		var have []string
		for _, one := range claims.Claims {
			have = append(have, one.Name())
		}
		return nil, fault.New(fault.Usage, "it has claims about: "+cmp.Or(strings.Join(have, "; "), "nothing"), "%s says nothing about %s", c.Against, ours.Name())
	}
	for _, d := range otherTools(t.claim.Tools, ours.Tools) {
		c.sink.Warn("the claim holds for another tool: " + d)
	}
	return t, nil
}

// subject is a Claim without its results: what is built here, and with what.
func (c *command) subject(ctx context.Context, w *workshop) artifacts.Claim {
	claim := artifacts.Claim{Profile: w.profile.Name, Optimize: string(w.profile.Optimize), Sysroot: w.profile.Sysroot, With: w.profile.With, Prefix: c.Prefix, Triple: w.plan.Host.Triple, Sandbox: string(w.builder.Mode)}
	for _, o := range (sandbox.Host{}).Origins(ctx) {
		claim.Tools = append(claim.Tools, artifacts.Tool(o))
	}
	return claim
}

// otherTools says in which tools two hosts differ.
func otherTools(claimed, here []artifacts.Tool) []string {
	var all []string
	for _, a := range claimed {
		i := slices.IndexFunc(here, func(b artifacts.Tool) bool { return b.Tool == a.Tool })
		switch {
		case i < 0:
			all = append(all, fmt.Sprintf("%s: %s %s there, none here", a.Tool, a.Package, a.Version))
		case here[i] != a:
			all = append(all, fmt.Sprintf("%s: %s %s there, %s %s here", a.Tool, a.Package, a.Version, here[i].Package, here[i].Version))
		}
	}
	return all
}

// compare fills in the report's components.
func (o *original) compare(ctx context.Context, work rebuild.Work, outputs map[string]string, r *rebuild.Report) error {
	second, err := store.Open(work.Store())
	if err != nil {
		return err
	}
	if o.theirs != nil {
		r.Against = o.theirs.name
		if o.theirs.file != "" {
			if err := unpackTheirs(ctx, o.theirs.file, filepath.Join(string(work), "theirs")); err != nil {
				return err
			}
		}
	}
	for _, s := range o.w.plan.Components() {
		if o.theirs != nil && s.Recipe.Role != recipes.Install {
			continue
		}
		one, err := o.compareOne(ctx, work, second, compared{s.Recipe.Name, s.Recipe.Version, s.Prefix, o.records[s.Recipe.Name].Output}, outputs)
		if err != nil {
			return err
		}
		r.Components = append(r.Components, one)
	}
	if o.theirs != nil {
		return nil
	}
	one, err := o.compareOne(ctx, work, second, compared{bundleOutput, o.w.profile.Name, "/" + bundleOutput, o.bundle}, outputs)
	r.Components = append(r.Components, one)
	return err
}

// compared is what two builds are compared in.
type compared struct {
	name, version, prefix string
	first                 digest.Digest
}

func (o *original) compareOne(ctx context.Context, work rebuild.Work, second *store.Store, s compared, outputs map[string]string) (rebuild.Component, error) {
	name := s.name
	one := rebuild.Component{Name: name, Version: s.version}
	got, err := digest.Parse(outputs[name])
	if err != nil {
		return one, fmt.Errorf("comparing %s: the second build has no output: %w", name, err)
	}
	tree, err := second.Tree(got)
	if err != nil {
		return one, err
	}
	claimed := artifacts.NewClaimed(s.version, s.prefix, got, tree)
	one.Files, one.Bytes, one.Outputs[1] = claimed.Files, claimed.Bytes, got.String()
	left, right := filepath.Join(string(work), "compare", name, "first"), filepath.Join(string(work), "compare", name, "second")
	switch {
	case o.theirs == nil:
		want := s.first
		if one.Outputs[0] = want.String(); want == got {
			return one, nil
		}
		err = o.w.store.Restore(ctx, want, left)
	case o.theirs.claim != nil:
		want := o.theirs.claim.Components[name]
		if one.Outputs[0] = want.Output.String(); want.Output != got {
			one.Differences = []archive.Difference{{Path: ".", Reason: "digest of the tree: a claim has no bytes to compare, a tarball has", Offset: -1,
				A: fmt.Sprintf("%d files, %d bytes", want.Files, want.Bytes), B: fmt.Sprintf("%d files, %d bytes", one.Files, one.Bytes)}}
		}
		return one, nil
	default:
		left, err = findTheirs(filepath.Join(string(work), "theirs"), s.prefix)
		one.Outputs[0] = one.Outputs[1] // equal unless a difference is found
	}
	if err == nil {
		err = second.Restore(ctx, got, right)
	}
	if err != nil {
		return one, err
	}
	found, err := archive.Compare(ctx, left, right, archive.CompareOptions{})
	one.Differences = found.Differences
	if err == nil && o.theirs == nil && len(found.Differences) == 0 {
		err = fmt.Errorf("comparing %s: outputs differ and no file does", name)
	}
	return one, err
}

func unpackTheirs(ctx context.Context, file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return archive.Unpack(ctx, f, dir, archive.Options{})
}

// findTheirs returns the folder of an unpacked tarball that holds what is installed at prefix: at the whole
// path, or by its last name in the top folder or the one below.
func findTheirs(dir, prefix string) (string, error) {
	candidates := []string{filepath.Join(dir, prefix), filepath.Join(dir, filepath.Base(prefix))}
	below, _ := filepath.Glob(filepath.Join(dir, "*", filepath.Base(prefix)))
	deeper, _ := filepath.Glob(filepath.Join(dir, "*", prefix))
	for _, path := range slices.Concat(candidates, below, deeper) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path, nil
		}
	}
	return "", fault.New(fault.Failed, "a tarball holds the installed tree at its whole path or by its folder's name", "the tarball has no folder %s", prefix)
}

// claim writes down what came out, when it was the same under every variation.
func (o *original) claim(ctx context.Context, path string, reports []*rebuild.Report) error {
	claim := o.subject(ctx, o.w)
	claim.Made, claim.Components = time.Now().UTC().Format(time.DateOnly), map[string]artifacts.Claimed{}
	for _, r := range reports {
		for _, s := range r.Variations {
			if s.How == rebuild.Skipped {
				return fault.New(fault.NotReproducible, "claim it from a host that can make every variation", "no claim: variation %s could not be made: %s", s.Name, s.Why)
			}
			claim.Variations = append(claim.Variations, s.Name)
		}
	}
	for _, s := range o.w.plan.Components() {
		if s.Recipe.Role != recipes.Install {
			continue
		}
		output := o.records[s.Recipe.Name].Output
		tree, err := o.w.store.Tree(output)
		if err != nil {
			return err
		}
		claim.Components[s.Recipe.Name] = artifacts.NewClaimed(s.Recipe.Version, s.Prefix, output, tree)
	}
	return artifacts.Put(path, claim)
}

// printRebuilds prints the reports.
func (c *command) printRebuilds(reports []*rebuild.Report) error {
	if c.JSON && len(reports) > 0 {
		text, err := json.MarshalIndent(reports, "", " ")
		fmt.Fprintln(c.out, string(text))
		return err
	}
	for _, r := range reports {
		fmt.Fprint(c.out, r.Text())
	}
	return nil
}

// writeRebuilds writes the reports as JSON and as a page where -report says.
func (c *command) writeRebuilds(reports []*rebuild.Report) error {
	if c.Report == "" {
		return nil
	}
	text, err := json.MarshalIndent(reports, "", " ")
	if err != nil {
		return err
	}
	page, err := rebuild.Page(reports)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(c.Report, 0o755),
		os.WriteFile(filepath.Join(c.Report, "rebuild.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(c.Report, "rebuild.html"), page, 0o644))
}
