package rebuild

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
)

// Facts are what the probe saw, by the variations' names.
type Facts map[string]string

func parseFacts(text string) (Facts, error) {
	f := Facts{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		f[name] = value
	}
	for _, v := range Variations {
		if _, ok := f[v.Name]; !ok {
			return nil, fmt.Errorf("the probe says nothing of %s: %q", v.Name, text)
		}
	}
	return f, nil
}

// probeBeside runs the probe past the sandbox: in the world as it is, with what vary gives to a command.
func probeBeside(ctx context.Context, w Work, vary func(*sandbox.Spec)) (Facts, error) {
	s := sandbox.Spec{Mode: sandbox.None}
	vary(&s)
	cmd := exec.CommandContext(ctx, w.path("lib", "probe"), w.path("many"))
	cmd.Env = append(os.Environ(), s.Env...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the probe beside the sandbox: %w", err)
	}
	return parseFacts(string(out))
}

// probeInside runs the probe as a step's commands are run.
func probeInside(ctx context.Context, w Work, mode sandbox.Mode, vary func(*sandbox.Spec)) (Facts, error) {
	var out, complaints bytes.Buffer
	s := sandbox.Spec{Mode: mode, Env: mode.Environ(string(w)), Stdout: &out, Stderr: &complaints}
	many, probe := w.path("many"), w.path("lib", "probe")
	if mode == sandbox.Namespaces {
		s.Mounts = []sandbox.Mount{{From: w.path("lib"), To: "/probe"}, {From: many, To: "/many"}}
		many, probe = "/many", "/probe/probe"
	}
	s.Argv = []string{probe, many}
	vary(&s)
	if err := sandbox.Run(ctx, s); err != nil {
		return nil, fmt.Errorf("the probe in the sandbox: %w: %s", err, complaints.String())
	}
	return parseFacts(out.String())
}
