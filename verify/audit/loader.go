package audit

import (
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// errIrregular says that a path leads to something that is no regular file: to open a device or a pipe may do something, or wait.
var errIrregular = errors.New("not a regular file")

// openRegular opens a regular file, and nothing else.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have been exchanged since
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// defaults are where the loader looks when its configuration has said nothing, for any distribution and architecture that we know of.
var defaults = []string{"/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"}

// systemFolders are the loader's configured folders, in its order, and then its own (ld.so.conf is what ldconfig(8) makes the cache of).
var systemFolders = sync.OnceValue(func() []string { return append(configured("/etc/ld.so.conf", 4), defaults...) })

// configured reads a file of folders and of include lines.
func configured(path string, depth int) (all []string) {
	for _, line := range lines(path, 1000) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if pattern, ok := strings.CutPrefix(line, "include "); ok && depth > 0 {
			pattern = strings.TrimSpace(pattern)
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(path), pattern)
			}
			found, _ := filepath.Glob(pattern) // in order of name, as ldconfig takes them
			for _, f := range found {
				all = append(all, configured(f, depth-1)...)
			}
		} else if line = strings.TrimSpace(line); filepath.IsAbs(line) {
			all = append(all, line)
		}
	}
	return all
}

// loading is one object on its way into a process: the libraries by which it came, and the RPATHs of those that brought it.
type loading struct {
	*object
	via    []string
	rpaths []string
}

// stacks are those that root has inside, and those of the libraries that it links, however far away, as the loader brings them in: breadth
// first, and each name once (ld.so(8)).
func (a *auditor) stacks(root *object) (all []Stack) {
	seen := map[string]bool{}
	for queue := []loading{{object: root}}; len(queue) > 0; queue = queue[1:] {
		l := queue[0]
		for _, s := range l.own {
			if s.Library == "OpenSSL" && s.Version == "" {
				s.Version = a.versionBeside(l)
			}
			s.Via = l.via
			all = append(all, s)
		}
		for _, name := range l.needed {
			if seen[name] {
				continue
			}
			seen[name] = true
			path := a.resolve(l, name)
			via := slices.Concat(l.via, []string{path})
			lib, _, err := a.open(path)
			switch kind := soname(name); {
			case path == "" && kind != "":
				all = append(all, Stack{Library: kind, Via: slices.Concat(l.via, []string{name}), Verdict: Unknown, Known: "the loader finds no " + name + " here"})
			case path == "":
			case (err != nil || lib == nil) && kind != "":
				all = append(all, Stack{Library: kind, Via: via, Verdict: Unknown, Known: path + " could not be read"})
			case err == nil && lib != nil:
				if len(lib.own) == 0 && slices.ContainsFunc(kinds, func(k kindOf) bool { return k.library == kind }) {
					all = append(all, Stack{Library: kind, Via: via, Verdict: Unknown, Known: "its name says that it is " + kind + ", and nothing in it was recognised"})
				}
				queue = append(queue, loading{lib, via, l.handedOn()})
			}
		}
	}
	return all
}

// handedOn are the RPATHs that count for the needs of what l brings: its own, unless it has a RUNPATH, and those that it was given.
func (l loading) handedOn() []string {
	if len(l.runpath) > 0 {
		return l.rpaths
	}
	return slices.Concat(l.rpath, l.rpaths)
}

// resolve is the file that the loader takes for a name, without LD_LIBRARY_PATH; "" if there is none. Of a process the files that it has
// mapped come first.
func (a *auditor) resolve(l loading, name string) string {
	if path := a.loaded[name]; path != "" {
		return path
	}
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			return ""
		}
		return name
	}
	folders := l.runpath
	if len(folders) == 0 {
		folders = l.handedOn()
	}
	for _, folder := range slices.Concat(folders, systemFolders()) {
		path := filepath.Join(folder, name)
		if sameMachine(path, l.machine) {
			return path
		}
	}
	return ""
}

// versionBeside is that of the libcrypto that a libssl needs, which alone says it.
func (a *auditor) versionBeside(l loading) string {
	for _, name := range l.needed {
		if path := a.resolve(l, name); path != "" && strings.HasPrefix(name, "libcrypto.so") {
			if lib, _, err := a.open(path); err == nil && lib != nil {
				return lib.crypto
			}
		}
	}
	return ""
}

// sameMachine reads no more than the header: the loader passes over libraries for another processor.
func sameMachine(path string, want elf.Machine) bool {
	f, err := openRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [20]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:4]) != elf.ELFMAG {
		return false
	}
	machine := uint16(header[18]) | uint16(header[19])<<8
	if header[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		machine = uint16(header[19]) | uint16(header[18])<<8
	}
	return elf.Machine(machine) == want
}
