package command

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// equip makes sure that the host has what building needs: as root it lets the host's package manager install
// what is missing, otherwise it says what to run. It reports whether it installed anything.
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
		cmd := managed(ctx, argv)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // a package manager has to end by itself
		cmd.WaitDelay = time.Minute
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fault.New(fault.MissingTool, "run it yourself to see why: "+strings.Join(argv, " "), "set-up: %s: %w: %s", argv[0], err, lastLine(out.String()))
		}
	}
	return nil
}

// managed is a package manager as root runs it: the system's, whatever PATH says, without the caller's
// environment.
func managed(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(owned.Program("", argv[0]), "/usr/bin/"+argv[0]), argv[1:]...)
	cmd.Env = owned.Environment("DEBIAN_FRONTEND=noninteractive", "ZYPP_LOCK_TIMEOUT=300")
	cmd.Dir = "/"
	return cmd
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

// What a cold build takes, in bytes. A step's source tree and objects are at most this many times its packed
// sources (measured: 4 times for OpenSSL's .tar.gz, 14 times for Python's .tar.xz with what it needs); beside
// them the store keeps the result.
const (
	unpackedRatio = 15
	keptSpace     = 300 << 20
	buildMemory   = 700 << 20 // that compilers and a linker use at once
)

// workSpace estimates the bytes that a step needs on the store's disk while it runs.
func workSpace(r *recipes.Recipe) int64 {
	var n int64
	for _, src := range r.Sources {
		n += unpackedRatio * src.Size
	}
	return n
}

// roomFor looks at disk and memory before anything is fetched: work bytes on the store's disk, a third of
// them in the base.
func roomFor(store, base string, work int64, sink event.Sink) error {
	if work == 0 {
		return nil
	}
	need := []struct {
		dir, flag string
		bytes     int64
	}{{store, "-store", work + min(work, keptSpace)}, {base, "-prefix", min(work, keptSpace)}}
	if sameDisk(store, base) {
		need[0].bytes += need[1].bytes
	}
	for _, d := range need {
		free, err := freeBytes(d.dir)
		if err == nil && free < d.bytes {
			return fault.New(fault.Failed, fmt.Sprintf("make room, or choose another folder with %s=<folder>", d.flag),
				"disk: %s has %s free, and about %s are needed", d.dir, ui.Bytes(free), ui.Bytes(d.bytes))
		}
	}
	if free := steps.AvailableMemory(); free >= 0 && free < buildMemory {
		sink.Warn(fmt.Sprintf("%s of memory are free, and compiling may need %s: with -jobs=1 it needs least", ui.Bytes(free), ui.Bytes(buildMemory)))
	}
	return nil
}

// sameDisk reports whether both folders, or the nearest above that exist, are on one file system.
func sameDisk(a, b string) bool {
	device := func(dir string) uint64 {
		for {
			var st syscall.Stat_t
			if err := syscall.Stat(dir, &st); err == nil || dir == "/" {
				return uint64(st.Dev)
			}
			dir = filepath.Dir(dir)
		}
	}
	return device(a) == device(b)
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
