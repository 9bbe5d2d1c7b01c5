// Package cli has one function per target: it wires the rooms, and maps what they say to exit codes. The result of a command
// goes to stdout, all else to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/ui"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
)

const defaultProfile = recipes.DefaultProfile

// command is one running target.
type command struct {
	options
	out     io.Writer
	sink    event.Sink
	outcome func(*verify.Proof) error
	advised *bundle.Advisories // what a bundle is to say of its components; nil: nobody looked
}

// outcome is judged; a test of what happens around a proof takes another.
var outcome = judged

// exit is the outermost error of a target: mage asks it for the exit status. Its text is only what mage prints after
// tlsfloor has printed the error and its hint itself.
type exit struct{ code fault.Code }

func (e exit) Error() string   { return fmt.Sprintf("exit status %d", e.code) }
func (e exit) ExitStatus() int { return int(e.code) }

// run frames a target: flags, signals, time-out, drawing, and the error's way out.
func run(ctx context.Context, f Flags, do func(*command, context.Context) error) error {
	o, err := f.resolve()
	if err != nil {
		ui.Error(os.Stderr, err)
		return exit{fault.CodeOf(err)}
	}
	// Garbage may otherwise double what is in use, such as an xz decoder's dictionary of 64 MiB; a head node has other things to do
	// with its memory. The limit is soft: what is needed is had.
	debug.SetMemoryLimit(96 << 20)
	syscall.Umask(0o022) // who may use a toolchain is not a matter of the installer's shell
	// Mage itself catches SIGINT only.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
		defer cancel()
	}
	mode := ui.Auto
	switch {
	case o.JSON:
		mode = ui.JSON
	case o.Quiet:
		mode = ui.Quiet
	}
	drawing := ui.New(os.Stderr, mode)
	sink, trace := event.Sink(drawing.Emit), ui.NewTrace()
	if o.Trace != "" {
		sink = trace.Sink(sink)
	}
	err = do(&command{options: o, out: os.Stdout, sink: sink, outcome: outcome}, ctx)
	drawing.Close()
	if o.Trace != "" {
		err = errors.Join(err, trace.Write(o.Trace))
	}
	if err == nil {
		return nil
	}
	err = explain(ctx, err, o)
	if o.JSON {
		sink.Emit(event.Event{Kind: event.Error, Text: err.Error(), Hint: fault.HintOf(err), Code: int(fault.CodeOf(err))})
	} else {
		ui.Error(os.Stderr, err)
	}
	return exit{fault.CodeOf(err)}
}

var errTimeout = errors.New("the time of -timeout is over")

// explain adds what only the frame knows: why the context ended, where that is why the command did, and what a full disk wants.
func explain(ctx context.Context, err error, o options) error {
	const again = "run it again: what was finished is kept"
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		return fault.New(fault.Failed, again+"; or give it more time", "stopped after -timeout=%s: %w", o.Timeout, err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		if err == ctx.Err() || err.Error() == ctx.Err().Error() {
			return fault.New(fault.Cancelled, again, "cancelled")
		}
		return fault.New(fault.Cancelled, again, "cancelled: %w", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.CodeOf(err), "make room there, or choose another folder with -store=<folder> or -prefix=<folder>; then run it again", "disk full: %w", err)
	}
	return err
}
