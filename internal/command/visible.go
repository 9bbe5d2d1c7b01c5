package command

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// reach is what the programs that the flags name need of the host beside its system folders.
func (c *command) reach(o other) (*trial.Reach, error) {
	r := &trial.Reach{}
	for _, folder := range c.Visible {
		if _, err := os.Stat(folder); err != nil || !filepath.IsAbs(folder) {
			return nil, fault.New(fault.Usage,
				"give absolute paths of files or folders, separated by commas", "-visible: %w", cmp.Or(err,
					fmt.Errorf("%s is not absolute", folder)))
		}
		r.Add(folder)
	}
	for _, program := range []string{o.python, o.openssl} {
		if program != "" {
			r.Program(program)
		}
	}
	if c.Client != "" {
		r.Command(c.Client)
	}
	return r, nil
}

// imports adds to reach where a Python has its packages: folders that an editable installation or a .pth
// file names.
func (c *command) imports(ctx context.Context, o other, w trial.World, reach *trial.Reach) error {
	if o.python == "" || w.Mode != sandbox.Namespaces {
		return nil
	}
	const program = "import sys; print('\n'.join([sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]))"
	said, err := c.ask(ctx, w, o.python, "-I", "-c", program)
	if err != nil {
		return nil // versions says why
	}
	for _, path := range strings.Split(said, "\n") {
		if filepath.IsAbs(path) {
			reach.Chosen(path)
		}
	}
	return nil
}

// beside is the rig's world with what else is seen; the rig's own trees cover that.
func (b rig) beside(reach *trial.Reach) trial.World {
	return trial.World{Mode: b.mode, Mounts: append(reach.Mounts(), b.mounts...)}
}

// reachable are the servers on the host's own network that the flags name.
func (o other) reachable() (all []string) {
	for _, s := range o.backends {
		all = append(all, s.addr)
	}
	all = append(all, o.server)
	return slices.DeleteFunc(all, func(addr string) bool { return addr == "" })
}
