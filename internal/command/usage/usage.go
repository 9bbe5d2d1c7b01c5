// Package usage is what can be said on the command line, as one table: each target with its line of help, its
// arguments and its flags. All that has to agree with it is made from it:
//
//   - magefile.go, which mage compiles and whose comments -h prints, and the options that targets read:
//     `go test ./internal/command/usage -update` writes both, and without -update that test compares them
//   - what counts when the program runs: the environment, the defaults, the checks (Read)
//   - the list of targets (WriteList) and the completion of shells (Completion)
//
// A flag that several targets have is one variable of flags.go: its name, kind, default and check are the
// same everywhere, and a target says what it does there where that differs.
//
// The rule for the environment: a variable counts for the targets that have its flag, and for no other.
// TLSFLOOR_BUNDLE_OUT is -out of bundle and comes before TLSFLOOR_OUT, which would be that of all targets.
// Exceptions:
//
//   - a flag that leaves out a check, or says what is signed, has no variable: it is said each time (spoken)
//   - a flag that means something else for each of its targets has only the variables with the target's
//     name (own)
package usage

import (
	"slices"
	"strings"
)

// Kind is what a value has to look like.
type Kind string

// The kinds. Mage knows a list as a string with commas.
const (
	Text   Kind = "string"
	List   Kind = "list"
	Number Kind = "int"
	Switch Kind = "bool"
	Period Kind = "time.Duration"
)

// Flag is a row of the table: a flag of a target, or one of the arguments before them.
type Flag struct {
	Name  string // as it is typed, without the dash
	Field string // of the options
	Kind  Kind
	Help  string
	Words []string // the values that there are, or that are likely

	fallback string        // the default, as it would be typed; "" is the kind's zero
	computed func() string // the default, where it depends on the machine
	check    func(value any) error
	form     func(string) string
	shared   string // the variable that counts for all targets with this flag; "" for none
	spoken   bool   // no variable counts
	old      string // the variable of former releases, which counts in this one
}

// Group is a kind of work that people come with.
type Group string

// The groups, in the order in which they are listed.
const (
	Build    Group = "build"
	Ship     Group = "ship"
	Prove    Group = "prove"
	Look     Group = "look"
	Maintain Group = "maintain"
)

// Groups lists them, each with what its targets are for.
var Groups = []struct {
	Group Group
	For   string
}{
	{Build, "make a toolchain and install it"},
	{Ship, "carry it to other machines"},
	{Prove, "hold it, or something else, to the floor"},
	{Look, "see what there is, and change nothing"},
	{Maintain, "look after machine, store and project"},
}

// Target is what mage runs by a name.
type Target struct {
	Name      string // in lower case; one in a namespace has a colon
	Alias     string // what people type instead
	Group     Group
	Doc       string // what it does, a sentence or more without the target's name before it
	Arguments []Flag // before the flags, in this order
	Flags     []Flag
}

// Targets are all of them.
var Targets = slices.Concat(building, shipping, proving, keeping, auditing, developing)

// Find returns the target of a name or an alias.
func Find(name string) (Target, bool) {
	i := slices.IndexFunc(Targets, func(t Target) bool {
		return name != "" && (t.Name == name || t.Alias == name)
	})
	if i < 0 {
		return Target{}, false
	}
	return Targets[i], true
}

// Names are those of all targets, and the aliases.
func Names() []string {
	var all []string
	for _, t := range Targets {
		if all = append(all, t.Name); t.Alias != "" {
			all = append(all, t.Alias)
		}
	}
	return all
}

// typed is the name that people type.
func (t Target) typed() string {
	if t.Alias != "" {
		return t.Alias
	}
	return t.Name
}

// Flag returns the flag of that name.
func (t Target) Flag(name string) (Flag, bool) {
	i := slices.IndexFunc(t.Flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return t.Flags[i], true
}

// Variables are the environment variables that a flag of this target is read from, the first that is set.
func (t Target) Variables(f Flag) []string {
	if f.spoken {
		return nil
	}
	all := []string{prefixed(strings.ReplaceAll(t.typed(), ":", "_") + "_" + f.Name)}
	for _, name := range []string{f.shared, f.old} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

func prefixed(name string) string { return "TLSFLOOR_" + strings.ToUpper(name) }
