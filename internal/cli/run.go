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
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/ui"
	"github.com/tlsfloor/tlsfloor/recipes"
)

const defaultProfile = recipes.DefaultProfile

// command is one running target.
type command struct {
	options
	out  io.Writer
	sink event.Sink
}

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
	err = do(&command{options: o, out: os.Stdout, sink: drawing.Emit}, ctx)
	drawing.Close()
	if err == nil {
		return nil
	}
	err = interrupted(ctx, err, o)
	ui.Error(os.Stderr, err)
	return exit{fault.CodeOf(err)}
}

var errTimeout = errors.New("the time of -timeout is over")

// interrupted says why the context ended, where that is why the command did.
func interrupted(ctx context.Context, err error, o options) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return fault.New(fault.Failed, "run it again: what was finished is kept; or give it more time", "stopped after -timeout=%s", o.Timeout)
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Cancelled, "run it again: what was finished is kept", "cancelled")
	}
	return err
}
