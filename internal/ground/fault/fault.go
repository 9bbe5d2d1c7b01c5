// Package fault gives an error what a person at a terminal needs besides its text: the exit code of the
// documented table, and a hint that says what to do next. It also holds the points at which tests plant
// faults.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Code is a process exit code; the table stands in README.md.
type Code int

// The exit codes.
const (
	OK              Code = 0
	Failed          Code = 1
	Usage           Code = 2
	Breached        Code = 3
	NotReproducible Code = 4
	BadDigest       Code = 5
	BadSignature    Code = 6
	MissingTool     Code = 7
	VulnerablePin   Code = 8
	Incomplete      Code = 9
	Cancelled       Code = 130
)

type fault struct {
	error
	code Code
	hint string
}

func (f *fault) Unwrap() error { return f.error }

// New returns an error with an exit code and a hint; format and args are those of fmt.Errorf.
func New(code Code, hint, format string, args ...any) error {
	return &fault{fmt.Errorf(format, args...), code, hint}
}

// CodeOf returns the exit code for err: its outermost fault's, 130 when it was cancelled, else 1.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if f, ok := errors.AsType[*fault](err); ok {
		return f.code
	}
	if errors.Is(err, context.Canceled) {
		return Cancelled
	}
	return Failed
}

// HintOf returns the outermost hint that err carries, or "".
func HintOf(err error) string {
	for err != nil {
		f, ok := errors.AsType[*fault](err)
		if !ok {
			return ""
		}
		if f.hint != "" {
			return f.hint
		}
		err = f.error
	}
	return ""
}
