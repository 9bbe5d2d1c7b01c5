package trial

import (
	"bufio"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
)

// Reach collects the trees of the host that somebody's own programs need beside the system's folders: a
// Python of a home folder, a JDK of /opt, a client's script.
type Reach struct{ trees []string }

// maxHops bounds how many links, interpreters and environments lead from one program to the next.
const maxHops = 32

// Mounts shows every tree where it stands.
func (r *Reach) Mounts() (all []sandbox.Mount) {
	for _, tree := range r.trees {
		all = append(all, sandbox.Mount{From: tree, To: tree})
	}
	return all
}

// String names all that is seen of the host, for a message.
func (r *Reach) String() string {
	return strings.Join(append([]string{"/usr", "/bin", "/lib*", "parts of /etc"}, r.trees...), ", ")
}

// shown reports whether path is in a folder of the system or in a tree.
func (r *Reach) shown(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if first == "usr" || first == "bin" || first == "sbin" || strings.HasPrefix(first, "lib") {
		return true
	}
	return slices.ContainsFunc(r.trees, func(tree string) bool {
		return path == tree ||
			strings.HasPrefix(path, tree+"/")
	})
}

// Add shows a file or folder, if it is there, and no longer by itself what lies in it. Nothing that the
// sandbox makes itself is covered.
func (r *Reach) Add(path string) {
	path = filepath.Clean(path)
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if _, err := os.Stat(path); err != nil || path == "/" || r.shown(path) ||
		slices.Contains([]string{"proc", "dev", "sys", "tlsfloor"}, first) {
		return
	}
	r.trees = slices.DeleteFunc(r.trees, func(tree string) bool { return strings.HasPrefix(tree, path+"/") })
	r.trees = append(r.trees, path)
	slices.Sort(r.trees)
}

// Program shows what the program at path needs: its own tree and those of each link that leads to it, the
// environment that a pyvenv.cfg is of (PEP 405), the interpreter that a script's first line names, and the
// folders of a RUNPATH.
func (r *Reach) Program(path string) {
	seen := map[string]bool{}
	for queue := []string{path}; len(queue) > 0 && len(seen) < maxHops; queue = queue[1:] {
		path := filepath.Clean(queue[0])
		if seen[path] || !filepath.IsAbs(path) {
			continue
		}
		seen[path] = true
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		if !r.shown(path) {
			r.Add(treeOf(path))
		}
		if home := homeOf(path); home != "" {
			queue = append(queue, filepath.Join(home, filepath.Base(path)), filepath.Join(home, "python3"))
		}
		if info.Mode()&os.ModeSymlink != 0 {
			queue = append(queue, targets(path)...)
			continue
		}
		queue = append(queue, interpreter(path)...)
		for _, dir := range runpath(path) {
			r.Add(dir)
		}
	}
}

// targets are what a link leads to, by its text and by all links on the way: a program, or what mayChoose
// allows.
func targets(link string) (paths []string) {
	if target, err := os.Readlink(link); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		paths = append(paths, target)
	}
	if real, err := filepath.EvalSymlinks(link); err == nil {
		paths = append(paths, real)
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		program := err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
		return !program && !mayChoose(path)
	})
}

// treeOf is the prefix of a program in a folder bin, else the program's folder; where that would be a whole
// home folder or wider, the folder bin or the file alone.
func treeOf(path string) string {
	dir := filepath.Dir(path)
	if base := filepath.Base(dir); base == "bin" || base == "sbin" {
		if prefix := filepath.Dir(dir); !wide(prefix) {
			return prefix
		}
		return dir
	}
	if wide(dir) {
		return path
	}
	return dir
}

// wide reports whether a folder holds more than one thing's: the root, its folders, and those of a person.
func wide(dir string) bool {
	if home, err := os.UserHomeDir(); err == nil && dir == home {
		return true
	}
	depth := strings.Count(strings.TrimSuffix(dir, "/"), "/")
	return depth < 2 || depth == 2 && (strings.HasPrefix(dir, "/home/") || strings.HasPrefix(dir, "/var/"))
}

// homeOf is the folder of the interpreter that a virtual environment was made of, "" for another program.
func homeOf(path string) string {
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		f, err := os.Open(filepath.Join(dir, "pyvenv.cfg"))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(io.LimitReader(f, 64<<10)); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), "=")
			if strings.TrimSpace(key) == "home" {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

// execs is where a line of a shell's script goes over into another program; comment is where it says no more.
var (
	execs   = regexp.MustCompile(`\bexec['"]*\s+['"]?(/[^\s'"]+)`)
	comment = regexp.MustCompile(`(^|\s)#.*`)
)

// mayChoose reports whether a program may have its subjects shown what it names itself: in a line of a
// script, in a RUNPATH, by a link or on its standard output. Nothing hidden, and where root runs it only what
// everybody may reach. Else who wrote a program would choose what of the host it sees.
func mayChoose(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for _, at := range []string{filepath.Clean(path), real} {
		if strings.Contains(at, "/.") {
			return false
		}
		for dir := filepath.Dir(at); os.Geteuid() == 0 && dir != "/"; dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
				return false
			}
		}
	}
	return true
}

// Chosen shows a folder that a program itself names, as a Python does those of its packages, if it may.
func (r *Reach) Chosen(path string) {
	if path = filepath.Clean(path); !wide(path) && mayChoose(path) {
		r.Add(path)
	}
}

// execed are the programs in a folder bin or sbin that a script goes over into.
func execed(script string) (programs []string) {
	for line := range strings.Lines(script) {
		for _, m := range execs.FindAllStringSubmatch(comment.ReplaceAllString(line, ""), maxHops) {
			path := filepath.Clean(m[1])
			info, err := os.Stat(path)
			dir := filepath.Base(filepath.Dir(path))
			if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && mayChoose(path) &&
				(dir == "bin" || dir == "sbin") {
				programs = append(programs, path)
			}
		}
	}
	return programs
}

// libraries are the names of folders that a RUNPATH may lead to, or below.
var libraries = regexp.MustCompile(`/(lib|lib32|lib64|libx32)(/|$)`)

// interpreter is what a script's first line starts (execve(2)), and for env(1) what that starts; and what
// the script execs.
func interpreter(path string) (programs []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 16<<10)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, script := strings.CutPrefix(line, "#!")
	if !script {
		return nil
	}
	programs = execed(string(head[:n]))
	for i, word := range strings.Fields(rest) {
		if found, err := exec.LookPath(word); err == nil && (i == 0 || !strings.Contains(word, "/")) {
			programs = append(programs, found)
		}
	}
	return programs
}

// runpath are the absolute folders in which the loader looks for a program's libraries.
func runpath(path string) (dirs []string) {
	elffile.Look(path, func(f *elf.File) error {
		for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
			list, err := f.DynString(tag)
			if err != nil {
				return err
			}
			for _, dir := range strings.Split(strings.Join(list, ":"), ":") {
				dir = filepath.Clean(dir)
				if filepath.IsAbs(dir) && !wide(dir) && libraries.MatchString(dir) && mayChoose(dir) {
					dirs = append(dirs, dir)
				}
			}
		}
		return nil
	})
	return dirs
}

// word is what may name a file in a shell's line: a path, or a program of PATH.
var word = regexp.MustCompile(`[^\s'"=:;|&<>()@` + "`" + `$]+`)

// maxMatches bounds what a pattern in a shell's line shows.
const maxMatches = 256

// Command shows what a shell's line names: programs in PATH, and what stands at absolute paths or fits an
// absolute pattern (a Java class path has them), with the folder that it lies in.
func (r *Reach) Command(line string) {
	for _, w := range word.FindAllString(line, -1) {
		if !strings.Contains(w, "/") {
			if found, err := exec.LookPath(w); err == nil && filepath.IsAbs(found) {
				r.Program(found)
			}
			continue
		}
		info, err := os.Stat(w)
		switch {
		case err != nil && filepath.IsAbs(w) && strings.ContainsAny(w, "*?["):
			matches, _ := filepath.Glob(w) // a bad pattern shows nothing
			for _, m := range matches[:min(len(matches), maxMatches)] {
				r.Program(m)
			}
		case err != nil || !filepath.IsAbs(w):
		case info.IsDir():
			r.Add(w)
		default:
			r.Program(w)
		}
	}
}
