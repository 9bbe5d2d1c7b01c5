package command

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// shownMost is how many differences of a kind are printed; -json has all.
const shownMost = 20

// line prints one line of a result. Whatever stands in what is printed, such as a newline in the name of a
// package, a host or a record's text, does not begin another.
func (c *command) line(format string, args ...any) {
	fmt.Fprintln(c.out, ui.Line(fmt.Sprintf(format, args...)))
}

// visible is a path as a terminal may have it: one with other than printable characters in it is quoted.
func visible(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	if path == deploy.Itself {
		return "the folder of the generation"
	}
	return path
}

// printDifferences prints how the generation in use differs from its lists.
func (c *command) printDifferences(s sited) {
	for i, name := range s.Altered {
		if i == shownMost {
			c.line("      altered: %d more", len(s.Altered)-i)
			break
		}
		c.line("      altered: %s (%s repairs it)", visible(name), s.again)
	}
	bad, yours := 0, 0
	for _, a := range s.Added {
		whose := ""
		if a.Package != "" {
			whose = ", of your package " + visible(a.Package)
		}
		if a.Alters == "" {
			if yours++; yours <= shownMost {
				c.line("      added by you: %s%s", visible(a.Path), whose)
			}
			continue
		}
		if bad++; bad <= shownMost {
			c.line("      added: %s%s: %s (%s moves it aside)",
				visible(a.Path),
				whose,
				a.Alters,
				s.again,
			)
		}
	}
	if bad > shownMost {
		c.line("      added: %d more", bad-shownMost)
	}
	if yours > shownMost {
		c.line("      added by you: %d more", yours-shownMost)
	}
}

// alteredError is an error where trees are not as they were installed: what was proved is something else
// then.
func alteredError(profile, again string, i deploy.Inspection) error {
	altered := i.Altered()
	if len(altered) == 0 {
		return nil
	}
	what := visible(altered[0])
	if n := len(altered) - 1; n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	return fault.New(fault.Incomplete, again+" mends it; `status` lists what was altered and added",
		"profile %s is not what was proved: %s was altered or added", profile, what)
}

// sayRepairs announces what Repair will do.
func (c *command) sayRepairs(site deploy.Site, i deploy.Inspection) {
	for k, name := range i.Changed {
		if k == shownMost {
			c.sink.Warn(fmt.Sprintf("repairing %d more", len(i.Changed)-k))
			break
		}
		c.sink.Warn("repairing " + visible(name) + ": it was missing or altered")
	}
	for _, a := range i.Added {
		if a.Alters != "" {
			c.sink.Warn(
				"moving " + visible(a.Path) + " to " + filepath.Join(site.Aside()) + ": " + a.Alters,
			)
		}
	}
}
