package command

import (
	"context"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// completion writes what a shell reads to complete this command line.
func (c *command) completion(context.Context) error {
	if !slices.Contains(usage.Shells, c.Shell) {
		return fault.New(fault.Usage, "such as completion -shell=bash",
			"completion: -shell is missing; it is one of: %s", strings.Join(usage.Shells, ", "))
	}
	return usage.WriteCompletion(c.out, c.Shell)
}
