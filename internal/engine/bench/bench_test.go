package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMeasureTakesTurns(t *testing.T) {
	var order []string
	flow := func(name string, walls ...float64) Flow {
		return Flow{name, func(_ context.Context, round int) (Run, error) {
			order = append(order, name)
			return Run{Wall: walls[round], CPU: walls[round]}, nil
		}}
	}
	rows, err := Measure(context.Background(), []Flow{flow("a", 30, 10, 20), flow("b", 4, 6, 5)}, 3, nil)
	if err != nil || strings.Join(order, "") != "ababab" {
		t.Fatalf("order %v, %v", order, err)
	}
	if m := rows[0].Median(Wall); m != 20 {
		t.Errorf("median %v, want 20", m)
	}
	table := Table(rows, "a", 2)
	for _, want := range []string{"| a | 3 | 20.0 s | 10.0 s to 30.0 s | 50 % of 2 | - |", "| b | 3 | 5.000 s | 4.000 s to 6.000 s | 50 % of 2 | 4.00 times as fast |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
	if m := (Row{Runs: []Run{{Wall: 1}, {Wall: 2}}}).Median(Wall); m != 1.5 {
		t.Errorf("median of two is %v", m)
	}
	if !math.IsNaN(Row{}.Median(Wall)) {
		t.Error("no runs have a median")
	}
}

func TestMeasureStops(t *testing.T) {
	broken := errors.New("broken")
	_, err := Measure(context.Background(), []Flow{{"a", func(context.Context, int) (Run, error) { return Run{}, broken }}}, 2, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a: ") {
		t.Errorf("got %v", err)
	}
}

// TestTlsfloorReadsTheTrace runs a stand-in for the program: its time is that of the step, and a wrong exit
// status is an error.
func TestTlsfloorReadsTheTrace(t *testing.T) {
	work := t.TempDir()
	program := filepath.Join(work, "program")
	text := "#!/bin/sh\nfor a in \"$@\"; do case $a in -trace=*) echo '{\"traceEvents\":[{\"name\":\"install\",\"ts\":1000000,\"dur\":500000}],\"otherData\":{\"peak_bytes\":42}}' >\"${a#-trace=}\";; esac; done\nexit 9\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	b := Builds{Program: program, Work: work, Jobs: 1}
	r, err := b.tlsfloor(context.Background(), "install", 9)
	if err != nil || r.Wall != 1.5 || r.Memory != 42 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := b.tlsfloor(context.Background(), "install", 0); err == nil {
		t.Error("a wrong exit status is no error")
	}
	if _, err := b.tlsfloor(context.Background(), "nosuch", 9); err == nil {
		t.Error("a step that the trace lacks is no error")
	}
}
