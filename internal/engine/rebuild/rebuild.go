// Package rebuild makes the worlds under which a second build has to give the same bytes as the first, and
// says for each way in which they differ whether it reached the build.
//
// A Variation is made outside of the sandbox, in the process that builds (its environment, umask, user, host
// name ...), inside, in every command of a step (clock, processors, order of files: what a host decides and
// no sandbox makes constant), or both. So that a clean result can be believed, a probe is run in both worlds,
// in the sandbox and beside it:
//
//   - beside it, the probe must see a difference; else this host cannot make the variation, and it is Skipped
//   - in it, a difference means that the variation reached the build, and none that the sandbox absorbed it
//
// The differences beside the sandbox are compared in the same way as builds are: each is a leak that was
// planted and found.
package rebuild

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

//go:embed programs/*.c
var programs embed.FS

// Work is the folder of one rebuild:
//
//	tlsfloor        a copy of the program, at a path of its own
//	lib/            what the host's compiler made of programs/
//	many/           a folder with many files, for the probe
//	first/          where the unvaried child runs
//	elsewhere/...   where the varied child runs and has its store
type Work string

func (w Work) path(elem ...string) string {
	return filepath.Join(append([]string{string(w)}, elem...)...)
}

// Elsewhere is the folder of the varied child.
func (w Work) Elsewhere() string { return w.path("elsewhere", "with a longer path", "than the first") }

// Store is the varied child's store.
func (w Work) Store() string { return w.path("elsewhere", "store") }

// Prepare fills an empty folder.
func Prepare(ctx context.Context, dir string) (Work, error) {
	w := Work(dir)
	for _, name := range []string{"lib", "many", "first", "elsewhere"} {
		if err := os.Mkdir(w.path(name), 0o755); err != nil {
			return w, err
		}
	}
	for i := range 24 {
		if err := os.WriteFile(w.path("many", fmt.Sprintf("%c%d", 'a'+i*7%24, i)), nil, 0o644); err != nil {
			return w, err
		}
	}
	program, err := os.Executable()
	if err == nil {
		err = copyProgram(program, w.path("tlsfloor"))
	}
	return w, errors.Join(err, os.MkdirAll(w.Elsewhere(), 0o755), w.compile(ctx, "vary.c", "vary.so", "-shared", "-fPIC"), w.compile(ctx, "probe.c", "probe"))
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (w Work) compile(ctx context.Context, source, result string, flags ...string) error {
	text, err := programs.ReadFile("programs/" + source)
	if err != nil {
		return err
	}
	cc := sandbox.Host{}.Find("cc")
	if cc == "" {
		return fault.New(fault.MissingTool, "`doctor` names the package that brings it", "rebuild: no C compiler")
	}
	args := append(flags, "-O1", "-x", "c", "-", "-o", w.path("lib", result), "-ldl")
	cmd := exec.CommandContext(ctx, cc, args...)
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w: %s", source, err, out)
	}
	return nil
}

// Job is what a child is asked to do. Each field is for the world, but Build, which is handed to the program.
type Job struct {
	Work  Work
	Names []string // variations
	World World
	Mode  sandbox.Mode    // for the probe
	Build json.RawMessage `json:",omitempty"` // what to build; none: the probe only
}

// Result is what a child says in the end.
type Result struct {
	Beside  Facts             `json:"beside"` // what the probe saw beside the sandbox
	Inside  Facts             `json:"inside"` // and in it
	Outputs map[string]string `json:"outputs,omitempty"`
}

// message is one line of a child's standard output.
type message struct {
	Event  *event.Event `json:"event,omitempty"`
	Result *Result      `json:"result,omitempty"`
	Error  string       `json:"error,omitempty"`
	Hint   string       `json:"hint,omitempty"`
	Code   fault.Code   `json:"code,omitempty"`
	World  string       `json:"world,omitempty"` // the step of a WorldError
}

// Run runs a child and returns its result. Events that it emits go to sink.
func (j Job) Run(ctx context.Context, sink event.Sink) (*Result, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	file := j.Work.path("job.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	cmd := j.World.command(ctx, j.Work, file)
	if len(j.Names) > 0 {
		cmd.Dir = j.Work.Elsewhere()
	} else {
		cmd.Dir = j.Work.path("first")
	}
	var complaints tail
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, &WorldError{starting, err}
	}
	result, err := listen(out, sink)
	if waited := cmd.Wait(); ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err == nil && (waited != nil || result == nil) {
		err = fmt.Errorf("the rebuilding child: %w: %s", errors.Join(waited, errors.New("no result")), complaints.text)
	}
	return result, err
}

// listen reads a child's lines.
func listen(out io.Reader, sink event.Sink) (*Result, error) {
	var result *Result
	var failed error
	for d := json.NewDecoder(out); ; {
		var m message
		err := d.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return result, failed
		case err != nil:
			return nil, errors.Join(failed, fmt.Errorf("reading from the child: %w", err))
		case m.Event != nil:
			sink.Emit(*m.Event)
		case m.Result != nil:
			result = m.Result
		case m.World != "":
			failed = &WorldError{m.World, errors.New(m.Error)}
		case m.Error != "":
			failed = fault.New(m.Code, m.Hint, "%s", m.Error)
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(b), nil
}

// Builder is the program's part of a child: it builds what the Job says, each command changed by vary, and
// returns the Outputs.
type Builder func(ctx context.Context, what json.RawMessage, w Work, vary func(*sandbox.Spec), sink event.Sink) (map[string]string, error)

// runChild does a Job in the world that the process has by now.
func runChild(ctx context.Context, j Job, build Builder) (*Result, error) {
	vary := inside(j.Work, j.Names)
	r := &Result{}
	var err error
	if r.Beside, err = probeBeside(ctx, j.Work, vary); err != nil {
		return nil, err
	}
	if r.Inside, err = probeInside(ctx, j.Work, j.Mode, vary); err != nil {
		return nil, err
	}
	if len(j.Build) > 0 {
		out := json.NewEncoder(os.Stdout)
		sink := serial(func(e event.Event) { out.Encode(message{Event: &e}) })
		r.Outputs, err = build(ctx, j.Build, j.Work, vary, sink)
	}
	return r, err
}

// Remove removes what a rebuild left.
func (w Work) Remove() error {
	err := os.RemoveAll(string(w))
	if errors.Is(err, fs.ErrPermission) { // the store's blobs and folders may be read-only to their owner
		filepath.WalkDir(string(w), func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				os.Chmod(path, 0o755)
			}
			return nil
		})
		err = os.RemoveAll(string(w))
	}
	return err
}
