package audit

import (
	"context"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// errIrregular says that a path leads to something that is no regular file: to open a device or a pipe may do
// something, or wait.
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

// defaults are where the loader looks when its configuration has said nothing, for any distribution and
// architecture that we know of.
var defaults = []string{"/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"}

// systemFolders are the loader's configured folders, in its order, and then its own (ld.so.conf is what
// ldconfig(8) makes the cache of).
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

// loading is one object on its way into a process: the libraries by which it came, and the RPATHs of those
// that brought it.
type loading struct {
	*object
	via    []string
	rpaths []string
	may    string // the name by which dlopen(3) may bring it
}

// stacks are those that root has inside, those of the libraries that it links, however far away, as the
// loader brings them in: breadth
// first, and each name once (ld.so(8)), and those of the libraries that it names for dlopen(3).
func (a *auditor) stacks(ctx context.Context, root *object) (all []Stack) {
	seen := map[string]bool{}
	for queue := []loading{{object: root}}; len(queue) > 0 && ctx.Err() == nil; queue = queue[1:] {
		l := queue[0]
		for _, s := range l.own {
			if s.Library == "OpenSSL" && s.Version == "" {
				s.Version = a.versionBeside(l)
			}
			s.Via = l.via
			if l.may != "" {
				s.Known = "it may load " + l.may + ": " + s.Known
			}
			all = append(all, s)
		}
		a.unclear(l.object)
		for _, name := range l.needed {
			if !seen[name] {
				seen[name] = true
				more, s := a.linked(l, name)
				queue, all = append(queue, more...), append(all, s...)
			}
		}
		if len(l.via) > 0 && l.may == "" {
			continue // what a library of the system's loads is its own file's affair
		}
		more, s := a.mayLoad(l, seen)
		queue, all = append(queue, more...), append(all, s...)
	}
	return all
}

// linked is a library that one links, or what can be said of it without one.
func (a *auditor) linked(l loading, name string) ([]loading, []Stack) {
	kind := soname(name)
	path := a.resolve(l, name)
	if path == "" {
		if all := a.sameName(l, name); len(all) > 0 {
			return all, nil
		}
		if kind == "" {
			a.missing(l.object, name)
			return nil, nil
		}
		return nil, []Stack{{Library: kind, Via: slices.Concat(l.via, []string{name}), Verdict: Unknown,
			Known: "the loader finds no " + name + " here"}}
	}
	via := slices.Concat(l.via, []string{path})
	lib := a.open(path)
	if lib == nil {
		if kind == "" {
			a.unseen(l.path, Unreadable, "it links "+path+", which cannot be read")
			return nil, nil
		}
		return nil, []Stack{{Library: kind, Via: via, Verdict: Unknown, Known: path + " could not be read"}}
	}
	var all []Stack
	if len(lib.own) == 0 && slices.ContainsFunc(libraries, func(k library) bool { return k.name == kind }) {
		all = []Stack{{Library: kind, Via: via, Verdict: Unknown, Known: "its name says that it is " + kind +
			", and nothing in it was recognised"}}
	}
	more := []loading{{object: lib, via: via, rpaths: l.handedOn(), may: l.may}}
	for _, other := range a.faster(path) {
		if lib := a.open(other); lib != nil {
			more = append(more, loading{object: lib, via: slices.Concat(l.via, []string{other}),
				rpaths: l.handedOn(), may: l.may})
		}
	}
	return more, all
}

// mayLoad are the libraries that one names for dlopen(3). Programs name several, and take the first that is
// there: if none is, nothing is known.
func (a *auditor) mayLoad(l loading, seen map[string]bool) (more []loading, all []Stack) {
	missing := ""
	for _, name := range l.loads {
		key := filepath.Base(name)
		if seen[key] || key == filepath.Base(l.path) {
			continue
		}
		path := a.resolve(l, name)
		// ctypes.util.find_library(), and names that are completed
		if path == "" && strings.HasSuffix(name, ".so") {
			path = a.versioned(name)
		}
		if path == "" {
			missing = name
			continue
		}
		seen[key] = true
		if lib := a.open(path); lib != nil {
			more = append(more, loading{object: lib, via: slices.Concat(l.via, []string{path}), may: key})
		}
	}
	if missing != "" && len(more) == 0 && soname(filepath.Base(missing)) != "" {
		all = append(all, Stack{Library: soname(filepath.Base(missing)), Via: slices.Concat(l.via,
			[]string{missing}), Verdict: Unknown,
			Known: "it may load " + missing + ", which the loader does not find here"})
	}
	return more, all
}

// versioned is a library of the system's by the beginning of its name.
func (a *auditor) versioned(name string) string {
	for _, folder := range systemFolders() {
		if found, _ := filepath.Glob(filepath.Join(folder, filepath.Base(name)+".*")); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// open reads a library that another one wants, once; nil for what is none, or cannot be read.
func (a *auditor) open(path string) *object {
	if o := a.known[path]; o != nil {
		return o
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	if o := a.known[real]; o != nil {
		return o
	}
	f, err := openRegular(real)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || info.Size() > maxFile {
		return nil
	}
	data, done, err := mapped(f, info.Size())
	if err != nil {
		return nil
	}
	defer done()
	o := parse(real, data)
	a.known[real] = o
	return o
}

// parse is parseELF for a file that nobody vouches for; nil for what could not be read.
func parse(path string, data []byte) (o *object) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			o = nil
		}
	}()
	if len(data) < 4 || string(data[:4]) != elf.ELFMAG {
		return nil
	}
	if o, _ = parseELF(path, data); o != nil && o.machine == elf.EM_NONE {
		return nil // no program and no library
	}
	return o
}

// handedOn are the RPATHs that count for the needs of what l brings: its own, unless it has a RUNPATH, and
// those that it was given.
func (l loading) handedOn() []string {
	if len(l.runpath) > 0 {
		return l.rpaths
	}
	return slices.Concat(l.rpath, l.rpaths)
}

// resolve is the file that the loader takes for a name, without LD_LIBRARY_PATH; "" if there is none. Of a
// process the files that it has mapped come first.
func (a *auditor) resolve(l loading, name string) string {
	if path := a.loaded[name]; path != "" {
		return path
	}
	if archive, _, ok := cutLast(l.path); ok && a.beside[archive][filepath.Base(name)] != "" {
		return a.beside[archive][filepath.Base(name)]
	}
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); !filepath.IsAbs(name) || err != nil {
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
			if lib := a.open(path); lib != nil {
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
	return want == elf.EM_NONE || elf.Machine(machine) == want // of a script nothing is known
}
