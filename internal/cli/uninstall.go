package cli

import (
	"context"
	"fmt"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
)

// Uninstall removes a profile's generations.
func Uninstall(ctx context.Context, f Flags) error { return run(ctx, f, (*command).uninstall) }

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
			fmt.Fprintf(c.out, "left: and %d more\n", len(left)-i)
			break
		}
		fmt.Fprintf(c.out, "left: %s\n", file)
	}
	what := ""
	if len(left) > 0 {
		what = "; what is left was not installed by tlsfloor"
	}
	fmt.Fprintf(c.out, "%s: removed%s\n", c.Profile, what)
	return nil
}
