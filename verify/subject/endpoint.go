package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/tlsfloor/tlsfloor/verify"
)

// endpoint is a server that is there already: nothing is known of it but what it answers.
type endpoint struct{ addr, startTLS string }

// Serve implements verify.Subject.
func (e *endpoint) Serve(context.Context, verify.Setup) (verify.Service, error) { return e, nil }

// Addr implements verify.Service.
func (e *endpoint) Addr() string { return e.addr }

// Report implements verify.Service: a foreign server says nothing.
func (e *endpoint) Report(context.Context) (verify.Report, error) { return verify.Report{}, nil }

// sslRequest asks a PostgreSQL server for TLS (PostgreSQL's documentation, "Message Formats").
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// Begin implements verify.Preamble.
func (e *endpoint) Begin(conn net.Conn) error {
	switch e.startTLS {
	case "", "none":
		return nil
	case "postgres":
		if _, err := conn.Write(sslRequest); err != nil {
			return err
		}
		var answer [1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil {
			return fmt.Errorf("reading the answer to SSLRequest: %w", err)
		}
		if answer[0] != 'S' {
			return fmt.Errorf("answer %q to SSLRequest: the server speaks no TLS", answer[0])
		}
		return nil
	}
	return fmt.Errorf("starttls %q: not known", e.startTLS)
}

// Connect implements verify.Subject.
func (e *endpoint) Connect(context.Context, verify.Setup, string) (verify.Report, error) {
	return verify.Report{}, errors.New("a server: no client")
}

// Inspect implements verify.Subject.
func (e *endpoint) Inspect(_ context.Context, look verify.Act) (verify.Report, error) {
	return verify.Report{}, fmt.Errorf("a server: look %q: nothing to look at", look)
}

// Close implements verify.Subject and verify.Service.
func (e *endpoint) Close() error { return nil }
