package command

import (
	"flag"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hbollon/go-edlib"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/command/usage"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// leave ends the program with the status of an error that was printed. Without it, in tests, the error is
// returned.
var leave func(int)

// Arguments looks at the program's arguments before mage's own main does. That would run the first target
// before it looks at the next word, wants flags behind everything else and values behind a "=", ends with 0
// where it does not understand an option, and lists the targets by their names.
func Arguments() {
	leave = os.Exit
	args, err := readArguments(os.Args)
	if err == nil && wantsList(args[1:]) {
		if err = usage.WriteList(os.Stdout); err == nil {
			leave(0)
		}
		err = fault.New(fault.Failed, "have it print to a file with room, or to a program that reads all",
			"the list of targets could not be printed: %w", err)
	}
	if err != nil {
		mode := ui.Auto
		if slices.Contains(os.Args, "-json") || isTrue("TLSFLOOR_JSON") {
			mode = ui.JSON
		}
		complain(mode, err)
		leave(int(fault.CodeOf(err)))
	}
	os.Args = args
}

// mages are the options of mage itself, which stand before the first target.
func mages(name string) (set *flag.FlagSet, list, help *bool) {
	set = flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Bool("v", false, "")
	set.Duration("t", 0, "")
	return set, set.Bool("l", isTrue("MAGEFILE_LIST"), ""), set.Bool("h", isTrue("MAGEFILE_HELP"), "")
}

// isTrue is how a mage that compiled this program passes on what it was asked.
func isTrue(variable string) bool {
	yes, err := strconv.ParseBool(os.Getenv(variable))
	return yes && err == nil
}

// wantsList says whether these arguments ask for the targets, as those without any target do.
func wantsList(args []string) bool {
	own, list, help := mages("")
	return own.Parse(args) == nil && (*list || !*help && own.NArg() == 0)
}

// readArguments returns what mage understands, or what is wrong.
func readArguments(args []string) ([]string, error) {
	own, _, help := mages(args[0])
	err := own.Parse(args[1:])
	if err == flag.ErrHelp {
		return args, nil // -help and --help
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "the options of a target stand behind it, such as: "+
			"build -profile=min-tls1_3; -l lists the targets, -h <target> says what it takes", "%w", err)
	}
	words := own.Args()
	out := slices.Clone(args[:len(args)-len(words)])
	for len(words) > 0 {
		t, err := targetOf(words[0])
		if err != nil {
			return nil, err
		}
		words = words[1:]
		if *help || slices.ContainsFunc(words, isHelp) {
			return []string{args[0], "-h", t.Name}, nil
		}
		set, n, err := called{t}.read(words)
		if err != nil {
			return nil, err
		}
		if _, err := t.Read(given(set), os.Getenv); err != nil {
			return nil, err
		}
		out, words = append(out, set...), words[n:]
	}
	return out, nil
}

// given are the flags among the words of a target.
func given(words []string) Flags {
	all := Flags{}
	for _, word := range words {
		m := flagForm.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		if _, value, ok := strings.Cut(word, "="); ok {
			all[m[1]] = value
		} else {
			all[m[1]] = "true"
		}
	}
	return all
}

func isHelp(word string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, word) }

// targetOf is the target that a word names.
func targetOf(word string) (usage.Target, error) {
	name := strings.ToLower(word)
	if t, ok := usage.Find(name); ok {
		return t, nil
	}
	var group []string
	for _, other := range usage.Names() {
		if strings.HasPrefix(other, name+":") {
			group = append(group, other)
		}
	}
	slices.Sort(group)
	switch near := nearest(name, usage.Names()); {
	case len(group) > 0:
		return usage.Target{}, fault.New(fault.Usage, "one of: "+strings.Join(group, ", "),
			"%q is a group of targets", word)
	case strings.Contains(word, "="):
		return usage.Target{}, fault.New(fault.Usage, "flags begin with a dash: -"+word,
			"%q: no such target", word)
	case near != "":
		return usage.Target{}, fault.New(fault.Usage, "did you mean "+near+"? -l lists the targets",
			"%q: no such target", word)
	}
	return usage.Target{}, fault.New(fault.Usage, "-l lists the targets, -h <target> says what one takes",
		"%q: no such target", word)
}

// flagForm is what looks like a flag; a dash alone, or before other text, is an argument.
var flagForm = regexp.MustCompile(`^--?([A-Za-z][A-Za-z0-9]*)(?:=|$)`)

// called is a target that is called by somebody.
type called struct{ usage.Target }

// read takes a target's words from the front, and returns them as mage wants them, and how many they are.
func (t called) read(words []string) (given []string, n int, err error) {
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
		case len(arguments) < len(t.Arguments):
			if err := t.Arguments[len(arguments)].Accepts(word); err != nil {
				return nil, 0, t.usage("%s %s: %w", t.Name, word, err)
			}
			arguments = append(arguments, word)
		default:
			return t.whole(arguments, flags, n)
		}
	}
	return t.whole(arguments, flags, n)
}

func (t called) whole(arguments, flags []string, n int) ([]string, int, error) {
	if missing := t.Arguments[len(arguments):]; len(missing) > 0 {
		return nil, 0, t.usage("%s: <%s> is missing", t.Name, missing[0].Name)
	}
	return slices.Concat([]string{t.Name}, arguments, flags), n, nil
}

// usage is an error whose hint says how the target is called.
func (t called) usage(format string, args ...any) error {
	call := t.Name
	for _, a := range t.Arguments {
		call += " <" + a.Name + ">"
	}
	return fault.New(fault.Usage, call+" [-flag=value ...]; -h "+t.Name+" lists its flags", format, args...)
}

// flag is one flag as mage takes it; rest begins with its "=", if it has one.
func (t called) flag(name, rest string) (string, error) {
	f, ok := t.Flag(strings.ToLower(name))
	if !ok {
		hint := "-h " + t.Name + " lists its flags"
		var names []string
		for _, f := range t.Flags {
			names = append(names, f.Name)
		}
		if near := nearest(strings.ToLower(name), names); near != "" {
			hint = "did you mean -" + near + "? " + hint
		}
		return "", fault.New(fault.Usage, hint, "%s has no flag -%s", t.Name, name)
	}
	value, ok := strings.CutPrefix(rest, "=")
	switch {
	case !ok && f.Kind != usage.Switch:
		return "", t.usage("%s -%s: it takes a value, behind a =", t.Name, f.Name)
	case ok && value == "":
		return "", fault.New(fault.Usage,
			"leave it out for the default; is a variable empty that its value comes from?",
			"%s -%s=: its value is empty", t.Name, f.Name)
	case ok:
		if err := f.Accepts(value); err != nil {
			return "", t.usage("%s -%s=%s: %w", t.Name, f.Name, value, err)
		}
	}
	return "-" + f.Name + rest, nil
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
