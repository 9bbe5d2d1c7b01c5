package patches

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const hintExact = "the source is not the one that the patch was made for: make it anew for this version, in a folder of an overlay's patches/"

// change is what one diff of a patch does to one file.
type change struct {
	name    string // relative to the root
	content []byte
	mode    fs.FileMode
	remove  bool
	temp    string // written beside name, before it is renamed
}

// Apply applies p to the tree below dir. Everything is computed in memory and written aside before the
// first file is replaced. A conflict names the patch, the file, the hunk, and the first line that differs.
func Apply(dir string, p Patch) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("applying %s: %w", p.Name, err)
	}
	defer root.Close()
	files, _, err := p.parse()
	if err != nil {
		return err
	}
	var changes []change
	seen := map[string]bool{}
	for _, f := range files {
		c, err := p.change(root, f)
		if err != nil {
			return err
		}
		if seen[c.name] {
			return p.refuse("%s is changed by two diffs", c.name)
		}
		seen[c.name] = true
		changes = append(changes, c)
	}
	if err := write(root, changes); err != nil {
		return fmt.Errorf("applying %s: %w", p.Name, err)
	}
	return nil
}

func (p Patch) refuse(format string, args ...any) error {
	return fault.New(fault.Failed, hintExact, "patch %s: %w", p.Name, fmt.Errorf(format, args...))
}

// parse returns the patch's diffs, names relative to the source tree, and its head.
func (p Patch) parse() ([]*gitdiff.File, string, error) {
	files, head, err := gitdiff.Parse(bytes.NewReader(p.Text))
	if err != nil {
		return nil, "", p.refuse("%w", err)
	}
	if len(files) == 0 {
		return nil, "", p.refuse("no diff in it")
	}
	hunks := 0
	for _, f := range files {
		p.strip(f)
		hunks += len(f.TextFragments)
		switch {
		case f.IsBinary || f.IsRename || f.IsCopy:
			return nil, "", p.refuse("%s: a binary change, rename or copy; only text is patched", f.NewName+f.OldName)
		case !f.IsNew && !f.IsDelete && f.OldName != f.NewName:
			return nil, "", p.refuse("%s becomes %s; only text is patched", f.OldName, f.NewName)
		case len(f.TextFragments) == 0:
			return nil, "", p.refuse("%s: no hunk", f.NewName+f.OldName)
		}
	}
	// gitdiff takes a malformed hunk or file header for text between diffs
	if n := len(hunkHeader.FindAllIndex(p.Text, -1)); n != hunks {
		return nil, "", p.refuse("%d lines begin like a hunk, %d hunks could be read", n, hunks)
	}
	return files, head, nil
}

var (
	hunkHeader = regexp.MustCompile(`(?m)^@@`)
	gitHeader  = regexp.MustCompile(`(?m)^diff --git `)
)

// strip drops the a/ or b/ before names, which gitdiff keeps unless git wrote the patch.
func (p Patch) strip(f *gitdiff.File) {
	if gitHeader.Match(p.Text) {
		return
	}
	for _, name := range []*string{&f.OldName, &f.NewName} {
		if _, rest, ok := strings.Cut(*name, "/"); ok {
			*name = rest
		}
	}
}

// change computes what f does to its file. A path that is absolute, has "..", or leads through a link
// out of the root is refused.
func (p Patch) change(root *os.Root, f *gitdiff.File) (change, error) {
	name := f.NewName
	if f.IsDelete {
		name = f.OldName
	}
	if !filepath.IsLocal(name) || path.Clean(name) != name {
		return change{}, p.refuse("the path %q leads out of the source", name)
	}
	c := change{name: name, mode: 0o644, remove: f.IsDelete}
	info, err := root.Lstat(name)
	switch {
	case f.IsNew && err == nil:
		return change{}, p.refuse("%s is to be created and is there", name)
	case f.IsNew && errors.Is(err, fs.ErrNotExist):
		if f.NewMode != 0 {
			c.mode = f.NewMode.Perm()
		}
	case err != nil:
		return change{}, p.refuse("%w", err)
	case !info.Mode().IsRegular():
		return change{}, p.refuse("%s is no regular file", name)
	default:
		c.mode = info.Mode().Perm()
		if c.content, err = root.ReadFile(name); err != nil {
			return change{}, p.refuse("%w", err)
		}
	}
	c.content, err = p.patched(f, name, c.content)
	return c, err
}

func (p Patch) patched(f *gitdiff.File, name string, old []byte) ([]byte, error) {
	var out bytes.Buffer
	a := gitdiff.NewTextApplier(&out, bytes.NewReader(old))
	for i, hunk := range f.TextFragments {
		if err := a.ApplyFragment(hunk); err != nil {
			return nil, p.refuse("%s, hunk %d of %d (@@ -%d): %w", name, i+1, len(f.TextFragments), hunk.OldPosition, difference(hunk, old, err))
		}
	}
	if err := a.Close(); err != nil {
		return nil, p.refuse("%s: %w", name, err)
	}
	return out.Bytes(), nil
}

// difference finds the first line at which the hunk and the file disagree.
func difference(hunk *gitdiff.TextFragment, old []byte, cause error) error {
	lines := strings.SplitAfter(string(old), "\n")
	at := int(max(hunk.OldPosition, 1))
	for _, l := range hunk.Lines {
		if !l.Old() {
			continue
		}
		if at > len(lines) || lines[at-1] == "" {
			return fmt.Errorf("line %d: want %q, got the end of the file", at, l.Line)
		}
		if got := lines[at-1]; got != l.Line {
			return fmt.Errorf("line %d: want %q, got %q", at, l.Line, got)
		}
		at++
	}
	return cause
}

// write puts all new contents beside their files, and only then renames and removes.
func write(root *os.Root, changes []change) (err error) {
	defer func() {
		if err != nil {
			for _, c := range changes {
				if c.temp != "" {
					root.Remove(c.temp)
				}
			}
		}
	}()
	for i := range changes {
		c := &changes[i]
		if c.remove {
			continue
		}
		if err := root.MkdirAll(path.Dir(c.name), 0o755); err != nil {
			return err
		}
		c.temp = c.name + ".tlsfloor-new"
		if err := root.WriteFile(c.temp, c.content, c.mode); err != nil {
			return err
		}
		if err := root.Chmod(c.temp, c.mode); err != nil { // whatever the umask is
			return err
		}
	}
	for _, c := range changes {
		if c.remove {
			err = root.Remove(c.name)
		} else {
			err = root.Rename(c.temp, c.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
