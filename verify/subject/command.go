package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
)

// command is any client that a shell can start: its exit status is its word.
type command struct{ bench verify.Bench }

// Connect implements verify.Subject. The shell's variables are the placeholders' values, so that nothing in them is read as shell.
func (c *command) Connect(ctx context.Context, s verify.Setup, addr string) (verify.Report, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return verify.Report{}, err
	}
	line, env := Fill(c.bench.Command, map[string]string{"host": "localhost", "port": port, "addr": host, "ca": c.bench.Files.Roots(s.Trust), "url": "https://localhost:" + port + "/"})
	b := c.bench
	b.Launch = func(ctx context.Context, argv, given []string) *exec.Cmd {
		return c.bench.Launch(ctx, argv, append(append(given[1:], "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME")), env...))
	}
	out := &lines{}
	p, err := start(ctx, b, []string{"/bin/sh", "-c", line}, s.Conf, out, out)
	if err != nil {
		return verify.Report{}, err
	}
	defer p.close()
	p.stdin.Close()
	if err := p.wait(ctx); err != nil {
		return verify.Report{}, fmt.Errorf("waiting for the command: %w", err)
	}
	text := strings.TrimSpace(out.String())
	report := verify.Report{OK: p.err == nil, Text: text[:min(len(text), 500)]}
	var status *exec.ExitError
	switch {
	case errors.As(p.err, &status) && status.ExitCode() >= 0 && status.ExitCode() != 127:
		report.Reason = fmt.Sprintf("EXIT_%d", status.ExitCode())
	case p.err != nil:
		return report, fmt.Errorf("the command: %w: %s", p.err, out.tail())
	}
	return report, nil
}

// Fill puts shell variables in the place of {name}, and returns the environment that has their values.
func Fill(line string, values map[string]string) (string, []string) {
	var env []string
	for name, value := range values {
		if strings.Contains(line, "{"+name+"}") {
			line = strings.ReplaceAll(line, "{"+name+"}", "${TLSFLOOR_VERIFY_"+strings.ToUpper(name)+"}")
			env = append(env, "TLSFLOOR_VERIFY_"+strings.ToUpper(name)+"="+value)
		}
	}
	return line, env
}

// Serve implements verify.Subject.
func (c *command) Serve(context.Context, verify.Setup) (verify.Service, error) {
	return nil, errors.New("a client command: no server")
}

// Inspect implements verify.Subject.
func (c *command) Inspect(_ context.Context, look verify.Act) (verify.Report, error) {
	return verify.Report{}, fmt.Errorf("a client command: look %q: nothing to look at", look)
}

// Close implements verify.Subject. There is nothing to end: Connect returns only when its process has ended.
func (c *command) Close() error { return nil }
