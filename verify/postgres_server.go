package verify

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// The messages of PostgreSQL's protocol 3 that the judge sends, each after its kind and its length
// (PostgreSQL's documentation, "Message Formats").
const (
	authenticationOk = "R"
	parameterStatus  = "S"
	readyForQuery    = "Z"
	rowDescription   = "T"
	dataRow          = "D"
	commandComplete  = "C"
)

// pgParameters are what libpq and psycopg2 ask for at once if the server does not say them.
var pgParameters = [][2]string{{"server_version", "17.0"}, {"client_encoding", "UTF8"},
	{"DateStyle", "ISO, MDY"}, {"integer_datetimes", "on"}, {"standard_conforming_strings", "on"}}

// speakPostgres is a server that lets everybody in and has one answer: to a query with a quoted text, a row
// with that text. With it a client of PostgreSQL can be tried where no server is.
func speakPostgres(s io.ReadWriter) error {
	if _, err := pgBody(s); err != nil { // StartupMessage
		return err
	}
	out := pgMessage(authenticationOk, "\x00\x00\x00\x00")
	for _, p := range pgParameters {
		out += pgMessage(parameterStatus, p[0]+"\x00"+p[1]+"\x00")
	}
	state := "I" // idle
	for {
		out += pgMessage(readyForQuery, state)
		if _, err := io.WriteString(s, out); err != nil {
			return err
		}
		kind := make([]byte, 1)
		if _, err := io.ReadFull(s, kind); err != nil {
			return err
		}
		body, err := pgBody(s)
		switch {
		case err != nil:
			return err
		case kind[0] != 'Q': // Terminate, or what no client of ours says
			return nil
		}
		query := strings.TrimRight(string(body), "; \x00")
		switch query {
		case "BEGIN":
			state = "T" // in a transaction
		case "COMMIT", "ROLLBACK":
			state = "I"
		}
		out = pgResult(query)
	}
}

// pgResult is what a query gets.
func pgResult(query string) string {
	verb, rest, _ := strings.Cut(query, " ")
	_, text, quoted := strings.Cut(rest, "'")
	if verb != "SELECT" || !quoted {
		return pgMessage(commandComplete, verb+"\x00")
	}
	text = text[:max(0, strings.LastIndex(text, "'"))]
	const one = "\x00\x01" // column
	// Of no table; text has the object id 25; of any length; as text.
	const column = "greeting\x00" + "\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x19" +
		"\xff\xff" + "\xff\xff\xff\xff" + "\x00\x00"
	return pgMessage(rowDescription, one+column) + pgMessage(dataRow, one+pgNumber(len(text))+text) +
		pgMessage(commandComplete, "SELECT 1\x00")
}

// pgMessage is one of the server's: the length counts itself and the body.
func pgMessage(kind, body string) string { return kind + pgNumber(len(body)+4) + body }

func pgNumber(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

// pgBody reads a length and what it counts.
func pgBody(s io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(s, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxTranscript {
		return nil, errors.New("a message of PostgreSQL's that is too short or too long")
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(s, body)
	return body, err
}
