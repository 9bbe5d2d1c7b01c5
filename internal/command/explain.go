package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify/advice"
)

// maxErrorText bounds in bytes what of a text is looked at: a log's end is where its error is.
const maxErrorText = 1 << 20

// pathForms are texts that somebody may have meant as a file's name.
var pathForms = regexp.MustCompile(`^\S*(?:/\S*|\.[a-z]+)$`)

// explainError says what the error in a text means: the text, or a file that holds it, or - for standard
// input.
func (c *command) explainError(ctx context.Context) error {
	what := c.Text
	text, err := errorText(ctx, what)
	if err != nil {
		return err
	}
	found := advice.Explain(text)
	if len(found) == 0 && text == what && pathForms.MatchString(what) {
		return fault.New(fault.Usage, "give a file that is there, the error's text in quotes, or - for standard input", "explain: there is no file %s, and as a text it is no TLS error that is known", what)
	}
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
func errorText(ctx context.Context, what string) (string, error) {
	if what == "-" {
		return waited(ctx, os.Stdin)
	}
	if info, err := os.Stat(what); err == nil && info.IsDir() {
		return "", fault.New(fault.Usage, "give a file, or the text itself in quotes", "explain: %s: a folder", what)
	}
	f, err := os.OpenFile(what, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to must not hold it
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", fault.New(fault.Failed, "read it as somebody who may, and give the text in quotes or on standard input: explain -", "explain: %w", err)
	case err != nil: // the text itself: it need not even be one that a file could be called
		return what, nil
	}
	defer f.Close()
	return waited(ctx, f)
}

// waited is tail for a reader that may wait for ever.
func waited(ctx context.Context, r io.Reader) (string, error) {
	type read struct {
		text string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := tail(r)
		done <- read{text, err}
	}()
	select {
	case all := <-done:
		return all.text, all.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
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
