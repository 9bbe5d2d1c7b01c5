package command

import (
	"flag"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hbollon/go-edlib"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// environmentIsRead says that Arguments has made flags of the variables: each is for the targets that have it.
var environmentIsRead bool

// leave ends the program with the status of an error that was printed. Without it, in tests, the error is returned.
var leave func(int)

// Arguments looks at the program's arguments before mage's own main does. That would run the first target before it looks at the next
// word, wants flags behind everything else and values behind a "=", and ends with 0 where it does not understand an option. source is
// the magefile, which knows the targets.
func Arguments(source string) {
	leave, environmentIsRead = os.Exit, true
	args, err := readArguments(os.Args, readTargets(source))
	if err != nil {
		mode := ui.Auto
		if slices.Contains(os.Args, "-json") {
			mode = ui.JSON
		}
		complain(mode, err)
		leave(int(fault.CodeOf(err)))
	}
	os.Args = args
}

// readArguments returns what mage understands, or what is wrong.
func readArguments(args []string, targets map[string]target) ([]string, error) {
	own := flag.NewFlagSet(args[0], flag.ContinueOnError)
	own.SetOutput(io.Discard)
	own.Bool("v", false, "")
	own.Bool("l", false, "")
	help := own.Bool("h", os.Getenv("MAGEFILE_HELP") != "", "")
	own.Duration("t", 0, "")
	err := own.Parse(args[1:])
	if err == flag.ErrHelp {
		return args, nil // -help and --help
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "the options of a target stand behind it, such as: build -profile=min-tls1_3; -l lists the targets, -h <target> says what it takes", "%w", err)
	}
	words := own.Args()
	out := slices.Clone(args[:len(args)-len(words)])
	for len(words) > 0 {
		t, err := targetOf(words[0], targets)
		if err != nil {
			return nil, err
		}
		words = words[1:]
		if *help || slices.ContainsFunc(words, isHelp) {
			return []string{args[0], "-h", t.name}, nil
		}
		given, n, err := t.read(words)
		if err != nil {
			return nil, err
		}
		set, err := t.environment(given)
		if err != nil {
			return nil, err
		}
		out, words = append(append(out, given...), set...), words[n:]
	}
	return out, nil
}

func isHelp(word string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, word) }

// targetOf is the target that a word names.
func targetOf(word string, targets map[string]target) (target, error) {
	name := strings.ToLower(word)
	if t, ok := targets[name]; ok {
		return t, nil
	}
	var group []string
	for other := range targets {
		if strings.HasPrefix(other, name+":") {
			group = append(group, other)
		}
	}
	slices.Sort(group)
	switch near := nearest(name, slices.Collect(maps.Keys(targets))); {
	case len(group) > 0:
		return target{}, fault.New(fault.Usage, "one of: "+strings.Join(group, ", "), "%q is a group of targets", word)
	case strings.Contains(word, "="):
		return target{}, fault.New(fault.Usage, "flags begin with a dash: -"+word, "%q: no such target", word)
	case near != "":
		return target{}, fault.New(fault.Usage, "did you mean "+near+"? -l lists the targets", "%q: no such target", word)
	}
	return target{}, fault.New(fault.Usage, "-l lists the targets, -h <target> says what one takes", "%q: no such target", word)
}

// flagForm is what looks like a flag; a dash alone, or before other text, is an argument.
var flagForm = regexp.MustCompile(`^--?([A-Za-z][A-Za-z0-9]*)(?:=|$)`)

// read takes a target's words from the front, and returns them as mage wants them, and how many they are.
func (t target) read(words []string) (given []string, n int, err error) {
	var arguments, flags []string
	for ; n < len(words); n++ {
		word := words[n]
		m := flagForm.FindStringSubmatch(word)
		switch {
		case m != nil:
			flag, err := t.flag(m[1], strings.TrimPrefix(word[strings.Index(word, m[1]):], m[1]))
			if err != nil {
				return nil, 0, err
			}
			flags = append(flags, flag)
		case len(arguments) < len(t.arguments):
			if err := t.arguments[len(arguments)].accepts(word); err != nil {
				return nil, 0, t.usage("%s %s: %w", t.name, word, err)
			}
			arguments = append(arguments, word)
		default:
			return t.whole(arguments, flags, n)
		}
	}
	return t.whole(arguments, flags, n)
}

// environment returns the flags that were not given and have a variable: TLSFLOOR_ and their name. Variables
// of flags that the target does not have are another one's.
func (t target) environment(given []string) (flags []string, err error) {
	for _, p := range t.flags {
		name := "TLSFLOOR_" + upper(p.field)
		value := os.Getenv(name)
		isGiven := slices.ContainsFunc(given, func(word string) bool {
			return word == "-"+p.name || strings.HasPrefix(word, "-"+p.name+"=")
		})
		if value == "" || isGiven || slices.Contains(spoken, p.field) {
			continue
		}
		if err := p.accepts(value); err != nil {
			return nil, fault.New(fault.Usage, "unset it, or give it a value such as -"+p.name+" takes",
				"environment variable %s: %q: %w", name, value, err)
		}
		flags = append(flags, "-"+p.name+"="+value)
	}
	return flags, nil
}

func (t target) whole(arguments, flags []string, n int) ([]string, int, error) {
	if missing := t.arguments[len(arguments):]; len(missing) > 0 {
		return nil, 0, t.usage("%s: <%s> is missing", t.name, missing[0].name)
	}
	return slices.Concat([]string{t.name}, arguments, flags), n, nil
}

// usage is an error whose hint says how the target is called.
func (t target) usage(format string, args ...any) error {
	call := t.name
	for _, a := range t.arguments {
		call += " <" + a.name + ">"
	}
	return fault.New(fault.Usage, call+" [-flag=value ...]; -h "+t.name+" lists its flags", format, args...)
}

// flag is one flag as mage takes it; rest begins with its "=", if it has one.
func (t target) flag(name, rest string) (string, error) {
	i := slices.IndexFunc(t.flags, func(p parameter) bool { return p.name == strings.ToLower(name) })
	if i < 0 {
		hint := "-h " + t.name + " lists its flags"
		var names []string
		for _, p := range t.flags {
			names = append(names, p.name)
		}
		if near := nearest(strings.ToLower(name), names); near != "" {
			hint = "did you mean -" + near + "? " + hint
		}
		return "", fault.New(fault.Usage, hint, "%s has no flag -%s", t.name, name)
	}
	p := t.flags[i]
	value, ok := strings.CutPrefix(rest, "=")
	switch {
	case !ok && p.kind != "bool":
		return "", t.usage("%s -%s: it takes a value, behind a =", t.name, p.name)
	case ok && value == "":
		return "", fault.New(fault.Usage, "leave it out for the default; is a variable empty that its value comes from?", "%s -%s=: its value is empty", t.name, p.name)
	case ok:
		if err := p.accepts(value); err != nil {
			return "", t.usage("%s -%s=%s: %w", t.name, p.name, value, err)
		}
	}
	return "-" + p.name + rest, nil
}

// nearest is the name that a misspelt one is likely to be; "" if none is near.
func nearest(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, other := range slices.Sorted(slices.Values(names)) {
		if d := edlib.OSADamerauLevenshteinDistance(name, other); d < least {
			best, least = other, d
		}
	}
	if least > len(name)-1 {
		return ""
	}
	return best
}

// complain prints an error for people, or for programs.
func complain(mode ui.Mode, err error) {
	if mode == ui.JSON {
		drawing := ui.New(os.Stderr, mode)
		defer drawing.Close()
		drawing.Emit(errorEvent(err))
		return
	}
	ui.Error(os.Stderr, err)
}
