package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Builds is a comparison of whole builds.
type Builds struct {
	Program string // a compiled tlsfloor
	Work    string // an empty folder
	Sources string // a folder with the sources' files
	OpenSSL string // file of OpenSSL's source, below Sources
	Python  string // file of Python's source
	Plain   string // a profile of the same components without controls, in the overlay folder
	Overlay string // the overlay folder that holds Plain
	Patched string // an overlay folder that changes one file of Python by a patch
	Jobs    int
}

// guideScript is the guide's own flow: unpack, config, make, make install_sw, unpack, configure, make, make install. --libdir=lib is what makes
// it work with OpenSSL 3 at all. $1 and $2 are the sources, $3 is make's -j flag or nothing.
const guideScript = `set -e
work=$PWD
mkdir openssl-src python-src
tar xf "$1" -C openssl-src --strip-components=1
cd openssl-src
./config --prefix="$work/openssl" --libdir=lib no-ssl3 no-tls1 no-tls1_1 no-shared
make $3
make install_sw
cd "$work"
tar xf "$2" -C python-src --strip-components=1
cd python-src
./configure --prefix="$work/python" --with-openssl="$work/openssl" --disable-shared
make $3
make install
"$work/python/bin/python3" -c 'import ssl'
`

// Cold returns the flows of a cold build of OpenSSL and Python.
func (b Builds) Cold() []Flow {
	return []Flow{
		{"the guide's serial flow", func(ctx context.Context, _ int) (Run, error) { return b.guide(ctx, "") }},
		{fmt.Sprintf("the same with make -j%d", b.Jobs), func(ctx context.Context, _ int) (Run, error) { return b.guide(ctx, "-j"+strconv.Itoa(b.Jobs)) }},
		{"tlsfloor", func(ctx context.Context, _ int) (Run, error) {
			if err := os.RemoveAll(b.store()); err != nil {
				return Run{}, err
			}
			return b.tlsfloor(ctx, "build/python", 9, "-profile="+b.Plain, "-recipes="+b.Overlay) // 9: without controls nothing is proved
		}},
	}
}

// Once returns the flows after a cold build that can be timed once, as the store has their results afterwards: first the default
// profile's weak peers and its proof, then a patched Python.
func (b Builds) Once() []Flow {
	return []Flow{
		{"the weak peers, installation and proof", func(ctx context.Context, _ int) (Run, error) { return b.tlsfloor(ctx, "", 0) }},
		{"one file of Python patched", func(ctx context.Context, _ int) (Run, error) {
			if err := os.RemoveAll(b.root()); err != nil { // there the prefixes are the default profile's
				return Run{}, err
			}
			return b.tlsfloor(ctx, "build/python", 9, "-profile="+b.Plain, "-recipes="+b.Overlay+","+b.Patched)
		}},
	}
}

// Often returns the flows of a build that finds all results in the store.
func (b Builds) Often() []Flow {
	return []Flow{
		{"nothing to do", func(ctx context.Context, _ int) (Run, error) { return b.tlsfloor(ctx, "", 0) }},
		{"from the store into an empty folder", func(ctx context.Context, _ int) (Run, error) {
			if err := os.RemoveAll(b.root()); err != nil {
				return Run{}, err
			}
			return b.tlsfloor(ctx, "install", 0)
		}},
	}
}

func (b Builds) store() string { return filepath.Join(b.Work, "store") }
func (b Builds) root() string  { return filepath.Join(b.Work, "root") }

func (b Builds) guide(ctx context.Context, flag string) (Run, error) {
	dir := filepath.Join(b.Work, "guide")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return Run{}, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "sh", "-c", guideScript, "sh", filepath.Join(b.Sources, b.OpenSSL), filepath.Join(b.Sources, b.Python), flag)
	cmd.Dir = dir
	return b.timed(cmd, 0)
}

// timed runs cmd, all output to a log, and holds its exit status against want.
func (b Builds) timed(cmd *exec.Cmd, want int) (Run, error) {
	path := filepath.Join(b.Work, "log")
	log, err := os.Create(path)
	if err != nil {
		return Run{}, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	begun := time.Now()
	err = cmd.Run()
	wall := time.Since(begun).Seconds()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
		return Run{}, fmt.Errorf("exit status %v, want %d; its output is %s: %w", cmd.ProcessState, want, path, err)
	}
	usage := cmd.ProcessState
	return Run{Wall: wall, CPU: (usage.UserTime() + usage.SystemTime()).Seconds()}, nil
}

// tlsfloor runs a build. With a step, the time is that from the start to the step's end.
func (b Builds) tlsfloor(ctx context.Context, step string, want int, flags ...string) (Run, error) {
	trace := filepath.Join(b.Work, "trace.json")
	args := append([]string{"build", "-quiet", "-offline", "-store=" + b.store(), "-root=" + b.root(), "-mirror=" + b.Sources, "-trace=" + trace, "-jobs=" + strconv.Itoa(b.Jobs)}, flags...)
	r, err := b.timed(exec.CommandContext(ctx, b.Program, args...), want)
	if err != nil {
		return r, err
	}
	var t struct {
		TraceEvents []struct {
			Name    string
			Ts, Dur float64
		}
		OtherData struct {
			Peak int64 `json:"peak_bytes"`
		}
	}
	text, err := os.ReadFile(trace)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil {
		return r, err
	}
	r.Memory = t.OtherData.Peak
	if step == "" {
		return r, nil
	}
	for _, e := range t.TraceEvents {
		if e.Name == step {
			r.Wall = (e.Ts + e.Dur) / 1e6
			return r, nil
		}
	}
	return r, fmt.Errorf("the trace %s has no step %s", trace, step)
}
