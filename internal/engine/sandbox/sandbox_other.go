//go:build !linux

package sandbox

import (
	"context"
	"os/exec"
	"runtime"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func errSystem() error {
	return fault.New(fault.Failed, "build on Linux, amd64 or arm64", "sandbox: %s is not supported", runtime.GOOS)
}

// Run is there on Linux only.
func Run(context.Context, Spec) error { return errSystem() }

// Command is there on Linux only.
func Command(context.Context, Spec) (*exec.Cmd, error) { return nil, errSystem() }

// Probe is there on Linux only.
func Probe(context.Context) (Mode, string) { return None, errSystem().Error() }

// Fingerprint is there on Linux only.
func (h Host) Fingerprint(context.Context, string) (digest.Lines, error) { return nil, errSystem() }
