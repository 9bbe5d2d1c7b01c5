package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify/audit"
	"github.com/tlsfloor/tlsfloor/verify/probe"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// probe drives the clients of an environment, and puts what they do beside what their files say.
func (c *command) probe(ctx context.Context, env string, r *audit.Report) error {
	python, err := filepath.Abs(filepath.Join(env, "bin", "python3"))
	if err == nil {
		_, err = os.Stat(python)
	}
	if err != nil {
		return fault.New(fault.Usage, "give a virtual environment or a Python's prefix", "audit:env -probe: %w", err)
	}
	if os.Geteuid() == 0 {
		return fault.New(fault.Usage, "run it as an ordinary user, such as: setpriv --reuid=65534 --regid=65534 --clear-groups tlsfloor audit:env ... -probe", "audit:env -probe runs code of what it audits, and never as root")
	}
	mode, reason := sandbox.Probe(ctx)
	if mode != sandbox.Namespaces {
		return fault.New(fault.Failed, "leave -probe out, or allow user namespaces", "audit:env -probe wants a sandbox: %s", reason)
	}
	dir, err := os.MkdirTemp("", "tlsfloor-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var reach trial.Reach
	reach.Add(dir)
	reach.Add(filepath.Dir(filepath.Dir(python)))
	reach.Program(python)
	launch := func(ctx context.Context, argv, given []string) *exec.Cmd {
		cmd, err := sandbox.Command(ctx, sandbox.Spec{Mode: mode, Argv: argv, Dir: "/", Env: given,
			HostView: true, Network: true, Mounts: reach.Mounts()})
		if err != nil {
			cmd = exec.CommandContext(ctx, argv[0])
			cmd.Err = err
		}
		return cmd
	}
	results, err := probe.Run(ctx, probe.Options{Python: python, Dir: dir, Launch: launch})
	if err != nil {
		return err
	}
	for _, one := range results {
		merge(r, one)
	}
	return nil
}

// merge puts what a client did beside the stacks of its packages. What happened counts for more than what
// stands in a file.
func merge(r *audit.Report, one probe.Result) {
	for i := range r.Stacks {
		s := &r.Stacks[i]
		name, _, _ := strings.Cut(strings.ToLower(s.Package), " ")
		if !slices.Contains(probe.Clients[one.Client], strings.ReplaceAll(name, "_", "-")) {
			continue
		}
		switch {
		case one.Version == "":
			s.Live = fmt.Sprintf("%s cannot be loaded by this Python: %s", one.Client, one.Text)
		case !one.Driven:
			s.Live = fmt.Sprintf("%s %s does not connect at TLS 1.2: %s", one.Client, one.Version, one.Text)
		case one.Lowest < wire.TLS12:
			s.Live = fmt.Sprintf("%s %s connects at %s", one.Client, one.Version, one.Lowest)
			if s.Verdict != audit.Below {
				s.Live += ", which its file does not show"
				s.Verdict = audit.Below
			}
		default:
			s.Live = fmt.Sprintf("%s %s does not connect below TLS 1.2, whatever it is told: %s", one.Client, one.Version, one.Text)
			if s.Verdict == audit.Below {
				s.Live += "; the code is there all the same"
			}
		}
	}
}
