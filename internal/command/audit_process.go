package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify/audit"
)

// auditProcess looks at the files that a process has mapped. A process that ends meanwhile has not been
// looked into.
func auditProcess(ctx context.Context, pid int) (*audit.Report, error) {
	began, _ := startTime(pid)
	files, gone, bare, err := mappedFiles(pid)
	if err != nil {
		return nil, err
	}
	r, err := audit.Process(ctx, "process "+strconv.Itoa(pid), files)
	if err != nil {
		return nil, err
	}
	for _, path := range gone {
		r.Gaps = append(r.Gaps, audit.Gap{File: path, Reason: audit.Unreadable,
			Text: "its code is in no file that you can read: replaced or removed since the process loaded " +
				"it, or never in one; restart the process and audit it again, or audit it as root"})
	}
	if len(bare) > 0 {
		r.Gaps = append(r.Gaps, audit.Gap{File: r.Subject, Reason: audit.Format, Text: fmt.Sprintf(
			"%d parts of its memory have code and no file, the first at %s: made by a compiler while it "+
				"runs, as Node.js and Java do, or read in by a loader of its own", len(bare), bare[0])})
	}
	if now, err := startTime(pid); err != nil || now != began {
		r.Gaps = append(r.Gaps, audit.Gap{File: r.Subject, Reason: audit.Unreadable,
			Text: "it ended while it was audited"})
	}
	return r, nil
}

// startTime is when a process began, which with its number makes it one of a kind (proc_pid_stat(5), field
// 22).
func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	if len(fields) < 20 {
		return "", errors.New("a line of another form")
	}
	return fields[19], nil
}

// region is a line of a process's address space.
type region struct {
	span, path string // without a path it is memory of its own
	code       bool
	inode      uint64
	device     string
}

// mappedFiles lists the files in a process's address space (proc_pid_maps(5)), with where each can be read,
// those that cannot, and where memory without a file has code.
func mappedFiles(pid int) (files []audit.Mapped, gone, bare []string, err error) {
	proc := fmt.Sprintf("/proc/%d", pid)
	text, err := os.ReadFile(proc + "/maps")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return nil, nil, nil, fault.New(fault.Usage, "`pgrep -a python` lists processes",
			"audit:pid %d: there is no such process", pid)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, nil, fault.New(fault.Failed, "run it as the process's own user, or as root",
			"audit:pid %d: %w", pid, err)
	case err != nil:
		return nil, nil, nil, err
	}
	roots, err := views(pid)
	if err != nil {
		return nil, nil, nil, err
	}
	type file struct {
		path, device string
		inode        uint64
	}
	seen, names := map[file]bool{}, map[string]bool{}
	for _, r := range regions(string(text)) {
		if r.path == "" {
			bare = append(bare, r.span)
			continue
		}
		if seen[file{r.path, r.device, r.inode}] {
			continue
		}
		was, deleted := strings.CutSuffix(r.path, " (deleted)")
		elsewhere := strings.HasPrefix(r.path, "/dev/") || strings.HasPrefix(r.path, "/memfd:") ||
			strings.HasPrefix(r.path, "/SYSV") || strings.HasPrefix(r.path, "/[")
		if (deleted || elsewhere) && !r.code { // shared memory, or data that was removed
			continue
		}
		seen[file{r.path, r.device, r.inode}] = true
		if names[was] { // another one that had the same name: replaced since, or made in memory
			was = fmt.Sprintf("%s (inode %d)", was, r.inode)
		}
		names[was] = true
		if open := whereMapped(proc, r, roots, deleted || elsewhere); open != "" {
			files = append(files, audit.Mapped{Path: was, Open: open})
		} else {
			gone = append(gone, was)
		}
	}
	if len(files)+len(gone) == 0 {
		return nil, nil, nil, fault.New(fault.Failed, "it may have ended, or be a part of the kernel",
			"audit:pid %d: no file is mapped into it", pid)
	}
	return files, gone, bare, nil
}

// regions are those of files, and those of code without a file, but for the kernel's own.
func regions(maps string) (all []region) {
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if len(fields) == 5 || strings.HasPrefix(fields[5], "[") {
			kernels := len(fields) > 5 && slices.Contains([]string{"[vdso]", "[vsyscall]", "[uprobes]"},
				fields[5])
			if strings.Contains(fields[1], "x") && !kernels {
				all = append(all, region{span: fields[0], code: true})
			}
			continue
		}
		i := strings.IndexByte(line, '/')
		if i < 0 {
			continue
		}
		inode, _ := strconv.ParseUint(fields[4], 10, 64)
		all = append(all, region{fields[0], strings.TrimSuffix(line[i:], "\n"), strings.Contains(fields[1],
			"x"), inode, fields[3]})
	}
	return all
}

// views are the folders below which the process's files are found by their names: its own root, where it sees
// others than we do, as in a
// container, and else ours.
func views(pid int) ([]string, error) {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return nil, fault.New(fault.Failed, "run it as the process's own user, or as root",
			"audit:pid %d: %w", pid, err)
	}
	if own == its {
		return []string{""}, nil
	}
	return []string{fmt.Sprintf("/proc/%d/root", pid)}, nil
}

// whereMapped is where the very file that was mapped can be read: by its region, which needs root, or by its
// name, if that still leads to it.
func whereMapped(proc string, r region, roots []string, gone bool) string {
	if path := proc + "/map_files/" + r.span; opens(path, 0) {
		return path
	}
	was := strings.TrimSuffix(r.path, " (deleted)")
	if gone {
		if exe, err := os.Readlink(proc + "/exe"); err == nil && exe == r.path && opens(proc+"/exe",
			r.inode) {
			return proc + "/exe"
		}
		return ""
	}
	for _, root := range roots {
		if path := filepath.Join(root, was); opens(path, r.inode) {
			return path
		}
	}
	return ""
}

// opens reports whether a path is a regular file that may be read, and the one with a number. An overlay's
// files have the numbers of what
// lies below it on some kernels, so there nothing is compared.
func opens(path string, inode uint64) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || unix.Access(path, unix.R_OK) != nil {
		return false
	}
	var st unix.Stat_t
	var fs unix.Statfs_t
	if inode == 0 || unix.Statfs(path, &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return true
	}
	return unix.Stat(path, &st) == nil && st.Ino == inode
}
