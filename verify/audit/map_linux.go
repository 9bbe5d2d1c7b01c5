package audit

import (
	"os"
	"syscall"
)

// mapped gives a file's bytes without a copy.
func mapped(f *os.File, size int64) (data []byte, done func(), err error) {
	data, err = syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, &os.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	return data, func() { syscall.Munmap(data) }, nil
}
