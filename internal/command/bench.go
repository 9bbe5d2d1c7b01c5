package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/engine/bench"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// The page is always the whole of the data; each suite measures its own part of it.
const (
	benchPage = "docs/benchmarks.md"
	benchData = "docs/benchmarks.json"
)

// benchmarks are the data of all suites.
type benchmarks struct {
	Build  *buildNumbers  `json:"build,omitempty"`
	Python *pythonNumbers `json:"python,omitempty"`
}

// measured says where and when.
type measured struct {
	Machine string `json:"machine"`
	Cores   int    `json:"cores"`
	Date    string `json:"date"`
}

type buildNumbers struct {
	measured
	Cold []bench.Row `json:"cold"`
	Warm []bench.Row `json:"warm"`
}

var suites = map[string]func(c *command, ctx context.Context, work string, all *benchmarks) error{
	"build":  (*command).benchBuild,
	"python": (*command).benchPython,
}

// bench times builds and interpreters against what people make by hand.
func (c *command) bench(ctx context.Context) error {
	suite := suites[c.Suite]
	if suite == nil {
		return fault.New(fault.Usage, "one of: "+strings.Join(slices.Sorted(maps.Keys(suites)), ", "), "-suite=%s: unknown value", c.Suite)
	}
	if !exists("go.mod") || !exists("magefile.go") || c.Rounds < 1 {
		return fault.New(fault.Usage, "run it in a checkout of tlsfloor, with -rounds of at least 1", "bench: this folder holds no source of tlsfloor, or -rounds=%d", c.Rounds)
	}
	all, err := readBenchmarks()
	if err != nil {
		return err
	}
	if _, err := c.equip(ctx); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "tlsfloor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return suite(c, ctx, work, &all)
}

// benchBuild times whole builds.
func (c *command) benchBuild(ctx context.Context, work string, all *benchmarks) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	b, err := c.benchBuilds(ctx, ch, work, recipes.NoOptimize) // as the guide's
	if err != nil {
		return err
	}
	cold, err := bench.Measure(ctx, b.Cold(), c.Rounds, c.sink)
	if err != nil {
		return err
	}
	// What has run once is in the store: the patched file is timed once, the rest often, as it takes no time.
	warm, err := bench.Measure(ctx, b.Often(), max(c.Rounds, 5), c.sink)
	if err == nil {
		var once []bench.Row
		once, err = bench.Measure(ctx, b.Once(), 1, c.sink)
		warm = append(warm, once...)
	}
	all.Build = &buildNumbers{circumstances(ctx), cold, warm}
	return errors.Join(err, c.writeBench(*all)) // what took an hour to measure is written all the same
}

func circumstances(ctx context.Context) measured {
	return measured{machine(ctx), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly)}
}

// benchBuilds prepares the program, the sources and the overlays.
func (c *command) benchBuilds(ctx context.Context, ch *chosen, work string, optimize recipes.Optimize) (bench.Builds, error) {
	b := bench.Builds{Program: filepath.Join(work, "tlsfloor"), Work: work, Sources: filepath.Join(work, "sources"),
		Plain: "bench", Overlay: filepath.Join(work, "overlay"), Patched: filepath.Join(work, "patched"), Jobs: c.Jobs}
	if out, err := exec.CommandContext(ctx, "go", "tool", "mage", "-compile", b.Program).CombinedOutput(); err != nil {
		return b, fmt.Errorf("compiling tlsfloor: %w: %s", err, lastLine(string(out)))
	}
	if err := c.benchSources(ctx, ch, &b); err != nil {
		return b, err
	}
	patch := filepath.Join(b.Patched, "patches", "python", ch.profile.Versions["python"])
	return b, errors.Join(
		os.MkdirAll(filepath.Join(b.Overlay, "profiles"), 0o755), os.MkdirAll(patch, 0o755),
		os.WriteFile(filepath.Join(b.Overlay, "profiles", b.Plain+".yaml"), []byte(benchProfile(ch.profile, b.Plain, optimize)), 0o644),
		os.WriteFile(filepath.Join(patch, "9000-bench.patch"), []byte(benchPatch), 0o644))
}

// benchProfile is p without controls.
func benchProfile(p *recipes.Profile, name string, optimize recipes.Optimize) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nsummary: %s without controls\nfloor: %q\noptimize: %s\nversions:\n", name, p.Name, p.Floor, optimize)
	for _, component := range slices.Sorted(maps.Keys(p.Versions)) {
		fmt.Fprintf(&b, "  %s: %q\n", component, p.Versions[component])
	}
	b.WriteString("prefixes:\n")
	for _, component := range slices.Sorted(maps.Keys(p.Prefixes)) {
		fmt.Fprintf(&b, "  %s: %s\n", component, p.Prefixes[component])
	}
	b.WriteString("controls: []\n")
	return b.String()
}

// benchPatch adds a line to a file of the standard library.
const benchPatch = `Changes one file, to see what a change costs.
Upstream: https://docs.python.org/3/library/this.html

--- a/Lib/antigravity.py
+++ b/Lib/antigravity.py
@@ -1,3 +1,4 @@
+# patched
 
 import webbrowser
 import hashlib
`

// benchSources copies the profile's sources into a folder, by their canonical names.
func (c *command) benchSources(ctx context.Context, ch *chosen, b *bench.Builds) error {
	st, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	if err := os.Mkdir(b.Sources, 0o755); err != nil {
		return err
	}
	for _, r := range ch.recipes {
		for i := range r.Sources {
			name, err := c.gather(ctx, ch, st, &r.Sources[i], b.Sources)
			if err != nil {
				return err
			}
			switch r.Name {
			case "openssl":
				b.OpenSSL = name
			case "python":
				b.Python = name
			}
		}
	}
	return nil
}

// readBenchmarks reads what earlier runs measured. What it does not know is an error, as it would be lost.
func readBenchmarks() (all benchmarks, err error) {
	f, err := os.Open(benchData)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return all, fault.New(fault.Failed, "mend the file, or move it away to begin anew", "reading %s: %w", benchData, err)
	}
	return all, nil
}

func (c *command) writeBench(all benchmarks) error {
	data, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	page := all.page()
	fmt.Fprint(c.out, page)
	return errors.Join(os.WriteFile(benchPage, []byte(page), 0o644), os.WriteFile(benchData, append(data, '\n'), 0o644))
}

func (all benchmarks) page() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `go tool mage bench`: each suite, `-suite=build` and `-suite=python`, measures its own part anew.\n" +
		"What is compared has run in turn, from the same sources, on the same machine.\n")
	if all.Build != nil {
		all.Build.write(&b)
	}
	if all.Python != nil {
		all.Python.write(&b)
	}
	return b.String()
}

func (m measured) write(b *strings.Builder) {
	fmt.Fprintf(b, "Machine: %s. Date: %s.\n", m.Machine, m.Date)
}

func (n buildNumbers) write(b *strings.Builder) {
	b.WriteString("\n## Builds\n\n")
	n.measured.write(b)
	b.WriteString("\n### A cold build of OpenSSL and Python\n\nFrom the packed sources to the installed trees, like the guide's without PGO and LTO; tlsfloor builds zlib beside them.\n" +
		"All of the default profile is what `build` does: optimised as the profile says, with the weak peers, installation and proof.\n\n")
	if len(n.Cold) > 0 {
		b.WriteString(bench.Table(n.Cold, n.Cold[0].Name, n.Cores))
	}
	b.WriteString("\n### With results in the store\n\n")
	b.WriteString(bench.Table(n.Warm, "", n.Cores))
	fmt.Fprintf(b, "\ntlsfloor itself took at most %s of memory.\n", ui.Bytes(bench.PeakMemory(slices.Concat(n.Cold, n.Warm))))
}

// machine describes the host in a line.
func machine(ctx context.Context) string {
	cpu := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, %s", runtime.NumCPU(), cpu, compiler(ctx))
}
