package archive

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// extended lists the extended attributes (xattr(7)) that belong to what was built: user.* and
// security.capability. Others are the host's, such as SELinux labels.
func extended(name string) (l digest.Lines, err error) {
	list := make([]byte, 64<<10) // the most that the kernel gives
	n, err := unix.Llistxattr(name, list)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: name, Err: err}
	}
	keys := slices.Sorted(strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00"))
	value := make([]byte, 64<<10)
	for _, key := range keys {
		if !strings.HasPrefix(key, "user.") && key != "security.capability" {
			continue
		}
		n, err := unix.Lgetxattr(name, key, value)
		if err != nil {
			return nil, &fs.PathError{Op: "getxattr", Path: name, Err: err}
		}
		l.Addf("extended attribute "+key, "%q", value[:n])
	}
	return l, nil
}
