package build

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// jobServer is GNU make's job server, owned by tlsfloor: a pipe with one byte per job. Every running command holds one byte
// of ours, which is its make's own implicit job; what its make runs beside that takes further bytes from the pipe.
// See "POSIX Jobserver Interaction" in the GNU make manual.
type jobServer struct{ r, w *os.File }

func newJobServer(jobs int) (*jobServer, error) {
	var fd [2]int
	// Blocking, unlike os.Pipe's: makes before 4.3 stop at EAGAIN.
	if err := syscall.Pipe2(fd[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("job server: %w", err)
	}
	j := &jobServer{os.NewFile(uintptr(fd[0]), "jobs-r"), os.NewFile(uintptr(fd[1]), "jobs-w")}
	for range jobs {
		j.release()
	}
	return j, nil
}

func (j *jobServer) close() { j.r.Close(); j.w.Close() }

func (j *jobServer) release() { syscall.Write(int(j.w.Fd()), []byte{'+'}) }

// acquire takes one job, or returns when ctx is done.
func (j *jobServer) acquire(ctx context.Context) error {
	got := make(chan error, 1)
	go func() {
		var b [1]byte
		for {
			_, err := syscall.Read(int(j.r.Fd()), b[:])
			if err == syscall.EINTR {
				continue
			}
			got <- err
			return
		}
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		// The reader still waits for a byte; give back the one that it takes.
		go func() {
			if <-got == nil {
				j.release()
			}
		}()
		return ctx.Err()
	}
}

// files returns the pipe's ends for a child, which sees them as descriptors 3 and 4.
func (j *jobServer) files() []*os.File { return []*os.File{j.r, j.w} }

// makeFlags is MAKEFLAGS for a child that has the pipe as descriptors 3 and 4; --jobserver-fds is what makes before 4.2 read.
const makeFlags = " -j --jobserver-fds=3,4 --jobserver-auth=3,4"
