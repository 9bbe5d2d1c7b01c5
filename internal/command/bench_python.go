package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/bench"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
)

type pythonNumbers struct {
	measured
	Python   string              `json:"python"`
	OpenSSL  string              `json:"openssl"`
	Optimize recipes.Optimize    `json:"optimize"` // of the default profile
	Jobs     int                 `json:"jobs"`
	Rounds   int                 `json:"rounds"`
	Builds   []bench.Interpreter `json:"builds"`
	Speed    bench.Speed         `json:"speed"`
}

// benchPython times the interpreter that tlsfloor builds.
func (c *command) benchPython(ctx context.Context, work string, all *benchmarks) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	b, err := c.benchBuilds(ctx, ch, work, ch.profile.Optimize)
	if err != nil {
		return err
	}
	n := pythonNumbers{measured: circumstances(ctx), Python: ch.profile.Versions["python"], OpenSSL: ch.profile.Versions["openssl"],
		Optimize: ch.profile.Optimize, Jobs: c.Jobs, Rounds: c.Rounds}
	interpreters, err := c.interpreters(ch, b, n.Machine)
	if err != nil {
		return err
	}
	if n.Builds, err = interpreters.Make(ctx, c.sink); err != nil {
		return err
	}
	programs := filepath.Join(work, "programs")
	if err := bench.WritePrograms(programs); err != nil {
		return err
	}
	if n.Speed, err = bench.Compare(ctx, n.Builds, bench.Programs(), programs, c.Rounds, c.sink); err != nil {
		return err
	}
	all.Python = &n
	return c.writeBench(*all)
}

// interpreters says how they are built, and where they are kept: in a folder that another source, another
// compiler or another number of jobs do not find.
func (c *command) interpreters(ch *chosen, b bench.Builds, machine string) (bench.Interpreters, error) {
	i := bench.Interpreters{Builds: b, Steps: []string{"build/python"}, OpenSSLPrefix: ch.site.Prefix("openssl"), PythonPrefix: ch.site.Prefix("python")}
	if ch.profile.Optimize != recipes.NoOptimize {
		i.Steps = append(i.Steps, "build/python-profile")
	}
	var key digest.Lines
	key.Add("machine", machine)
	key.Add("jobs", strconv.Itoa(b.Jobs))
	for _, name := range []string{b.OpenSSL, b.Python} {
		d, _, err := digest.OfFile(filepath.Join(b.Sources, name))
		if err != nil {
			return i, err
		}
		key.Add("source", d.String())
	}
	i.Cache = filepath.Join(os.TempDir(), "tlsfloor-bench-python-"+key.Sum().Short())
	program, _, err := digest.OfFile(b.Program)
	i.Identity = program.String()
	return i, err
}

func (n pythonNumbers) write(b *strings.Builder) {
	b.WriteString("\n## The interpreter\n\n")
	n.measured.write(b)
	fmt.Fprintf(b, `
Python %s with OpenSSL %s, built from the same source in three ways:

- plain: the guide's flow, `+"`./configure --prefix --with-openssl --disable-shared`, `make -j%d`, `make install`"+`
- stock: the same with CPython's own `+"`--enable-optimizations --with-lto`"+`
- tlsfloor: the default profile, `+"`optimize: %s`"+`

### Building it

Configuring, compiling and installing Python, its training included, with OpenSSL built before; for tlsfloor the steps that are Python's.

`, n.Python, n.OpenSSL, n.Jobs, n.Optimize)
	n.writeBuilds(b)
	fmt.Fprintf(b, `
### Its speed

%d programs that the training has not seen, medians in milliseconds with least and most, %d calls each: in each of %d rounds each
program ran with each interpreter in turn. The last columns say how many times as fast.

`, len(n.Speed.Programs), n.calls(), n.Rounds)
	b.WriteString(n.Speed.Table())
}

func (n pythonNumbers) writeBuilds(b *strings.Builder) {
	b.WriteString("| how | time | of stock's | built |\n|---|---|---|---|\n")
	var stock float64
	if i := slices.IndexFunc(n.Builds, func(i bench.Interpreter) bool { return i.Name == "stock" }); i >= 0 {
		stock = n.Builds[i].Wall
	}
	for _, i := range n.Builds {
		built, beside := i.Built.Format(time.DateTime)+" UTC", ""
		if i.Reused {
			built += ", reused"
		}
		if i.Beside >= 1 {
			beside = fmt.Sprintf(", other components beside it for %.1f s", i.Beside)
		}
		fmt.Fprintf(b, "| %s | %.1f s%s | %.1f %% | %s |\n", i.Name, i.Wall, beside, 100*i.Wall/stock, built)
	}
}

// calls is how often each interpreter was timed with each program.
func (n pythonNumbers) calls() int {
	if len(n.Speed.Programs) == 0 {
		return 0
	}
	return len(n.Speed.Programs[0].Seconds[0])
}
