package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/bench"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/store"
	"github.com/tlsfloor/tlsfloor/internal/ui"
)

// Bench times builds against the guide's flow.
func Bench(ctx context.Context, f Flags) error { return run(ctx, f, (*command).bench) }

func (c *command) bench(ctx context.Context) error {
	if c.Suite != "build" {
		return fault.New(fault.Usage, "the one suite is build", "-suite=%s: unknown", c.Suite)
	}
	if !exists("go.mod") || !exists("magefile.go") || c.Rounds < 1 {
		return fault.New(fault.Usage, "run it in a checkout of tlsfloor, with -rounds of at least 1", "bench: this folder holds no source of tlsfloor, or -rounds=%d", c.Rounds)
	}
	if _, err := c.equip(ctx); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "tlsfloor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b, err := c.benchBuilds(ctx, work)
	if err != nil {
		return err
	}
	cold, err := bench.Measure(ctx, b.Cold(), c.Rounds, c.sink)
	if err != nil {
		return err
	}
	// What has run once is in the store: the controls and the patched file are timed once, the rest often, as it takes no time.
	once, often := b.Once(), b.Often()
	var warm []bench.Row
	for _, part := range []struct {
		flows  []bench.Flow
		rounds int
	}{{once[:1], 1}, {often, max(c.Rounds, 5)}, {once[1:], 1}} {
		var rows []bench.Row
		if rows, err = bench.Measure(ctx, part.flows, part.rounds, c.sink); err != nil {
			break // what took an hour to measure is written all the same
		}
		warm = append(warm, rows...)
	}
	return errors.Join(err, c.writeBench(ctx, cold, warm))
}

// benchBuilds prepares the program, the sources and the overlays.
func (c *command) benchBuilds(ctx context.Context, work string) (bench.Builds, error) {
	ch, err := c.choose()
	if err != nil {
		return bench.Builds{}, err
	}
	b := bench.Builds{Program: filepath.Join(work, "tlsfloor"), Work: work, Sources: filepath.Join(work, "sources"),
		Plain: "bench", Overlay: filepath.Join(work, "overlay"), Patched: filepath.Join(work, "patched"), Jobs: c.Jobs}
	if out, err := exec.CommandContext(ctx, "go", "tool", "mage", "-compile", b.Program).CombinedOutput(); err != nil {
		return b, fmt.Errorf("compiling tlsfloor: %w: %s", err, lastLine(string(out)))
	}
	if err := c.benchSources(ctx, ch, &b); err != nil {
		return b, err
	}
	var profile strings.Builder
	fmt.Fprintf(&profile, "name: %s\nsummary: %s without controls\nfloor: %q\nversions:\n", b.Plain, ch.profile.Name, ch.profile.Floor)
	for _, name := range slices.Sorted(maps.Keys(ch.profile.Versions)) {
		fmt.Fprintf(&profile, "  %s: %s\n", name, ch.profile.Versions[name])
	}
	profile.WriteString("prefixes:\n")
	for _, name := range slices.Sorted(maps.Keys(ch.profile.Prefixes)) {
		fmt.Fprintf(&profile, "  %s: %s\n", name, ch.profile.Prefixes[name])
	}
	profile.WriteString("controls: []\n")
	patch := filepath.Join(b.Patched, "patches", "python", ch.profile.Versions["python"])
	return b, errors.Join(
		os.MkdirAll(filepath.Join(b.Overlay, "profiles"), 0o755), os.MkdirAll(patch, 0o755),
		os.WriteFile(filepath.Join(b.Overlay, "profiles", b.Plain+".yaml"), []byte(profile.String()), 0o644),
		os.WriteFile(filepath.Join(patch, "9000-bench.patch"), []byte(benchPatch), 0o644))
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
	st, err := store.Open(c.Store)
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

func (c *command) writeBench(ctx context.Context, cold, warm []bench.Row) error {
	var page strings.Builder
	page.WriteString("# Benchmarks\n\nWritten by `go tool mage bench -suite=build`: flows in turn, the same sources, the same machine.\n\n")
	fmt.Fprintf(&page, "Machine: %s. Time: %s.\n\n", machine(ctx), time.Now().UTC().Format(time.DateOnly))
	page.WriteString("## A cold build of OpenSSL and Python\n\nFrom the packed sources to the installed trees, without PGO. tlsfloor builds zlib beside them; its weak peers for the proof are counted below.\n\n")
	page.WriteString(bench.Table(cold, cold[0].Name, runtime.NumCPU()))
	page.WriteString("\n## With results in the store\n\n")
	page.WriteString(bench.Table(warm, "", runtime.NumCPU()))
	fmt.Fprintf(&page, "\ntlsfloor itself took at most %s of memory.\n", ui.Bytes(bench.PeakMemory(slices.Concat(cold, warm))))
	data, err := json.MarshalIndent(map[string]any{"machine": machine(ctx), "cold": cold, "warm": warm}, "", " ")
	if err != nil {
		return err
	}
	fmt.Fprint(c.out, page.String())
	return errors.Join(os.WriteFile("docs/benchmarks.md", []byte(page.String()), 0o644), os.WriteFile("docs/benchmarks.json", append(data, '\n'), 0o644))
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
	cc := "?"
	found, _ := sandbox.Host{}.Tools(ctx, []sandbox.Need{"cc"})
	if len(found) > 0 {
		cc = found[0].Version
	}
	return fmt.Sprintf("%d cores of %s, %s", runtime.NumCPU(), cpu, cc)
}
