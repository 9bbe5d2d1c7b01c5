package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// enter runs a shell, or what it reads from standard input, in the environment of a step that failed.
func (c *command) enter(ctx context.Context) error {
	const hint = "a step that failed is named in the error that it gave, such as -step=build/openssl"
	if c.Step == "" {
		return fault.New(fault.Usage, hint, "enter: -step is missing")
	}
	st, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	dir := st.Failed(c.Step)
	var kept steps.Kept
	if _, err := os.Lstat(dir); err == nil { // what it says is run
		err = owned.Check("", dir)
		if err == nil {
			err = owned.File(filepath.Join(dir, "enter.json"))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("entering step %q: %w", c.Step, err)
		}
	}
	b, err := owned.ReadFile(filepath.Join(dir, "enter.json"), 16<<20)
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Usage, hint,
			"entering step %q: no failed step of that name is kept below %s", c.Step, c.Store)
	case err != nil:
		return fmt.Errorf("entering step %q: its record enter.json cannot be read: %w", c.Step, err)
	}
	spec := kept.Spec
	fmt.Fprintf(os.Stderr, "the command that failed: %q\n", spec.Argv)
	spec.Argv, spec.Stdout, spec.Stderr = []string{"sh"}, os.Stdout, os.Stderr
	cmd, err := sandbox.Command(ctx, spec)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if _, left := errors.AsType[*exec.ExitError](err); left {
		return nil // a shell's last status is not ours
	}
	return err
}
