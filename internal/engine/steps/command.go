package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// StepError is a command of a step that failed: what ran, and the end of its log.
type StepError struct {
	Step string
	Argv []string
	Tail string // the log's last lines
	Err  error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("%s: %s\n%s", e.Step, e.Err, indent(e.Tail))
}

func (e *StepError) Unwrap() error { return e.Err }

func indent(text string) string { return "| " + strings.ReplaceAll(text, "\n", "\n| ") }

// tailLines is how much of a failed step's log is shown.
const tailLines = 20

// env is the whole environment of a step's commands.
func (j *job) env(r *recipes.Steps) []string {
	env := append(j.environ(),
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(j.epoch, 10),
		"MAKEFLAGS="+makeFlags,
	)
	env = append(env, plan.Env...)
	for _, v := range r.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// spec is the world of a command of this step, or of the training of that name.
func (j *job) spec(argv, env []string, training string) sandbox.Spec {
	s := sandbox.Spec{Mode: j.Mode, Argv: argv, Dir: j.inside(srcDir), Env: env,
		Mounts: j.mounts(training), Host: j.Host, NoLibc: j.sysroot() != "",
		Stdout: j.log, Stderr: j.log, ExtraFiles: j.jobs.files()}
	if j.Vary != nil {
		j.Vary(&s)
	}
	return s
}

// commands runs a step's commands one after the other.
func (j *job) commands(ctx context.Context, list []recipes.Command, env []string) error {
	for _, c := range list {
		if err := j.memory.enter(ctx, c.Memory, func() { j.Sink.Note(j.step.Name + ": waiting for memory, until another step is done") }); err != nil {
			return err
		}
		err := j.command(ctx, c.Argv, env, "")
		j.memory.leave()
		if err != nil && ctx.Err() == nil {
			err = j.fail(c.Argv, env, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// command runs one command of the step, or of the training of that name.
func (j *job) command(ctx context.Context, argv, env []string, training string) error {
	fmt.Fprintf(j.log, "\n$ %s\n", strings.Join(argv, " "))
	j.Sink.Emit(event.Event{Kind: event.Phase, Step: j.step.Name, Text: strings.Join(argv, " ")})
	err := sandbox.Run(ctx, j.spec(argv, env, training))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// fail keeps the work folder of a step, with what a person needs to look into it, and returns the error that
// shows where. A full disk is not kept full.
func (j *job) fail(argv, env []string, err error) error {
	e := &StepError{Step: j.step.Name, Argv: argv, Tail: j.log.tail(tailLines), Err: err}
	if errors.Is(err, syscall.ENOSPC) || strings.Contains(e.Tail, "No space left on device") {
		return fault.New(fault.Failed, "make room below "+j.Store.Dir()+", or choose another folder with -store=<folder>", "disk full: %w", e)
	}
	dir, keepErr := j.keep(j.spec(argv, env, ""))
	if keepErr != nil {
		return errors.Join(e, keepErr)
	}
	return fault.New(fault.Failed, "the whole log is "+filepath.Join(dir, "log")+"; to look around where it failed: sh "+filepath.Join(dir, "enter.sh"), "%w", e)
}

// Kept is what a failed step leaves to re-enter it: enter.json in its folder.
type Kept struct {
	Spec sandbox.Spec `json:"spec"`
}

// keep moves the work folder to the store's failed folder, in place of an older failure of the same step.
func (j *job) keep(s sandbox.Spec) (string, error) {
	dir := j.Store.Failed(j.step.Name)
	if err := store.RemoveAll(dir); err != nil {
		return "", err
	}
	// A step may have shut the folder, and its owner can neither move nor write to one that is shut.
	if err := errors.Join(os.Chmod(j.work, 0o755), os.Rename(j.work, dir)); err != nil {
		return "", err
	}
	s.Stdout, s.Stderr, s.ExtraFiles = nil, nil, nil
	for i, m := range s.Mounts {
		if below, ok := strings.CutPrefix(m.From, j.work); ok {
			s.Mounts[i].From = filepath.Join(dir, below)
		}
	}
	move := func(text string) string { return strings.ReplaceAll(text, j.work, dir) } // without namespaces the paths are the host's
	s.Dir = move(s.Dir)
	s.Env = slices.DeleteFunc(slices.Clone(s.Env), func(v string) bool { return strings.HasPrefix(v, "MAKEFLAGS=") })
	for i, v := range s.Env {
		s.Env[i] = move(v)
	}
	b, err := json.MarshalIndent(Kept{s}, "", "  ")
	if err != nil {
		return "", err
	}
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	enter := fmt.Sprintf("#!/bin/sh\n# A shell with the environment, the file systems and the folder of the command that failed.\nexec %s enter -step=%s -store=%s\n",
		quote(program), quote(j.step.Name), quote(j.Store.Dir()))
	return dir, errors.Join(
		writeNew(filepath.Join(dir, "enter.json"), b, 0o644),
		writeNew(filepath.Join(dir, "enter.sh"), []byte(enter), 0o755))
}

// quote makes text one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
