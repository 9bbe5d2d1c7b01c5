package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// AuditEnv looks at all files of a folder.
func AuditEnv(ctx context.Context, path string, f Flags) error {
	return run(ctx, f, func(c *command, ctx context.Context) error {
		if err := writable("-sarif", c.SARIF); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return fault.New(fault.Usage, "give a virtual environment, a prefix or any other folder", "audit:env: %w", err)
		}
		if !info.IsDir() {
			if !info.Mode().IsRegular() {
				return fault.New(fault.Usage, "give a virtual environment, a prefix or any other folder", "audit:env: %s is neither a folder nor a file", path)
			}
			if c.Probe {
				return fault.New(fault.Usage, "give a virtual environment or a Python's prefix", "audit:env -probe: %s is a file", path)
			}
			r, err := audit.Files(ctx, path, []string{path})
			return c.audited(r, err)
		}
		r, err := audit.Tree(ctx, path)
		if err == nil && c.Probe {
			err = c.probe(ctx, path, r)
		}
		return c.audited(r, err)
	})
}

// AuditPid looks at the files that a running process has mapped.
func AuditPid(ctx context.Context, pid int, f Flags) error {
	return run(ctx, f, func(c *command, ctx context.Context) error {
		if err := writable("-sarif", c.SARIF); err != nil {
			return err
		}
		if pid < 1 {
			return fault.New(fault.Usage, "such as audit:pid 4711; `pgrep -a python` lists processes", "audit:pid %d: no process", pid)
		}
		paths, gone, err := mappedFiles(pid)
		if err != nil {
			return err
		}
		r, err := audit.Files(ctx, "process "+strconv.Itoa(pid), paths)
		if err == nil {
			for _, path := range gone {
				r.Problems = append(r.Problems, audit.Problem{File: path, Text: "its code is in no file that could be looked at: replaced or removed since the process loaded it (restart it, and audit again), or never in one"})
			}
		}
		return c.audited(r, err)
	})
}

// mappedFiles lists the files in a process's address space (proc_pid_maps(5)), and those that are no longer where they were.
func mappedFiles(pid int) (paths, gone []string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fault.New(fault.Usage, "`pgrep -a python` lists processes", "audit:pid %d: there is no such process", pid)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fault.New(fault.Failed, "run it as the process's own user, or as root", "audit:pid %d: %w", pid, err)
	case err != nil:
		return nil, nil, err
	}
	if err := sameView(pid); err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		i := strings.IndexByte(line, '/')
		if i < 0 || len(fields) < 6 {
			continue
		}
		path, code := strings.TrimSuffix(line[i:], "\n"), strings.Contains(fields[1], "x")
		was, deleted := strings.CutSuffix(path, " (deleted)")
		elsewhere := strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/memfd:") || strings.HasPrefix(path, "/SYSV") || strings.HasPrefix(path, "/[")
		switch {
		case seen[path]:
		case (deleted || elsewhere) && !code: // shared memory, or data that was removed
			continue
		case deleted || elsewhere:
			gone = append(gone, was)
		default:
			paths = append(paths, path)
		}
		seen[path] = true
	}
	if len(paths) == 0 {
		return nil, nil, fault.New(fault.Failed, "it may have ended, or be a part of the kernel", "audit:pid %d: no file is mapped into it", pid)
	}
	return paths, gone, nil
}

// sameView refuses a process that sees other files by the same names, such as one of a container: its libraries would be looked up here.
func sameView(pid int) error {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	root, rootErr := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
	if err := errors.Join(err, rootErr); err != nil {
		return fault.New(fault.Failed, "run it as the process's own user, or as root", "audit:pid %d: %w", pid, err)
	}
	if own != its || root != "/" {
		return fault.New(fault.Failed, fmt.Sprintf("run it inside of the container, or audit its files: audit:env /proc/%d/root/usr/lib", pid), "audit:pid %d: it has another view of the file system", pid)
	}
	return nil
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
		return fault.New(fault.Incomplete, "the list names them", "%s: of %d TLS stacks and %d files it cannot be told", r.Subject, r.Count(audit.Unknown), len(r.Problems))
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
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%-8s %s\n         %s\n", "problem", oneLine(p.File), oneLine(p.Text))
	}
	fmt.Fprintf(&b, "%s: %d files, of which %d are programs and libraries; %d TLS stacks: %d hold the floor of TLS %s, %d do not, %d unknown\n", r.Subject, r.Files, r.Programs, len(r.Stacks),
		r.Count(audit.Holds), r.Floor, r.Count(audit.Below), r.Count(audit.Unknown))
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
