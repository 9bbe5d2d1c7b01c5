package steps

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// jobServer is GNU make's job server, owned by tlsfloor: a pipe with one byte per job. Every running command
// holds one byte of ours, which is its make's own implicit job; what its make runs beside that takes further
// bytes from the pipe. See "POSIX Jobserver Interaction" in the GNU make manual.
//
// A command may put into the pipe and take from it what it likes. So what was handed out is counted here
// too: never more than jobs, whatever the pipe holds, and a surplus is taken out again when a job is given
// back. What a command took with it is there again when no step runs. Nothing of ours waits for room in it.
type jobServer struct {
	r, w       *os.File // for commands: blocking, as makes before 4.3 stop at EAGAIN
	ownR, ownW *os.File // ours: open files of their own, whose flags no command can change, and non-blocking
	jobs       int

	mu      sync.Mutex
	running int       // jobs that were handed out
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
	if err := syscall.Pipe2(fd[:], syscall.O_CLOEXEC); err != nil { // blocking, unlike os.Pipe's
		return nil, fmt.Errorf("job server: %w", err)
	}
	j := &jobServer{jobs: jobs}
	j.r, j.w = os.NewFile(uintptr(fd[0]), "jobs-r"), os.NewFile(uintptr(fd[1]), "jobs-w")
	var err error
	if j.ownR, err = again(fd[0], os.O_RDONLY); err == nil {
		j.ownW, err = again(fd[1], os.O_WRONLY)
	}
	if err != nil {
		j.close()
		return nil, fmt.Errorf("job server: %w", err)
	}
	j.put(jobs)
	return j, nil
}

// again opens the pipe behind a descriptor once more, without blocking.
func again(fd, how int) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), how|unix.O_NONBLOCK, 0)
}

// close ends a reader that is left, too.
func (j *jobServer) close() {
	for _, f := range []*os.File{j.r, j.w, j.ownR, j.ownW} {
		f.Close()
	}
}

// put writes n bytes; where the pipe is full it has more than enough.
func (j *jobServer) put(n int) {
	raw, err := j.ownW.SyscallConn()
	if err != nil {
		return // closed
	}
	raw.Control(func(fd uintptr) { syscall.Write(int(fd), bytes.Repeat([]byte{'+'}, n)) })
}

// drain takes bytes out until no more than keep are left. It asks once how many there are, so that a command
// which goes on writing cannot hold it up.
func (j *jobServer) drain(keep int) {
	raw, err := j.ownR.SyscallConn()
	if err != nil {
		return // closed
	}
	raw.Control(func(fd uintptr) {
		has, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD
		if err == nil && has > keep {
			syscall.Read(int(fd), make([]byte, has-keep))
		}
	})
}

// release gives one job back.
func (j *jobServer) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running--
	if j.running == 0 {
		j.drain(0)
		j.put(j.jobs)
	} else {
		j.drain(j.jobs - j.running - 1)
		j.put(1)
	}
	j.read()
}

// acquire takes one job, or returns when ctx is done. Of several steps that wait, the one with the longest
// way to go is first.
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
	i := slices.Index(j.waiting, w)
	if i >= 0 {
		j.waiting = slices.Delete(j.waiting, i, i+1)
	}
	j.mu.Unlock()
	if i < 0 && <-w.got == nil {
		j.release() // it was handed out in the meantime
	}
	return ctx.Err()
}

// read starts the reader, if somebody waits, there is none, and a job may be handed out. It is called with
// the lock.
func (j *jobServer) read() {
	if j.reading || len(j.waiting) == 0 || j.running >= j.jobs {
		return
	}
	j.reading = true
	go func() {
		var first *waiter
		err := j.take(func() {
			if j.running++; len(j.waiting) > 0 {
				first, j.waiting = j.waiting[0], j.waiting[1:]
			}
		})
		j.mu.Lock()
		j.reading = false
		if err != nil && len(j.waiting) > 0 {
			first, j.waiting = j.waiting[0], j.waiting[1:]
		}
		j.read()
		j.mu.Unlock()
		if first != nil {
			first.got <- err
		} else if err == nil {
			j.release() // whoever waited has gone
		}
	}()
}

// take waits for a byte and reads it; a make may be faster than us when one comes. What is to be done with
// it is done with the lock that it is read under.
func (j *jobServer) take(got func()) error {
	raw, err := j.ownR.SyscallConn()
	if err != nil {
		return err
	}
	closed := raw.Read(func(fd uintptr) bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		var b [1]byte
		if _, err = syscall.Read(int(fd), b[:]); err == nil {
			got()
		}
		return err != syscall.EAGAIN
	})
	if closed != nil {
		return closed
	}
	return err
}

// files returns the pipe's ends for a child, which sees them as descriptors 3 and 4.
func (j *jobServer) files() []*os.File { return []*os.File{j.r, j.w} }

// makeFlags is MAKEFLAGS for a child that has the pipe as descriptors 3 and 4; --jobserver-fds is what makes
// before 4.2 read.
const makeFlags = " -j --jobserver-fds=3,4 --jobserver-auth=3,4"
