package command

import (
	"context"
	"fmt"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
)

// uninstall removes a profile's generations.
func (c *command) uninstall(ctx context.Context) error {
	site, err := deploy.Installed(c.Root, c.Prefix, c.Profile)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	unlock, err := c.lock(ctx, site)
	if err != nil {
		return err
	}
	defer unlock()
	left, err := site.Uninstall(ctx)
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	if c.JSON {
		return c.json(map[string]any{"profile": c.Profile, "left": append([]string{}, left...)})
	}
	for i, file := range left {
		if i == 20 {
			c.line("left: and %d more", len(left)-i)
			break
		}
		c.line("left: %s", file)
	}
	what := ""
	if len(left) > 0 {
		what = "; what is left was not installed by tlsfloor"
	}
	c.line("%s: removed%s", c.Profile, what)
	return nil
}
