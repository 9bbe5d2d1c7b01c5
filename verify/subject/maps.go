package subject

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mapped lists the base names of the files that are mapped into the program at path, which is pid or one of
// its descendants: a Launch may put processes of its own in between (proc_pid_maps(5), proc_pid_task(5)).
// Those may be closed to tracing, and their maps to an ordinary user, but not the list of their children.
func mapped(pid int, path string) ([]string, error) {
	var unread error
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		dir := filepath.Join("/proc", strconv.Itoa(queue[0]))
		text, err := os.ReadFile(filepath.Join(dir, "maps"))
		if err != nil && unread == nil {
			unread = err
		}
		if names := filesOf(string(text)); len(names) > 0 && sameProgram(names[0], path) {
			return names, nil
		}
		children, _ := os.ReadFile(filepath.Join(dir, "task", strconv.Itoa(queue[0]), "children"))
		for _, word := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(word); err == nil {
				queue = append(queue, child)
			}
		}
	}
	if unread != nil {
		return nil, fmt.Errorf("process %d: looking for %s: %w", pid, filepath.Base(path), unread)
	}
	return nil, fmt.Errorf("process %d: neither it nor a child of it is %s", pid, filepath.Base(path))
}

// filesOf takes the file names out of a maps file. The first mapping is the program's own.
func filesOf(maps string) (names []string) {
	for line := range strings.Lines(maps) {
		if f := strings.Fields(line); len(f) >= 6 && strings.HasPrefix(f[5], "/") {
			names = append(names, filepath.Base(f[5]))
		}
	}
	return names
}

// sameProgram reports whether the mapped file is what path leads to: bin/python3 maps as python3.13.
func sameProgram(mapped, path string) bool {
	return strings.HasPrefix(mapped, filepath.Base(path))
}
