package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// auditEnv looks at all files of a folder.
func (c *command) auditEnv(ctx context.Context) error {
	if err := writable("-sarif", c.SARIF); err != nil {
		return err
	}
	const hint = "give a virtual environment, a prefix or any other folder"
	info, err := os.Stat(c.Path)
	switch {
	case err != nil:
		return fault.New(fault.Usage, hint, "audit:env: %w", err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return fault.New(fault.Usage, hint, "audit:env: %s is neither a folder nor a file", c.Path)
	case !info.IsDir() && c.Probe:
		return fault.New(fault.Usage, "give a virtual environment or a Python's prefix",
			"audit:env -probe: %s is a file", c.Path)
	case !info.IsDir():
		r, err := audit.Files(ctx, c.Path, []string{c.Path})
		return c.audited(r, err)
	}
	r, err := audit.Tree(ctx, c.Path)
	if err == nil && c.Probe {
		err = c.probe(ctx, c.Path, r)
	}
	return c.audited(r, err)
}

// auditPid looks at the files that a running process has mapped.
func (c *command) auditPid(ctx context.Context) error {
	if err := writable("-sarif", c.SARIF); err != nil {
		return err
	}
	if c.PID < 1 {
		return fault.New(fault.Usage, "such as audit:pid 4711; `pgrep -a python` lists processes",
			"audit:pid %d: no process", c.PID)
	}
	return c.audited(auditProcess(ctx, c.PID))
}

// audited prints a report, and gives the exit status.
func (c *command) audited(r *audit.Report, err error) error {
	if err != nil {
		return err
	}
	if c.SARIF != "" {
		if err := writeFile(c.SARIF, r.WriteSARIF); err != nil {
			return fmt.Errorf("-sarif: %w", err)
		}
	}
	if c.JSON {
		err = c.json(r)
	} else {
		err = writeAudit(c.out, r)
	}
	if err != nil {
		return err
	}
	switch r.Worst() {
	case audit.Below:
		return fault.New(fault.Breached, "the list says which package brought each, and what to use instead", "%s: %d of %d TLS stacks have code for versions below TLS %s", r.Subject, r.Count(audit.Below), len(r.Stacks), r.Floor)
	case audit.Unknown:
		return fault.New(fault.Incomplete, "the list says why, and what to do",
			"%s: could not determine the floor of %d TLS stacks; %d files were not looked into", r.Subject,
			r.Count(audit.Unknown), len(r.Gaps))
	}
	return nil
}

// writable refuses the place of a file before the work that it is for.
func writable(flag, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case err == nil && !info.IsDir():
		err = fmt.Errorf("%s is no folder", filepath.Dir(path))
	case err == nil:
		if i, statErr := os.Stat(path); statErr == nil && i.IsDir() {
			err = errors.New("it is a folder")
		} else if statErr != nil || i.Mode().IsRegular() {
			err = unix.Access(filepath.Dir(path), unix.W_OK)
		}
	}
	if err != nil {
		return fault.New(fault.Usage, "name a file in a folder that is there and that you may write to", "%s=%s: %w", flag, path, err)
	}
	return nil
}

// writeFile writes a file so that it is whole or not there; a device or a pipe is written to, and stays.
func writeFile(path string, write func(io.Writer) error) error {
	if i, err := os.Stat(path); err == nil && !i.Mode().IsRegular() && !i.IsDir() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tlsfloor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// writeAudit is the report for people.
func writeAudit(w io.Writer, r *audit.Report) error {
	var b strings.Builder
	for _, s := range r.Stacks {
		fmt.Fprintf(&b, "%-8s %s\n         %s\n", s.Verdict, oneLine(s.File), oneLine(s.String()))
		if s.Link != "" {
			fmt.Fprintf(&b, "         outside, by %s\n", oneLine(s.Link))
		}
		if s.Package != "" {
			fmt.Fprintf(&b, "         from %s\n", oneLine(s.Package))
		}
		if s.Live != "" {
			fmt.Fprintf(&b, "         tried: %s\n", oneLine(s.Live))
		}
		if s.Instead != "" {
			fmt.Fprintf(&b, "         instead: %s\n", s.Instead)
		}
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(&b, "%-8s %s\n         %s: %s\n", "unseen", oneLine(g.File), g.Reason, oneLine(g.Text))
	}
	members := ""
	if r.Archives > 0 {
		members = fmt.Sprintf(" and %d more in %d archives", r.Members, r.Archives)
	}
	fmt.Fprintf(&b, "%s: %d files%s, of which %d are programs and libraries; %d TLS stacks: %d hold the "+
		"floor of TLS %s, %d do not, %d unknown; %d not looked into\n",
		oneLine(r.Subject), r.Files, members, r.Programs, len(r.Stacks), r.Count(audit.Holds), r.Floor,
		r.Count(audit.Below), r.Count(audit.Unknown), len(r.Gaps))
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine keeps names that others chose from acting on a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
