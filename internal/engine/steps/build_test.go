package steps

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

func TestJobServer(t *testing.T) {
	j, err := newJobServer(2)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	ctx := context.Background()
	for range 2 {
		if err := j.acquire(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
	// No job is left: the third waits until one is given back, or its context ends.
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := j.acquire(cancelled, 9); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled wait: %v", err)
	}
	order := make(chan string, 3)
	var all sync.WaitGroup
	for _, w := range []struct {
		name    string
		seconds float64
	}{{"short", 1}, {"long", 100}, {"middle", 10}} {
		all.Go(func() {
			if err := j.acquire(ctx, w.seconds); err != nil {
				t.Error(err)
			}
			order <- w.name
			j.release()
		})
	}
	for waiting := 0; waiting < 3; { // until all three stand in line
		j.mu.Lock()
		waiting = len(j.waiting)
		j.mu.Unlock()
		runtime.Gosched()
	}
	select {
	case name := <-order:
		t.Fatalf("a third job was handed out, to %s", name)
	default:
	}
	j.release()
	all.Wait()
	if got := <-order + " " + <-order + " " + <-order; got != "long middle short" {
		t.Errorf("order %q: the longest way to go is first", got)
	}
	j.release()
}

// GNU make since 4.3 makes the end that it reads non-blocking, which is a property that it shares with us.
func TestJobServerNonBlocking(t *testing.T) {
	j, err := newJobServer(1)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	ctx := context.Background()
	if err := j.acquire(ctx, 1); err != nil {
		t.Fatal(err)
	}
	shared := j.files()[0]
	if err := syscall.SetNonblock(int(shared.Fd()), true); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Read(int(shared.Fd()), make([]byte, 1)); err != syscall.EAGAIN {
		t.Fatalf("an empty pipe that does not block: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- j.acquire(ctx, 1) }()
	select {
	case err := <-got:
		t.Fatalf("a job was handed out where none was: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	j.release()
	if err := <-got; err != nil {
		t.Errorf("the job that was given back: %v", err)
	}
	j.release()
}

func TestLogTailAndEvents(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	path := filepath.Join(t.TempDir(), "log")
	l, err := newLog(path, "build/x", func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, e.Text)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		l.Write([]byte("line " + strings.Repeat("x", i) + "\n"))
	}
	l.Write([]byte("last, unfinished"))
	tail := strings.Split(l.tail(3), "\n")
	if len(tail) != 3 || tail[2] != "last, unfinished" {
		t.Errorf("tail %q", tail)
	}
	if len(lines) == 0 || strings.Contains(lines[0], "\n") {
		t.Errorf("events %q", lines)
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != 50 {
		t.Errorf("the file holds %d lines, %v", strings.Count(string(b), "\n"), err)
	}
}

// TestLogEndlessLine: a line without an end is kept to a bound, wherever its end comes, and the newest line
// is shown as it is however it was written.
func TestLogEndlessLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var shown []string
	l, err := newLog(path, "build/x", func(e event.Event) { shown = append(shown, e.Text) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(text string) {
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	size := 0
	for range 256 {
		write(strings.Repeat("x", 1000))
		size += 1000
		if cap(l.line) > 1<<17 {
			t.Fatalf("%d bytes of a line are kept", cap(l.line))
		}
	}
	write("end\n")
	for _, c := range []struct{ written, want string }{
		{"a|bc|d\n", "abcd"}, {"a|b\nc\nd\ne", "d"}, {"f\ng", "ef"}, {"\n\n", ""}, {"a\nb|\n", "b"},
		{strings.Repeat("y", 1<<20) + "\n", strings.Repeat("y", 64<<10)},
	} {
		l.sent = time.Time{}
		parts := strings.Split(c.written, "|")
		for _, part := range parts[:len(parts)-1] {
			write(part)
		}
		l.sent = time.Time{}
		write(parts[len(parts)-1])
		if got := shown[len(shown)-1]; got != c.want {
			t.Errorf("%.20q: the newest line is %.20q of %d bytes", c.written, got, len(got))
		}
		size += len(strings.ReplaceAll(c.written, "|", ""))
	}
	if len(shown[0]) != 64<<10 || cap(l.line) > 1<<17 {
		t.Errorf("a line of %d bytes is shown, %d are kept", len(shown[0]), cap(l.line))
	}
	if info, err := os.Stat(path); err != nil || info.Size() != int64(size+len("end\n")) {
		t.Errorf("the file holds %d bytes of %d, %v", info.Size(), size, err)
	}
}

func TestNewest(t *testing.T) {
	dir := t.TempDir()
	for name, sec := range map[string]int64{"a": 100, "b": 300, "c": 200} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(sec, 0)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newest(dir); err != nil || got != 300 {
		t.Errorf("newest is %d, %v; want 300", got, err)
	}
}
