package cacerts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// hostBundles lists where distributions keep the bundle that their own tools make, as regular files first: in
// an image's root an absolute link would lead out of it.
var hostBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL, Rocky, Amazon Linux 2 and later
	"/var/lib/ca-certificates/ca-bundle.pem",            // SUSE
	"/etc/ssl/ca-bundle.pem",                            // SUSE, before 12
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Amazon Linux 1, and where ca-trust is not used
	"/etc/ssl/cert.pem",                                 // Alpine's bundle without its tools
}

const mostBytes = 16 << 20 // of a bundle; the largest that distributions ship have 1 MB

// HostBundles lists them, the first that is there being the one to take.
func HostBundles() []string { return slices.Clone(hostBundles) }

// FromHost reads the bundle of the machine, or of the image whose root folder is given. Without one it
// returns fs.ErrNotExist.
func FromHost(root string) (path string, list List, skipped []Skipped, err error) {
	open := func(name string) (fs.File, error) { return regular(os.OpenFile(name, readOnly, 0)) }
	if root != "" && root != "/" {
		dir, err := os.OpenRoot(root)
		if err != nil {
			return "", nil, nil, err
		}
		defer dir.Close()
		open = func(name string) (fs.File, error) {
			return regular(dir.OpenFile(strings.TrimPrefix(name, "/"), readOnly, 0))
		}
	}
	for _, path := range hostBundles {
		data, err := readFile(open, path)
		if err != nil || len(data) == 0 {
			continue // a link out of the image too: the file that it means is in the list itself
		}
		certs, skipped, err := Parse(data)
		if err != nil {
			return path, nil, skipped, fmt.Errorf("%s: %w", path, err)
		}
		return path, Of(Host, certs...), skipped, nil
	}
	return "", nil, nil, fmt.Errorf("bundle of the host: %w", fs.ErrNotExist)
}

// FromFile reads a file of the site's own CAs. All in it has to be certificates.
func FromFile(path string) (List, error) {
	data, err := readFile(func(name string) (fs.File, error) { return os.Open(name) }, path)
	if err != nil {
		return nil, err
	}
	certs, skipped, err := Parse(data)
	if err == nil && len(skipped) > 0 {
		err = errors.New(skipped[0].String())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return Of(Site, certs...), nil
}

// readOnly opens a pipe too without waiting for somebody who writes to it.
const readOnly = os.O_RDONLY | syscall.O_NONBLOCK

// regular passes on a file, and nothing else that an image's author may have put in its place.
func regular(f *os.File, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s: not a file", f.Name())
	}
	return f, nil
}

func readFile(open func(string) (fs.File, error), path string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(data) > mostBytes {
		err = fmt.Errorf("%s: more than %d bytes", path, mostBytes)
	}
	return data, err
}
