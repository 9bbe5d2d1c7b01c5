package build

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// jobServer is GNU make's job server, owned by tlsfloor: a pipe with one byte per job. Every running command holds one byte
// of ours, which is its make's own implicit job; what its make runs beside that takes further bytes from the pipe.
// See "POSIX Jobserver Interaction" in the GNU make manual.
type jobServer struct {
	r, w *os.File

	mu      sync.Mutex
	reading bool      // a goroutine waits for a byte on behalf of waiting
	waiting []*waiter // longest way to go first
}

// waiter is a step that waits for its first job.
type waiter struct {
	seconds float64 // that the steps from here to the end take
	got     chan error
}

func newJobServer(jobs int) (*jobServer, error) {
	var fd [2]int
	// Blocking, unlike os.Pipe's: makes before 4.3 stop at EAGAIN.
	if err := syscall.Pipe2(fd[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("job server: %w", err)
	}
	j := &jobServer{r: os.NewFile(uintptr(fd[0]), "jobs-r"), w: os.NewFile(uintptr(fd[1]), "jobs-w")}
	for range jobs {
		j.release()
	}
	return j, nil
}

// close wakes a reader that is left, so that no thread stays behind.
func (j *jobServer) close() {
	j.mu.Lock()
	reading := j.reading
	j.mu.Unlock()
	if reading {
		j.release()
	}
	j.r.Close()
	j.w.Close()
}

func (j *jobServer) release() { syscall.Write(int(j.w.Fd()), []byte{'+'}) }

// acquire takes one job, or returns when ctx is done. Of several steps that wait, the one with the longest way to go is first.
func (j *jobServer) acquire(ctx context.Context, seconds float64) error {
	w := &waiter{seconds, make(chan error, 1)}
	j.mu.Lock()
	j.waiting = append(j.waiting, w)
	slices.SortStableFunc(j.waiting, func(a, b *waiter) int { return cmp.Compare(b.seconds, a.seconds) })
	j.read()
	j.mu.Unlock()
	select {
	case err := <-w.got:
		return err
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := slices.Index(j.waiting, w); i >= 0 {
		j.waiting = slices.Delete(j.waiting, i, i+1)
	} else if <-w.got == nil {
		j.release() // it was handed out in the meantime
	}
	return ctx.Err()
}

// read starts the reader, if somebody waits and there is none. It is called with the lock.
func (j *jobServer) read() {
	if j.reading || len(j.waiting) == 0 {
		return
	}
	j.reading = true
	go func() {
		err := j.take()
		j.mu.Lock()
		defer j.mu.Unlock()
		j.reading = false
		if len(j.waiting) == 0 {
			if err == nil {
				j.release() // whoever waited has gone
			}
			return
		}
		first := j.waiting[0]
		j.waiting = j.waiting[1:]
		first.got <- err
		j.read()
	}()
}

// take reads one byte. GNU make since 4.3 makes its end of the pipe non-blocking, and that is ours too (O_NONBLOCK is of the
// open file, not of the descriptor): then an empty pipe says EAGAIN, and a make may be faster than us when a byte comes.
func (j *jobServer) take() error {
	var b [1]byte
	for {
		_, err := syscall.Read(int(j.r.Fd()), b[:])
		if err == syscall.EAGAIN {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(j.r.Fd()), Events: unix.POLLIN}}, -1)
			if err == nil {
				continue
			}
		}
		if err != syscall.EINTR {
			return err
		}
	}
}

// files returns the pipe's ends for a child, which sees them as descriptors 3 and 4.
func (j *jobServer) files() []*os.File { return []*os.File{j.r, j.w} }

// makeFlags is MAKEFLAGS for a child that has the pipe as descriptors 3 and 4; --jobserver-fds is what makes before 4.2 read.
const makeFlags = " -j --jobserver-fds=3,4 --jobserver-auth=3,4"
