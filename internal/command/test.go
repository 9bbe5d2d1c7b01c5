package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func inCheckout(target string) error {
	if !exists("go.mod") || !exists("magefile.go") {
		return fault.New(fault.Usage, "run it in a checkout of tlsfloor",
			"%s: this folder holds no source of tlsfloor", target)
	}
	return nil
}

// check runs what is asked for before each commit.
func (c *command) check(ctx context.Context) error {
	if err := inCheckout("check"); err != nil {
		return err
	}
	const unformatted = `out=$(gofmt -l .) && [ -z "$out" ] || { echo "$out"; exit 1; }`
	for _, one := range []struct {
		name, hint string
		argv       []string
	}{
		{"gofmt", "run gofmt -w on the files above", []string{"sh", "-c", unformatted}},
		{"go vet", "mend what it names", []string{"go", "vet", "./..."}},
		{"go vet of magefile.go", "mend what it names", []string{"go", "vet", "-tags=mage", "."}},
		{"staticcheck", "mend what it names, or give a reason in .ci/exceptions.txt", []string{"go", "run",
			"./.ci/check", "staticcheck", ".ci/tools", ".ci/exceptions.txt", "."}},
		{"fast tests", "the lines with FAIL name the tests", []string{"go", "test", "-short", "./..."}},
	} {
		begun := time.Now()
		err := c.tested(ctx, "", one.argv[0], one.argv[1:]...)
		if fault.CodeOf(err) == fault.Failed { // what it printed says more than the error
			return fault.New(fault.Failed, one.hint, "check: %s found something", one.name)
		}
		if err != nil {
			return err
		}
		c.sink.Note(fmt.Sprintf("%s: %.0f s", one.name, time.Since(begun).Seconds()))
	}
	return nil
}

// test runs every test of the project, the real build included.
func (c *command) test(ctx context.Context) error {
	if err := inCheckout("test"); err != nil {
		return err
	}
	if _, err := c.equip(ctx); err != nil { // the tests compile C programs
		return err
	}
	level := "real"
	if c.Long {
		level = "long"
	}
	if err := c.tested(ctx, level, "go", "test", "-timeout=3h", "./..."); err != nil || !c.Long {
		return err
	}
	return c.tested(ctx, level, filepath.Join(".ci", "fuzz"), "run", "100000x")
}

// tested runs a program of the tests.
func (c *command) tested(ctx context.Context, level, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second // for the tests to take away what they made
	cmd.Env = append(os.Environ(), "TLSFLOOR_TEST="+level, "TLSFLOOR_TEST_MIRROR="+strings.Join(c.Mirror, ","))
	cmd.Stdout, cmd.Stderr = c.out, os.Stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(fault.MissingTool, "the tests need Go; see README.md for the version", "test: %w", err)
	case err != nil:
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
