package bench

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The programs are ours, and the training of the optimised interpreter has none of them.
//
//go:embed programs/*.py
var files embed.FS

const driver = "run.py"

// Programs returns the names of the programs in order.
func Programs() []string {
	var names []string
	found, _ := fs.Glob(files, "programs/*.py") // the pattern is well-formed
	for _, f := range found {
		if name := filepath.Base(f); name != driver {
			names = append(names, strings.TrimSuffix(name, ".py"))
		}
	}
	return names
}

// WritePrograms puts the programs and their driver into dir.
func WritePrograms(dir string) error {
	below, err := fs.Sub(files, "programs")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, below)
}

// Speed is what Compare measured.
type Speed struct {
	Interpreters []string  `json:"interpreters"`
	Programs     []Program `json:"programs"`
}

// Program is one program's time: all timed calls of all rounds, for each interpreter.
type Program struct {
	Name     string      `json:"name"`
	Seconds  [][]float64 `json:"seconds"`
	checksum string
}

// calls is how often a process times its program, after one call that warms up.
const calls = 4

// Compare runs the programs in dir: in each round each program with each interpreter in turn, the order
// rotated, one process at a time. Results that differ between interpreters are an error.
func Compare(ctx context.Context, interpreters []Interpreter, programs []string, dir string, rounds int, sink event.Sink) (Speed, error) {
	s := Speed{Programs: make([]Program, len(programs))}
	for _, i := range interpreters {
		s.Interpreters = append(s.Interpreters, i.Name)
	}
	for round := range rounds {
		step := fmt.Sprintf("programs (%d of %d)", round+1, rounds)
		sink.Emit(event.Event{Kind: event.Begin, Step: step})
		begun := time.Now()
		for n, name := range programs {
			sink.Emit(event.Event{Kind: event.Phase, Step: step, Text: name})
			p := &s.Programs[n]
			if p.Name == "" {
				*p = Program{Name: name, Seconds: make([][]float64, len(interpreters))}
			}
			if err := p.run(ctx, interpreters, dir, round+n); err != nil {
				sink.Emit(event.Event{Kind: event.Fail, Step: step, Text: "stopped", Seconds: time.Since(begun).Seconds()})
				return s, err
			}
		}
		sink.Emit(event.Event{Kind: event.Done, Step: step, Text: "run", Seconds: time.Since(begun).Seconds()})
	}
	return s, nil
}

// run starts one process for each interpreter, beginning with the one that turn says.
func (p *Program) run(ctx context.Context, interpreters []Interpreter, dir string, turn int) error {
	for k := range interpreters {
		i := (turn + k) % len(interpreters)
		a, err := start(ctx, interpreters[i].Path, dir, p.Name)
		if err != nil {
			return fmt.Errorf("program %s with the interpreter %s: %w", p.Name, interpreters[i].Name, errors.Join(ctx.Err(), err))
		}
		if p.checksum == "" {
			p.checksum = a.Checksum
		}
		if a.Checksum != p.checksum {
			return fault.New(fault.Failed, "one of the interpreters computes wrongly: their speed is no result",
				"program %s: the interpreter %s answers %s, one before it %s", p.Name, interpreters[i].Name, a.Checksum, p.checksum)
		}
		p.Seconds[i] = append(p.Seconds[i], a.Seconds...)
	}
	return nil
}

type answer struct {
	Seconds  []float64
	Checksum string
}

func start(ctx context.Context, python, dir, program string) (a answer, err error) {
	cmd := exec.CommandContext(ctx, python, "-s", "-B", filepath.Join(dir, driver), program, strconv.Itoa(calls))
	cmd.Dir = dir
	cmd.Env = []string{"PYTHONHASHSEED=0", "LC_ALL=C.UTF-8"}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("%w: %s", err, lastLines(complaints.Bytes(), 3))
	}
	if err := json.Unmarshal(out, &a); err != nil || a.Checksum == "" || len(a.Seconds) == 0 || slices.Min(a.Seconds) <= 0 {
		return a, fmt.Errorf("no times in its answer %q", lastLines(out, 1))
	}
	return a, nil
}

// Ratio says how many times as fast as the interpreter base the interpreter i runs the program, by their
// medians.
func (p Program) Ratio(i, base int) float64 { return median(p.Seconds[base]) / median(p.Seconds[i]) }

// Mean is the geometric mean of all programs' Ratio.
func (s Speed) Mean(i, base int) float64 {
	var sum float64
	for _, p := range s.Programs {
		sum += math.Log(p.Ratio(i, base))
	}
	return math.Exp(sum / float64(len(s.Programs)))
}

// Table writes the medians, their spread and the ratios of all pairs of interpreters in Markdown.
func (s Speed) Table() string {
	var b, rule, mean strings.Builder
	b.WriteString("| program |")
	rule.WriteString("|---|")
	mean.WriteString("| **geometric mean** |")
	for _, name := range s.Interpreters {
		fmt.Fprintf(&b, " %s |", name)
		rule.WriteString("---|")
		mean.WriteString(" |")
	}
	pairs := s.pairs()
	for _, p := range pairs {
		fmt.Fprintf(&b, " %s against %s |", s.Interpreters[p[0]], s.Interpreters[p[1]])
		rule.WriteString("---|")
		fmt.Fprintf(&mean, " **%.3f** |", s.Mean(p[0], p[1]))
	}
	fmt.Fprintf(&b, "\n%s\n", rule.String())
	for _, p := range s.Programs {
		fmt.Fprintf(&b, "| %s |", p.Name)
		for _, v := range p.Seconds {
			fmt.Fprintf(&b, " %.1f (%.1f to %.1f) |", 1000*median(v), 1000*slices.Min(v), 1000*slices.Max(v))
		}
		for _, pair := range pairs {
			fmt.Fprintf(&b, " %.2f |", p.Ratio(pair[0], pair[1]))
		}
		b.WriteString("\n")
	}
	return b.String() + mean.String() + "\n"
}

// pairs are an interpreter and one before it, its base.
func (s Speed) pairs() (all [][2]int) {
	for i := range s.Interpreters {
		for base := range i {
			all = append(all, [2]int{i, base})
		}
	}
	return all
}
