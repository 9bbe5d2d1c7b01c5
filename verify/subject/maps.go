package subject

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify"
)

// running is a process of a subject: its program and what is mapped into it (proc_pid_maps(5),
// proc_pid_exe(5)).
type running struct {
	pid   int
	exe   string   // as the subject's own root has it
	files []string // whole paths, each once, the program's own first
}

// family lists the processes that descend from pid, itself included, from the outside in: a Launch may put
// processes of its own in between, and these run this very program, so that they are left out. Those may be
// closed to tracing, and their maps to an ordinary user, but not the list of their children
// (proc_pid_task(5)). The error is about the first that could not be read.
func family(pid int) (all []running, err error) {
	self, selfErr := os.Stat("/proc/self/exe")
	for queue := []int{pid}; len(queue) > 0 && len(all) < maxFamily; queue = queue[1:] {
		dir := filepath.Join("/proc", strconv.Itoa(queue[0]))
		info, statErr := os.Stat(filepath.Join(dir, "exe"))
		text, readErr := os.ReadFile(filepath.Join(dir, "maps"))
		exe, linkErr := os.Readlink(filepath.Join(dir, "exe"))
		switch {
		case statErr == nil && selfErr == nil && os.SameFile(info, self):
		case readErr != nil || linkErr != nil:
			if err == nil {
				err = readErr
			}
		default:
			all = append(all, running{queue[0], exe, filesOf(string(text))})
		}
		children, _ := os.ReadFile(filepath.Join(dir, "task", strconv.Itoa(queue[0]), "children"))
		for _, word := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(word); err == nil {
				queue = append(queue, child)
			}
		}
	}
	return all, err
}

// maxFamily bounds how many processes of a subject are looked at, maxMapped how many bytes of one of their
// files.
const (
	maxFamily = 64
	maxMapped = 1 << 30
)

// mapped lists the base names of the files that are mapped into the program at path, which is pid or one of
// its descendants.
func mapped(pid int, path string) ([]string, error) {
	all, err := family(pid)
	for _, one := range all {
		if len(one.files) > 0 && sameProgram(filepath.Base(one.files[0]), path) {
			var names []string
			for _, file := range one.files {
				names = append(names, filepath.Base(file))
			}
			return names, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: looking for %s: %w", pid, filepath.Base(path), err)
	}
	return nil, fmt.Errorf("process %d: neither it nor a child of it is %s", pid, filepath.Base(path))
}

// executed names by digest the programs that pid and its descendants run, and the libraries of the last one.
// Files are opened in the subject's own root, out of which no link of its leads.
func executed(pid int) (ran, maps []verify.Tested) {
	all, _ := family(pid)
	for i, one := range all {
		root, err := os.OpenRoot(filepath.Join("/proc", strconv.Itoa(one.pid), "root"))
		if err != nil {
			continue
		}
		tested := func(path string) verify.Tested {
			return verify.Tested{Name: filepath.Base(path), Path: path, SHA256: digestIn(root, path)}
		}
		if len(ran) == 0 || ran[len(ran)-1].Path != one.exe {
			ran = append(ran, tested(one.exe))
		}
		for _, file := range one.files {
			if i == len(all)-1 && file != one.exe {
				maps = append(maps, tested(file))
			}
		}
		root.Close()
	}
	return ran, maps
}

// digestIn hashes a regular file below root; "" for what is none, or cannot be read.
func digestIn(root *os.Root, path string) string {
	name := strings.TrimPrefix(path, "/")
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxMapped)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// filesOf takes the paths out of a maps file, each once. The first mapping is the program's own.
func filesOf(maps string) (paths []string) {
	seen := map[string]bool{}
	for line := range strings.Lines(maps) {
		if f := strings.Fields(line); len(f) >= 6 && strings.HasPrefix(f[5], "/") && !seen[f[5]] {
			seen[f[5]] = true
			paths = append(paths, f[5])
		}
	}
	return paths
}

// sameProgram reports whether the mapped file is what path leads to: bin/python3 maps as python3.13.
func sameProgram(mapped, path string) bool {
	return strings.HasPrefix(mapped, filepath.Base(path))
}
