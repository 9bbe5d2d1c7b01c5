package subject

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
)

// command is any client that a shell can start: its exit status is its word.
type command struct{ bench verify.Bench }

// Connect implements verify.Subject. The shell's variables are the placeholders' values, so that nothing in
// them is read as shell.
func (c *command) Connect(ctx context.Context, s verify.Setup, addr string) (verify.Report, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return verify.Report{}, err
	}
	line, env, err := Fill(c.bench.Command, map[string]string{"host": "localhost", "port": port, "addr": host, "ca": c.bench.Files.Roots(s.Trust), "url": "https://localhost:" + port + "/"})
	if err != nil {
		return verify.Report{}, err
	}
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

// Fill puts shell variables in the place of {name}, and returns the environment that has their values. A
// placeholder in single quotes, where a shell replaces nothing, is an error.
func Fill(line string, values map[string]string) (string, []string, error) {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		parts := strings.Split(line, "{"+name+"}")
		for i := 1; i < len(parts); i++ {
			if inSingleQuotes(strings.Join(parts[:i], "")) {
				return "", nil, fmt.Errorf("{%s} stands in single quotes, where a shell replaces nothing: put it in double quotes, or hand it to the program as an argument", name)
			}
		}
		if len(parts) > 1 {
			line = strings.ReplaceAll(line, "{"+name+"}", "${TLSFLOOR_VERIFY_"+strings.ToUpper(name)+"}")
			env = append(env, "TLSFLOOR_VERIFY_"+strings.ToUpper(name)+"="+value)
		}
	}
	return line, env, nil
}

// inSingleQuotes reports whether what follows text in a shell's line stands in single quotes (POSIX, Shell
// Command Language, section 2.2).
func inSingleQuotes(text string) bool {
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote == '\''
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
