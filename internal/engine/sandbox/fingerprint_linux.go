package sandbox

import (
	"context"
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Fingerprint returns a line for everything of the host's system that a build step can see and that
// can change bytes: each tool with its digest and version, the compiler's and linker's parts, libc's
// and the kernel's headers, start files and link libraries, Perl's core modules, and the run-time
// libraries that the tools load. Two hosts with equal lines have equal tools, whatever brought them:
// files are named by digest, as a package's version does not say whether somebody changed them.
//
// Left out, because they do not reach the bytes of a build: manual pages, translations (the locale
// is C) and Perl's documentation. An exception are programs without a link in BinPath, their libraries
// and data, and Perl modules that the ones needed do not load or look for: all that is below /usr can
// still be seen by its absolute path, and a step that uses it so depends on what no line tells.
//
// What was read is kept in cacheDir, by path, size, inode and times of change, so that the next call
// reads no file; a file touched but equal is read again and gives the same line. With an empty
// cacheDir nothing is kept.
func (h Host) Fingerprint(ctx context.Context, cacheDir string) (digest.Lines, error) {
	go hostVeils(ctx) // on another core meanwhile: the answer is kept for libcLines
	c := openCache(cacheDir)
	var lines digest.Lines
	for _, part := range []func(context.Context, *cache, *digest.Lines) error{
		h.toolLines, h.compilerLines, h.libcLines, h.perlLines, h.runtimeLines,
	} {
		if err := part(ctx, c, &lines); err != nil {
			return nil, fault.New(fault.Failed, "see that the tool's files can be read", "host tools: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	_ = c.close() // what cannot be kept, in somebody else's store, is read again next time
	return lines, nil
}

// speaking are the tools whose version line is worth showing; all have their digest.
var speaking = []string{"gcc", "as", "ld", "ar", "make", "perl", "sed", "awk", "grep", "tar", "cat", "find", "cmp", "xz"}

func (h Host) toolLines(ctx context.Context, c *cache, lines *digest.Lines) error {
	for _, t := range h.commands() {
		value, err := c.value("tool "+t.name, []string{t.path}, func() (string, error) {
			real, err := filepath.EvalSymlinks(t.path)
			if err != nil {
				return "", err
			}
			d, _, err := digest.OfFile(real)
			if err != nil {
				return "", err
			}
			text := real + " " + d.String()
			if slices.Contains(speaking, t.name) {
				text += " " + h.version(ctx, t.path)
			}
			return text, nil
		})
		if err != nil {
			return err
		}
		lines.Add("tool "+t.name, t.path+" -> "+value)
	}
	return nil
}

// compilerLines asks the compiler for its parts: the programs that it runs, and the folder of its own
// headers and libraries.
func (h Host) compilerLines(ctx context.Context, c *cache, lines *digest.Lines) error {
	cc := h.Find("cc")
	if cc == "" {
		return nil
	}
	parts, err := c.value("ask cc", []string{cc}, func() (string, error) {
		var paths []string
		for _, arg := range []string{
			"-print-prog-name=cc1", "-print-prog-name=collect2", "-print-prog-name=lto1", "-print-prog-name=lto-wrapper",
			"-print-file-name=liblto_plugin.so", "-print-libgcc-file-name",
		} {
			path := strings.TrimSpace(h.ask(ctx, "", cc, arg))
			if info, err := os.Stat(path); filepath.IsAbs(path) && err == nil && info.Mode().IsRegular() {
				paths = append(paths, filepath.Clean(path))
			}
		}
		return strings.Join(paths, "\n"), nil
	})
	if err != nil {
		return err
	}
	var dirs []string
	for _, path := range strings.Fields(parts) {
		if err := c.fileLine(lines, "cc "+filepath.Base(path), path); err != nil {
			return err
		}
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) && filepath.Base(path) != "collect2" {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := c.treeLine(lines, "cc folder "+dir, dir, keepAll); err != nil {
			return err
		}
	}
	return nil
}

// libcLines covers what a sandbox shows of headers and link libraries, as hostVeils has it.
func (h Host) libcLines(ctx context.Context, c *cache, lines *digest.Lines) error {
	veils, err := hostVeils(ctx)
	if err != nil {
		return err
	}
	headers := veiledFiles("/usr/include", veils)
	if err := c.filesLine(lines, "headers", "/usr/include", headers); err != nil {
		return err
	}
	for _, dir := range libraryDirs() {
		entries, err := list(dir)
		if err != nil {
			return err
		}
		var files []string
		for _, e := range entries {
			start := !e.Dir && filepath.Ext(e.Name) == ".o"
			if (start || forDevelopment(e)) && visible(filepath.Join(dir, e.Name), veils) {
				files = append(files, filepath.Join(dir, e.Name))
			}
		}
		if len(files) > 0 {
			if err := c.filesLine(lines, "link "+dir, dir, files); err != nil {
				return err
			}
		}
	}
	return c.pluginLines(lines, veils)
}

// pluginLines covers what binutils load by themselves from the folders that veilPlugins left something in.
func (c *cache) pluginLines(lines *digest.Lines, veils []veil) error {
	for _, v := range veils {
		if filepath.Base(v.dir) != pluginsName {
			continue
		}
		var files []string
		for _, s := range v.show {
			path := filepath.Join(v.dir, s.Name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				files = append(files, path)
			}
		}
		if err := c.filesLine(lines, "plugins "+v.dir, v.dir, files); err != nil {
			return err
		}
	}
	return nil
}

func visible(path string, veils []veil) bool {
	for _, v := range veils {
		if within(path, v.dir) && path != v.dir {
			first, _, _ := strings.Cut(path[len(v.dir)+1:], "/")
			if !shows(v.show, first) {
				return false
			}
		}
	}
	return true
}

// veiledFiles returns the files below dir that a sandbox shows.
func veiledFiles(dir string, veils []veil) []string {
	var files []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case path != dir && !visible(path, veils):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir():
			files = append(files, path)
		}
		return nil
	})
	return files
}

// runtimeLines covers the shared libraries that the tools load, libc among them.
func (h Host) runtimeLines(_ context.Context, c *cache, lines *digest.Lines) error {
	var programs []string
	for _, t := range h.commands() {
		programs = append(programs, t.path)
	}
	for _, l := range *lines {
		if path, _, ok := strings.Cut(l.Value, " "); ok && strings.HasPrefix(l.Label, "cc ") && filepath.IsAbs(path) {
			programs = append(programs, path)
		}
	}
	dirs := libraryDirs()
	list, err := c.value("ask libraries", slices.Concat(programs, dirs), func() (string, error) {
		return strings.Join(loaded(programs, dirs), "\n"), nil
	})
	if err != nil {
		return err
	}
	for _, path := range strings.Fields(list) {
		if err := c.fileLine(lines, "lib "+filepath.Base(path), path); err != nil {
			return err
		}
	}
	return nil
}

// loaded returns the libraries in dirs that the ELF files and their libraries need, by DT_NEEDED and
// PT_INTERP. What is found in a folder of another kind, by RUNPATH, belongs to that tool's own folder.
func loaded(files, dirs []string) []string {
	var found []string
	todo := slices.Clone(files)
	seen := map[string]bool{}
	for len(todo) > 0 {
		file := todo[0]
		todo = todo[1:]
		for _, name := range needed(file) {
			if seen[name] {
				continue
			}
			seen[name] = true
			for _, dir := range dirs {
				path := filepath.Join(dir, name)
				if _, err := os.Stat(path); err == nil {
					found, todo = append(found, path), append(todo, path)
					break
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func needed(file string) []string {
	f, err := elf.Open(file)
	if err != nil {
		return nil // a script
	}
	defer f.Close()
	names, _ := f.ImportedLibraries()
	if s := f.Section(".interp"); s != nil {
		if b, err := s.Data(); err == nil {
			names = append(names, filepath.Base(strings.TrimRight(string(b), "\x00")))
		}
	}
	return names
}

// stamp appends what changes about a file when the file may have changed: path, size, times, inode.
// Links are followed.
func stamp(b []byte, path string) ([]byte, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		return b, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	b = append(b, path...)
	for _, n := range []int64{s.Size, s.Mtim.Nano(), s.Ctim.Nano(), int64(s.Ino)} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return append(b, '\n'), nil
}
