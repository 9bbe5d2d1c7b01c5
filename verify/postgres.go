package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Postgres is what clients of PostgreSQL speak before TLS (PostgreSQL's documentation, "Message Formats").
const Postgres = "postgres"

// The codes of a client's requests before its first message, each in a message of eight bytes.
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

// errDeclined says that TLS was declined, and that the client went on to the end without it.
var errDeclined = errors.New("TLS was declined")

// errClear is why no handshake is completed with a client that goes on without TLS.
var errClear = errors.New("a client that does not ask for TLS")

// preamble brings a connection to where TLS begins. What passes until then is no part of the transcript.
// Where TLS is declined, the connection goes on in the clear, to its end, and no TLS follows.
func (c *court) preamble(ctx context.Context, r *recorder, o Offer) (declined bool, err error) {
	if o.Setup.StartTLS != Postgres {
		return false, nil
	}
	for range 4 {
		var message [8]byte
		if _, err := io.ReadFull(r.Conn, message[:1]); err != nil {
			return false, fmt.Errorf("reading SSLRequest: %w", err)
		}
		begins := message[0] == byte(wire.Handshake)
		if o.Setup.Direct && !begins {
			r.keep(FromSubject, message[:1])
			return false, errors.New("a client that says something before TLS")
		}
		if begins { // what was read belongs to TLS
			r.Conn = &prefixed{r.Conn, message[:1]}
			return false, nil
		}
		if _, err := io.ReadFull(r.Conn, message[1:]); err != nil {
			return false, fmt.Errorf("reading SSLRequest: %w", err)
		}
		answer := "N"
		code := binary.BigEndian.Uint32(message[4:])
		if code == sslRequest && o.Act != Decline {
			answer = "S"
		}
		switch code {
		case sslRequest, gssEncRequest:
			if _, err := io.WriteString(r.Conn, answer); err != nil || answer == "S" {
				return false, err
			}
		default: // it goes on in the clear
			r.keep(FromSubject, message[:])
			clear := &prefixed{r, message[:]} // recorded: so it is seen that the client went on
			addr := c.Toolchain.Backends[o.Setup.Library]
			switch {
			case o.Act != Decline || addr == "" && !o.Setup.Library.libpq():
				return false, errClear
			case addr == "":
				speakPostgres(clear)
			default:
				c.relay(ctx, clear, addr)
			}
			return true, nil
		}
	}
	return false, errors.New("reading SSLRequest: too many requests")
}

// CloseWrite ends what is sent, as a TCP connection's does.
func (p *prefixed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return p.Conn.Close()
}

// prefixed is a connection of which some bytes were read already.
type prefixed struct {
	net.Conn
	read []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.read) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.read)
	p.read = p.read[n:]
	return n, nil
}
