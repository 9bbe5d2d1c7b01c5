package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// guideScript is the guide's own flow: unpack, config, make, make install_sw, unpack, configure, make, make
// install. --libdir=lib is what makes it work with OpenSSL 3 at all. $1 and $2 are the sources, $3 is make's
// -j flag or nothing.
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
		{"tlsfloor's build of the same", func(ctx context.Context, _ int) (Run, error) {
			b := b.plain()
			if err := errors.Join(os.RemoveAll(b.Work), os.Mkdir(b.Work, 0o755)); err != nil {
				return Run{}, err
			}
			return b.tlsfloor(ctx, "build/python", 9, "-profile="+b.Plain, "-recipes="+b.Overlay) // 9: without controls nothing is proved
		}},
		{"tlsfloor's default profile, all of it", func(ctx context.Context, _ int) (Run, error) {
			if err := errors.Join(os.RemoveAll(b.store()), os.RemoveAll(b.root())); err != nil {
				return Run{}, err
			}
			return b.tlsfloor(ctx, "", 0)
		}},
	}
}

// Once returns the flow after a cold build that can be timed once, as the store has its result afterwards.
func (b Builds) Once() []Flow {
	return []Flow{
		{"one file of Python patched", func(ctx context.Context, _ int) (Run, error) {
			return b.plain().tlsfloor(ctx, "build/python", 9, "-profile="+b.Plain, "-recipes="+b.Overlay+","+b.Patched)
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

// plain has a store and a root of its own: the default profile's results are not Plain's.
func (b Builds) plain() Builds {
	b.Work = filepath.Join(b.Work, "plain")
	return b
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
	log, err := os.Create(filepath.Join(b.Work, "log"))
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
		if err == nil {
			err = errors.New("exit status 0")
		}
		said, _ := os.ReadFile(log.Name()) // the folder may not outlive the benchmark
		return Run{}, fmt.Errorf("%s, which should end with exit status %d: %w\n%s", filepath.Base(cmd.Path), want, err, lastLines(said, 10))
	}
	usage := cmd.ProcessState
	return Run{Wall: wall, CPU: (usage.UserTime() + usage.SystemTime()).Seconds()}, nil
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// tlsfloor runs a build. With a step, the time is that from the start to the step's end.
func (b Builds) tlsfloor(ctx context.Context, step string, want int, flags ...string) (Run, error) {
	args := append([]string{"build", "-quiet", "-offline", "-store=" + b.store(), "-root=" + b.root(), "-mirror=" + b.Sources, "-trace=" + b.traceFile(), "-jobs=" + strconv.Itoa(b.Jobs)}, flags...)
	r, err := b.timed(exec.CommandContext(ctx, b.Program, args...), want)
	if err != nil {
		return r, err
	}
	t, err := b.readTrace()
	if err != nil {
		return r, err
	}
	r.Memory = t.Other.Peak
	if step == "" {
		return r, nil
	}
	e, err := t.step(step)
	r.Wall = e.end() / 1e6
	return r, err
}
