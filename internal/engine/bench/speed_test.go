package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// script makes a stand-in for an interpreter: $4 is the program.
func script(t *testing.T, dir, name, body string) Interpreter {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return Interpreter{Name: name, Path: path}
}

func answers(p, q, checksum string) string {
	return fmt.Sprintf("echo \"${0##*/}$4\" >>log\n[ $5 = %d ] && [ \"$PYTHONHASHSEED$LC_ALL$HOME\" = 0C.UTF-8 ] || exit 3\n"+
		"case $4 in p) s='%s';; q) s='%s';; esac\necho '{\"name\":\"x\",\"seconds\":['$s'],\"checksum\":\"%s\"}'\n", calls, p, q, checksum)
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	three := []Interpreter{
		script(t, dir, "a", answers("0.4,0.3,0.9", "0.8", "7")),
		script(t, dir, "b", answers("0.2,0.1,0.3", "0.1", "7")),
		script(t, dir, "c", answers("0.1", "0.4", "7")),
	}
	s, err := Compare(t.Context(), three, []string{"p", "q"}, dir, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if got := strings.Join(strings.Fields(string(log)), " "); err != nil || got != "ap bp cp bq cq aq bp cp ap cq aq bq" {
		t.Errorf("order %s, %v", got, err)
	}
	if n := len(s.Programs[0].Seconds[0]); n != 6 {
		t.Errorf("%d times of two rounds of three", n)
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"b against a with p", s.Programs[0].Ratio(1, 0), 2},
		{"b against a with q", s.Programs[1].Ratio(1, 0), 8},
		{"geometric mean of b against a", s.Mean(1, 0), 4},
		{"geometric mean of c against b", s.Mean(2, 1), math.Sqrt(2 * 0.25)},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	table := s.Table()
	for _, want := range []string{
		"| program | a | b | c | b against a | c against a | c against b |\n|---|---|---|---|---|---|---|\n",
		"| p | 400.0 (300.0 to 900.0) | 200.0 (100.0 to 300.0) | 100.0 (100.0 to 100.0) | 2.00 | 4.00 | 2.00 |\n",
		"| **geometric mean** | | | | **4.000** | **2.828** | **0.707** |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
}

// TestCompareStops plants what must stop a comparison.
func TestCompareStops(t *testing.T) {
	for _, c := range []struct{ what, body, want string }{
		{"another result", answers("0.1", "0.1", "8"), "program p: the interpreter bad answers 8, one before it 7"},
		{"an error", "echo Traceback >&2; echo lost >&2; exit 1\n", "program p with the interpreter bad: exit status 1: Traceback\nlost"},
		{"no JSON", "echo hello\n", `no times in its answer "hello"`},
		{"no times", answers("", "", "7"), "no times"},
		{"a time of nothing", answers("0", "0", "7"), "no times"},
	} {
		dir := t.TempDir()
		two := []Interpreter{script(t, dir, "good", answers("0.1", "0.1", "7")), script(t, dir, "bad", c.body)}
		_, err := Compare(t.Context(), two, []string{"p"}, dir, 1, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.what, err, c.want)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compare(ctx, []Interpreter{script(t, dir, "a", answers("1", "1", "7"))}, []string{"q"}, dir, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err := Compare(t.Context(), []Interpreter{script(t, dir, "a", answers("1", "1", "7")), script(t, dir, "b", answers("1", "1", "8"))}, []string{"q"}, dir, 1, nil)
	if fault.HintOf(err) == "" {
		t.Errorf("results that differ come without a hint: %v", err)
	}
}

func TestPrograms(t *testing.T) {
	names := Programs()
	if len(names) < 15 || slices.Contains(names, "run") || !slices.IsSorted(names) {
		t.Fatalf("programs %v", names)
	}
	python := realPython(t)
	dir := t.TempDir()
	if err := WritePrograms(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := drive(t, python, dir, name, "0")
			if err != nil || !strings.Contains(out, `"seconds": [], "checksum": "`) || strings.Contains(out, `"checksum": "None"`) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestDriver plants a program whose result changes.
func TestDriver(t *testing.T) {
	python := realPython(t)
	dir := t.TempDir()
	if err := WritePrograms(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"steady": "def run():\n    return (1, 'a')\n", "fickle": "calls = []\ndef run():\n    calls.append(1)\n    return len(calls) // 3\n"} {
		if err := os.WriteFile(filepath.Join(dir, name+".py"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, err := start(t.Context(), python, dir, "steady")
	if err != nil || len(a.Seconds) != calls || a.Checksum != "(1, 'a')" {
		t.Errorf("%+v, %v", a, err)
	}
	if out, err := drive(t, python, dir, "fickle", "4"); err == nil || !strings.Contains(out, "fickle: checksum 0, then 1") {
		t.Errorf("a result that changes: %v: %s", err, out)
	}
}

func drive(t *testing.T, python, dir, name, calls string) (string, error) {
	cmd := exec.CommandContext(t.Context(), python, "-s", "-B", filepath.Join(dir, driver), name, calls)
	cmd.Env = []string{"PYTHONHASHSEED=0"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// realPython finds a Python that the programs are written for.
func realPython(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/opt/python*/bin/python3")
	if p, err := exec.LookPath("python3"); err == nil {
		found = append(found, p)
	}
	for _, p := range found {
		if exec.CommandContext(t.Context(), p, "-c", "import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 15))").Run() == nil {
			return p
		}
	}
	t.Skip("no python3 of 3.9 or later is at hand")
	return ""
}
