// Package bench times tlsfloor's builds, and the interpreter that they end in, against what people do by
// hand, on the same machine, with the same sources, in the same run.
//
// Flows run in turn, round by round, so that a machine that gets slower does so for all of them; medians and
// spread are reported. Nothing here is a test: no number makes anything fail.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// Run is one timed run of a Flow.
type Run struct {
	Wall   float64 `json:"wall_seconds"`
	CPU    float64 `json:"cpu_seconds"`
	Memory int64   `json:"peak_bytes,omitempty"` // of tlsfloor itself
}

// Flow is one way to the same result.
type Flow struct {
	Name string
	Do   func(ctx context.Context, round int) (Run, error)
}

// Row is a Flow with its runs.
type Row struct {
	Name string `json:"name"`
	Runs []Run  `json:"runs"`
}

// Measure runs each flow once a round.
func Measure(ctx context.Context, flows []Flow, rounds int, sink event.Sink) ([]Row, error) {
	rows := make([]Row, len(flows))
	for round := range rounds {
		for i, f := range flows {
			step := fmt.Sprintf("%s (%d of %d)", f.Name, round+1, rounds)
			sink.Emit(event.Event{Kind: event.Begin, Step: step})
			begun := time.Now()
			r, err := f.Do(ctx, round)
			if err != nil {
				sink.Emit(event.Event{Kind: event.Fail, Step: step, Text: "stopped", Seconds: time.Since(begun).Seconds()})
				return nil, fmt.Errorf("%s: %w", f.Name, errors.Join(ctx.Err(), err)) // a killed process says only that it was
			}
			sink.Emit(event.Event{Kind: event.Done, Step: step, Text: fmt.Sprintf("%.2f s", r.Wall), Seconds: time.Since(begun).Seconds()})
			rows[i].Name = f.Name
			rows[i].Runs = append(rows[i].Runs, r)
		}
	}
	return rows, nil
}

// Median returns the median of what get says of the runs.
func (r Row) Median(get func(Run) float64) float64 {
	return median(r.sorted(get))
}

// median is that of an even number's two middle values halfway between them.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func (r Row) sorted(get func(Run) float64) []float64 {
	var v []float64
	for _, run := range r.Runs {
		v = append(v, get(run))
	}
	slices.Sort(v)
	return v
}

// Wall and CPU are what Median is mostly asked for.
func Wall(r Run) float64 { return r.Wall }

// CPU returns user and system time in seconds.
func CPU(r Run) float64 { return r.CPU }

// Table writes rows in Markdown; ratios are of base's median wall time to each row's.
func Table(rows []Row, base string, cores int) string {
	var b strings.Builder
	against := ""
	if base != "" {
		against = "against " + base
	}
	fmt.Fprintf(&b, "| what | runs | median | least to most | cores used | %s |\n|---|---|---|---|---|---|\n", against)
	var reference float64
	if i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == base }); i >= 0 {
		reference = rows[i].Median(Wall)
	}
	for _, r := range rows {
		walls := r.sorted(Wall)
		median := r.Median(Wall)
		ratio := "-"
		if reference > 0 && r.Name != base {
			ratio = fmt.Sprintf("%.2f times as fast", reference/median)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s to %s | %.0f %% of %d | %s |\n", r.Name, len(r.Runs), seconds(median), seconds(walls[0]), seconds(walls[len(walls)-1]),
			100*r.Median(CPU)/median/float64(cores), cores, ratio)
	}
	return b.String()
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.3f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// PeakMemory returns the most bytes that any run of rows took.
func PeakMemory(rows []Row) int64 {
	var peak int64
	for _, r := range rows {
		for _, run := range r.Runs {
			peak = max(peak, cmp.Or(run.Memory, 0))
		}
	}
	return peak
}
