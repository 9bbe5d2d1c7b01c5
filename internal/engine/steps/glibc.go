package steps

import (
	"fmt"

	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
)

// oldGlibc holds a tree to the glibc of the sysroot that it was compiled against.
func oldGlibc(s subject) error {
	newest, err := elfpolicy.GLIBC(s.tree)
	if err != nil {
		return err
	}
	if elfpolicy.Older(s.glibc, newest) {
		return fmt.Errorf("what was built wants glibc %s, newer than the sysroot's %s", newest, s.glibc)
	}
	return nil
}
