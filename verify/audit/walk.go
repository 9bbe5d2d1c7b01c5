package audit

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// task is a folder or a file to look at. link is what led to it, where it is outside of the tree.
type task struct{ path, link string }

// maxFiles bounds how many files and folders are looked at, so that links cannot make an audit endless.
const maxFiles = 5_000_000

func isEOF(err error) bool { return err == io.EOF }

// later adds what was found on the way. Nothing is looked at twice.
func (a *auditor) later(path, link string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.looked[path] {
		if link != "" && a.links[path] == "" { // the first that leads there is named, whoever looks first
			a.links[path] = link
		}
		a.more = append(a.more, task{path, link})
	}
}

// inside reports whether a path is in the tree.
func (a *auditor) within(path string) bool {
	return path == a.root || strings.HasPrefix(path, strings.TrimSuffix(a.root, "/")+"/")
}

// walk gives the files of a task to files. A folder that a link leads to is walked like any other, but each
// once.
func (a *auditor) walk(ctx context.Context, t task, files chan<- task) {
	if a.seenFolder(t.path) {
		return
	}
	info, err := os.Lstat(t.path)
	if err == nil && !info.IsDir() {
		a.environment(t.path)
		files <- t
		return
	}
	if err == nil && a.root != "" && t.path != a.root && strings.HasPrefix(a.root+"/",
		strings.TrimSuffix(t.path, "/")+"/") {
		a.unseen(t.link, Elsewhere, "it leads to "+t.path+", which is around the folder that is audited")
		return
	}
	filepath.WalkDir(t.path, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.unseen(path, Unreadable, cause(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if path != t.path && a.seenFolder(path) || machinery(path) {
				return fs.SkipDir
			}
			if isMetadata(path) {
				a.owners.wheel(path)
				a.editable(path)
			}
		case d.Type().IsRegular():
			link := t.link
			if a.within(path) {
				link = ""
			}
			a.environment(path)
			files <- task{path, link}
		case d.Type()&fs.ModeSymlink != 0:
			a.environment(path)
			a.follow(path)
		}
		return nil
	})
}

// seenFolder notes a folder or file, and reports whether it was noted before, or there are too many.
func (a *auditor) seenFolder(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.looked[path] {
		return true
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return false // look notes files
	}
	if a.looked[path] = true; len(a.looked) > maxFiles {
		a.report.Gaps = append(a.report.Gaps, Gap{a.root, TooBig,
			"more files and folders than an audit looks at"})
		return true
	}
	return false
}

// follow adds what a link leads to. One that leads to nothing, or to a device, brings no code.
func (a *auditor) follow(link string) {
	real, err := resolved(link)
	if err != nil {
		if there(link, err) {
			a.unseen(link, Unreadable, "the link's target: "+cause(err))
		}
		return
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		a.unseen(link, Unreadable, cause(err))
	case info.Mode().IsRegular() || info.IsDir() && !machinery(real):
		a.owners.alias(link, real)
		if a.within(real) {
			link = ""
		}
		a.later(real, link)
	}
}

// machinery reports whether a folder is of the kernel's own making: /proc leads everywhere, and has files
// without an end.
func machinery(path string) bool {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return false
	}
	switch s.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC:
		return true
	}
	return false
}
