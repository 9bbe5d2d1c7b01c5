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
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Interpreter is one Python and what its build took.
type Interpreter struct {
	Name   string    `json:"name"`
	Path   string    `json:"-"`
	Wall   float64   `json:"wall_seconds"`             // of configuring, compiling, installing; the sources unpacked and OpenSSL built before
	Beside float64   `json:"beside_seconds,omitempty"` // of them other components were built at the same time
	Built  time.Time `json:"built"`
	Reused bool      `json:"reused,omitempty"` // from an earlier run
}

// Interpreters builds the Pythons that are compared: tlsfloor's, the guide's plain one and CPython's own
// optimised one, all from the same source and with the same OpenSSL, tlsfloor's.
type Interpreters struct {
	Builds
	Steps         []string // of tlsfloor's build, those that are Python's own
	OpenSSLPrefix string   // of the default profile, compiled in
	PythonPrefix  string
	Cache         string // a folder that keeps the interpreters for later runs; its name tells sources, jobs and compiler
	Identity      string // of Program: another one builds another interpreter
}

// referenceScript is the guide's flow for Python alone, in the unpacked source. $1 is the prefix, $2
// OpenSSL's, $3 make's -j flag, the rest are further flags of configure.
const referenceScript = `set -e
prefix=$1 openssl=$2 jobs=$3
shift 3
./configure --prefix="$prefix" --with-openssl="$openssl" --disable-shared "$@"
make "$jobs"
make install
"$prefix/bin/python3" -c 'import ssl'
`

// references are the flags of configure that each reference has besides the guide's.
var references = []struct {
	name  string
	flags []string
}{
	{"plain", nil},
	{"stock", []string{"--enable-optimizations", "--with-lto"}},
}

// Make returns the interpreters, plain first and tlsfloor's last. What an earlier run built in the same way
// is reused.
func (p Interpreters) Make(ctx context.Context, sink event.Sink) ([]Interpreter, error) {
	if err := own(p.Cache); err != nil {
		return nil, err
	}
	// First, as the others are linked to its OpenSSL.
	ours, err := p.keep(ctx, sink, "tlsfloor", p.Identity, func(i *Interpreter, dir string) error { return p.tlsfloors(ctx, i, dir) })
	if err != nil {
		return nil, err
	}
	var all []Interpreter
	for _, r := range references {
		i, err := p.keep(ctx, sink, r.name, referenceScript+strings.Join(r.flags, " "), func(i *Interpreter, dir string) error {
			return p.reference(ctx, i, dir, r.flags)
		})
		if err != nil {
			return nil, err
		}
		i.Path = filepath.Join(p.Cache, r.name, "python", "bin", "python3")
		all = append(all, i)
	}
	ours.Path = filepath.Join(p.root(), p.PythonPrefix, "bin", "python3")
	return append(all, ours), nil
}

func (p Interpreters) root() string { return filepath.Join(p.Cache, "tlsfloor", "root") }

// own makes the folder, or finds that it is a folder that nobody else writes to: what stands there is run.
func own(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || ok && int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fault.New(fault.Failed, "remove it, or set TMPDIR to a folder of yours", "folder %s: not yours alone (mode %s)", dir, info.Mode())
	}
	return nil
}

// kept is the record of a finished build. It is written last, so a folder that has one is whole.
type kept struct {
	Inputs string
	Interpreter
}

func (p Interpreters) keep(ctx context.Context, sink event.Sink, name, inputs string, build func(*Interpreter, string) error) (Interpreter, error) {
	dir, step := filepath.Join(p.Cache, name), "interpreter "+name
	record := filepath.Join(dir, "build.json")
	var k kept
	if text, err := os.ReadFile(record); err == nil && json.Unmarshal(text, &k) == nil && k.Inputs == inputs {
		k.Reused = true
		sink.Note(fmt.Sprintf("%s: reused, built at %s; remove %s to build it again", step, k.Built.Format(time.DateTime), dir))
		return k.Interpreter, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return Interpreter{}, err
	}
	sink.Emit(event.Event{Kind: event.Begin, Step: step})
	begun := time.Now()
	k = kept{inputs, Interpreter{Name: name, Built: begun.UTC().Truncate(time.Second)}}
	if err := build(&k.Interpreter, dir); err != nil {
		sink.Emit(event.Event{Kind: event.Fail, Step: step, Text: "stopped", Seconds: time.Since(begun).Seconds()})
		return Interpreter{}, fmt.Errorf("building the interpreter %s: %w", name, errors.Join(ctx.Err(), err))
	}
	sink.Emit(event.Event{Kind: event.Done, Step: step, Text: fmt.Sprintf("%.1f s", k.Wall), Seconds: time.Since(begun).Seconds()})
	text, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return Interpreter{}, err
	}
	return k.Interpreter, os.WriteFile(record, append(text, '\n'), 0o644)
}

// tlsfloors builds with tlsfloor. The first run is without the weak peers, which would share the cores with
// Python; the second finds all else in the store, and installs.
func (p Interpreters) tlsfloors(ctx context.Context, i *Interpreter, dir string) error {
	b := p.Builds
	b.Work = dir
	if _, err := b.tlsfloor(ctx, "", 9, "-profile="+b.Plain, "-recipes="+b.Overlay); err != nil { // 9: without controls nothing is proved
		return err
	}
	t, err := b.readTrace()
	if err != nil {
		return err
	}
	if i.Wall, i.Beside, err = t.spent(p.Steps); err != nil {
		return err
	}
	if _, err := b.tlsfloor(ctx, "", 0); err != nil {
		return err
	}
	return os.RemoveAll(b.store())
}

// reference builds with the guide's flow and flags.
func (p Interpreters) reference(ctx context.Context, i *Interpreter, dir string, flags []string) error {
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		return err
	}
	b := p.Builds
	b.Work = dir
	if _, err := b.timed(exec.CommandContext(ctx, "tar", "xf", filepath.Join(p.Sources, p.Python), "-C", source, "--strip-components=1"), 0); err != nil {
		return err
	}
	args := []string{"-c", referenceScript, "sh", filepath.Join(dir, "python"), filepath.Join(p.root(), p.OpenSSLPrefix), "-j" + strconv.Itoa(p.Jobs)}
	cmd := exec.CommandContext(ctx, "sh", append(args, flags...)...)
	cmd.Dir = source
	r, err := b.timed(cmd, 0)
	if err != nil {
		return err
	}
	i.Wall = r.Wall
	return os.RemoveAll(source)
}
