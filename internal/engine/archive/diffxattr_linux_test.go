package archive

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTreeAttribute(t *testing.T) {
	a, b := twoTrees(t)
	for dir, value := range map[string]string{a: "1", b: "2\x00"} {
		err := unix.Lsetxattr(filepath.Join(dir, "bin/run"), "user.made", []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("the file system of temporary files has no extended attributes user.*")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Lsetxattr(filepath.Join(b, "lib/empty"), "user.one", nil, 0); err != nil {
		t.Fatal(err)
	}
	found(t, compared(t, a, b, CompareOptions{}),
		want{"bin/run", "extended attribute user.made", -1, `"1"`, `"2\x00"`},
		want{"lib/empty", "extended attribute user.one", -1, "", `""`})
}
