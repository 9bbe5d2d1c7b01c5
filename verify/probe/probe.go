// Package probe drives the client libraries of a Python environment that bring or link another TLS stack, and
// tells at which versions they connect when they are told to allow everything. It is the live side of
// verify/audit, which looks at files.
//
// It promises that a version counts only if a server of our own, which speaks no other, completed a
// handshake; and that a library counts as driven only if it connects at TLS 1.2 in the same way. It runs code
// of the environment: the caller says how, and answers for the sandbox.
package probe

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

//go:embed probe.py
var program string

// Clients are the libraries that can be driven, and the packages whose stacks they speak for.
var Clients = map[string][]string{
	"pyopenssl": {"cryptography", "pyopenssl"},
	"pycurl":    {"pycurl"},
	"psycopg2":  {"psycopg2", "psycopg2-binary"},
	"grpc":      {"grpcio"},
}

// Result is what came of one library.
type Result struct {
	Client  string       `json:"client"`
	Version string       `json:"version"`
	Driven  bool         `json:"driven"`          // it connects at TLS 1.2
	Lowest  wire.Version `json:"lowest,omitzero"` // at which it connects; where it was driven
	Text    string       `json:"text,omitempty"`  // what it says where it does not connect
}

// Options is what Run needs.
type Options struct {
	Python  string        // an interpreter of the environment
	Dir     string        // a folder that exists and that the interpreter can read, for certificates
	Launch  verify.Launch // starts it; it must share this process's loopback
	Timeout time.Duration // for one connection: 15 s
}

// Run drives every client that the environment has.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	peer, err := verify.NewPeer(o.Dir)
	if err != nil {
		return nil, err
	}
	var all []Result
	for _, client := range []string{"pyopenssl", "pycurl", "psycopg2", "grpc"} {
		r := Result{Client: client}
		for _, v := range []wire.Version{wire.TLS12, wire.TLS11, wire.TLS10} {
			completed, said, err := o.try(ctx, peer, client, v)
			if err != nil {
				return nil, fmt.Errorf("probing %s: %w", client, err)
			}
			r.Version = said.Version
			if !completed && (r.Text == "" || v == wire.TLS11) {
				r.Text = strings.Join(strings.Fields(said.Text), " ")
			}
			if completed {
				r.Driven, r.Lowest = true, v
			}
			if !r.Driven {
				break // it does not even do what it must
			}
		}
		if r.Version != "" || !strings.HasPrefix(r.Text, "ModuleNotFoundError: ") {
			all = append(all, r)
		}
	}
	return all, ctx.Err()
}

// said is what the program prints.
type said struct{ Version, Text string }

// try has a client connect to a server that speaks v alone, and tells whether that completed a handshake.
func (o Options) try(ctx context.Context, peer *verify.Peer, client string, v wire.Version) (completed bool, s said, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return false, s, err
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				done := serve(ctx, peer, conn, client, v)
				mu.Lock()
				defer mu.Unlock()
				completed = completed || done
			})
		}
	})
	f := peer.Files()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := o.Launch(ctx, []string{o.Python, "-I", "-W", "ignore", "-c", program, client, port, f.CA, f.Conf}, []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"})
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	cancel() // connections that are still open are closed
	l.Close()
	wait.Wait()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if json.Unmarshal([]byte(lines[len(lines)-1]), &s) == nil {
		return completed, s, nil
	}
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		return false, s, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(status.Stderr)))
	}
	return false, s, errors.Join(err, errors.New("it says nothing"))
}

// serve is one connection.
func serve(ctx context.Context, peer *verify.Peer, conn net.Conn, client string, v wire.Version) bool {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if client == "psycopg2" {
		var request [8]byte
		if _, err := io.ReadFull(conn, request[:]); err == nil { // SSLRequest (PostgreSQL's documentation, "Message Formats")
			io.WriteString(conn, "S")
		}
	}
	return peer.Meet(ctx, conn, verify.Offer{Act: verify.Serve, Version: v}, nil).Completed
}
