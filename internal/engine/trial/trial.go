// Package trial is where the judge tries programs: a process of its own, without the host's network, in
// which the whole of a proof is made, and a view of the host that has in it what a program needs to run.
//
// What it promises where there are namespaces:
//
//   - Judge and subjects share a network of their own with a loopback and nothing else: no interface, listener
//     or abstract socket of the host is there, and the host's loopback need not be up. What a user names on the
//     host (Request.Reachable) is dialled by the calling process, at those addresses alone, and the judge gets
//     the connected socket.
//   - A subject sees what sandbox.Spec.HostView shows, and the Mounts of its World, read-only: it can leave
//     nothing behind, so that nothing it wrote is ever read by name.
//   - The process ends with its caller, whatever becomes of that, and all subjects with it.
//
// Without namespaces all is done in the calling process, with the host's files and network.
//
// It works by running the program's own file again under another name, which init catches, as
// internal/engine/sandbox does.
package trial

import (
	"context"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/subject"
)

// World is what the programs that are tried see.
type World struct {
	Mode   sandbox.Mode
	Mounts []sandbox.Mount // read-only; those whose From and To differ need namespaces
}

// Locate returns where the calling process finds what stands at path for a program.
func (w World) Locate(path string) string {
	for _, m := range slices.Backward(w.Mounts) { // the last one covers the others
		if path == m.To || strings.HasPrefix(path, m.To+"/") {
			return m.From + strings.TrimPrefix(path, m.To)
		}
	}
	return path
}

// Alone prepares a program that needs no network.
func (w World) Alone(ctx context.Context, argv, env []string) *exec.Cmd {
	return w.command(ctx, argv, env, false)
}

// Launch prepares a program that shares the calling process's network.
func (w World) Launch(ctx context.Context, argv, env []string) *exec.Cmd {
	return w.command(ctx, argv, env, true)
}

func (w World) command(ctx context.Context, argv, env []string, network bool) *exec.Cmd {
	spec := sandbox.Spec{Mode: w.Mode, Argv: argv, Dir: "/", Env: env, HostView: true, Network: network}
	if w.Mode == sandbox.Namespaces {
		spec.Mounts = w.Mounts
	}
	cmd, err := sandbox.Command(ctx, spec)
	if err != nil {
		cmd = exec.CommandContext(ctx, argv[0])
		cmd.Err = err
	}
	return cmd
}

// Request is one proof to be made: verify's Options in a form that another process can read.
type Request struct {
	World
	Kind           verify.Kind
	Floor          verify.Floor
	Toolchain      verify.Toolchain
	OpenSSLVersion string
	PythonVersion  string
	Libraries      []verify.Installed
	// a folder that is there, seen by the subjects, for what they read of the run
	WorkDir string
	Timeout time.Duration // for one trial; 0 is verify's
	// addresses with ports, outside of the trial's network, that the judge itself may dial
	Reachable []string
}

func (q *Request) options(sink event.Sink, dial func(context.Context, string) (net.Conn,
	error)) verify.Options {
	w := q.World
	w.Mounts = append(slices.Clone(w.Mounts), sandbox.Mount{From: q.WorkDir, To: q.WorkDir})
	own := own
	if q.Mode != sandbox.Namespaces { // then the subjects are who we are, and may not read what others own
		own = nil
	}
	return verify.Options{
		Kind: q.Kind, Floor: q.Floor, Toolchain: q.Toolchain, OpenSSLVersion: q.OpenSSLVersion,
		PythonVersion: q.PythonVersion, Libraries: q.Libraries,
		Open: subject.Open, Launch: w.Launch, Locate: w.Locate, WorkDir: q.WorkDir, Timeout: q.Timeout,
		Sink: sink, Dial: dial, Own: own,
	}
}

// Run makes a proof. The error is verify.Run's, or says why the trial's process could not be.
func Run(ctx context.Context, q Request, sink event.Sink) (*verify.Proof, error) {
	if q.Mode == sandbox.Namespaces {
		if err := own(q.WorkDir); err != nil {
			return nil, err
		}
		return inCourt(ctx, q, sink)
	}
	sink.Warn("without namespaces what is tried runs as you, with your files and your network")
	if err := Loopback(ctx); err != nil {
		return nil, err
	}
	return verify.Run(ctx, q.options(sink, nil))
}

// Loopback refuses a network in which nothing can be proved.
func Loopback(ctx context.Context) error {
	if err := verify.Loopback(ctx); err != nil {
		return fault.New(fault.Incomplete,
			"bring it up: `ip link set lo up`; a container or sandbox without it can build, and prove nothing",
			"a proof has programs connect over 127.0.0.1, which cannot be done here: %w", err)
	}
	return nil
}
