package command

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/verify"
)

// built is the result of a build for programs (-json).
type built struct {
	Profile    string                      `json:"profile"`
	Generation int                         `json:"generation"`
	Components map[string]deploy.Component `json:"components"`
	GLIBC      string                      `json:"glibc,omitempty"` // the lowest version that it runs with
	Proof      *verify.Proof               `json:"proof"`
	State      string                      `json:"state"`
}

// report prints the result of a build: the proof's table, where things are, and what is in use.
func (c *command) report(site deploy.Site, g deploy.Generation, proof *verify.Proof, state string) error {
	return c.reportAs((*verify.Proof).WriteTable, site, g, proof, state)
}

// reportBrief is report with the cases that are not right alone: nothing new was found out.
func (c *command) reportBrief(site deploy.Site, g deploy.Generation, proof *verify.Proof,
	state string) error {
	return c.reportAs((*verify.Proof).WriteBrief, site, g, proof, state)
}

func (c *command) reportAs(table func(*verify.Proof, io.Writer, bool) error, site deploy.Site,
	g deploy.Generation, proof *verify.Proof, state string) error {
	if c.JSON {
		return c.json(built{g.Profile, g.Number, g.Components, g.GLIBC, proof, state})
	}
	if err := table(proof, c.out, c.colour()); err != nil {
		return err
	}
	for _, name := range []string{"openssl", "python"} {
		if comp, ok := g.Components[name]; ok {
			c.line("%-8s %-8s %s", name, comp.Version, filepath.Join(site.Root, comp.Prefix))
		}
	}
	if g.GLIBC != "" {
		c.line("%-8s %-8s or later is needed", "glibc", g.GLIBC)
	}
	if page := filepath.Join(site.Dir(g.Number), "proof.html"); exists(page) {
		c.line("%-8s %s", "proof", page)
	}
	c.line("%s: %s", g.Profile, state)
	return nil
}

// colour reports whether the result goes to a terminal that shows colours.
func (c *command) colour() bool {
	r, ok := c.out.(*results)
	return ok && r.to.Colours
}

func colourful(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// json prints one indented JSON value.
func (c *command) json(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
