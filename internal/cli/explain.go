package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/verify/advice"
)

// maxErrorText bounds in bytes what of a text is looked at: a log's end is where its error is.
const maxErrorText = 1 << 20

// Explain says what the error in a text means. what is the text, or a file that holds it, or - for standard input.
func Explain(ctx context.Context, what string, f Flags) error {
	return run(ctx, f, func(c *command, _ context.Context) error { return c.explainError(what) })
}

func (c *command) explainError(what string) error {
	text, err := errorText(what)
	if err != nil {
		return err
	}
	found := advice.Explain(text)
	if len(found) == 0 {
		return fault.New(fault.Failed, "give the whole text of the error, from its first line to its last; the client's log often says more than its screen", "explain: no TLS error that is known")
	}
	if c.JSON {
		return c.json(found)
	}
	for _, e := range found {
		fmt.Fprintln(c.out, e)
	}
	return nil
}

// errorText reads what stands for a text.
func errorText(what string) (string, error) {
	if what == "-" {
		return tail(os.Stdin)
	}
	f, err := os.Open(what)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", err
	case err != nil: // the text itself: it need not even be one that a file could be called
		return what, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", fault.New(fault.Usage, "give a file, or the text itself in quotes", "explain: %s: a folder", what)
	}
	return tail(f)
}

// tail reads r to its end and returns the last part.
func tail(r io.Reader) (string, error) {
	var last []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		last = append(last, buf[:n]...)
		last = last[max(0, len(last)-maxErrorText):]
		if err == io.EOF {
			return string(last), nil
		}
		if err != nil {
			return "", err
		}
	}
}
