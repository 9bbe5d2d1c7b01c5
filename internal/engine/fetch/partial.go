package fetch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// partial is an unfinished download that this process alone may write, until it is released.
type partial struct {
	path string
	lock *os.File // the file itself
}

// lockPartial takes the partial file of s, and waits while another process (or goroutine) has it.
func (f *Fetcher) lockPartial(ctx context.Context, s Source) (*partial, error) {
	path := filepath.Join(f.store.Partial(), s.SHA256.String()+".partial")
	for told := false; ; {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fault.New(fault.Failed, "choose a store that you can write to with -store", "folder %s: %w", f.store.Partial(), err)
		}
		ok, err := take(file, path)
		if ok {
			return &partial{path, file}, nil
		}
		file.Close()
		if err == nil {
			continue
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, fault.New(fault.Failed, "choose a store on a file system with locks with -store", "locking %s: %w", path, err)
		}
		if !told {
			f.o.Sink.Note(s.Name + ": waiting for another process that downloads it")
			told = true
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// take locks file. It is false without an error when the last holder has finished and taken the file away
// meanwhile: a lock of a file without its name keeps nobody out.
func take(file *os.File, path string) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return err == nil && stands(file, path), err
}

// stands reports whether file is what has the name path.
func stands(file *os.File, path string) bool {
	a, err := file.Stat()
	b, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// release gives the lock back. What was downloaded stays for the next run; an empty file does not.
func (p *partial) release() {
	if info, err := p.lock.Stat(); err == nil && info.Size() == 0 && stands(p.lock, p.path) {
		os.Remove(p.path)
	}
	p.lock.Close()
}
