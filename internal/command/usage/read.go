package usage

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Values are what a target's flags and arguments are after all: a string, []string, int, bool or
// time.Duration for each field of the options.
type Values struct {
	Of    map[string]any
	Given map[string]bool // the fields that did not get their default
	Notes []string        // what the user should change before the next release
}

// Read returns the values of all fields of the table. What is given by name counts, as text or as a
// pointer, of which nil is nothing; then the environment; then the default. A flag that the target does not
// have gets its default.
func (t Target) Read(given map[string]any, env func(string) string) (v Values, wrong error) {
	v = Values{Of: map[string]any{}, Given: map[string]bool{}}
	for _, f := range fields() {
		v.Of[f.Field] = f.defaultValue()
	}
	for _, f := range t.Arguments {
		if value := given[f.Name]; value != nil {
			v.Of[f.Field], v.Given[f.Field] = value, true
		}
	}
	for _, f := range t.Flags {
		value, err := t.value(f, given[f.Name], env, &v.Notes)
		if err == nil && value != nil && f.check != nil {
			err = f.check(value)
		}
		if wrong = cmp.Or(wrong, err); err != nil || value == nil {
			continue // the others say how the error is to be printed
		}
		if f.form != nil {
			value = f.form(value.(string))
		}
		v.Of[f.Field], v.Given[f.Field] = value, true
	}
	return v, wrong
}

// value is what the command line or the environment says, nil for nothing.
func (t Target) value(f Flag, given any, env func(string) string, notes *[]string) (any, error) {
	if value := f.pointed(given); value != nil {
		return value, nil
	}
	for _, name := range t.Variables(f) {
		said := env(name)
		if said == "" {
			continue
		}
		if err := f.Accepts(said); err != nil {
			return nil, fault.New(fault.Usage, "unset it, or give it a value such as -"+f.Name+" takes",
				"environment variable %s: %q: %w", name, said, err)
		}
		value, _ := f.Parse(said)
		if name == f.old {
			*notes = append(*notes, fmt.Sprintf("%s counts for %s in this release for the last time: set %s",
				name, t.typed(), t.Variables(f)[0]))
		}
		return value, nil
	}
	return nil, nil
}

// pointed is the value of what was given, nil for nothing.
func (f Flag) pointed(given any) any {
	switch p := given.(type) {
	case string: // as it was typed
		if value, err := f.Parse(p); err == nil {
			return value
		}
	case *string:
		if p != nil && f.Kind == List {
			return items(*p)
		}
		if p != nil {
			return *p
		}
	case *int:
		if p != nil {
			return *p
		}
	case *bool:
		if p != nil {
			return *p
		}
	case *time.Duration:
		if p != nil {
			return *p
		}
	}
	return nil
}

// Parse reads a value as it is typed.
func (f Flag) Parse(said string) (any, error) {
	switch f.Kind {
	case List:
		return items(said), nil
	case Number:
		return strconv.Atoi(said)
	case Switch:
		return strconv.ParseBool(said)
	case Period:
		return time.ParseDuration(said)
	}
	return said, nil
}

// Accepts says what is wanted where a value is none of the flag's kind.
func (f Flag) Accepts(said string) error {
	if _, err := f.Parse(said); err != nil {
		return fmt.Errorf("%s", map[Kind]string{
			Number: "a whole number is wanted",
			Switch: "true or false is wanted",
			Period: "a time with its unit is wanted, such as 90s or 45m",
		}[f.Kind])
	}
	return nil
}

// defaultValue is the default's, or the kind's zero.
func (f Flag) defaultValue() any {
	said := f.fallback
	if f.computed != nil {
		said = f.computed()
	}
	if said == "" {
		said = map[Kind]string{Number: "0", Switch: "false", Period: "0"}[f.Kind]
	}
	value, err := f.Parse(said)
	if err != nil {
		panic(fmt.Sprintf("the default of -%s: %v", f.Name, err)) // a test reads all of them
	}
	return value
}

func items(said string) []string {
	var all []string
	for item := range strings.SplitSeq(said, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, item)
		}
	}
	return all
}

// fields returns one row for each field of the options, in the order of the table.
func fields() []Flag {
	var all []Flag
	seen := map[string]bool{}
	for _, t := range Targets {
		for _, rows := range [][]Flag{t.Arguments, t.Flags} {
			for _, f := range rows {
				if !seen[f.Field] {
					seen[f.Field] = true
					all = append(all, f)
				}
			}
		}
	}
	return all
}
