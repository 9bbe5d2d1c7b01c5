package owned

import (
	"path/filepath"
	"regexp"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+~-]{0,99}$`)
	prefixForm = regexp.MustCompile(`^/[A-Za-z0-9/._+-]{1,1000}$`)
)

// Name refuses a text that is read from a file and becomes part of a path, a script or a modulefile, and is
// no name: what is the kind of thing that it names. A name is up to 100 letters, digits and ._+~- and does
// not begin with a dot or a hyphen.
func Name(what, text string) error {
	if nameForm.MatchString(text) {
		return nil
	}
	return fault.New(fault.Failed,
		"somebody has altered the record that it stands in: take it from its origin again",
		"%s %.100q: not a name", what, text)
}

// Prefix refuses a text that is read from a file and is no absolute path of names.
func Prefix(text string) error {
	if prefixForm.MatchString(text) && filepath.Clean(text) == text {
		return nil
	}
	return fault.New(fault.Failed,
		"somebody has altered the record that it stands in: take it from its origin again",
		"prefix %.100q: not an absolute path of letters, digits and ._+-", text)
}
