package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/bench"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

func numbers() benchmarks {
	where := measured{"2 cores of a test", 2, "2026-01-02"}
	rows := func(name string) []bench.Row {
		return []bench.Row{{Name: name, Runs: []bench.Run{{Wall: 30, CPU: 30, Memory: 5_000_000}}}}
	}
	built := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return benchmarks{
		Build: &buildNumbers{where, rows("by hand"), rows("nothing to do")},
		Python: &pythonNumbers{measured: where, Python: "3.99.1", OpenSSL: "9.9", Optimize: "pgo+lto", Jobs: 2, Rounds: 3,
			Builds: []bench.Interpreter{{Name: "plain", Wall: 100, Built: built}, {Name: "stock", Wall: 1000, Built: built, Reused: true}, {Name: "tlsfloor", Wall: 300, Beside: 12, Built: built}},
			Speed: bench.Speed{Interpreters: []string{"plain", "stock", "tlsfloor"},
				Programs: []bench.Program{{Name: "orbits", Seconds: [][]float64{{0.3, 0.3}, {0.25, 0.25}, {0.2, 0.2}}}}}},
	}
}

func TestBenchPageHoldsAllSuites(t *testing.T) {
	page := numbers().page()
	for _, want := range []string{
		"## Builds\n\nMachine: 2 cores of a test. Date: 2026-01-02.\n",
		"| by hand | 1 | 30.0 s | 30.0 s to 30.0 s | 50 % of 2 | - |\n",
		"took at most 5.0 MB",
		"Python 3.99.1 with OpenSSL 9.9",
		"| stock | 1000.0 s | 100.0 % | 2026-01-01 12:00:00 UTC, reused |\n| tlsfloor | 300.0 s, other components beside it for 12.0 s | 30.0 % | 2026-01-01 12:00:00 UTC |\n",
		"1 programs that the training has not seen, medians in milliseconds with least and most, 2 calls each: in each of 3 rounds",
		"| orbits | 300.0 (300.0 to 300.0) | 250.0 (250.0 to 250.0) | 200.0 (200.0 to 200.0) | 1.20 | 1.50 | 1.25 |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if page := (benchmarks{Python: numbers().Python}).page(); strings.Contains(page, "## Builds") || !strings.Contains(page, "## The interpreter") {
		t.Errorf("a suite without data is on the page:\n%s", page)
	}
}

// TestBenchKeepsTheOtherSuite writes the data of one suite after the other, as two runs do.
func TestBenchKeepsTheOtherSuite(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("docs", 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := &command{out: &out}
	all, err := readBenchmarks()
	if err != nil || all.Build != nil || all.Python != nil {
		t.Fatalf("without a file: %+v, %v", all, err)
	}
	all.Build = numbers().Build
	if err := c.writeBench(all); err != nil {
		t.Fatal(err)
	}
	if all, err = readBenchmarks(); err != nil {
		t.Fatal(err)
	}
	all.Python = numbers().Python
	if err := c.writeBench(all); err != nil {
		t.Fatal(err)
	}
	if got, err := readBenchmarks(); err != nil || !reflect.DeepEqual(got, numbers()) {
		text, _ := json.Marshal(got)
		t.Errorf("read back as %s, %v", text, err)
	}
	if page, err := os.ReadFile(benchPage); err != nil || string(page) != numbers().page() || !strings.HasSuffix(out.String(), string(page)) {
		t.Errorf("%v: the page is\n%s", err, page)
	}
	for _, text := range []string{`{"machine": "one", "cold": []}`, `{"build": {"cold": [], "hot": []}}`, `{`} {
		if err := os.WriteFile(benchData, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readBenchmarks(); fault.HintOf(err) == "" {
			t.Errorf("%s was read, its numbers would be lost: %v", text, err)
		}
	}
}

func TestBenchNamesItsSuites(t *testing.T) {
	err := (&command{options: options{Suite: "nosuch", Rounds: 1}}).bench(context.Background())
	if fault.CodeOf(err) != fault.Usage || fault.HintOf(err) != "one of: build, python" || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
}

// TestBenchProfile: the profile that is timed is the default one, but for its controls and what it optimises.
func TestBenchProfile(t *testing.T) {
	set, err := recipes.Load()
	if err != nil {
		t.Fatal(err)
	}
	def, err := set.Profile(recipes.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	for _, optimize := range recipes.Optimizations {
		overlay := t.TempDir()
		if err := os.MkdirAll(filepath.Join(overlay, "profiles"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(overlay, "profiles", "bench.yaml"), []byte(benchProfile(def, "bench", optimize)), 0o644); err != nil {
			t.Fatal(err)
		}
		if set, err = recipes.Load(overlay); err != nil {
			t.Fatal(err)
		}
		got, err := set.Profile("bench")
		if err != nil {
			t.Fatal(err)
		}
		if got.Optimize != optimize || got.Floor != def.Floor || !reflect.DeepEqual(got.Versions, def.Versions) || !reflect.DeepEqual(got.Prefixes, def.Prefixes) || len(got.Controls) != 0 {
			t.Errorf("with optimize %s: %+v", optimize, got)
		}
	}
}

func TestBenchInterpreters(t *testing.T) {
	c := &command{options: options{Profile: recipes.DefaultProfile, Prefix: "/opt"}}
	ch, err := c.choose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	b := bench.Builds{Program: filepath.Join(work, "p"), Sources: work, OpenSSL: "o", Python: "s", Jobs: 2}
	folder := func(openssl, program, machine string) bench.Interpreters {
		t.Helper()
		for name, text := range map[string]string{"p": program, "o": openssl, "s": "python"} {
			if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		i, err := c.interpreters(ch, b, machine)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	first := folder("openssl", "program", "m")
	if again := folder("openssl", "changed", "m"); again.Cache != first.Cache || again.Identity == first.Identity {
		t.Errorf("another program: %+v, at first %+v", again, first)
	}
	for what, other := range map[string]bench.Interpreters{"another source": folder("changed", "program", "m"), "another compiler": folder("openssl", "program", "n")} {
		if other.Cache == first.Cache {
			t.Errorf("%s finds the same folder", what)
		}
	}
	if first.PythonPrefix != filepath.Join("/opt", ch.profile.Prefixes["python"]) {
		t.Errorf("prefix %s", first.PythonPrefix)
	}
	ch.profile.Optimize = recipes.PGOLTO
	if with := folder("openssl", "program", "m"); len(with.Steps) != 2 {
		t.Errorf("the steps of an optimised build are %v", with.Steps)
	}
	ch.profile.Optimize = recipes.NoOptimize
	if without := folder("openssl", "program", "m"); len(without.Steps) != 1 {
		t.Errorf("the steps of a plain build are %v", without.Steps)
	}
}
