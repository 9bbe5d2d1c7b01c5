package steps

import (
	"context"
	"errors"
	"testing"
)

func TestGateWaitsForMemory(t *testing.T) {
	ctx := context.Background()
	free := int64(100)
	g := &gate{available: func() int64 { return free }}
	never := func() { t.Error("it waits") }
	// Whoever is alone begins, however little there is; so does whoever needs nothing, or finds enough.
	for _, need := range []int64{1000, 0, 100} {
		if err := g.enter(ctx, need, never); err != nil {
			t.Fatal(err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.enter(cancelled, 101, func() {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled wait: %v", err)
	}
	waits, begun := make(chan bool), make(chan error)
	go func() { begun <- g.enter(ctx, 1000, func() { close(waits) }) }()
	<-waits
	g.leave() // there is still another, and no more memory
	g.leave()
	select {
	case err := <-begun:
		t.Fatalf("it began beside another command: %v", err)
	default:
	}
	g.leave()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	// What cannot be known does not stop anybody.
	free = -1
	if err := g.enter(ctx, 1<<60, never); err != nil {
		t.Fatal(err)
	}
}

func TestAvailableMemory(t *testing.T) {
	if free := AvailableMemory(); free < 1<<20 || free > 1<<50 {
		t.Errorf("%d bytes", free)
	}
}
