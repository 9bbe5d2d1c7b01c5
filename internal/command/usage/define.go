package usage

import (
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The functions here are the words in which flags.go and the targets write the table.

func define(kind Kind, field, help string) Flag {
	f := Flag{Name: strings.ToLower(field), Field: field, Kind: kind, Help: help}
	f.shared = prefixed(f.Name)
	return f
}

func text(field, help string) Flag   { return define(Text, field, help) }
func list(field, help string) Flag   { return define(List, field, help) } // with commas
func number(field, help string) Flag { return define(Number, field, help) }
func toggle(field, help string) Flag { return define(Switch, field, help) }
func period(field, help string) Flag { return define(Period, field, help) }

// says is the same flag with the help that one target has for it.
func (f Flag) says(help string) Flag {
	f.Help = help
	return f
}

// otherwise gives the default, as it would be typed.
func (f Flag) otherwise(value string) Flag {
	f.fallback = value
	return f
}

// onThisMachine gives a default that depends on the machine.
func (f Flag) onThisMachine(value func() string) Flag {
	f.computed = value
	return f
}

// likely are values for completion; others may be given as well.
func (f Flag) likely(words ...string) Flag {
	f.Words = words
	return f
}

// oneOf are the values that there are.
func (f Flag) oneOf(words ...string) Flag {
	f.Words = words
	return must(f, func(word string) bool { return slices.Contains(words, word) },
		"one of: "+strings.Join(words, ", "), "-"+f.Name+"=%s: unknown value")
}

// spokenOnly is for what leaves a check out: that is never a matter of the environment.
func (f Flag) spokenOnly() Flag {
	f.spoken, f.shared = true, ""
	return f
}

// own is for a flag that means something else for each of its targets.
func (f Flag) own() Flag {
	f.shared = ""
	return f
}

// once reads the variable that own took away, in this release still.
func (f Flag) once() Flag {
	f.old = prefixed(f.Name)
	return f
}

// checked adds a check with an error of its own.
func (f Flag) checked(check func(value any) error) Flag {
	f.check = check
	return f
}

// becomes is the form in which a text is passed on.
func (f Flag) becomes(form func(string) string) Flag {
	f.form = form
	return f
}

// must adds a check; wrong is a format for the value.
func must[T any](f Flag, ok func(T) bool, hint, wrong string) Flag {
	return f.checked(func(value any) error {
		if !ok(value.(T)) {
			return fault.New(fault.Usage, hint, wrong, value)
		}
		return nil
	})
}

// atLeast is must for numbers and times.
func atLeast[T int | time.Duration](least T) func(T) bool {
	return func(value T) bool { return value >= least }
}
