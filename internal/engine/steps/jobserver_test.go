package steps

import (
	"context"
	"errors"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
)

// soon ends a test whose function does not return: the limit is for a function that never does.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s waits for ever", what)
	}
}

// fill writes into the pipe, as a command can, until there is no room, and returns how much that was.
func fill(t *testing.T, j *jobServer) (n int) {
	t.Helper()
	fd := int(j.files()[1].Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for {
			wrote, err := syscall.Write(fd, make([]byte, size))
			if err == syscall.EAGAIN {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n += wrote
		}
	}
	return n
}

// empty reads what is in the pipe, as a command can.
func empty(t *testing.T, j *jobServer) (n int) {
	t.Helper()
	fd := int(j.files()[0].Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<17)
	for {
		got, err := syscall.Read(fd, b)
		if err != nil {
			return n
		}
		n += got
	}
}

// isLeft takes all jobs that there are, and gives them back.
func isLeft(t *testing.T, j *jobServer, want int) {
	t.Helper()
	for range want {
		soon(t, "a job that must be there", func() {
			if err := j.acquire(context.Background(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	for range want {
		j.release()
	}
	if got := empty(t, j); got != j.jobs {
		t.Errorf("when nothing runs the pipe holds %d jobs of %d", got, j.jobs)
	}
}

// TestJobServerFull: a command fills the pipe. Jobs can be given back, and no more are handed out than there
// are.
func TestJobServerFull(t *testing.T) {
	for _, running := range []int{1, 2, 3} {
		j, err := newJobServer(3)
		if err != nil {
			t.Fatal(err)
		}
		defer j.close()
		ctx := context.Background()
		for range running {
			if err := j.acquire(ctx, 1); err != nil {
				t.Fatal(err)
			}
		}
		if n := fill(t, j); n < 4096 {
			t.Fatalf("control: the pipe took %d bytes", n)
		}
		for range 3 - running {
			if err := j.acquire(ctx, 1); err != nil {
				t.Fatal(err)
			}
		}
		over, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		if err := j.acquire(over, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fourth job of three: %v", err)
		}
		stop()
		soon(t, "giving a job back", j.release)
		if n := empty(t, j); n != 1 {
			t.Errorf("two of three run, and the pipe holds %d", n)
		}
		soon(t, "giving a job back", j.release)
		soon(t, "giving a job back", j.release)
		isLeft(t, j, 3)
	}
}

// TestJobServerEmpty: what a command took and did not give back is there again when nothing runs.
func TestJobServerEmpty(t *testing.T) {
	j, err := newJobServer(3)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if err := j.acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if n := empty(t, j); n != 2 {
		t.Fatalf("control: %d jobs were there to take", n)
	}
	got := make(chan error, 1)
	go func() { got <- j.acquire(context.Background(), 1) }()
	soon(t, "giving a job back", j.release)
	soon(t, "the next step", func() {
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
	j.release()
	// So is one that somebody waited for who has gone.
	if err := j.acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	empty(t, j)
	gone, leave := context.WithCancel(context.Background())
	go func() { got <- j.acquire(gone, 1) }()
	leave()
	<-got
	j.release()
	soon(t, "the next steps", func() { isLeft(t, j, 3) })
}

// TestHostileJobs: a step fills or empties the pipe and changes its flags and size; the next step goes on.
func TestHostileJobs(t *testing.T) {
	const flags = `perl -MFcntl -e 'open W, ">&=", 4; open R, "<&=", 3; fcntl(W, F_SETFL, O_NONBLOCK) or die;
		fcntl(R, F_SETFL, O_NONBLOCK) or die; `
	for name, script := range map[string]string{
		"full": flags + `my $n = 0;
			while (my $w = syswrite W, "+" x 4096) { $n += $w } print "$n bytes"'`,
		"empty":          flags + `my $n = sysread R, my $x, 100000; print "$n bytes"'`,
		"large and full": flags + `fcntl(W, 1031, 1 << 20); syswrite W, "+" x (1 << 20); print "1 bytes"'`,
		"still writing":  `{ head -c 100000 /dev/zero >&4; } & echo 1 bytes`,
	} {
		for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
			if mode == sandbox.None && name == "still writing" {
				continue // nothing ends it there
			}
			j := hostileJob(t, mode)
			soon(t, name, func() {
				if err := j.jobs.acquire(t.Context(), 1); err != nil {
					t.Error(err)
				}
				if err := j.tell(script); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				j.jobs.release()
			})
			if log := j.said(t); !regexp.MustCompile(`(?m)^[1-9]\d* bytes`).MatchString(log) {
				t.Errorf("%s, %s: control: %s", name, mode, log)
			}
			isLeft(t, j.jobs, 2)
		}
	}
}
