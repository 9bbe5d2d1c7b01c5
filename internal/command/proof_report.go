package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// refuseReport looks at -report before minutes are spent on a proof that could not be written down.
func (c *command) refuseReport() error {
	if c.Report == "" {
		return nil
	}
	if c.Explain != "" {
		return fault.New(fault.Usage, "leave one of the two out", "-report is for a run, and -explain runs nothing")
	}
	if info, err := os.Stat(c.Report); err == nil && !info.IsDir() {
		return fault.New(fault.Usage, "give a folder; it is made if there is none", "-report=%s: not a folder", c.Report)
	}
	return nil
}

// writeReport writes everything that can be said of a proof where -report says. A file is there whole or not
// at all, and what an earlier run claimed is gone before anything else is written.
func (c *command) writeReport(about report.About, p *verify.Proof) error {
	if c.Report == "" {
		return nil
	}
	files, unstated := report.Files(p, about)
	if files == nil {
		return unstated
	}
	if unstated != nil {
		unstated = fault.New(fault.Incomplete, "the other files of the report say what is missing", "report: no statements: %w", unstated)
	}
	if err := os.MkdirAll(c.Report, 0o755); err != nil {
		return errors.Join(fmt.Errorf("report: %w", err), unstated)
	}
	for _, f := range files {
		if err := replace(filepath.Join(c.Report, f.Name), f.Data); err != nil {
			return errors.Join(fmt.Errorf("report: %w", err), unstated)
		}
	}
	c.sink.Note("report: " + filepath.Join(c.Report, report.PageFile) + " and what programs read beside it")
	return unstated
}

// replace puts data at path by a rename; nil data removes what is there.
func replace(path string, data []byte) error {
	if data == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return owned.Replace(path, data, 0o644)
}

// about is what a report says of the components beside the proof. End of life and FIPS status are the
// recipes' of now, for the versions that they still hold.
func (ch *chosen) about(g deploy.Generation) report.About {
	a := report.About{Profile: ch.profile.Name, Generation: g.Number}
	for _, name := range slices.Sorted(maps.Keys(g.Components)) {
		part := report.Component{Name: name, Version: g.Components[name].Version}
		if r := ch.recipe(name); r != nil && r.Version == part.Version {
			part.EOL, part.FIPS = r.EOL, r.FIPS
		}
		a.Components = append(a.Components, part)
	}
	return a
}

// recipe returns the profile's recipe of that name, or nil.
func (ch *chosen) recipe(name string) *recipes.Recipe {
	i := slices.IndexFunc(ch.recipes, func(r *recipes.Recipe) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return ch.recipes[i]
}

// explained is a case for programs (-json).
type explained struct {
	Case    verify.Case     `json:"case"`
	Finding *verify.Finding `json:"finding,omitempty"` // in the stored proof
}

// explainCase prints why a case exists and, when the generation in use has a proof, what happened in it. It
// runs nothing.
func (c *command) explainCase(ch *chosen) error {
	cases, proof, err := c.known(ch)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(cases, func(k verify.Case) bool { return k.Name == c.Explain })
	if i < 0 {
		return unknownCase(c.Explain, cases)
	}
	if !c.JSON {
		text, err := report.Explain(cases[i], proof)
		fmt.Fprint(c.out, text)
		return err
	}
	e := explained{Case: cases[i]}
	if proof != nil {
		if n := slices.IndexFunc(proof.Findings, func(f verify.Finding) bool { return f.Case.Name == c.Explain }); n >= 0 {
			e.Finding = &proof.Findings[n]
		}
	}
	return c.json(e)
}

// known lists the cases for the versions in use, or else for the profile's, and the stored proof, if there is
// one that is not altered.
func (c *command) known(ch *chosen) (cases []verify.Case, proof *verify.Proof, err error) {
	floor, err := verify.ParseFloor(string(ch.profile.Floor))
	if err != nil {
		return nil, nil, err
	}
	var g deploy.Generation
	if n := ch.site.Current(); n != 0 {
		if g, err = ch.site.Generation(n); err != nil {
			return nil, nil, err
		}
	}
	if g.Proof != nil {
		if proof, err = ch.site.Proof(g); err != nil {
			c.sink.Warn(err.Error() + "; `verify` proves it again")
		}
	}
	version := func(name string) string {
		var recipe string
		if r := ch.recipe(name); r != nil {
			recipe = r.Version
		}
		return cmp.Or(g.Components[name].Version, recipe)
	}
	return verify.ExpectedCases(floor, version("openssl"), version("python")), proof, nil
}

// unknownCase is the error for a name that no case has.
func unknownCase(name string, cases []verify.Case) error {
	var names []string
	for _, k := range cases {
		names = append(names, k.Name)
	}
	hint := "near it: " + strings.Join(report.Near(name, names), ", ")
	if len(report.Near(name, names)) == 0 {
		hint = "the cases are: " + strings.Join(names, ", ")
	}
	return fault.New(fault.Usage, hint, "case %q: there is none of that name", name)
}
