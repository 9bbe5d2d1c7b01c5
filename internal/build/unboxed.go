package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/sandbox"
)

// wrap makes compilers that hide the work folder from what they compile, for builds that cannot have it at a constant path. Wrappers,
// because a flag would be recorded by OpenSSL's configuration and by Python's sysconfig.
func (j *job) wrap() error {
	if j.Mode != sandbox.None {
		return nil
	}
	bin := filepath.Join(j.work, "bin")
	errs := []error{os.Mkdir(bin, 0o755)}
	for _, name := range []string{"cc", "gcc"} {
		path := j.Host.Find(name) // as the fingerprint does, whatever the caller's PATH says
		if path == "" {
			continue // the tools were looked for before; not every host has both names
		}
		text := fmt.Sprintf("#!/bin/sh\nexec %s -ffile-prefix-map=%s=%s \"$@\"\n", quote(path), quote(j.work), sandbox.WorkPath)
		errs = append(errs, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	}
	return errors.Join(errs...)
}

// environ is the mode's environment, with the wrappers first in PATH where there are any.
func (j *job) environ() []string {
	env := j.Mode.Environ(j.work)
	for i, v := range env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok && j.Mode == sandbox.None {
			env[i] = "PATH=" + filepath.Join(j.work, "bin") + ":" + path
		}
	}
	return env
}
