package elfpolicy

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
)

// loaders has by GOARCH what a program names as its loader, and the machine and the folder of the C library
// beside it.
var loaders = map[string]struct {
	path, triple string
	machine      elf.Machine
}{
	"amd64": {"/lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu", elf.EM_X86_64},
	"arm64": {"/lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu", elf.EM_AARCH64},
}

// Installed returns the version of the glibc that programs of this machine's kind would load below root, ""
// where none is found. A distribution's number may be higher than the last version that added a symbol, and
// only that is known here: it is also all that the loader looks at.
func Installed(root string) string {
	loader := loaders[runtime.GOARCH]
	folders := []string{"/lib/" + loader.triple, "/usr/lib/" + loader.triple, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	if real, err := within(root, loader.path); err == nil {
		folders = append([]string{path.Dir(real)}, folders...)
	}
	for _, dir := range folders {
		real, err := within(root, dir+"/libc.so.6")
		if err != nil {
			continue
		}
		if v := provided(filepath.Join(root, real), loader.machine); v != "" {
			return v
		}
	}
	return ""
}

// provided returns the highest version that a C library for machine defines, "" when it is no such thing.
func provided(file string, machine elf.Machine) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	var names []string
	o := &object{reader: f}
	err = elffile.Guard(func() error {
		if err := o.header(); err != nil {
			return err
		}
		if o.file.Machine != machine {
			return errors.New("another machine's")
		}
		all, err := o.file.DynamicVersions()
		for _, v := range all {
			names = append(names, v.Name)
		}
		return err
	})
	if err != nil {
		return ""
	}
	return highest(names)
}

// maxLinks is how many links Linux follows in one path.
const maxLinks = 40

// within returns the path without links of a file, as a process would see it whose root is the folder root:
// an image's links lead to the image's files and not to this machine's.
func within(root, file string) (string, error) {
	done, rest := "/", strings.Split(path.Clean("/" + file)[1:], "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		here := path.Join(done, name)
		info, err := os.Lstat(filepath.Join(root, here))
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = here
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New(file + ": too many links")
		}
		target, err := os.Readlink(filepath.Join(root, here))
		if err != nil {
			return "", err
		}
		if !path.IsAbs(target) {
			target = done + "/" + target
		}
		done, rest = "/", append(strings.Split(path.Clean("/" + target)[1:], "/"), rest...)
	}
	return done, nil
}
