package steps

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// gate makes a command that takes much memory wait for others of ours to end rather than push them into swap.
// A command that has nobody to wait for begins in any case.
type gate struct {
	available func() int64 // bytes; negative when it cannot be known

	mu      sync.Mutex
	running int
	left    chan struct{} // closed when a command ends; nil while nobody waits
}

// enter returns when there are need bytes, or when no other command runs. waiting is called once if it has to
// wait.
func (g *gate) enter(ctx context.Context, need int64, waiting func()) error {
	said := false
	for {
		g.mu.Lock()
		free := int64(-1)
		if need > 0 && g.running > 0 {
			free = g.available()
		}
		if free < 0 || free >= need {
			g.running++
			g.mu.Unlock()
			return nil
		}
		if g.left == nil {
			g.left = make(chan struct{})
		}
		left := g.left
		g.mu.Unlock()
		if !said {
			waiting()
			said = true
		}
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.left != nil {
		close(g.left)
		g.left = nil
	}
}

// AvailableMemory is what the kernel can give without swapping (MemAvailable of proc_meminfo(5)), or what the
// control group leaves of its limit, if that is less, in bytes; -1 when neither can be read.
func AvailableMemory() int64 {
	free := int64(-1)
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemAvailable:" {
			if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				free = kib << 10
			}
		}
	}
	group, _ := os.ReadFile("/proc/self/cgroup")
	_, name, ok := bytes.Cut(bytes.TrimSpace(group), []byte("0::")) // version 2 (cgroups(7))
	if !ok {
		return free
	}
	dir := filepath.Join("/sys/fs/cgroup", string(name))
	limit, has := number(filepath.Join(dir, "memory.max"))
	used, knows := number(filepath.Join(dir, "memory.current"))
	if has && knows && (free < 0 || limit-used < free) {
		return max(limit-used, 0)
	}
	return free
}

func number(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
