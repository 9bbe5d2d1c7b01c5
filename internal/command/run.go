// Package command has one function per target: it wires the rooms, and maps what they say to exit codes. The
// result of a command goes to stdout, all else to stderr.
package command

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
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/command/usage"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// command is one running target.
type command struct {
	options
	out     io.Writer
	sink    event.Sink
	pgp     *sign.PGP          // who signs packages; nil: nobody
	advised *bundle.Advisories // what a bundle is to say of its components; nil: nobody looked
}

// exit is the outermost error of a target, which was printed with its hint.
type exit struct{ code fault.Code }

func (e exit) Error() string   { return fmt.Sprintf("exit status %d", e.code) }
func (e exit) ExitStatus() int { return int(e.code) }

// run frames a target, and ends the program where it failed: mage would print one more line.
func run(ctx context.Context, t usage.Target, f Flags, do func(*command, context.Context) error) error {
	err := framed(ctx, t, f, do)
	if code, failed := errors.AsType[exit](err); failed && leave != nil {
		leave(code.ExitStatus())
	}
	return err
}

// framed does flags, signals, time-out, drawing, and the error's way out.
func framed(ctx context.Context, t usage.Target, f Flags, do func(*command, context.Context) error) error {
	o, notes, err := readOptions(t, f)
	mode := ui.Auto
	switch {
	case o.JSON:
		mode = ui.JSON
	case o.Quiet:
		mode = ui.Quiet
	}
	if err != nil {
		complain(mode, err)
		return exit{fault.CodeOf(err)}
	}
	// Garbage may otherwise double what is in use, such as an xz decoder's dictionary of 64 MiB; a head node
	// has other things to do with its memory. The limit is soft: what is needed is had.
	debug.SetMemoryLimit(96 << 20)
	syscall.Umask(0o022) // who may use a toolchain is not a matter of the installer's shell
	ctx, stop := signalled(ctx)
	defer stop()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
		defer cancel()
	}
	drawing := ui.New(os.Stderr, mode)
	sink, trace := event.Sink(drawing.Emit), ui.NewTrace()
	if o.Trace != "" {
		sink = trace.Sink(sink)
	}
	for _, note := range notes {
		sink.Warn(note)
	}
	out := &results{to: ui.Cleaner{To: os.Stdout, Colours: colourful(os.Stdout)}}
	err = do(&command{options: o, out: out, sink: sink}, ctx)
	out.remember(out.to.Flush())
	drawing.Close()
	if o.Trace != "" {
		err = errors.Join(err, trace.Write(o.Trace))
	}
	if err = explain(ctx, err, o); out.err != nil {
		err = errors.Join(err, fault.New(fault.Failed, "what it did is done; have it print to a file with room, or to a program that reads all", "the result could not be printed: %s", out.err))
	}
	if err == nil {
		return nil
	}
	if o.JSON {
		sink.Emit(errorEvent(err))
	} else {
		ui.Error(os.Stderr, err)
	}
	return exit{fault.CodeOf(err)}
}

func errorEvent(err error) event.Event {
	return event.Event{Kind: event.Error, Text: err.Error(), Hint: fault.HintOf(err), Code: int(fault.CodeOf(err))}
}

// signalled is done when somebody wants the program to end; who asks twice does not wait. Mage's own handler
// would give up after five seconds, whatever has to be cleaned up, and with another status.
func signalled(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Reset(syscall.SIGINT)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// results is where a result goes; it remembers what could not be written.
type results struct {
	to  ui.Cleaner
	err error
}

func (p *results) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	p.remember(err)
	return n, err
}

func (p *results) remember(err error) {
	if p.err == nil {
		p.err = err
	}
}

var errTimeout = errors.New("the time of -timeout is over")

// explain adds what only the frame knows: why the context ended, where that is why the command did, and what
// a full disk wants.
func explain(ctx context.Context, err error, o options) error {
	const again = "run it again: what was finished is kept"
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errTimeout):
		return fault.New(fault.Failed, again+"; or give it more time", "stopped after -timeout=%s: %w", o.Timeout, err)
	case ctx.Err() != nil: // whatever a program said that was ended
		if err == ctx.Err() || err.Error() == ctx.Err().Error() {
			return fault.New(fault.Cancelled, again, "cancelled")
		}
		return fault.New(fault.Cancelled, again, "cancelled: %w", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.CodeOf(err), "make room there, or choose another folder with -store=<folder> or -prefix=<folder>; then run it again", "disk full: %w", err)
	}
	return err
}
