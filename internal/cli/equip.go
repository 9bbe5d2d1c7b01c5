package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ui"
)

// equip makes sure that the host has what building needs: as root it lets the host's package manager install what is missing,
// otherwise it says what to run. It reports whether it installed anything.
func (c *command) equip(ctx context.Context) (installed bool, err error) {
	var host sandbox.Host
	_, missing := host.Tools(ctx, sandbox.BuildNeeds())
	if len(missing) == 0 {
		return false, nil
	}
	manager := host.Manager()
	packages := sandbox.PackagesFor(manager, missing)
	if c.Deps == "check" || os.Geteuid() != 0 || len(packages) == 0 {
		return false, host.MissingError(missing)
	}
	c.sink.Note(fmt.Sprintf("installing with %s what building needs: %s (-deps=check forbids it)", manager, strings.Join(packages, " ")))
	begun := time.Now()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "set-up", Text: "installing packages"})
	if err := installPackages(ctx, manager, packages); err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "set-up", Text: "installing packages", Seconds: time.Since(begun).Seconds()})
		return true, err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "set-up", Text: "installed", Seconds: time.Since(begun).Seconds()})
	_, missing = host.Tools(ctx, sandbox.BuildNeeds())
	return true, host.MissingError(missing)
}

// installPackages runs the package manager, which waits itself for a lock that another holds.
func installPackages(ctx context.Context, manager string, packages []string) error {
	var commands [][]string
	switch manager {
	case "apt-get":
		wait := []string{"apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}
		if !aptHasLists() {
			commands = append(commands, append(wait[:len(wait):len(wait)], "update"))
		}
		commands = append(commands, append(append(wait[:len(wait):len(wait)], "install", "-y", "--no-install-recommends"), packages...))
	case "zypper":
		commands = append(commands, append([]string{"zypper", "--non-interactive", "install"}, packages...))
	default: // dnf and yum refresh their lists and wait for the lock by themselves
		commands = append(commands, append([]string{manager, "install", "-y"}, packages...))
	}
	for _, argv := range commands {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "ZYPP_LOCK_TIMEOUT=300")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fault.New(fault.MissingTool, "run it yourself to see why: "+strings.Join(argv, " "), "set-up: %s: %w: %s", argv[0], err, lastLine(out.String()))
		}
	}
	return nil
}

// aptHasLists reports whether apt knows of any package at all: images often come with empty lists.
func aptHasLists() bool {
	lists, err := filepath.Glob("/var/lib/apt/lists/*Packages*")
	return err == nil && len(lists) > 0
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// What a cold build takes: bytes on the store's disk for each step that has to run and for what the store keeps, bytes for a
// generation, and memory that a compiler and a linker can use at once.
const (
	workSpace   = 700 << 20
	keptSpace   = 300 << 20
	installed   = 300 << 20
	buildMemory = 700 << 20
)

// roomFor looks at disk and memory before anything is fetched.
func roomFor(store string, site artifacts.Site, steps int, sink event.Sink) error {
	base := filepath.Join(site.Root, site.Base)
	need := int64(keptSpace + steps*workSpace)
	if steps == 0 {
		need = 0
	}
	for _, d := range []struct {
		dir, flag string
		need      int64
	}{{store, "-store", need}, {base, "-prefix", installed}} {
		free, err := freeBytes(d.dir)
		if err == nil && free < d.need {
			return fault.New(fault.Failed, fmt.Sprintf("make room, or choose another folder with %s=<folder>", d.flag),
				"disk: %s has %s free, and this build needs about %s", d.dir, ui.Bytes(free), ui.Bytes(d.need))
		}
	}
	if free, err := freeMemory(); err == nil && steps > 0 && free < buildMemory {
		sink.Warn(fmt.Sprintf("%s of memory are free, and compiling may need %s: with -jobs=1 it needs least", ui.Bytes(free), ui.Bytes(buildMemory)))
	}
	return nil
}

// freeBytes returns what an ordinary write to dir, or to the nearest folder above that exists, can use.
func freeBytes(dir string) (int64, error) {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		if err != syscall.ENOENT || dir == "/" {
			return 0, err
		}
		dir = filepath.Dir(dir)
	}
}

// freeMemory reads MemAvailable of proc(5), in bytes.
func freeMemory() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo: no MemAvailable")
}
