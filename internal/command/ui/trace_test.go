package ui

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

func TestTrace(t *testing.T) {
	tr := NewTrace()
	clock := tr.begun
	tr.now = func() time.Time { clock = clock.Add(time.Second); return clock }
	var heard int
	sink := tr.Sink(func(event.Event) { heard++ })
	for _, e := range []event.Event{
		{Kind: event.Begin, Step: "a"}, {Kind: event.Phase, Step: "a", Text: "./configure"}, {Kind: event.Begin, Step: "b"},
		{Kind: event.Phase, Step: "a", Text: "make"}, {Kind: event.Done, Step: "a"}, {Kind: event.Begin, Step: "c"}, {Kind: event.Fail, Step: "b"}, {Kind: event.Done, Step: "c"},
	} {
		sink(e)
	}
	path := filepath.Join(t.TempDir(), "new", "trace.json")
	if err := tr.Write(path); err != nil {
		t.Fatal(err)
	}
	var got struct {
		TraceEvents []struct {
			Name, Cat, Ph string
			Ts, Dur       int64
			Tid           int
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &got) != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	lanes, names := map[string]int{}, map[string]bool{}
	for _, e := range got.TraceEvents {
		if e.Ph != "X" || e.Dur <= 0 || e.Ts < 0 {
			t.Errorf("event %+v", e)
		}
		lanes[e.Name], names[e.Name] = e.Tid, true
	}
	if heard != 8 || len(names) != 5 || lanes["a"] == lanes["b"] || lanes["c"] != lanes["a"] || lanes["make"] != lanes["a"] {
		t.Errorf("heard %d, lanes %v", heard, lanes)
	}
}
