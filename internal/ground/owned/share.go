package owned

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Share returns a folder that others may own too, such as a share of a team, and makes it if it is missing.
// As root it is Make: a folder that another user can exchange would lead root anywhere. As an ordinary user
// whatever is done through the returned folder stays in it.
func Share(path string) (*os.Root, error) {
	if os.Geteuid() == 0 {
		return Make("", path)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(path)
}

// ReadIn reads a regular file of dir that others may have put there: no link, no pipe that nobody writes to,
// and no more than limit bytes.
func ReadIn(dir *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenIn(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: it has more than %d bytes", f.Name(), limit)
	}
	return text, err
}

// OpenIn opens a regular file of dir for reading, as ReadIn does. An os.Root follows links that stay in it,
// whatever O_NOFOLLOW says, so that what was opened is held against what stands at the name.
func OpenIn(dir *os.Root, name string) (*os.File, error) {
	stands, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !stands.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: no regular file", filepath.Join(dir.Name(), name))
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, stands) {
		err = fmt.Errorf("%s: somebody exchanged it while it was opened", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
