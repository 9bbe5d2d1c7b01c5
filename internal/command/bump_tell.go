package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// replace writes everything beside what it replaces first, which is where a disk or a folder says no.
func (b *bumper) replace() error {
	for name, text := range b.edits {
		beside := filepath.Join(b.dir, name+".new")
		if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
			return fault.New(
				fault.Failed,
				"nothing was changed: make the folder writable, or pass a copy with -out=<folder>",
				"bump: %w",
				err,
			)
		}
		defer os.Remove(beside)
	}
	for name := range b.edits {
		if err := os.Rename(filepath.Join(b.dir, name+".new"), filepath.Join(b.dir, name)); err != nil {
			return fault.New(
				fault.Failed,
				"some of the files may be written already: `git diff` shows which",
				"bump: %w",
				err,
			)
		}
	}
	return nil
}

func (b *bumper) tell(all []bumped) error {
	var errs []error
	for _, one := range all {
		errs = append(errs, one.err)
	}
	known := func(o bumped) bool { return !o.Unknown }
	if !slices.ContainsFunc(all, known) { // a nightly job must not take that for good news
		errs = append(errs, fault.New(fault.Failed, "it wants a network, and not TLSFLOOR_OFFLINE",
			"bump: no place that lists versions could be asked"))
	}
	if b.JSON {
		return errors.Join(b.json(all), first(errs))
	}
	for _, one := range all {
		says := "the newest"
		switch {
		case one.Unknown:
			says = "not known: no place that lists its versions could be asked"
		case one.Newer != "":
			says = "-> " + one.Newer + "  " + one.Vouched
		case len(one.Waits)+len(one.Missing)+len(one.Refused) > 0:
			says = "left as it is"
		}
		for _, w := range one.Waits {
			says += "; waits: " + w
		}
		for _, m := range one.Missing {
			says += "; listed, and nowhere to be had: " + m
		}
		for _, r := range one.Refused {
			says += "; refused: " + r
		}
		if one.Series != "" {
			says += "; of another series: " + one.Series
		}
		b.line("%-12s %-14s %s", one.Component, one.Version, says)
	}
	if len(b.edits) > 0 {
		var names []string
		for name := range b.edits {
			names = append(names, filepath.Join(b.dir, name))
		}
		slices.Sort(names)
		fmt.Fprintf(
			b.out,
			"written: %s\n`git diff` shows it; then test, and build\n",
			strings.Join(names, ", "),
		)
	}
	return first(errs)
}

// first is the first error that is one.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
