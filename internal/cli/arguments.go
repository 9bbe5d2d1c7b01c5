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
// and its help knows no aliases.
func Arguments() {
	if err := checkArguments(os.Args); err != nil {
		ui.Error(os.Stderr, err)
		os.Exit(int(fault.CodeOf(err)))
	}
}

func checkArguments(args []string) error {
	own := flag.NewFlagSet(args[0], flag.ContinueOnError)
	own.SetOutput(io.Discard)
	own.Bool("v", false, "")
	own.Bool("l", false, "")
	help := own.Bool("h", os.Getenv("MAGEFILE_HELP") != "", "")
	own.Duration("t", 0, "")
	err := own.Parse(args[1:])
	if err == flag.ErrHelp {
		return nil // -help and --help
	}
	if err != nil {
		return fault.New(fault.Usage, "the options of a target stand behind it, such as: build -profile=min-tls1_3; -l lists the targets, -h <target> says what it takes", "%w", err)
	}
	if *help && own.NArg() > 0 && own.Arg(0) == "bundle" {
		args[slices.Index(args, "bundle")] = "bundle:write"
	}
	return nil
}
