package steps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// wrap makes compilers that do what a step's commands must not say: hide the work folder from what they
// compile, for builds that cannot have it at a constant path, and compile against a sysroot. Wrappers,
// because flags would be recorded by OpenSSL's configuration and by Python's sysconfig, and used by whoever
// compiles an extension.
func (j *job) wrap() error {
	flags := j.hidden()
	if len(flags) == 0 {
		return nil
	}
	bin := filepath.Join(j.work, binDir)
	errs := []error{os.Mkdir(bin, 0o755)}
	for _, name := range []string{"cc", "gcc"} {
		path := j.Host.Find(name) // as the fingerprint does, whatever the caller's PATH says
		if path == "" {
			continue // the tools were looked for before; not every host has both names
		}
		text := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", quote(path), strings.Join(flags, " "))
		errs = append(errs, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	}
	return errors.Join(errs...)
}

// hidden are the flags that the wrappers add, quoted.
func (j *job) hidden() []string {
	var flags []string
	if j.Mode == sandbox.None {
		flags = append(flags, "-ffile-prefix-map="+quote(j.work)+"="+sandbox.WorkPath)
	}
	if root := j.sysroot(); root != "" {
		// -B, because a compiler that is not a cross compiler looks for start files and libraries beside
		// itself first, which is the host's /usr/lib, and not every one looks into a folder by the triple's
		// name.
		flags = append(flags, quote("--sysroot="+root), quote("-B"+filepath.Join(root, "usr", "lib", j.plan.Host.Triple)+"/"))
	}
	return flags
}

// sysroot is the folder of the libc that the step compiles against, as its commands know it; empty for the
// host's.
func (j *job) sysroot() string {
	if !slices.Contains(j.step.Recipe.Needs, recipes.SysrootName) {
		return ""
	}
	return j.dep(recipes.SysrootName)
}

// environ is the mode's environment, with the wrappers first in PATH where there are any.
func (j *job) environ() []string {
	env := j.Mode.Environ(j.work)
	for i, v := range env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok && len(j.hidden()) > 0 {
			env[i] = "PATH=" + j.inside(binDir) + ":" + path
		}
	}
	return env
}
