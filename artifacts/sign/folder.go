package sign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Folder holds the public keys that this machine trusts, one in each file *.pem.
const Folder = "/etc/tlsfloor/keys.d"

// FromFolder reads the keys of dir; none where it does not exist. Whoever can write there decides what is
// installed: so the folder, its files and the folders above it must be root's, and no other's to write to.
func FromFolder(dir string) ([]Key, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = RootOwned(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("trusted keys: %w", err)
	}
	var keys []Key
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(e.Name(), ".pem") {
			continue
		}
		if err := RootOwned(path); err != nil {
			return nil, fmt.Errorf("trusted keys: %w", err)
		}
		k, err := ReadKey(path)
		if err != nil {
			return nil, fmt.Errorf("trusted keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// RootOwned refuses a path that others than root can change: the file where links lead, or a folder above
// it.
func RootOwned(path string) error {
	// A link on the way, and the folder that it is in, decide as well where the path leads at the next look.
	if err := owned.File(path); errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err != nil {
		return fault.New(fault.BadSignature, fault.HintOf(err), "%w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for here := real; ; here = filepath.Dir(here) {
		info, err := os.Lstat(here)
		if err != nil {
			return err
		}
		const othersWrite = 0o022
		sticky := here != real && info.Mode()&fs.ModeSticky != 0 // a folder above it such as /tmp, where others cannot replace what is root's
		if info.Sys().(*syscall.Stat_t).Uid != 0 || info.Mode().Perm()&othersWrite != 0 && !sticky {
			return fault.New(fault.BadSignature, "chown root "+here+"; chmod go-w "+here, "%s: others than root can change it", here)
		}
		if here == "/" {
			return nil
		}
	}
}
