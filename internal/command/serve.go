package command

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/server"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// serve runs the verification server for people until it is interrupted: that is its end, and no failure.
func (c *command) serve(ctx context.Context) error {
	if c.MTLS != "" {
		return c.balance(ctx)
	}
	if c.TrustStore != "" || c.CRL != "" || len(c.Names) > 0 {
		return fault.New(fault.Usage, "such as -mtls=verify -truststore=ca.pem", "-truststore, -crl and -names are for -mtls")
	}
	scenarios, err := c.scenarios()
	if err != nil {
		return err
	}
	return c.attend(ctx, func(dir string, tell func(error)) (listener, func() error, error) {
		s, err := server.Start(server.Options{Scenarios: scenarios, Dir: dir, Port: c.Port, Report: func(v server.Visit) { tell(c.visit(v)) }})
		if err != nil {
			return nil, nil, err
		}
		return s, func() error { return c.printPlaces(s) }, nil
	})
}

// listener is a server for people.
type listener interface {
	Files() verify.Files
	Expires() time.Time
	Serve(ctx context.Context)
	Close()
}

// attend runs a server until it is interrupted, or its certificates are no longer valid, or nobody reads what
// it says. start binds it, and gives what prints where it listens; what writing a result comes to is told.
func (c *command) attend(ctx context.Context, start func(dir string, tell func(error)) (listener, func() error, error)) (err error) {
	// A reader that goes away, such as `head`, must not leave the certificates behind.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	dir, remove, err := c.certificates()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, table, err := start(dir, func(err error) {
		if err != nil {
			cancel(fmt.Errorf("%w: %w", errUnread, err))
		}
	})
	if err != nil {
		return unbound(err)
	}
	defer s.Close()
	if c.Out != "" {
		if err := readable(s.Files()); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, stop := context.WithDeadlineCause(ctx, s.Expires(), errExpired)
	defer stop()
	if err := table(); err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	s.Serve(ctx)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errExpired):
		c.sink.Note("ended: the certificates are a day old; run it again for new ones")
	case errors.Is(cause, errUnread):
		return cause
	}
	return nil
}

// Why the server ends, besides being told to.
var (
	errExpired = errors.New("the certificates are valid no longer")
	errUnread  = errors.New("writing the result")
)

// versions are those of -max.
var versions = map[string]wire.Version{"": 0, "1.0": wire.TLS10, "1.1": wire.TLS11, "1.2": wire.TLS12, "1.3": wire.TLS13}

func (c *command) scenarios() ([]server.Scenario, error) {
	scenarios, err := server.Pick(server.Scenarios(versions[c.Max]), c.Only)
	if unknown, ok := errors.AsType[*server.UnknownError](err); ok {
		hint := "one of: " + strings.Join(unknown.Have, ", ")
		if _, err := server.Pick(server.Scenarios(0), []string{unknown.Name}); err == nil {
			return nil, fault.New(fault.Usage, hint, "-only: scenario %s cannot be said with -max=%s", unknown.Name, c.Max)
		}
		return nil, fault.New(fault.Usage, hint, "-only: %w", err)
	}
	if last := c.Port + len(scenarios) - 1; c.Port != 0 && last > 65535 {
		return nil, fault.New(fault.Usage, "a lower one, or fewer scenarios with -only", "-port=%d: the last of %d scenarios would be at %d", c.Port, len(scenarios), last)
	}
	return scenarios, err
}

// unbound explains a port that cannot be had.
func unbound(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.New(fault.Failed, "another -port, or leave it out for any that are free", "%w", err)
	case errors.Is(err, syscall.EACCES):
		return fault.New(fault.Failed, "ports below 1024 are root's; leave -port out for any that are free", "%w", err)
	}
	return err
}

// certificates returns the folder for the run's certificates, and what to do about it at the end.
func (c *command) certificates() (dir string, remove func() error, err error) {
	if c.Out == "" {
		dir, err = os.MkdirTemp("", "tlsfloor-serve-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	dir, err = filepath.Abs(c.Out)
	if err == nil {
		var made *os.Root
		if made, err = owned.Make("", dir); err == nil { // there will be keys in it
			err = made.Close()
		}
	}
	if fault.HintOf(err) != "" {
		return "", nil, fmt.Errorf("-out=%s: %w", c.Out, err)
	}
	if err != nil {
		return "", nil, fault.New(fault.Usage, "name a new or an empty folder, where you may write", "-out=%s: %w", c.Out, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fault.New(fault.Usage, "name a new or an empty folder, where you may write", "-out=%s: %w", c.Out, err)
	}
	if len(entries) > 0 && !earlier(dir) {
		return "", nil, fault.New(fault.Usage, "a new or an empty folder: files such as key.pem would be written over", "-out=%s: there are other files in it", c.Out)
	}
	return dir, func() error { return nil }, nil
}

// earlier reports whether dir holds the certificates of an earlier run.
func earlier(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && cert.Subject.CommonName == verify.CAName
}

func (c *command) printPlaces(s *server.Server) error {
	if c.JSON {
		return s.WriteTableJSON(c.out)
	}
	return s.WriteTable(c.out)
}

func (c *command) visit(v server.Visit) error {
	if c.JSON {
		return json.NewEncoder(c.out).Encode(v)
	}
	_, err := fmt.Fprintln(c.out, v.Line())
	return err
}
