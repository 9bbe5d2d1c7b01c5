package cli

import (
	"flag"
	"io"
	"os"
	"slices"

	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/ui"
)

// Arguments looks at the program's arguments before mage's own main does: that ends with 0 where it does not understand an option,
// its help knows no aliases, and is asked for before the target only.
func Arguments() {
	args, err := readArguments(os.Args)
	if err != nil {
		ui.Error(os.Stderr, err)
		os.Exit(int(fault.CodeOf(err)))
	}
	os.Args = args
}

func readArguments(args []string) ([]string, error) {
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
	behind := func(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, arg) }
	if own.NArg() == 0 || !*help && !slices.ContainsFunc(own.Args()[1:], behind) {
		return args, nil
	}
	target := own.Arg(0)
	if target == "bundle" {
		target = "bundle:write"
	}
	return []string{args[0], "-h", target}, nil
}
